"""TCP proxies between engines and broker nodes, whose wires can be cut, slowed down, or made to swallow everything."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Self

CHUNK_BYTES = 65_536


class Wires:
    """Proxies that share one thread; `routes` are (port to listen on, port of the node), all on loopback.

    A connection that is made or alive while a fault lasts meets it; `mend` ends every fault.
    """

    def __init__(self, routes: list[tuple[int, int]]) -> None:
        self._routes = routes
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open: set[asyncio.StreamWriter] = set()
        self._delay_seconds = 0.0
        self._refusing = False
        self._flowing = asyncio.Event()
        self.bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Reset every connection, and refuse new ones until `mend`."""
        self._do(lambda: setattr(self, "_refusing", True))
        self._run(self._reset())

    def slow(self, seconds: float) -> None:
        """Hold each piece of data back for `seconds`."""
        self._do(lambda: setattr(self, "_delay_seconds", seconds))

    def swallow(self) -> None:
        """Let nothing through, and close nothing: neither side is told."""
        self._do(self._flowing.clear)

    def mend(self) -> None:
        """As if nothing had been; connections that had been swallowed from are reset, for their stream has a gap."""

        def healed() -> None:
            self._refusing, self._delay_seconds = False, 0.0

        self._do(healed)
        if not self._flowing.is_set():
            self._run(self._reset())
            self._do(self._flowing.set)

    async def _listen(self) -> None:
        self._flowing.set()
        for port, upstream in self._routes:
            await asyncio.start_server(self._accepting(upstream), "127.0.0.1", port)

    def _accepting(
        self, upstream: int
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self._refusing:
                writer.transport.abort()
                return
            try:
                theirs_in, theirs_out = await asyncio.open_connection("127.0.0.1", upstream)
            except OSError:  # the node is down
                writer.transport.abort()
                return
            self._open |= {writer, theirs_out}
            await asyncio.gather(self._pump(reader, theirs_out), self._pump(theirs_in, writer))
            self._open -= {writer, theirs_out}

        return accept

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await source.read(CHUNK_BYTES):
                if not self._flowing.is_set():
                    await self._flowing.wait()  # and by then the connection has been reset
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                target.write(data)
                self.bytes += len(data)
                await target.drain()
        with suppress(OSError):
            target.transport.abort() if target.transport.is_closing() else target.close()

    async def _reset(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _close(self) -> None:
        await self._reset()
        self._flowing.set()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _do(self, change: Callable[[], object]) -> None:
        async def changed() -> None:
            change()

        self._run(changed())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
