"""How long a storage that does not answer is waited for: jittered back-off, one budget a batch, a circuit a bucket."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from streamlake.engine.codes.storage import NO_ANSWER
from streamlake.engine.errors import StorageError
from streamlake.plugins.sinks.file.backends.gcs.circuit import Circuit
from streamlake.plugins.sinks.file.backends.gcs.errors import AnsweredError, TransientError

log = structlog.get_logger("streamlake.storage")

T = TypeVar("T")

WAIT = wait_random_exponential(multiplier=0.25, min=0.05, max=15)
WAIT_THROTTLED = wait_random_exponential(multiplier=1, min=0.5, max=60)
RETRY_AFTER_SECONDS_MAX = 60.0

CALL_SECONDS_MAX = 30.0
"""The budget of each call outside of batches: somebody waits at a terminal, or a supervisor for its workers' sake."""


class Patience:
    """Repeats what failed, and adds up the time that was lost by it: from a failure to the next answer to anything.

    Used on one event loop. `notes` gets the reason of each wait, and None when the storage answers again; whoever
    works with the storage takes them out on a thread of its own.
    """

    def __init__(self, place: str, seconds_max: float, circuit: Circuit) -> None:
        self.notes: deque[str | None] = deque()
        self._place = place
        self._seconds_max = seconds_max
        self._circuit = circuit
        self._lost = 0.0
        self._by_batch = False
        self._since: float | None = None

    def renew(self) -> None:
        """A batch begins: its budget is whole."""
        self._lost, self._by_batch = 0.0, True
        if self._since is not None:  # of what was given up, or let go in the middle
            self._since = None
            self.notes.append(None)

    async def repeat(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What `attempt` gives in the end. Raises StorageError when the budget is used up, else what it raises."""
        failed_at: float | None = None
        if not self._by_batch and self._since is None:
            self._lost = 0.0

        async def watched() -> T:
            nonlocal failed_at
            try:
                if failed_at is None:
                    return await self._watched(attempt)
                async with self._circuit.turn(failed_at, lambda: not self._spent()):
                    return await self._watched(attempt)
            except TransientError:
                failed_at = time.monotonic()
                raise

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(TransientError),
            wait=self._wait,
            stop=lambda _: self._spent(),
            before_sleep=lambda state: self.notes.append(_failure(state).reason),
            sleep=asyncio.sleep,
            reraise=True,
        )
        try:
            return await retrying(watched)
        except TransientError as error:
            raise self._given_up(error) from None

    async def _watched(self, attempt: Callable[[], Awaitable[T]]) -> T:
        begun = time.monotonic()
        try:
            found = await attempt()
        except TransientError as error:
            if self._since is None:
                self._since = begun
                log.warning("the storage does not answer, waiting", place=self._place, why=str(error))
            raise
        except AnsweredError:
            self._answered()
            raise
        self._answered()
        return found

    def _answered(self) -> None:
        if self._since is not None:
            lost = time.monotonic() - self._since
            self._lost, self._since = self._lost + lost, None
            self.notes.append(None)
            log.info("the storage answers again", place=self._place, seconds=round(lost, 1))

    def _spent(self) -> bool:
        return self._left() < 0

    def _left(self) -> float:
        """Seconds of the budget."""
        now = time.monotonic()
        return self._allowed - self._lost - (now - (self._since or now))

    @property
    def _allowed(self) -> float:
        return self._seconds_max if self._by_batch else min(self._seconds_max, CALL_SECONDS_MAX)

    def _wait(self, state: RetryCallState) -> float:
        """How long to wait after an attempt: longer where fewer requests are asked for, and as long as is asked for."""
        error = _failure(state)
        asked = min(error.retry_after, RETRY_AFTER_SECONDS_MAX, max(0.0, self._left()))
        return max((WAIT_THROTTLED if error.throttled else WAIT)(state), asked)

    def _given_up(self, error: TransientError) -> StorageError:
        if not self._by_batch:
            return StorageError(
                f"{self._place} gave no answer for {self._allowed:g} s, the last time: {error}", code=NO_ANSWER
            )
        return StorageError(
            f"{self._place} gave no answer for {self._allowed:g} s (sink.gcs.retry_seconds_max), the last time: "
            f"{error}. What was asked may have been done or not: the next worker finds out, nothing is lost or twice",
            code=NO_ANSWER,
        )


def _failure(state: RetryCallState) -> TransientError:
    assert state.outcome is not None
    error = state.outcome.exception()
    assert isinstance(error, TransientError)
    return error
