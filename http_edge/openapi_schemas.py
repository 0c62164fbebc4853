"""What the edge answers, as JSON Schemas and responses of an OpenAPI document: streams have them in common."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, get_args

from streamlake.engine.records import Reason
from streamlake.http_edge.problems import EXPLAINED, PROBLEM_TYPE, TITLES

Words = dict[str, Any]

JSON = "application/json"
_COUNT: Words = {"type": "integer", "minimum": 0}
_SOME: Words = {"type": "integer", "minimum": 1}
_NONE: Words = {"const": 0}
_TEXT: Words = {"type": "string"}


def _object(properties: Words, *optional: str) -> Words:
    """An object of exactly these, all of them required but the `optional` ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _schema(name: str) -> Words:
    return {"$ref": f"#/components/schemas/{name}"}


def _results(of: Words) -> Words:
    return {"type": "array", "items": of, "minItems": 1, "description": "One a record, in order; no summary has it."}


PLACE: Words = {"topic": _TEXT, "partition": _COUNT, "offset": _COUNT}
SCHEMAS: Words = {
    "Place": _object(PLACE),
    "Stored": _object({"index": _COUNT, "status": {"const": "stored"}, **PLACE}),
    "Refused": _object(
        {
            "index": _COUNT,
            "status": {"const": "refused"},
            "reason": {"enum": list(get_args(Reason))},
            "field": {"type": ["string", "null"], "description": "JSON pointer to what was wrong, where it is one."},
            "message": _TEXT,
            "dead_letter": {"anyOf": [_schema("Place"), {"type": "null"}], "description": "Where a copy of it lies."},
        }
    ),
    "Unknown": _object({"index": _COUNT, "status": {"const": "unknown"}}),
    "AllStored": _object(
        {"stored": _SOME, "refused": _NONE, "unknown": _NONE, "results": _results(_schema("Stored"))}, "results"
    ),
    "Mixed": _object(
        {
            "stored": _COUNT,
            "refused": _COUNT,
            "unknown": _COUNT,
            "results": _results({"anyOf": [_schema("Stored"), _schema("Refused"), _schema("Unknown")]}),
        },
        "results",
    ),
    "AllRefused": _object(
        {"stored": _NONE, "refused": _SOME, "unknown": _NONE, "results": _results(_schema("Refused"))}, "results"
    ),
    "Ready": _object(
        {
            "ready": {"type": "boolean"},
            "draining": {"type": "boolean"},
            "queue_full": {"type": "boolean"},
            "away": {"type": "object", "additionalProperties": _TEXT, "description": "Why, by stream."},
        }
    ),
}

_LIMIT: Words = {"type": "integer", "minimum": 1}
_MORE: Mapping[str, Words] = {
    "too-large": {"limit_bytes": _LIMIT, "limit_records": _LIMIT},
    "outcome-unknown": {"stored": _NONE, "refused": _NONE, "unknown": _SOME},
}
"""What stands beside the detail of some kinds."""

HEADERS: Words = {
    "RequestId": {
        "description": "By this the logs know the request; X-Request-Id as it was sent, where it can be one.",
        "schema": _TEXT,
    },
    "RetryAfter": {"description": "Seconds to wait.", "required": True, "schema": _SOME},
    "Authenticate": {"description": "How a key is sent.", "required": True, "schema": _TEXT},
}
_HEADERS_OF: Mapping[int, Words] = {
    401: {"WWW-Authenticate": {"$ref": "#/components/headers/Authenticate"}},
    429: {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}},
    503: {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}},
}
REQUEST_ID: Words = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}


def answer(description: str, schema: Words, media_type: str = JSON) -> Words:
    """A response that is no problem."""
    return {"description": description, "headers": REQUEST_ID, "content": {media_type: {"schema": schema}}}


def answers() -> Words:
    """The responses of a stream that are no problem, by status."""
    return {
        "202": answer("All records are stored: Kafka has each at the place that is told.", _schema("AllStored")),
        "207": answer("Some records are stored, and others are not or may not be: see `results`.", _schema("Mixed")),
        "422": answer(
            "All records were refused, each for its reason; their copies are dead letters.", _schema("AllRefused")
        ),
    }


def readiness() -> Words:
    """The responses of /readyz that are no problem, by status."""
    return {
        "200": answer("Records that are posted now would be taken.", _schema("Ready")),
        "503": answer("They would not, and why.", _schema("Ready")),
    }


def problems(kinds: Iterable[str]) -> Words:
    """The responses of these kinds of problems, by status."""
    by_status = groupby(sorted(kinds, key=lambda kind: (TITLES[kind][0], kind)), key=lambda kind: TITLES[kind][0])
    return {str(status): _problem(status, list(of_status)) for status, of_status in by_status}


def _problem(status: int, kinds: list[str]) -> Words:
    lines = [f"- `{kind}`: {EXPLAINED[kind].meaning} {EXPLAINED[kind].stored}" for kind in kinds]
    more = {name: words for kind in kinds for name, words in _MORE.get(kind, {}).items()}
    properties = {
        "type": {"enum": [f"/docs#{kind}" for kind in kinds]},
        "title": {"enum": [TITLES[kind][1] for kind in kinds]},
        "status": {"const": status},
        "detail": _TEXT,
        "request_id": _TEXT,
        **more,
    }
    # Open, since RFC 9457 (3.2) has clients ignore members that they don't know.
    schema = {"type": "object", "properties": properties, "required": ["type", "title", "status", "detail"]}
    return {
        "description": "\n".join(lines),
        "headers": {**REQUEST_ID, **_HEADERS_OF.get(status, {})},
        "content": {PROBLEM_TYPE: {"schema": schema}},
    }
