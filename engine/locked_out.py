"""Kafka does not let a running engine in any more: said once with the cause, then counted, then that it is over."""

import threading
import time

import structlog

from streamlake.engine.codes.kafka import SIGN_IN, TLS
from streamlake.engine.errors import StreamLakeError
from streamlake.engine.repeats import Repeats

log = structlog.get_logger("streamlake.engine")

HINT = (
    "nothing lands until then, and Kafka keeps what comes; what `kafka:` says is read at the start only: where that "
    "was mended, start the engine again"
)


class LockedOut:
    """Told of what came of each question to the cluster, by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._repeats = Repeats()
        self._out = False

    def heard(self, error: StreamLakeError) -> bool:
        """Whether the error is about a sign-in or about TLS, and so was said here or counted."""
        if error.code not in (SIGN_IN, TLS):
            return False
        why, code = str(error), error.code.number
        with self._lock:
            now, self._out = time.monotonic(), True
            if not self._repeats.goes_on(error.code, now):
                self._repeats.begin(error.code, now)
                log.warning("Kafka does not let us in", why=why, hint=HINT, code=code)
            elif (counted := self._repeats.take(now, due=True)) is not None:
                times, seconds = counted
                seconds = round(seconds, 1)
                log.warning("Kafka still does not let us in", why=why, times=times, seconds=seconds, code=code)
        return True

    def answered(self) -> None:
        """Kafka has answered a question."""
        with self._lock:
            if self._out:
                self._out, self._repeats = False, Repeats()
                log.info("Kafka lets us in again")
