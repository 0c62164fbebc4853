"""The wire: uvicorn's HTTP/1.1 with the limits that it has not: on heads, on slow or silent clients, on connections."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from streamlake.http_edge.problems import ProblemError
from streamlake.http_edge.sockets import hang_up

HEAD_BYTES_MAX = 32 * 1024
HEADERS_MAX = 100
SURPLUS_BYTES_MAX = 16 * 1024**2
"""So much is read and dropped of a body whose request is answered already: a client that is cut off while it sends
never sees the answer."""

Phase = Literal["opened", "idle", "head", "body", "answer"]


@dataclass(frozen=True, slots=True)
class WireLimits:
    """How long each phase of a connection may take, in seconds, and how many connections there may be."""

    header_seconds: float
    body_seconds: float
    idle_seconds: float
    request_seconds: float
    connections_max: int
    body_max: int
    """The largest that any stream takes."""


class _Flow(FlowControl):
    """Uvicorn's, which reads on whenever a request is answered: here only when none waits for its turn.

    A client that sends faster than it is served, on one connection, would else fill the memory with what waits.
    """

    def __init__(self, transport: asyncio.Transport, waiting: Collection[object]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, unless something waits."""
        if not self._waiting:
            super().resume_reading()


class _OneWrite:
    """The transport as an answer is written to it: the head waits for the first piece of the body.

    Each write is a call to the kernel, and a packet: an answer of head and body would be two.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write, or keep, where it is the head of an answer."""
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 1"):
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write what was kept: the answer ends, and there was no body."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """End the connection when all is written."""
        self.flush()
        self._transport.close()


class EdgeProtocol(HttpToolsProtocol):
    """One connection. `EdgeServer` asks each now and then whether it is overdue: so there are no timers to set."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: WireLimits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._phase: Phase = "opened"
        self._since = self._began = self.loop.time()
        self._read_bytes = self._head_bytes = 0
        self._leaving = False
        self._refused = False
        self._hung_up = False
        self._last_word: ProblemError | None = None
        """What ends the connection as soon as everything before it is answered."""

    # What asyncio calls ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client has connected; one too many is told so."""
        if len(self.connections) >= self._limits.connections_max:
            self._refused = True
            self.transport = transport
            said = f"there are {self._limits.connections_max} connections already"
            self._end_with(ProblemError("too-many-connections", said, {"Retry-After": "1"}))
            return
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._answering = _OneWrite(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended, whoever ended it."""
        if not self._refused:
            super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's always closes
        """The client sends no more. Whether it may still read: what it has sent whole is answered."""
        self._hung_up = self._phase == "answer" and self.transport.can_write_eof()  # TLS can't
        return self._hung_up

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        if self._refused or self._last_word or self.transport.is_closing():
            return
        if self._phase in ("opened", "idle"):
            self._enter("head")
            self._began = self._since
        self._read_bytes += len(data)
        super().data_received(data)
        if self._phase == "head" and self._read_bytes > HEAD_BYTES_MAX:
            self._end_with(_head_too_large())  # of one header, as it seems: `_grow` counts whole ones
        elif self._phase == "body" and self._read_bytes > self._limits.body_max + SURPLUS_BYTES_MAX:
            self.transport.abort()

    # What the parser calls ------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a request: perhaps of one that came in the same piece as the one before."""
        super().on_message_begin()
        self._enter("head")
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the address. Raises what ends the connection with 431 where there is too much."""
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header. Raises what ends the connection with 431 where there are too many, or too much is in them."""
        if self._phase != "head":
            return  # a trailer, behind a body in chunks, which nobody may take for a header (RFC 9110, 6.5.1)
        self._grow(len(name) + len(value))
        if len(self.headers) >= HEADERS_MAX:
            self._end_with(ProblemError("headers-too-large", f"it has more than {HEADERS_MAX} headers"))
            raise httptools.HttpParserError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there. Raises what ends the connection with 400."""
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise httptools.HttpParserError("another HTTP")
        if self.parser.should_upgrade():
            # After such a head the parser takes the body for another protocol's bytes.
            raise httptools.HttpParserError("upgrades are not taken")
        if version == "1.0":
            self.expect_100_continue = False  # nothing is sent there before the answer (RFC 9110, 10.1.1)
        super().on_headers_complete()
        self.cycle.transport = self._answering  # type: ignore[assignment]  # as much of one as it calls
        if self._leaving:
            self.cycle.keep_alive = False
        self._enter("body")

    def on_message_complete(self) -> None:
        """The body is there."""
        super().on_message_complete()
        self._enter("idle" if self.cycle.response_complete else "answer")

    def on_response_complete(self) -> None:
        """The answer is written, as far as we are concerned: the kernel or our buffer may still have it."""
        last = not self.pipeline
        self._answering.flush()
        super().on_response_complete()
        if last and self._last_word is not None:
            self._say(self._last_word)
        elif last and self._hung_up:
            self.transport.close()
        if self._phase == "answer":
            self._enter("answer" if self._in_flight else "idle")
        # What came meanwhile waited for this answer, and its time begins now.
        self._since = self._began = self.loop.time()

    # What the server calls ------------------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """The server is about to end: what is in flight is answered, and what comes in the time left to it, too."""
        self._leaving = True
        if self._in_flight:
            self.cycle.keep_alive = False

    def close_if_idle(self) -> None:
        """End the connection, unless a request is on it or waits unread in the kernel, or an answer has to be sent."""
        if self._in_flight or self._phase not in ("opened", "idle") or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size():
            return  # `hang_up` would cut it off; who never reads it has `request_seconds`
        # Under TLS the end is said in its own words, which takes the loop's time: unread is not seen there either.
        if self.scheme == "https" or hang_up(self.transport.get_extra_info("socket").fileno()):
            self.transport.close()

    def timeout_keep_alive_handler(self) -> None:
        """The timer of uvicorn, which may come late, and before what has come meanwhile is read."""
        self.close_if_idle()

    def check(self, now: float) -> None:
        """End the connection where a phase takes longer than it may."""
        limits = self._limits
        waited = now - self._since
        if self._phase != "opened" and self.transport.get_write_buffer_size() and waited > limits.request_seconds:
            self.transport.abort()  # it does not read
        elif self._phase == "opened" and waited > limits.header_seconds:
            self.close_if_idle()  # it has never said a word
        elif self._phase == "idle" and waited > limits.idle_seconds:
            self.close_if_idle()
        elif self._phase == "answer" or (self._phase == "head" and self._in_flight) or self.pipeline:
            if now - self._began > limits.request_seconds:
                self.transport.abort()
        elif self._phase == "head" and waited > limits.header_seconds:
            self._too_slow(f"its head took more than {limits.header_seconds:g} s")
        elif self._phase == "body" and waited > limits.body_seconds:
            self._too_slow(f"its body took more than {limits.body_seconds:g} s")

    def send_400_response(self, msg: str) -> None:
        """Uvicorn's answer to what is no HTTP."""
        self._end_with(ProblemError("bad-request", msg))

    @property
    def _in_flight(self) -> bool:
        """Whether a request has no whole answer yet."""
        return bool(self.cycle) and not self.cycle.response_complete

    def _grow(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            self._end_with(_head_too_large())
            raise httptools.HttpParserError("too large a head")

    def _enter(self, phase: Phase) -> None:
        self._phase, self._since, self._read_bytes = phase, self.loop.time(), 0

    def _too_slow(self, detail: str) -> None:
        if bool(self.cycle) and self.cycle.response_started:
            self.transport.abort()
        else:
            self._end_with(ProblemError("too-slow", detail))

    def _end_with(self, problem: ProblemError) -> None:
        """Say why, past the application, and end the connection: after the answers to what came before."""
        if self._last_word is not None:
            return
        if self._phase == "body" and self.pipeline:
            self.pipeline.popleft()  # the newest, which this is about
        elif self._phase == "body" or not self._in_flight:
            self._say(problem)
            return
        self._last_word, self._phase = problem, "answer"

    def _say(self, problem: ProblemError) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(problem.wire())
        self.transport.close()


def _head_too_large() -> ProblemError:
    return ProblemError("headers-too-large", f"its head has more than {HEAD_BYTES_MAX} bytes")
