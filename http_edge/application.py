"""Puts an edge together: the gate, Falcon's routes behind it, and what is answered where nothing is found."""

from collections.abc import Callable
from typing import Any

import falcon
import falcon.asgi
import orjson
import structlog
from falcon.asgi import Request, Response

from streamlake.config.model import PipelineConfig
from streamlake.http_edge.edge import Edge
from streamlake.http_edge.gate import Gate
from streamlake.http_edge.openapi import document, record_schemas
from streamlake.http_edge.page import HEADERS, page
from streamlake.http_edge.problems import ProblemError
from streamlake.http_edge.quota import Quotas
from streamlake.http_edge.resources import (
    FixedResource,
    IngestResource,
    LiveResource,
    MetricsResource,
    ReadyResource,
    RequestIds,
    render,
)
from streamlake.http_edge.suspects import Suspects

log = structlog.get_logger("streamlake.http")


class Lifespan:
    """Falcon's middleware: the edge begins and ends with the server."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def process_startup(self, _scope: Any, _event: Any) -> None:
        """Before the first request."""
        await self._edge.start()

    async def process_shutdown(self, _scope: Any, _event: Any) -> None:
        """After the last answer."""
        await self._edge.stop()


def make_app(config: PipelineConfig, quotas: Quotas | None = None, suspects: Suspects | None = None) -> Gate:
    """The ASGI application of a pipeline's edge. Raises ConfigError where a validator or the keys can't be used."""
    edge = Edge(config, quotas, suspects)
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(middleware=[Lifespan(edge), RequestIds()])
    app.add_route("/ingest/{stream}", IngestResource(edge))
    app.add_route("/livez", LiveResource())
    app.add_route("/readyz", ReadyResource(edge))
    app.add_route("/metrics", MetricsResource(edge))
    records = record_schemas(edge)
    app.add_route("/openapi.json", FixedResource(orjson.dumps(document(edge, records)), "application/json"))
    app.add_route("/docs", FixedResource(page(edge, records).encode(), "text/html; charset=utf-8", HEADERS))
    app.add_error_handler(falcon.HTTPError, _http_error)
    app.add_error_handler(Exception, _bug)
    return Gate(edge, app)


_KINDS = {400: "bad-request", 404: "not-found", 405: "method-not-allowed"}


async def _http_error(req: Request, resp: Response, error: falcon.HTTPError, _params: Any) -> None:
    """What Falcon finds wrong with a request, in our form."""
    kind = _KINDS.get(error.status_code, "bad-request")
    headers = dict(error.headers or {})
    details: dict[str, Callable[[], str]] = {
        "not-found": lambda: f"there is nothing under {req.path[:200]}; see /docs",
        "method-not-allowed": lambda: f"{req.method} is not taken here; {headers.get('Allow', 'others')} is",
    }
    detail = details.get(kind, lambda: error.description or error.title or "it can't be understood")()
    render(req, resp, ProblemError(kind, detail, headers))


async def _bug(req: Request, resp: Response, error: Exception, _params: Any) -> None:
    """An error of ours: logged with its place, and nothing of it told to the client."""
    log.error("request failed", path=req.path[:200], exc_info=error)
    detail = "nothing is known of the outcome: send it again with the same Idempotency-Key"
    render(req, resp, ProblemError("internal", detail))
