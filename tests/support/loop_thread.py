"""An asyncio loop in a thread of its own, for servers that a test starts beside itself."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
SECONDS_MAX = 30.0


class LoopThread:
    """Runs from the moment it is made until `stop`."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the loop; gives what it gives, raises what it raises."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS_MAX)

    def stop(self) -> None:
        """Cancels what still runs and ends the thread; returns when it is gone."""
        self.run(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS_MAX)

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    @staticmethod
    async def _cancel_all() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class LoopServer(ABC):
    """A server on loopback, its loop in a thread of its own; by `with`, or by `start` and `stop`."""

    host = "127.0.0.1"

    def __init__(self, port: int) -> None:
        """`port` 0 is a free one, which stays over `stop` and `start`."""
        self.port = port
        self._thread: LoopThread | None = None

    @property
    def endpoint(self) -> str:
        """For STORAGE_EMULATOR_HOST."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> Self:
        """Listen; returns when it does. Raises OSError where the port is taken."""
        self._thread = LoopThread(type(self).__name__)
        try:
            self._thread.run(self._listen())
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Close all connections; returns when it has. Twice is fine."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.run(self._close())
            thread.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    async def _listen(self) -> None: ...

    @abstractmethod
    async def _close(self) -> None: ...
