"""The edge as an ASGI application: lets in who may post, reads their bodies, and leaves the rest to Falcon.

It stands before Falcon, which reads from a request before it looks where that goes: a client that asks first
(`Expect: 100-continue`) would be told to go on before anybody has looked at its key or at the length of its body.
"""

import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol

import structlog

from streamlake.http_edge.admission import RETRY_SECONDS, Admitted, Head, admit, check_open
from streamlake.http_edge.bodies import read_body
from streamlake.http_edge.edge import Edge
from streamlake.http_edge.metrics import StreamMetrics
from streamlake.http_edge.problems import PROBLEM_TYPE, ProblemError

log = structlog.get_logger("streamlake.http")

Event = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

INGEST = "/ingest/"
READING_BYTES_MAX = 128 * 1024**2
"""Of all bodies that a worker has begun to read: clients that send slowly hold what they have sent."""
REQUEST_ID = "streamlake.request_id"
TAKEN = "streamlake.taken"
"""What the gate leaves in a scope for the resource behind it: (admitted, head, body)."""
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}")
TRACESTATE_BYTES_MAX = 512
"""So much of it is passed on at least by everybody (W3C Trace Context, 3.3.1.5), and each record would carry more."""
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class App(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, or the application's beginning and end."""


class GoneError(Exception):
    """The client went away before its body was there."""


class Gate:
    """`POST /ingest/…` passes only admitted, with its body; everything else goes to `behind` as it is."""

    def __init__(self, edge: Edge, behind: App) -> None:
        self.edge, self._behind = edge, behind
        self._own, self._count = "", 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._behind(scope, receive, send)
            return
        head = _head(scope["headers"])
        given = head.get(b"x-request-id")
        scope[REQUEST_ID] = self._made_id() if given is None or not _REQUEST_ID.fullmatch(given) else given.decode()
        path = scope["path"]
        if scope["method"] == "POST" and path.startswith(INGEST) and "/" not in path[len(INGEST) :]:
            if not _TRACEPARENT.fullmatch(head.get(b"traceparent", b"")):
                head.pop(b"traceparent", None)
                head.pop(b"tracestate", None)
            if len(head.get(b"tracestate", b"")) > TRACESTATE_BYTES_MAX:
                head.pop(b"tracestate")
            await self._ingest(scope, head, receive, send)
        else:
            await self._behind(scope, receive, send)

    def _made_id(self) -> str:
        """An id that no other request has: of this process, and then counted. Chance costs more than all of it."""
        if not self._own:
            self._own = secrets.token_hex(6)  # at the first request: after the fork
        self._count += 1
        return f"{self._own}{self._count:08x}"

    async def _ingest(self, scope: Scope, head: Head, receive: Receive, send: Send) -> None:
        stream = scope["path"][len(INGEST) :]
        metrics = self.edge.of_stream.get(stream, self.edge.of_no_stream)
        try:
            admitted = admit(self.edge, stream, head, scope["query_string"])
            body = await _body(self.edge, admitted, receive)
            check_open(self.edge, admitted.stream)  # once more: it was long in coming, perhaps, and many came with it
        except ProblemError as problem:
            tell(scope, head, problem, metrics)
            await answer(scope, problem, send)
            return
        except GoneError:
            metrics.answered("gone")
            return
        except Exception:  # a bug of ours: Falcon, which answers those behind the gate, has not seen the request yet
            log.exception("request failed", path=scope["path"][:200])
            await answer(scope, ProblemError("internal", "nothing was stored"), send)
            return
        metrics.bytes += len(body)
        scope[TAKEN] = (admitted, head, body)

        async def nothing_more() -> Event:
            return {"type": "http.request", "body": b"", "more_body": False}

        await self._behind(scope, nothing_more, send)


def _head(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name; what a header says that stands there twice is one list (RFC 9110, 5.3).

    Where no list may be, as in Content-Type, that is a value which nobody takes: better than one of two by chance.
    """
    head = dict(headers)
    if len(head) < len(headers):
        for name in head:
            head[name] = b", ".join(value for other, value in headers if other == name)
    return head


async def _body(edge: Edge, admitted: Admitted, receive: Receive) -> bytes:
    """The whole body. Raises ProblemError, and GoneError: half a body of lines would look like a whole one."""
    event = await receive()
    if event["type"] == "http.request" and not event["more_body"]:  # as nearly all come
        return await read_body(_only(event["body"]), admitted.stream.settings.body_max)
    here = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal event, here
        while True:
            if event["type"] == "http.disconnect":
                raise GoneError
            here += len(event["body"])
            edge.reading_bytes += len(event["body"])
            if edge.reading_bytes > READING_BYTES_MAX:
                detail = f"nothing was stored: bodies of {READING_BYTES_MAX} bytes are on their way already"
                raise ProblemError("queue-full", detail, {"Retry-After": str(RETRY_SECONDS)})
            yield event["body"]
            if not event["more_body"]:
                return
            event = await receive()

    try:
        return await read_body(chunks(), admitted.stream.settings.body_max)
    finally:
        edge.reading_bytes -= here


async def _only(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk


def tell(scope: Scope, head: Head, problem: ProblemError, metrics: StreamMetrics) -> None:
    """Count and log a request that was not taken; nothing of its body or key."""
    metrics.answered(problem.kind)
    said = {"request_id": scope[REQUEST_ID], "path": scope["path"][:200], "status": problem.status}
    if scope["client"] is not None:
        said["client"] = scope["client"][0]
    if b"traceparent" in head:
        said["traceparent"] = head[b"traceparent"].decode("latin-1")
    log.log(30 if problem.status >= 500 else 20, "request not taken", kind=problem.kind, **said)


async def answer(scope: Scope, problem: ProblemError, send: Send) -> None:
    """Send a problem as the answer."""
    body = problem.body(scope[REQUEST_ID])
    headers = {
        "content-type": PROBLEM_TYPE,
        "content-length": str(len(body)),
        "x-request-id": scope[REQUEST_ID],
        **{name.lower(): value for name, value in problem.headers.items()},
    }
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
