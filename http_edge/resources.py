"""What stands under each address, for Falcon: streams, health, metrics, and how all that is used."""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import falcon
import orjson
import structlog
from falcon.asgi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from streamlake.http_edge.edge import Edge
from streamlake.http_edge.gate import REQUEST_ID, TAKEN, tell
from streamlake.http_edge.ingest import ingest
from streamlake.http_edge.problems import PROBLEM_TYPE, ProblemError

log = structlog.get_logger("streamlake.http")

NONE: Mapping[str, str] = MappingProxyType({})


class IngestResource:
    """`/ingest/{stream}`: the gate has let the request in and has read its body."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def on_post(self, req: Request, resp: Response, stream: str) -> None:
        """Store the records, and answer when Kafka has said what became of each."""
        if TAKEN not in req.scope:  # `//ingest/…`, which is another address to everybody but Falcon
            raise falcon.HTTPNotFound
        admitted, head, body = req.scope[TAKEN]
        metrics = self._edge.of_stream[stream]
        try:
            found = await ingest(self._edge, admitted, head, body)
        except ProblemError as problem:
            tell(req.scope, head, problem, metrics)
            if problem.kind == "outcome-unknown":
                metrics.unknown += int(str(problem.more["unknown"]))
            render(req, resp, problem)
            return
        metrics.answered(found.outcome)
        metrics.stored += found.stored
        metrics.refused += found.refused
        metrics.unknown += found.unknown
        if found.status != 202 and log.is_enabled_for(logging.INFO):
            counts = {"stored": found.stored, "refused": found.refused, "unknown": found.unknown}
            trace = {"traceparent": head[b"traceparent"].decode("latin-1")} if b"traceparent" in head else {}
            said = {"stream": stream, "request_id": req.scope[REQUEST_ID], **counts, **trace}
            log.info("not all records stored", **said)
        resp.status = found.status
        resp.data = found.body(summary=admitted.summary)
        resp.content_type = "application/json"


class LiveResource:
    """`/livez`: this process serves requests."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """Always 200: who can't answer is not live."""
        resp.data, resp.content_type = b'{"live":true}', "application/json"


class ReadyResource:
    """`/readyz`: records posted now would be taken."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def on_get(self, _req: Request, resp: Response) -> None:
        """200, or 503 with why not: it ends, too much waits for Kafka, or no stream can be written to."""
        edge = self._edge
        away = {
            name: why
            for name, stream in edge.streams.items()
            if (why := next(filter(None, map(edge.circuit.wrong_with, stream.topics)), None)) is not None
        }
        draining, full = edge.drain_until is not None, edge.queue_is_full
        ready = not (draining or full or len(away) == len(edge.streams))
        resp.status = 200 if ready else 503
        resp.data = orjson.dumps({"ready": ready, "draining": draining, "queue_full": full, "away": away})
        resp.content_type = "application/json"


class MetricsResource:
    """`/metrics`, for Prometheus."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def on_get(self, _req: Request, resp: Response) -> None:
        """The metrics of all workers of this server."""
        resp.data, resp.content_type = self._edge.shown(), CONTENT_TYPE_LATEST


class FixedResource:
    """What stays as it is while the edge lives: `/openapi.json` and `/docs`."""

    def __init__(self, body: bytes, content_type: str, headers: Mapping[str, str] = NONE) -> None:
        self._body, self._content_type, self._headers = body, content_type, headers

    async def on_get(self, _req: Request, resp: Response) -> None:
        """The bytes, as they were made at the start."""
        resp.data, resp.content_type = self._body, self._content_type
        resp.set_headers(dict(self._headers))


def render(req: Request, resp: Response, problem: ProblemError) -> None:
    """A problem as the answer of a resource."""
    resp.status = problem.status
    resp.data, resp.content_type = problem.body(req.scope[REQUEST_ID]), PROBLEM_TYPE
    for name, value in problem.headers.items():
        resp.set_header(name, value)


class RequestIds:
    """Falcon's middleware: each answer says by which id the logs know its request."""

    async def process_response(self, req: Request, resp: Response, _resource: Any, _succeeded: bool) -> None:
        """Add the header."""
        resp.set_header("x-request-id", req.scope[REQUEST_ID])
