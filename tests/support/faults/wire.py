"""HTTP/1.1 messages, read whole and written again."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

BODYLESS = frozenset({204, 304})
READ_BYTES = 2**20


@dataclass
class Message:
    """A request or a reply: its first line, its headers in their order, its body without any chunking."""

    first_line: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str:
        """A header's value; empty where it is missing."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def without(self, *names: str) -> list[tuple[str, str]]:
        """The headers but these."""
        return [(key, value) for key, value in self.headers if key.lower() not in names]

    @property
    def status(self) -> int:
        """Of a reply."""
        return int(self.first_line.split(" ", 2)[1])

    @property
    def size(self) -> int:
        """What Content-Length says."""
        return int(self.header("content-length") or 0)

    @property
    def chunked(self) -> bool:
        """Whether its body comes in chunks."""
        return self.header("transfer-encoding").lower() == "chunked"

    def encoded(self, *more: tuple[str, str]) -> bytes:
        """All of it, with further headers."""
        lines = [self.first_line, *(f"{key}: {value}" for key, value in [*self.headers, *more])]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


async def read_head(reader: asyncio.StreamReader) -> Message | None:
    """First line and headers; None where the connection has ended."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    return Message(first_line, [(key, value.strip()) for key, _, value in (line.partition(":") for line in lines)])


async def read_body(reader: asyncio.StreamReader, head: Message, bytes_max: int | None = None) -> bytes:
    """A request's body, or its first `bytes_max`. Raises IncompleteReadError where it ends too early."""
    if not head.chunked:
        return await reader.readexactly(head.size if bytes_max is None else min(bytes_max, head.size))
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
        if bytes_max is not None and len(body) >= bytes_max:
            return bytes(body[:bytes_max])
    while (await reader.readline()).strip():  # trailers
        pass
    return bytes(body)


async def exchange(host: str, port: int, request: Message, body: bytes) -> Message | None:
    """Send `request` with `body` over a connection of its own; the reply, None where none came whole.

    A body that is shorter than the request's Content-Length is a torn one: no reply is waited for.
    """
    try:
        reader, writer = await asyncio.open_connection(host, port, limit=READ_BYTES)
    except OSError:
        return None
    size = str(len(body) if request.chunked else request.size)
    headers = request.without("connection", "expect", "transfer-encoding", "content-length")
    whole = Message(request.first_line, [*headers, ("Content-Length", size), ("Connection", "close")], body)
    try:
        with suppress(ConnectionError):  # it may have answered early, and closed
            writer.write(whole.encoded())
            await writer.drain()
        return await _read_reply(reader, request) if len(body) == int(size) else None
    except (ConnectionError, asyncio.IncompleteReadError, ValueError):
        return None
    except asyncio.CancelledError:
        writer.transport.abort()  # what is not sent yet would keep it open beyond its loop's end
        raise
    finally:
        writer.close()


async def _read_reply(reader: asyncio.StreamReader, request: Message) -> Message | None:
    head = await read_head(reader)
    if head is None:
        return None
    if head.status in BODYLESS or request.first_line.startswith("HEAD "):
        return Message(head.first_line, head.without("connection", "transfer-encoding"))
    framed = head.chunked or head.header("content-length")
    body = await read_body(reader, head) if framed else await reader.read()
    headers = head.without("connection", "transfer-encoding", "content-length")
    return Message(head.first_line, [*headers, ("Content-Length", str(len(body)))], body)
