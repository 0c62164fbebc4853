"""A gunicorn worker that serves an edge: uvicorn's, with limits on the wire, and answering all before it ends."""

import asyncio
import contextlib
import logging
import math
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from gunicorn.arbiter import Arbiter
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from streamlake.http_edge.gate import Gate
from streamlake.http_edge.protocol import EdgeProtocol, WireLimits

CHECK_TICKS = 3
"""A tick of uvicorn's is a tenth of a second."""
LINGER_SECONDS = 1.0
"""How long a worker that ends keeps a connection on which nothing is in flight: a request may be on its way."""
LEAVE_SECONDS = 0.5
"""What is kept of the time to end for letting go of Kafka."""


class EdgeWorker(UvicornWorker):  # type: ignore[misc]  # it ships no types
    """Serves the application of `make_app`; its limits are those of the YAML's `http:`."""

    CONFIG_KWARGS: dict[str, Any] = {  # noqa: RUF012  (the base class has it so)
        "loop": "uvloop",
        "lifespan": "on",
        "ws": "none",
        "server_header": False,
        "access_log": False,
        "proxy_headers": False,
    }

    sockets: list[Any]
    slot: int | None = None
    """Which of the server's sockets this worker accepts from; None for all of them."""
    desk: int | None = None
    """Where it writes down what it validates, see `Suspects`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("uvicorn.error", "uvicorn.access"):
            # The base class gives them gunicorn's handlers, of which there are none: bare text on standard error.
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [], True

    def init_process(self) -> None:
        """As gunicorn's, without the sockets of others: those would stay open with this process, and accept nobody."""
        if self.slot is not None:
            others = list(self.sockets)  # the list itself is the server's
            self.sockets = [others.pop(self.slot)]
            for other in others:
                other.close()
        super().init_process()

    async def _serve(self) -> None:
        gate = self.wsgi
        assert isinstance(gate, Gate), "this worker serves streamlake.http_edge.asgi:app, and nothing else"
        settings = gate.edge.settings
        limits = WireLimits(
            header_seconds=settings.header_seconds,
            body_seconds=settings.body_seconds,
            idle_seconds=settings.idle_seconds,
            request_seconds=settings.request_seconds,
            connections_max=settings.connections_max,
            body_max=max(stream.settings.body_max for stream in gate.edge.streams.values()),
        )
        gate.edge.suspects.desk = self.desk
        self.config.app = gate
        self.config.http = partial(EdgeProtocol, limits=limits)  # uvicorn calls it only
        self.config.timeout_keep_alive = int(settings.idle_seconds) + 1
        self.config.timeout_graceful_shutdown = math.ceil(settings.drain_seconds)
        if settings.trusted_proxies:
            self.config.proxy_headers = True
            self.config.forwarded_allow_ips = list(settings.trusted_proxies)
        server = EdgeServer(self.config, gate, is_orphan=lambda: os.getppid() != self.ppid)
        self._install_sigquit_handler()
        await server.serve(sockets=[socket.sock for socket in self.sockets])
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)


class EdgeServer(Server):
    """uvicorn's server, which also looks after slow clients, and ends in order."""

    def __init__(self, config: Any, gate: Gate, *, is_orphan: Callable[[], bool]) -> None:
        super().__init__(config)
        self._edge, self._is_orphan = gate.edge, is_orphan

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second. Returns whether to end: told so, or left behind by a server that was killed.

        Who is left behind would hold the address for ever, and keep the next server from it.
        """
        if counter % CHECK_TICKS == 0:
            self._check()
            self._edge.metrics.connections.set(len(self.server_state.connections))
        return await super().on_tick(counter) or self._is_orphan()

    async def shutdown(self, sockets: Any = None) -> None:
        """Take what has connected already, answer everything, and leave.

        The order: what waits in the socket's queue is accepted; the socket is let go (whoever waits there then is the
        next worker's, or there is nobody: `EdgeArbiter.handle_term`); what is in flight is answered, each time with
        the connection's end; a connection without a request is kept for LINGER_SECONDS, for one may be under way.
        """
        loop = asyncio.get_running_loop()
        self._edge.drain_until = loop.time() + self._edge.settings.drain_seconds - LEAVE_SECONDS
        await asyncio.sleep(0)  # the loop accepts what is in the queue
        looking = asyncio.create_task(self._look_after(loop.time() + LINGER_SECONDS))
        try:
            await super().shutdown(sockets)
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking

    async def _look_after(self, linger_until: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._check()
            for connection in self.server_state.connections:
                connection.shutdown()  # once more: some were accepted last
            if loop.time() >= linger_until:
                for connection in list(self.server_state.connections):
                    assert isinstance(connection, EdgeProtocol), "there are no others"
                    connection.close_if_idle()
            await asyncio.sleep(0.1)

    def _check(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            assert isinstance(connection, EdgeProtocol), "there are no others"
            connection.check(now)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM and SIGINT alike: in order. gunicorn sends the first, a terminal the second to everybody."""
        if sig == signal.SIGINT:
            sig = signal.SIGTERM
        super().handle_exit(sig, frame)
