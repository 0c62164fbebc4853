"""A server that answers posted records as a script says, request by request, and as the HTTP edge would without one."""

import asyncio
import gzip
import json
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

from support.faults.wire import READ_BYTES, Message, read_body, read_head
from support.loop_thread import StreamServer, close_listener


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    head: Message
    lines: list[bytes]

    @property
    def key(self) -> str:
        """Its Idempotency-Key."""
        return self.head.header("idempotency-key")


@dataclass(frozen=True)
class Said:
    """What goes out on the connection, and what becomes of that: `kept`, `closed`, `reset`, or `held` for ever.

    `read` is False where the body is not read before.
    """

    content: bytes = b""
    then: str = "kept"
    read: bool = True


Step = Said | Callable[[Asked], Said]

LOST = Said(then="closed")
RESET = Said(then="reset")
HELD = Said(then="held")


def answer(status: int, body: object, *, kind: str = "application/json", **headers: str) -> Said:
    """An HTTP answer; a body that is not text or bytes goes as JSON, `Retry_After` is a header."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = [(name.replace("_", "-"), value) for name, value in headers.items()]
    lines = [("Content-Type", kind), ("Content-Length", str(len(content))), *names]
    return Said(Message(f"HTTP/1.1 {status} Said", lines, content).encoded())


def problem(status: int, title: str = "A title", detail: str = "and its detail", **headers: str) -> Said:
    """Problem details, as the edge gives them."""
    said = {"type": "/docs#kind", "title": title, "status": status, "detail": detail}
    return answer(status, said, kind="application/problem+json", **headers)


def results(statuses: Sequence[str], status: int | None = None) -> Said:
    """The edge's answer with one result a record; its status as the edge would choose it."""
    kinds = set(statuses)
    code = status or (202 if kinds == {"stored"} else 422 if kinds == {"refused"} else 207)
    return answer(code, document(statuses))


def document(statuses: Sequence[str]) -> dict[str, Any]:
    """The body of `results`."""
    more: dict[str, dict[str, object]] = {
        "stored": {"topic": "orders", "partition": 0, "offset": 7},
        "refused": {"reason": "schema", "field": "/amount", "message": "must be a number"},
        "unknown": {},
    }
    listed = [{"index": index, "status": status, **more[status]} for index, status in enumerate(statuses)]
    return {**{kind: list(statuses).count(kind) for kind in more}, "results": listed}


class ScriptedEdge(StreamServer):
    """Takes a step of the script for each request, in order; all is stored when none is left.

    `greeting` is what each connection is sent before it has asked anything.
    """

    def __init__(self, *script: Step, greeting: bytes = b"") -> None:
        super().__init__(port=0)
        self._greeting = greeting
        self.asked: list[Asked] = []
        self.connections = 0
        self._script = list(script)
        self._server: asyncio.Server | None = None
        self._stopped = (
            asyncio.Event()
        )  # never set: who waits for it is cancelled; held here, or its waiters are garbage

    @property
    def url(self) -> str:
        """The stream's address."""
        return f"{self.endpoint}/ingest/orders"

    @property
    def lines(self) -> list[list[bytes]]:
        """The records of each request."""
        return [asked.lines for asked in self.asked]

    @property
    def keys(self) -> list[str]:
        """The Idempotency-Key of each request."""
        return [asked.key for asked in self.asked]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, self.host, self.port, limit=READ_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            await close_listener(self._server)

    async def _caller(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(self._greeting)
        # Cancelled: the server is stopped.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while (head := await read_head(reader)) is not None:
                said = await self._said(reader, head)
                writer.write(said.content)
                await writer.drain()
                if said.then == "held":
                    await self._stopped.wait()
                if said.then == "reset":
                    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                if said.then != "kept":
                    break

    async def _said(self, reader: asyncio.StreamReader, head: Message) -> Said:
        step = self._script.pop(0) if self._script else _all_stored
        if isinstance(step, Said) and not step.read:
            self.asked.append(Asked(head, []))
            return step
        body = await read_body(reader, head)
        if head.header("content-encoding") == "gzip":
            body = gzip.decompress(body)
        asked = Asked(head, body.splitlines())
        self.asked.append(asked)
        return step if isinstance(step, Said) else step(asked)


def _all_stored(asked: Asked) -> Said:
    return results(["stored"] * len(asked.lines))
