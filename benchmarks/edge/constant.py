"""The least that a server can do: it answers 202 as soon as a request's bytes are there, and looks at none of them.

    python benchmarks/edge/constant.py PORT LENGTH       each request has LENGTH bytes

What the load client reaches against it is its own limit, on this machine, with a server beside it.
"""

import asyncio
import sys

import uvloop

BODY = b'{"stored":1}'
ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Constant(asyncio.Protocol):
    """One connection."""

    def __init__(self, length: int) -> None:
        self._length, self._come = length, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._write = transport.write  # type: ignore[attr-defined]  # it is a stream

    def data_received(self, data: bytes) -> None:
        """Count bytes; nothing else is looked at."""
        self._come += len(data)
        while self._come >= self._length:
            self._come -= self._length
            self._write(ANSWER)


async def main(port: int, length: int) -> None:
    """Serve until a signal ends it."""
    server = await asyncio.get_running_loop().create_server(lambda: Constant(length), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:])))
