"""The supervisor's HTTP endpoint: /metrics, /livez, /readyz and /status, for Prometheus, probes and `status`."""

import errno
import json
import socket
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from streamlake.engine.codes.configuration import CANT_LISTEN
from streamlake.engine.errors import ConfigError
from streamlake.engine.metrics import registry_of
from streamlake.engine.state import EngineState
from streamlake.engine.state_json import state_to_json

log = structlog.get_logger("streamlake.endpoint")

REQUEST_SECONDS = 5.0
"""A client that is slower than that to send its request or to take the answer is cut off."""


class Endpoint:
    """A running server; threads of its own, which end with the process."""

    def __init__(self, server: "_Server") -> None:
        self._server = server
        self._thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True, name="endpoint")
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens, as `host:port`; another port than asked for where that was taken."""
        host, port = self._server.server_address[:2]
        return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"

    def close(self) -> None:
        """Stop listening; returns when no new request can come in."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_state(listen: str, state: Callable[[], EngineState]) -> Endpoint:
    """Serve the state on `listen` (`host:port`, port 0 = any free one); `state` is called by the server's threads.

    A taken port is not fatal: a second engine on the same host gets a free one, and the log says which. Raises
    ConfigError where the address is not this host's or may not be listened on.
    """
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        return Endpoint(_Server(host, int(port), state))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise ConfigError(
                f"metrics.listen: can't listen on {listen}: {error.strerror}", code=CANT_LISTEN
            ) from error
    endpoint = Endpoint(_Server(host, 0, state))
    log.warning("metrics port is taken", asked=listen, listening=endpoint.address, hint="another engine on this host?")
    return endpoint


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, state: Callable[[], EngineState]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.state, self.registry = state, registry_of(state)
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name, which may take seconds where there is no name server."""
        # Of an engine that was asked a moment ago and is started again, the port still has connections that end.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  the base class hands it
        """A client that goes away is its own business; anything else is told, and the others are served on."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            log.warning("a request to the endpoint failed", client=str(client_address), error=repr(error))


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS
    server_version = "streamlake"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one of the four pages."""
        path = self.path.partition("?")[0]
        page = _PAGES.get(path)
        if page is None:
            self._answer(404, "text/plain; charset=utf-8", f"no {path}; there are {', '.join(_PAGES)}\n".encode())
        else:
            self._answer(*page(self.server.state, self.server.registry))

    do_HEAD = do_GET  # noqa: N815  the base class looks for this name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
        """Probes come every few seconds: they are not worth a line."""

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        except (ConnectionError, TimeoutError):
            self.close_connection = True


_Answer = tuple[int, str, bytes]


def _metrics(_: Callable[[], EngineState], registry: CollectorRegistry) -> _Answer:
    return 200, CONTENT_TYPE_LATEST, generate_latest(registry)


def _livez(state: Callable[[], EngineState], _: CollectorRegistry) -> _Answer:
    # This thread would go on answering beside a loop that hangs: so the loop is asked for, and not the thread.
    why = state().not_alive_because(time.monotonic())
    return _json(200 if why is None else 503, {"alive": why is None, "reasons": [] if why is None else [why]})


def _readyz(state: Callable[[], EngineState], _: CollectorRegistry) -> _Answer:
    reasons = list(state().not_ready_because())
    return _json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})


def _status(state: Callable[[], EngineState], _: CollectorRegistry) -> _Answer:
    return _json(200, state_to_json(state()))


def _json(status: int, document: object) -> _Answer:
    return status, "application/json", json.dumps(document).encode() + b"\n"


_PAGES: dict[str, Callable[[Callable[[], EngineState], CollectorRegistry], _Answer]] = {
    "/metrics": _metrics,
    "/livez": _livez,
    "/readyz": _readyz,
    "/status": _status,
}
