"""An edge that is made and not started, for what it says of itself: no Kafka is needed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.engine import pipeline_yaml

from streamlake.config.load import load_pipeline
from streamlake.http_edge.edge import Edge
from streamlake.http_edge.keys_file import new_key
from streamlake.http_edge.openapi import document, record_schemas

ORDER = {"type": "pydantic", "model": "streamlake.plugins.validators.orders:Order"}
NUMBERED = {"type": "object", "properties": {"id": {"$ref": "#/$defs/id"}}, "$defs": {"id": {"type": "integer"}}}
STREAMS: Mapping[str, Any] = {
    "orders": {"validator": ORDER, "records_max": 3, "rate": "10/s"},
    "orders.Item": {"validator": {"type": "jsonschema", "schema": NUMBERED}},
    "bytes": {"validator": {"type": "none"}},
    "json": {"validator": {"type": "json", "top_level": "any"}},
}


def edge_of(folder: Path, streams: Mapping[str, Any], **changes: Any) -> Edge:
    """An edge that is not started; no Kafka is needed for it."""
    path = pipeline_yaml(folder, "127.0.0.1:1", "orders.raw", http__streams=streams, **changes)
    return Edge(load_pipeline(path))


def described(edge: Edge) -> dict[str, Any]:
    """The document, as a client reads it."""
    found: dict[str, Any] = json.loads(json.dumps(document(edge, record_schemas(edge))))
    return found


def with_keys(folder: Path) -> dict[str, str]:
    """The settings of an edge that asks for a key."""
    new_key(folder / "keys.json", "tests", ["*"])
    return {"http__auth": "keys", "http__keys_file": str(folder / "keys.json")}
