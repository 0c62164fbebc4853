"""Says any bytes at all to a server, and reads its answers one by one, as no HTTP client would."""

import contextlib
import http.client
import io
import socket
from collections.abc import Mapping
from typing import Self

from support.edge import NOTHING, Answered

CLOSED = Answered(0, {}, b"")
"""What `Wire.answer` returns where the connection has ended instead."""


SMALL_BYTES = 4096


def connected(address: tuple[str, int], seconds: float = 30.0, *, small: bool = False) -> socket.socket:
    """A connection; where it is `small`, the kernels of both sides take as little for it as they can be told to."""
    client = socket.socket()
    client.settimeout(seconds)
    if small:
        # A small segment, too: by it the server's kernel decides how much it keeps for a client.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    client.connect(address)
    return client


class Wire:
    """One connection; ends with the `with`."""

    def __init__(self, address: tuple[str, int], seconds: float = 30.0, *, small: bool = False) -> None:
        self.socket = connected(address, seconds, small=small)
        self._read = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._read.close()
        self.socket.close()

    def say(self, data: bytes) -> Self:
        """Send bytes as they are; a server that has closed already has nothing to hear."""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            self.socket.sendall(data)
        return self

    def no_more(self) -> Self:
        """Tell the server that nothing follows; it may still answer."""
        with contextlib.suppress(OSError):  # it has ended the connection
            self.socket.shutdown(socket.SHUT_WR)
        return self

    def answer(self, method: str = "POST") -> Answered:
        """The next answer, an interim one (100) too; CLOSED where there is none."""
        try:
            return self._answer(method)
        except ConnectionResetError:
            return CLOSED

    def _answer(self, method: str) -> Answered:
        line = self._read.readline()
        if not line:
            return CLOSED
        version, code, _ = line.split(b" ", 2)
        assert version == b"HTTP/1.1", line
        head = b"".join(iter(self._read.readline, b"\r\n"))
        parsed = http.client.parse_headers(io.BytesIO(head + b"\r\n"))
        headers = {name.lower(): value for name, value in parsed.items()}
        status = int(code)
        if method == "HEAD" or status in (100, 204, 304):
            return Answered(status, headers, b"")
        length = int(headers["content-length"])
        body = self._read.read(length)
        assert len(body) == length, "the answer is cut short"
        return Answered(status, headers, body)

    def answers(self) -> list[Answered]:
        """All answers until the server ends the connection."""
        return list(iter(self.answer, CLOSED))

    def is_closed(self) -> bool:
        """Wait until the server says something or ends the connection; whether it ended it without another word."""
        try:
            return self._read.peek(1) == b""
        except ConnectionResetError:
            return True


def request(
    body: bytes | None = None, headers: Mapping[str, str] = NOTHING, start: str = "POST /ingest/orders HTTP/1.1"
) -> bytes:
    """The bytes of a request: JSON with its length, where `headers` don't say otherwise; an empty one is left out."""
    named = {"Host": "edge", "Content-Type": "application/json"}
    if body is not None and "Transfer-Encoding" not in headers:
        named["Content-Length"] = str(len(body))
    lines = [start, *(f"{name}: {value}" for name, value in {**named, **headers}.items() if value), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (body or b"")


def in_chunks(*pieces: bytes, trailer: bytes = b"", extension: bytes = b"") -> bytes:
    """A body in chunks, to its end."""
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    return chunks + b"0\r\n" + trailer + b"\r\n"


def stored_count(answers: list[Answered]) -> int:
    """How many records the answers say are stored."""
    return sum(each.json["stored"] for each in answers if each.status in (202, 207))
