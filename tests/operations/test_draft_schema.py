"""A drafted schema takes all that it was drafted from, and demands nothing else without evidence."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.broker import pipeline_on
from support.memory_cluster import MemoryCluster, batch

from streamlake.engine.operations.draft import TopicLook, look_at
from streamlake.engine.operations.draft_schema import PLACES_MAX
from streamlake.engine.records import TopicPartition
from streamlake.plugins.validators.jsonschema import JsonSchemaValidator

ORDERS = TopicPartition("orders", 0)
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["2026-01-31", "2026-02-30", "0000-01-01", "2026-01-31T06:00:00Z", "2016-12-31T23:59:60Z"]),
    st.sampled_from(["10.0.0.1", "10.0.0.256", "a@b.de", "a@b", "https://a.de/x", "ftp://", "x://y z", "a", "b"]),
    st.uuids().map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.ip_addresses(v=4).map(str),
    st.emails(),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=4)),
    max_leaves=12,
)
NAMES = st.sampled_from(["id", "at", "items", "$ref", "a/b", "~", "properties", ""])
DOCUMENTS = st.lists(st.dictionaries(NAMES, VALUES, max_size=5), min_size=1, max_size=12)


def look(documents: Sequence[Any]) -> TopicLook:
    """What a look at a topic of these documents finds."""
    cluster = MemoryCluster.of(
        [document if isinstance(document, bytes) else orjson.dumps(document) for document in documents]
    )
    config = pipeline_on("nowhere:1", "orders")
    return look_at(config, cluster, cluster.topics)


def schema_of(documents: Sequence[Any]) -> dict[str, Any]:
    schema = look(documents).schema
    assert schema is not None
    return schema


def field_of(values: Sequence[Any]) -> dict[str, Any]:
    """The schema of the field `x` with these values, without what it says to people."""
    found: dict[str, Any] = schema_of([{"x": value} for value in values])["properties"]["x"]
    return {name: value for name, value in found.items() if name != "$comment"}


def refused_by(schema: dict[str, Any], documents: Sequence[Any]) -> list[str]:
    validator = JsonSchemaValidator.from_options({"schema": schema}, columns=False, base_dir=Path())
    verdict = validator.validate(batch(ORDERS, [orjson.dumps(document) for document in documents]))
    return [refusal.message for refusal in verdict.refused]


@given(DOCUMENTS)
@settings(max_examples=100, deadline=None)
def test_every_record_that_was_looked_at_fits(documents: list[dict[str, Any]]) -> None:
    repeated = documents * 9  # so that there is evidence for enums, too
    found = look(repeated)
    assert found.objects == len(repeated)
    assert found.schema is not None
    assert refused_by(json.loads(json.dumps(found.schema)), documents) == []


def test_types_are_those_that_were_seen() -> None:
    assert field_of([1, 2]) == {"type": "integer"}
    assert field_of([1, 2.5]) == {"type": "number"}
    assert field_of([1, None]) == {"type": ["integer", "null"]}
    assert field_of([True]) == {"type": "boolean"}
    assert field_of([1, "a"]) == {"type": ["integer", "string"]}
    assert field_of([None]) == {"type": "null"}
    assert refused_by(schema_of([{"x": 1}]), [{"x": "a lot"}]) == [
        '/x breaks `type` with "a lot": it is not of type "integer"'
    ]


def test_fields_of_every_record_are_required_where_there_were_a_few_records() -> None:
    assert schema_of([{"id": 1, "note": "a"}, {"id": 2}, {"id": 3}])["required"] == ["id"]
    assert "required" not in schema_of([{"id": 1}, {"id": 2}])
    assert "additionalProperties" not in schema_of([{"id": 1}] * 5), "a new field breaks nothing"


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("date-time", ["2026-01-31T06:00:00Z", "2026-01-31T06:00:00.5+02:00", "2025-01-31t06:00:00z"]),
        ("date", ["2026-01-31", "2024-02-29", "1999-12-31"]),
        ("uuid", [f"0b5c2c1e-6f0c-4f6e-9d3e-00000000000{number}" for number in range(3)]),
        ("ipv4", ["10.0.0.1", "192.168.1.1", "8.8.8.8"]),
        ("email", ["a@example.org", "b.c@example.org", "d+e@mail.example.org"]),
        ("uri", ["https://example.org/a", "kafka://b:9092", "s3://bucket/key"]),
    ],
)
def test_a_format_is_found_with_three_different_values_and_not_where_one_is_no_such(
    name: str, texts: list[str]
) -> None:
    assert field_of(texts) == {"type": "string", "format": name}
    assert field_of([*texts, None]) == {"type": ["string", "null"], "format": name}
    assert field_of(texts[:2] * 40) == {"type": "string"}, "two are too few to say"
    assert field_of([*texts, "soon"]) == {"type": "string"}
    assert refused_by(schema_of([{"x": text} for text in texts]), [{"x": "soon"}]) != []


@pytest.mark.parametrize("odd", ["2026-02-30", "2016-12-31T25:00:00Z", "10.0.0.256", "a@b", "sku:17:x"])
def test_what_only_looks_like_a_format_is_none(odd: str) -> None:
    assert field_of([odd, f"{odd}1", f"{odd}2"]) == {"type": "string"}
    assert field_of(["2026-01-31", "2026-01-30", "2026-01-29", odd]) == {"type": "string"}


def test_few_values_that_came_often_are_an_enum() -> None:
    assert field_of(["new", "paid", "sent"] * 40) == {"type": "string", "enum": ["new", "paid", "sent"]}
    assert field_of(["new", "paid", None] * 60) == {"type": ["string", "null"], "enum": ["new", "paid", None]}
    assert field_of(["new", "paid"] * 49) == {"type": "string"}, "too few records"
    assert field_of(["new", "paid"] * 60 + ["lost"] * 4) == {"type": "string"}, "a rare one: there are others"
    assert field_of([f"customer {number}" for number in range(13)] * 20) == {"type": "string"}, "too many"
    assert field_of(["EUR"] * 1000) == {"type": "string"}, "the first record in another currency would be refused"
    assert field_of([1, 2, 3] * 100) == {"type": "integer"}, "a quantity, for all we know"
    assert field_of(["new", "paid", 3] * 60) == {"type": ["integer", "string"]}


def test_objects_and_arrays_are_looked_into() -> None:
    orders = [
        {"customer": {"id": number, "vip": number % 2 == 0}, "items": [{"sku": "a", "qty": 1}] * number}
        for number in range(5)
    ]
    found = schema_of(orders)["properties"]
    assert found["customer"]["required"] == ["id", "vip"]
    assert found["items"]["items"]["properties"]["qty"]["type"] == "integer"
    assert found["items"]["items"]["$comment"] == "Seen in 10 of 10 items: always an object."
    assert field_of([[], []]) == {"type": "array"}, "of what, nobody has seen"
    assert (
        refused_by(schema_of(orders), [{"customer": {"id": 1, "vip": True}, "items": [{"sku": "a", "qty": "1"}]}]) != []
    )


def test_names_that_are_data_are_one_schema() -> None:
    documents = [{"prices": {f"sku-{number}": number, f"sku-{number + 1}": 1}} for number in range(60)]
    prices = schema_of(documents)["properties"]["prices"]
    assert prices["additionalProperties"]["type"] == "integer"
    assert "61 different names, taken for data" in prices["$comment"]
    assert "properties" not in prices


def test_a_schema_has_an_end() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = {"x": deep}
    assert "Not looked into" in json.dumps(schema_of([deep]))
    wide = {
        f"a{number}": {f"b{inner}": {f"c{last}": 1 for last in range(8)} for inner in range(8)} for number in range(90)
    }
    found = look([wide])
    assert "Not looked into" in json.dumps(found.schema)
    assert len(found.fields) <= PLACES_MAX + 90 + 8


def test_it_says_how_sure_it_is() -> None:
    documents: list[Any] = [{"id": number, "at": f"2026-01-{number % 28 + 1:02}", "note": None} for number in range(40)]
    documents[7]["note"] = "late"
    del documents[8]["note"]
    found = look([*documents, b"broken", b'{"id": '])
    said = {field.pointer: (field.type, field.seen, field.of, field.note) for field in found.fields}
    assert said == {
        "/id": ("integer", 40, 40, "always an integer; from 0 to 39"),
        "/at": ("string", 40, 40, "always a text; all 28 different ones are of the format date"),
        "/note": ("string | null", 39, 40, "38 times null, 1 times a text; the same one each time"),
    }
    assert found.schema is not None
    assert found.schema["properties"]["id"]["$comment"] == "Seen in 40 of 40 records: always an integer; from 0 to 39."
    said_of_all = "from 42 records of the topic orders: 40 JSON objects, 1 plain text, 1 broken JSON. Look at it"
    assert said_of_all in found.schema["description"]
