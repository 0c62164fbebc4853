"""The server of an edge: gunicorn, told what the YAML says, with a socket for each worker and a reload that is safe."""

import argparse
import logging
import math
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.sock import TCP6Socket, TCPSocket

from streamlake.config.model import PipelineConfig
from streamlake.engine.codes.configuration import CANT_LISTEN
from streamlake.engine.errors import ConfigError, Exit, UsageError
from streamlake.engine.notify import Notifier
from streamlake.http_edge.checking import Check, check
from streamlake.http_edge.problems import ProblemError
from streamlake.http_edge.quota import Quotas
from streamlake.http_edge.sockets import let_nobody_in, turn_away
from streamlake.http_edge.suspects import DESKS, Suspects

log = structlog.get_logger("streamlake.http")

OURS = ("bind", "workers", "worker_class", "reuse_port", "preload_app", "graceful_timeout", "daemon")
"""gunicorn's settings that the YAML or this module decides on."""
NOT_HERE = ("config", "check_config", "print_config", "proxy_protocol")
"""gunicorn's settings that do nothing under this module or its worker, and whoever gives them relies on them."""
FIXED_WHILE_RUNNING = ("listen", "workers")
BACKLOG = 2048
HANDSHAKE_SECONDS = 0.2
"""How long who was about to connect when the server was told to end may take for that."""
ACCEPTED_SECONDS = 1.0
"""How long it may take a worker to accept who waits then."""
TURNED_AWAY_SECONDS = 1.0
"""How long whoever is turned away may take to read that."""
AGAIN_SECONDS = 1.0
"""A worker that ended younger than that is followed by another one so much later: not at once, and for ever."""
SILENT_SECONDS = 30
"""A worker whose loop stands still for that long is killed."""


def serve(config: PipelineConfig, options: Sequence[str], reload: Callable[[], PipelineConfig]) -> None:
    """Serve until SIGTERM or SIGINT; then return, after all that was in flight is answered.

    `options` are gunicorn's own (`--certfile …`); `reload` reads the YAML again on SIGHUP. Raises ConfigError where
    the edge can't be made or the address can't be listened on, UsageError on an option that is not gunicorn's.
    """
    if config.http is None:
        raise ConfigError("http: is missing: a pipeline's HTTP edge is described there (docs/http.md)")
    notifier = Notifier(os.environ)  # before gunicorn speaks for us
    shared, server = tempfile.mkdtemp(prefix="streamlake-http-"), os.getpid()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared  # read when prometheus_client is imported, which is below
    try:
        app = EdgeApplication(config, options)
        check(config, app.cfg)
        sockets = listen(config.http.listen, config.http.address, config.http.workers)
        EdgeArbiter(app, sockets, reload, notifier).run()
    finally:
        if os.getpid() == server:  # workers come by here, too
            shutil.rmtree(shared, ignore_errors=True)
            os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # whoever imports prometheus_client later looks for it


def listen(said: str, address: tuple[str, int], count: int) -> list[socket.socket]:
    """`count` sockets on one address: each worker has its own, so that clients which stay are spread over them.

    They are held by the server: what has connected to one waits there while its worker is replaced. Raises
    ConfigError where the address is taken or is not this machine's.
    """
    host, port = address
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # Sockets that share a port would share it with another server's: this one shows whether it is free.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            place = (place[0], probe.getsockname()[1], *place[2:])
        return [_listening(family, place) for _ in range(count)]
    except OSError as error:
        raise ConfigError(f"http.listen: can't listen on {said}: {error.strerror or error}", code=CANT_LISTEN) from None


def _listening(family: int, place: tuple[Any, ...]) -> socket.socket:
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind(place)
    found.listen(BACKLOG)
    return found


