"""From the caller's thread to the loop on which requests are sent, and back: the caller waits, with signs of life."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from streamlake.engine.contracts import Beat
from streamlake.engine.errors import StorageAccessError
from streamlake.plugins.sinks.file.backends.base import Told

T = TypeVar("T")
Item = TypeVar("Item")

LOOK_SECONDS = 0.5


WHAT_TO_DO = (
    ". Give the account that this runs as the role Storage Object User (roles/storage.objectUser) on the bucket or its "
    "prefix (`streamlake validate` says what is missing, docs/gcs.md what each is for), then send SIGHUP or start "
    "again. Nothing is lost"
)


class Bridge:
    """Used by one thread, which is the one that `beat` and `told` are called on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, notes: deque[str | None], beat: Beat, told: Told) -> None:
        """`notes` is what the loop's side has to tell of its waits."""
        self._loop = loop
        self._notes = notes
        self._beat = beat
        self._told = told

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Let some work go on beside the caller."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def wait(self, work: "Future[T]") -> T:
        """What the work gives. An error of the caller's own beat ends the work: who is fenced waits for nobody."""
        try:
            while not wait([work], LOOK_SECONDS).done:
                self._beat()
                self._tell()
            return work.result()
        except StorageAccessError as error:
            raise StorageAccessError(f"{error}{WHAT_TO_DO}") from None
        except BaseException:
            work.cancel()
            raise
        finally:
            self._tell()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work gives."""
        return self.wait(self.start(work))

    def all(self, work: Callable[[Item], Coroutine[Any, Any, T]], items: Sequence[Item]) -> Sequence[T]:
        """What the work on each item gives, all at the same time; the first error ends all."""

        async def gathered() -> Sequence[T]:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(work(item)) for item in items]
            except BaseExceptionGroup as errors:
                # What a person has to mend comes first.
                raise min(errors.exceptions, key=lambda error: not isinstance(error, StorageAccessError)) from None
            return [task.result() for task in tasks]

        return self.run(gathered())

    def _tell(self) -> None:
        while self._notes:
            self._told(self._notes.popleft())
