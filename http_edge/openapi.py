"""The edge's OpenAPI document: its streams as paths, what a record of each looks like, and all that may be answered."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import orjson
import structlog

from streamlake.http_edge.admission import IDEMPOTENCY_KEY
from streamlake.http_edge.edge import Edge
from streamlake.http_edge.moved_schema import UnmovableError, moved
from streamlake.http_edge.openapi_schemas import HEADERS, JSON, SCHEMAS, Words, answer, answers, problems, readiness
from streamlake.http_edge.streams import Stream

log = structlog.get_logger("streamlake.http")

LINES = "application/x-ndjson"
ANYWHERE = ("bad-request", "too-slow", "headers-too-large", "internal", "too-many-connections")
"""Kinds of problems that any request may meet."""
OF_STREAMS = (
    *ANYWHERE,
    *("malformed", "not-acceptable", "length-required", "too-large", "unsupported-type"),
    *("queue-full", "draining", "kafka-away", "not-stored", "outcome-unknown"),
)
OF_KEYS = ("no-key", "wrong-stream")
OF_RATES = ("rate-limit",)
UNDOCUMENTED = ("unknown-stream", "not-found", "method-not-allowed")
"""Kinds that are answered where the document has nothing."""

_PARAMETERS: Words = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Stands in the header streamlake.idempotency_key of each record, with the record's index beside "
        "it: whoever reads the topic recognises a repetition.",
        "schema": {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern.decode()}$"},
    },
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "An id for the logs, of up to 128 letters, digits and . _ ~ + / = : @ -; another one is made "
        "where it is none of these.",
        "schema": {"type": "string"},
    },
    "Traceparent": {
        "name": "traceparent",
        "in": "header",
        "description": "W3C Trace Context, copied into the headers of each record, with a tracestate of up to 512 "
        "bytes; not where it is of another form.",
        "schema": {"type": "string"},
    },
    "Detail": {
        "name": "detail",
        "in": "query",
        "description": "`summary` leaves out the results of the single records.",
        "schema": {"enum": ["full", "summary"], "default": "full"},
    },
}
_KEY_SCHEMES: Words = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key of this edge."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key of this edge."},
}


def record_schemas(edge: Edge) -> Mapping[str, Words]:
    """What a record of each stream looks like: the components of it, of which the first is the record itself.

    A validator that can't say what it takes is one that takes anything.
    """
    found: dict[str, Words] = {}
    taken = {f"record.{name}" for name in edge.streams}
    for name, stream in edge.streams.items():
        found[name] = _record(stream, f"record.{name}", taken)
        taken |= set(found[name])
    return found


def document(edge: Edge, records: Mapping[str, Words]) -> Words:
    """The whole document, with the `record_schemas`; JSON values only."""
    with_keys = edge.keys is not None
    schemas = {name: schema for parts in records.values() for name, schema in parts.items()}
    components: Words = {"schemas": {**SCHEMAS, **schemas}, "parameters": _PARAMETERS, "headers": HEADERS}
    if with_keys:
        components["securitySchemes"] = _KEY_SCHEMES
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{edge.config.pipeline}: records over HTTP into Kafka",
            "version": version("streamlake"),
            "description": "What is answered as stored, Kafka has. The page /docs says how to post, and explains "
            "each kind of problem.",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": "streams"}, {"name": "operation"}],
        "paths": {
            **{
                f"/ingest/{name}": _stream(stream, next(iter(records[name])), with_keys)
                for name, stream in edge.streams.items()
            },
            **_operation(),
        },
        "components": components,
    }


def _record(stream: Stream, name: str, taken: set[str]) -> Words:
    """What a record of the stream looks like, as components, of which `name` is the record itself."""
    try:
        return moved(_said(stream), name, taken)
    except UnmovableError as error:
        log.warning("the validator's JSON Schema is not shown", stream=stream.name, why=str(error))
        return {name: {}}


def _said(stream: Stream) -> Mapping[str, Any]:
    """What the stream's validator says of its records; `{}`, anything, where it says nothing."""
    ask = getattr(stream.validator, "json_schema", None)
    if ask is None:
        return {}
    try:
        said: Any = orjson.loads(orjson.dumps(ask()))
    except Exception as error:  # noqa: BLE001  (a plugin may raise anything, and records are taken all the same)
        raise UnmovableError(f"asking for it failed: {type(error).__name__}") from None
    if said is not None and not isinstance(said, dict):
        raise UnmovableError("it is no JSON object")
    return said or {}


def _stream(stream: Stream, record: str, with_keys: bool) -> Words:
    """The path of a stream."""
    kinds = [*OF_STREAMS, *(OF_KEYS if with_keys else ()), *(OF_RATES if stream.bucket is not None else ())]
    post: Words = {
        "tags": ["streams"],
        "operationId": f"ingest_{stream.name}",
        "summary": f"Post records of {stream.name}.",
        "description": "The answer comes when Kafka has said what became of each record. A body may be packed by "
        f"gzip or zstd (Content-Encoding), in {stream.settings.body_max} bytes at most.",
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS],
        "requestBody": {"required": True, "content": _bodies(stream, {"$ref": f"#/components/schemas/{record}"})},
        "responses": {**problems(kinds), **answers()},
    }
    if with_keys:
        post["security"] = [{name: []} for name in _KEY_SCHEMES]
    return {"post": post}


def _bodies(stream: Stream, record: Words) -> Words:
    most = stream.settings.records_max
    alone = {"allOf": [record, {"not": {"type": "array"}}]}  # an array is always one of records
    several = {"type": "array", "items": record, "minItems": 1, "maxItems": most}
    return {
        JSON: {"schema": {"anyOf": [alone, several]}},
        LINES: {
            "schema": {
                "type": "string",
                "pattern": "[^ \\t-\\r]",
                "description": f"A record a line, {most} at most; empty lines are none.",
            }
        },
    }


def _operation() -> Words:
    """The paths that are not streams."""
    anything: Words = {"type": "object"}
    alive = {"type": "object", "properties": {"live": {"const": True}}, "required": ["live"]}
    return {
        "/livez": _read("livez", "Whether this process serves requests.", {"200": answer("It does.", alive)}),
        "/readyz": _read("readyz", "Whether records that are posted now would be taken.", readiness()),
        "/metrics": _read(
            "metrics", "Metrics, for Prometheus.", {"200": answer("Metrics.", {"type": "string"}, "text/plain")}
        ),
        "/openapi.json": _read("openapi", "This document.", {"200": answer("This document.", anything)}),
        "/docs": _read("docs", "A page for people.", {"200": answer("A page.", {"type": "string"}, "text/html")}),
    }


def _read(name: str, summary: str, found: Words) -> Words:
    """A path that is read, and what is found there."""
    responses = problems(ANYWHERE)
    for status, response in found.items():
        content = {**response["content"], **responses.get(status, {}).get("content", {})}
        responses[status] = {**response, "content": content}
    return {"get": {"tags": ["operation"], "operationId": name, "summary": summary, "responses": responses}}