class EdgeApplication(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """What gunicorn asks for its settings and, in each worker, for the application."""

    def __init__(self, config: PipelineConfig, options: Sequence[str]) -> None:
        self.config, self._options = config, options
        self._quotas, self.suspects = Quotas(), Suspects()
        super().__init__()

    def do_load_config(self) -> None:
        """As in gunicorn, which would end the process on an error: here the caller says what is wrong."""
        self.load_default_config()
        self.load_config()

    def load_config(self) -> None:
        """The YAML as gunicorn's settings, and the user's own options."""
        http = self.config.http
        assert http is not None, "checked by serve"
        settings: dict[str, object] = {
            "workers": http.workers,
            "worker_class": "streamlake.http_edge.worker.EdgeWorker",
            "logger_class": EdgeLogger,
            "graceful_timeout": math.ceil(http.drain_seconds) + 2,
            "timeout": SILENT_SECONDS,
            "pre_fork": _give_a_slot,
            "post_fork": _count_by_desk,
            "child_exit": _forget,
            "control_socket_disable": True,
            "proc_name": f"streamlake-{self.config.pipeline}-http",
        }
        for name, value in {**settings, **self._given()}.items():
            self.cfg.set(name, value)

    def load(self) -> object:
        """The application, in the worker that serves it."""
        from streamlake.http_edge.application import make_app  # noqa: PLC0415  # see `check`

        try:
            return make_app(self.config, self._quotas, self.suspects)
        except ConfigError as error:  # `check` has seen it made: what it is made of has changed since
            log.error("a worker can't begin", problems=error.problems)  # noqa: TRY400  (a sentence)
            time.sleep(AGAIN_SECONDS)  # `_forget` sees only how old it was, and on a busy machine a start takes longer
            raise SystemExit(Exit.BAD_CONFIG) from None

    def _given(self) -> dict[str, object]:
        parser = self.cfg.parser()
        parser.exit_on_error = False
        try:
            found = vars(parser.parse_args(list(self._options)))
        except (argparse.ArgumentError, SystemExit) as error:
            raise UsageError(f"gunicorn does not take {' '.join(self._options)}: {error}") from None
        given = {name: value for name, value in found.items() if value is not None and name != "args"}
        ours = [name for name in given if name in OURS]
        if ours or found.get("args"):
            what = ours or found["args"]
            raise UsageError(f"{', '.join(what)}: said by the YAML's http:, not by gunicorn's options")
        idle = [f"--{name.replace('_', '-')}" for name in given if name in NOT_HERE]
        if idle:
            raise UsageError(f"{', '.join(idle)}: does nothing here; give gunicorn's options one by one")
        return given


def _give_a_slot(arbiter: Any, worker: Any) -> None:
    """The socket that the fewest workers accept from, while workers are replaced two share one; and a desk."""
    others = list(arbiter.WORKERS.values())
    worker.slot = min(range(len(arbiter.LISTENERS)), key=[other.slot for other in others].count)
    taken = {other.desk for other in others}
    worker.desk = next(desk for desk in range(DESKS) if desk not in taken)
    worker.began = time.monotonic()


def _count_by_desk(_arbiter: Any, worker: Any) -> None:
    """In the new worker: it counts on in the files of who had its desk before, else there would be ever more."""
    from prometheus_client import values  # noqa: PLC0415  # see `check`

    values.ValueClass = values.MultiProcessValue(lambda: worker.desk)  # type: ignore[no-untyped-call]  # as below


def _forget(arbiter: Any, worker: Any) -> None:
    """What a worker that has ended no longer has: open connections, a queue. And what it has perhaps died of."""
    if arbiter.app.suspects.died(worker.desk):
        log.warning("a worker died while it validated a request, which is validated apart if it comes again")
    now = time.monotonic()
    if now - worker.began < AGAIN_SECONDS:
        arbiter.begin_after = now + AGAIN_SECONDS
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415  # see `check`

    mark_process_dead(worker.desk)  # type: ignore[no-untyped-call]  # its stubs are not whole


class EdgeArbiter(Arbiter):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's master, with sockets of its own making and signals that never cost a request."""

    # By these exit codes of a worker gunicorn ends the server. A record can bring them about, and what can't be made
    # was seen by `check`: so there is no such code, and a worker that ends is started again, see `manage_workers`.
    WORKER_BOOT_ERROR = APP_LOAD_ERROR = -1

    begin_after = 0.0
    """The monotonic clock's time before which no worker is started."""

    def __init__(
        self,
        app: EdgeApplication,
        sockets: Sequence[socket.socket],
        reload: Callable[[], PipelineConfig],
        notifier: Notifier,
    ) -> None:
        super().__init__(app)
        kind = TCP6Socket if sockets[0].family == socket.AF_INET6 else TCPSocket
        self.LISTENERS = [kind(one.getsockname(), self.cfg, self.log, fd=one.detach()) for one in sockets]
        self._read_again, self._notifier = reload, notifier
        self._checked: tuple[PipelineConfig, Check] | None = None

    def start(self) -> None:
        """Say where it listens."""
        super().start()
        self._notifier.ready()
        host, port = self.LISTENERS[0].getsockname()[:2]
        url = f"{'https' if self.cfg.is_ssl else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
        log.info("listening", url=url, streams=sorted(self.app.config.http.streams), workers=self.cfg.workers)

    def manage_workers(self) -> None:
        """As gunicorn's. What a worker needs may be missing for a while: its file of keys, a user's module."""
        self._notifier.beat()
        self._take_over()
        if time.monotonic() >= self.begin_after:
            super().manage_workers()
        workers = f"{len(self.WORKERS)} of {self.cfg.workers} workers"
        self._notifier.status(f"{workers}, streams {', '.join(sorted(self.app.config.http.streams))}")

    def handle_hup(self) -> None:
        """Read the YAML again; when the edge could be made of it, `_take_over` replaces the workers one by one."""
        self._notifier.reloading()
        self._drop_check()  # what it is made of may have changed since
        try:
            config = self._read_again()
            _check_change(self.app.config, config)
        except ConfigError as error:
            self._refuse(error)
        else:
            self._checked = config, Check(config, self.cfg)

    def _take_over(self) -> None:
        """Go on with what was checked; what can't be used changes nothing. Nothing waits for the check."""
        if self._checked is None:
            return
        config, trial = self._checked
        try:
            if not trial.passed():
                return
        except ConfigError as error:
            self._checked = None
            self._refuse(error)
            return
        self._checked = None
        self.app.config = config
        self.reload()
        self._notifier.ready()
        log.info("reloaded", streams=sorted(config.http.streams if config.http else ()))

    def _refuse(self, error: ConfigError) -> None:
        log.error("not reloaded, all goes on as before", problems=error.problems)
        self._notifier.ready()

    def _drop_check(self) -> None:
        if self._checked is not None:
            self._checked[1].drop()
            self._checked = None

    def handle_term(self) -> None:
        """End. Nobody connects any more; who waits to be accepted is, or is turned away where no worker is there.

        Then the sockets are closed, which would reset whoever waits there, and the workers are told to end.
        """
        self._notifier.stopping()
        self._drop_check()
        for listener in self.LISTENERS:
            let_nobody_in(listener.sock)
        now = time.monotonic()
        # A worker that speaks TLS has to be waited for: this process does not.
        patience_seconds = self.app.config.http.drain_seconds if self.cfg.is_ssl else ACCEPTED_SECONDS
        at_least, at_most = now + HANDSHAKE_SECONDS, now + patience_seconds
        while (now := time.monotonic()) < at_least or (now < at_most and self._somebody_waits()):
            self.reap_workers()
            self.manage_workers()
            time.sleep(0.02)
        if not self.cfg.is_ssl and self._somebody_waits():
            problem = ProblemError("draining", "the server ends; send it again", {"Retry-After": "1"})
            turn_away([listener.sock for listener in self.LISTENERS], problem.wire(), TURNED_AWAY_SECONDS)
        super().handle_term()

    def _somebody_waits(self) -> bool:
        """Whether a connection is not accepted yet; False where the kernel does not say, which is not on Linux."""
        return any(listener.get_backlog() > 0 for listener in self.LISTENERS)

    def handle_int(self) -> None:
        """Ctrl-C: as SIGTERM, which answers everything first."""
        self.handle_term()

    def _not_here(self) -> None:
        log.warning("this signal does nothing here: http.workers says how many there are; SIGTERM ends, SIGHUP reloads")

    handle_ttin = handle_ttou = handle_usr2 = handle_winch = _not_here


def _check_change(before: PipelineConfig, after: PipelineConfig) -> None:
    """Raises ConfigError where something else is asked for that the server itself stands on."""
    changed = [name for name in FIXED_WHILE_RUNNING if getattr(before.http, name) != getattr(after.http, name, None)]
    if changed:
        names = ", ".join(f"http.{name}" for name in changed)
        raise ConfigError(f"{names}: can't change while the edge runs; stop it and start it again")


class EdgeLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's and uvicorn's lines go where all of ours go; of what they say of themselves, what is a warning."""

    def setup(self, cfg: Any) -> None:
        """Called at the start and at each reload."""
        super().setup(cfg)
        for logger in (self.error_log, self.access_log, logging.getLogger("uvicorn.error")):
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.WARNING)
