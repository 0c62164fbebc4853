"""An asyncio loop in a thread of its own, for servers that a test starts beside itself."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
SECONDS_MAX = 30.0
ACCEPT_TURNS = 5
"""After so many turns of a loop asyncio has handed over what it had accepted."""


async def close_listener(server: asyncio.Server) -> None:
    """Closes it when all that it had accepted has its transport: closed before, asyncio forgets those sockets."""
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(ACCEPT_TURNS):
        await asyncio.sleep(0)
    server.close()


class LoopThread:
    """Runs from the moment it is made until `stop`."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the loop; gives what it gives, raises what it raises."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS_MAX)

    def stop(self, last: Callable[[], None] = lambda: None) -> None:
        """Cancels what still runs, then does `last` on the loop, and ends the thread; returns when it is gone."""
        self.run(self._cancel_all())
        self.run(self._turn(last))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS_MAX)

    @staticmethod
    async def _turn(last: Callable[[], None]) -> None:
        last()
        await asyncio.sleep(0)

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    @staticmethod
    async def _cancel_all() -> None:
        while others := asyncio.all_tasks() - {asyncio.current_task()}:  # one that is cancelled may begin another
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0)  # what they closed is gone with the loop's next turn


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
            thread.stop(self._abort_all)

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

    @abstractmethod
    def _abort_all(self) -> None:
        """Ends, on the loop, the connections that came while the server was being stopped: nobody else closes them."""


class StreamServer(LoopServer):
    """A server of streams: one `_caller` for each connection, which ends with it."""

    def __init__(self, port: int) -> None:
        """`port` as LoopServer has it."""
        super().__init__(port)
        self._callers: set[asyncio.StreamWriter] = set()
        self._background: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def _caller(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to its end, which closes it."""

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Known from here on: a task that is cancelled before it has begun would close nothing."""
        self._callers.add(writer)
        self._spawn(self._known(reader, writer))

    async def _known(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._caller(reader, writer)
        finally:
            self._callers.discard(writer)
            writer.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _abort_all(self) -> None:
        for writer in self._callers:
            writer.transport.abort()
        self._callers.clear()
