"""What a live engine shows from its first moment on: its state, the endpoint, and that it waits for a broker."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import FrameType
from typing import Self, TypeVar

import structlog

from streamlake.config.model import PipelineConfig
from streamlake.engine.broker_watch import AGAIN_SECONDS, iso_now, say_away, say_back
from streamlake.engine.codes.kafka import UNREACHABLE
from streamlake.engine.errors import Exit, SourceError
from streamlake.engine.kafka.admin import ClusterAdmin
from streamlake.engine.state import EngineState

log = structlog.get_logger("streamlake.engine")

PATIENCE_SECONDS = 3.0
"""How long the broker may take for the answers that a start needs before it is said that we wait for it."""
BEAT_SECONDS = 0.5
LEAVING = (signal.SIGTERM, signal.SIGINT)

Tick = Callable[[EngineState], None]
T = TypeVar("T")


class AskedToLeaveError(Exception):
    """A signal has asked the engine to leave while it waited for the broker: nothing was begun."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = Exit.INTERRUPTED if number == signal.SIGINT else Exit.DONE


class Front:
    """Listens while the `with` lasts, where the YAML asks for it; whoever runs the engine puts its `state` in place."""

    def __init__(self, config: PipelineConfig, tick: Tick) -> None:
        self._config, self._tick = config, tick
        self.state = new_state(config.pipeline, "")
        self._broker: ClusterAdmin | None = None  # while it is waited for
        self._waits: int | None = None  # the thread that waits: an earlier engine's may still be asking
        self._asked_at = self._said_at = 0.0
        self._since = ""
        self._signal: int | None = None
        self._listening: contextlib.AbstractContextManager[object] = contextlib.nullcontext()

    def __enter__(self) -> Self:
        listen = self._config.metrics.listen
        if listen is not None:
            from streamlake.engine.endpoint import serve_state  # noqa: PLC0415  # 30 ms that nobody else pays for

            self._listening = contextlib.closing(serve_state(listen, lambda: self.state))
            self._listening.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.__exit__(None, None, None)

    def when_it_answers(self, broker: ClusterAdmin, begin: Callable[[], T]) -> T:
        """What `begin` gives, tried again for as long as no broker answers it; every other error is raised.

        Raises AskedToLeaveError where a signal comes meanwhile.
        """
        self._broker, self._asked_at, self._said_at = broker, time.monotonic(), 0.0
        self._since = iso_now()
        self._waits = threading.get_ident()
        with self._signals_taken():
            while True:
                try:
                    begun = begin()
                except SourceError as error:
                    if error.code is not UNREACHABLE:
                        raise
                    self._away(str(error))
                    self.beat()
                    time.sleep(BEAT_SECONDS)
                else:
                    break
        self._broker = None
        if self.state.broker_since is not None:
            say_back(time.monotonic() - self._asked_at)
            self.state.broker_since, self.state.broker_why = None, ""
        return begun

    def beat(self) -> None:
        """Called twice a second while an answer is waited for. Raises AskedToLeaveError where a signal has come."""
        if self._broker is None or threading.get_ident() != self._waits:
            return
        if time.monotonic() - self._asked_at >= PATIENCE_SECONDS:
            nothing = f"no answer from {self._config.kafka.bootstrap_servers} yet"
            self._away(self._broker.heard() or self.state.broker_why or nothing)
            self._tick(self.state)
        if self._signal is not None:
            log.info("draining", signal=signal.Signals(self._signal).name)
            self.state.draining = True
            self._tick(self.state)
            raise AskedToLeaveError(self._signal)

    def _away(self, why: str) -> None:
        now, state = time.monotonic(), self.state
        state.broker_since, state.broker_why = self._since, why
        if not self._said_at or now - self._said_at >= AGAIN_SECONDS:
            self._said_at = now
            say_away(now - self._asked_at, why)

    @contextlib.contextmanager
    def _signals_taken(self) -> Iterator[None]:
        """Only keep the signal: `beat` acts on it. In another thread than the main one there are none."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def keep(number: int, _: FrameType | None) -> None:
            self._signal = number

        before = {number: signal.signal(number, keep) for number in LEAVING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def new_state(pipeline: str, run: str) -> EngineState:
    """The state of an engine of this process that begins now."""
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    return EngineState(pipeline, run, socket.gethostname(), os.getpid(), started_at)
