"""A validator's schema means within a document what it meant alone, and nothing in it leads out or nowhere."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from streamlake.http_edge.moved_schema import DRAFT, UnmovableError, moved
from streamlake.plugins.validators.orders import Order, order_schema

Schema = dict[str, Any]

HOME = "https://example.org/record.json"
VALUES = [1, -1, "a", None, [], [1], ["a"], {}, {"x": 1}, {"x": "a"}, {"x": {"x": 1}}, {"x": {"x": "a"}}, {"$ref": 1}]


class Leaf(BaseModel):
    """A tree's end."""

    kind: str
    weight: int


class Tree(BaseModel):
    """A model within itself."""

    left: "Tree | Leaf"
    names: dict[str, "Tree"]


NASTY: dict[str, Schema] = {
    "of nothing": {},
    "of itself": {"properties": {"x": {"$ref": "#"}}, "type": ["object", "integer"]},
    "with itself by its own name": {"$id": HOME, "type": "object", "properties": {"x": {"$ref": "record.json"}}},
    "with a comment and a home": {"$schema": DRAFT, "$id": "file:///srv/x.json", "$comment": "/srv", "type": "object"},
    "with names to escape": {
        "$defs": {"a/b": {"type": "integer"}, "a~b": {"type": "string"}, "a%2Fb": False, "ä b": {"const": 1}},
        "anyOf": [
            {"$ref": "#/$defs/a~1b"},
            {"$ref": "#/$defs/a~0b"},
            {"$ref": "#/$defs/a%252Fb"},
            {"$ref": "#/$defs/%C3%A4%20b"},
        ],
    },
    "with names that look alike": {
        "$defs": {"a b": {"type": "integer"}, "a_b": {"type": "string"}},
        "properties": {"x": {"$ref": "#/$defs/a%20b"}},
        "items": {"$ref": "#/$defs/a_b"},
    },
    "with definitions in definitions": {
        "$defs": {
            "a": {"$defs": {"b": {"$defs": {"c": {"type": "integer"}}, "$ref": "#/$defs/a/$defs/b/$defs/c"}}},
            "d": {"$ref": "#/$defs/a/$defs/b"},
        },
        "properties": {"x": {"$ref": "#/$defs/d"}},
    },
    "with a document of its own in it": {
        "$id": HOME,
        "$defs": {
            "i": {"type": "string"},
            "e": {
                "$id": "part/e.json",
                "$defs": {"i": {"type": "integer"}},
                "properties": {"x": {"$ref": "#/$defs/i"}, "y": {"$ref": "../record.json#/$defs/i"}},
            },
        },
        "properties": {"x": {"$ref": "part/e.json"}},
        "items": {"$ref": "https://example.org/part/e.json#/$defs/i"},
    },
    "with a name for a home": {
        "$id": "urn:example:record",
        "$defs": {"i": {"$anchor": "whole", "type": "integer"}},
        "properties": {"x": {"$ref": "#whole"}},
        "items": {"$ref": "urn:example:record#/$defs/i"},
    },
    "with anchors of one name": {
        "$defs": {
            "a": {"$anchor": "it", "type": "integer"},
            "b": {
                "$id": "b.json",
                "properties": {"x": {"$ref": "#it"}},
                "$defs": {"c": {"$anchor": "it", "const": "a"}},
            },
        },
        "properties": {"x": {"$ref": "#/$defs/b"}},
        "items": {"$ref": "#it"},
    },
    "with a dynamic anchor": {
        "$dynamicAnchor": "node",
        "type": ["object", "integer"],
        "properties": {"x": {"$dynamicRef": "#node"}},
    },
    "with fields that are called as keywords": {
        "properties": {"$ref": {"const": 1}, "$id": {"type": "string"}, "$defs": {"$ref": "#/properties/x"}, "x": {}},
        "required": ["$ref"],
    },
    "with values that look like schemas": {
        "enum": [1, {"$ref": 1}, {"$id": "#/nowhere", "$defs": {}}],
        "default": {"$schema": "nowhere"},
    },
    "with a schema in an unknown place": {
        "$id": HOME,
        "x-parts": {"a": {"properties": {"x": {"$ref": "record.json#/$defs/b"}}}},
        "$defs": {"b": {"type": "integer"}},
        "$ref": "#/x-parts/a",
    },
    "with a schema that is a word": {"$defs": {"no": False}, "properties": {"x": {"$ref": "#/$defs/no"}}},
    "with a way through a property": {"properties": {"x": {"type": "integer"}, "y": {"$ref": "#/properties/x"}}},
    "with a way through a name to escape": {
        "properties": {"x": {"$ref": "#/properties/a~1b~0%2525"}, "a/b~%25": {"type": "integer"}, "a": {}}
    },
    "of orders": order_schema(),
    "of trees": Tree.model_json_schema(),
}
UNMOVABLE: dict[str, Schema] = {
    "of another draft": {"$schema": "http://json-schema.org/draft-07/schema#"},
    "of another draft in it": {"$defs": {"a": {"$id": "a", "$schema": "http://json-schema.org/draft-04/schema#"}}},
    "with what is elsewhere": {"$ref": "https://example.org/other.json"},
    "with what is nowhere": {"properties": {"x": {"$ref": "#/$defs/x"}}},
    "with what is no schema": {"$ref": "#/title", "title": "a"},
    "with no such anchor": {"items": {"$ref": "#x"}},
    "with all definitions as one": {"$defs": {"a": {}}, "properties": {"x": {"$ref": "#/$defs"}}},
    "that is decided by each value": {
        "$dynamicAnchor": "node",
        "items": {"$dynamicRef": "#node"},
        "$defs": {"a": {"$id": "a.json", "$dynamicAnchor": "node", "type": "integer"}},
    },
    "with two references in one": {
        "$dynamicAnchor": "node",
        "$defs": {"a": {"type": "integer"}},
        "items": {"$ref": "#/$defs/a", "$dynamicRef": "#node"},
    },
    "with a list for a schema": {"items": [{}]},
}


def within(parts: Schema, name: str) -> Schema:
    """A document in which a value is what the component `name` says."""
    return {"$ref": f"#/components/schemas/{name}", "components": {"schemas": parts}}


def references(value: Any) -> Iterator[str]:
    """All that look like one, wherever they stand."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def at_home(parts: Schema) -> None:
    """Whether names are OpenAPI's, and nothing says that it belongs elsewhere."""
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in parts)
    assert all(reference.startswith("#/components/schemas/") for reference in references(parts))
    for schema in parts.values():
        if isinstance(schema, dict):
            assert not {"$id", "$schema", "$anchor", "$dynamicAnchor", "$comment"} & set(schema)


@pytest.mark.parametrize("schema", NASTY.values(), ids=NASTY)
def test_a_schema_means_in_a_document_what_it_meant_alone(schema: Schema) -> None:
    parts = moved(schema, "record.orders", {"record.orders.taken"})
    at_home(parts)
    assert "$defs" not in parts["record.orders"]
    alone, there = (jsonschema_rs.validator_for(one) for one in (schema, within(parts, "record.orders")))
    for value in VALUES:
        assert alone.is_valid(value) == there.is_valid(value), value


def test_definitions_stand_beside_the_schema_and_take_nobodys_name() -> None:
    schema = {"$defs": {"a": {"const": 1}}, "items": {"$ref": "#/$defs/a"}}
    taken = {"r.a", "r.a_2"}
    assert moved(schema, "r", taken) == {"r": {"items": {"$ref": "#/components/schemas/r.a_3"}}, "r.a_3": {"const": 1}}


def test_what_a_discriminator_maps_to_is_led_there_too() -> None:
    schema = {
        "$defs": {"Cat": {"type": "object"}},
        "oneOf": [{"$ref": "#/$defs/Cat"}],
        "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/$defs/Cat", "dog": "Dog"}},
    }
    found = moved(schema, "pets", ())["pets"]["discriminator"]
    assert found == {"propertyName": "kind", "mapping": {"cat": "#/components/schemas/pets.Cat", "dog": "Dog"}}


@pytest.mark.parametrize("schema", UNMOVABLE.values(), ids=UNMOVABLE)
def test_what_can_not_be_said_in_a_document_is_refused(schema: Schema) -> None:
    with pytest.raises(UnmovableError):
        moved(schema, "r", ())


def test_a_schema_that_nests_too_deep_is_refused() -> None:
    deep: Schema = {}
    for _ in range(2000):
        deep = {"items": deep}
    with pytest.raises(UnmovableError, match="too deep"):
        moved(deep, "r", ())


NAMES = ["a", "b/c", "d~e", "f%25 g", "ü"]
TO = [
    *("#", "#/properties/x", "#A0", "record.json#A1", f"{HOME}#/$defs/a"),
    *("#/$defs/b~1c", "#/$defs/d~0e/properties/x", "#/$defs/f%2525%20g", "#/$defs/%C3%BC/properties/y"),
]
LEAVES: st.SearchStrategy[Any] = st.sampled_from(
    [True, False, {}, {"type": "integer"}, {"minimum": 3}, {"type": "string"}, {"const": {"$ref": "#/nowhere"}}]
)
# A reference stands below a property or an item only: so none leads to itself before it has come to another value.
BELOW = st.builds(lambda to: {"$ref": to}, st.sampled_from(TO))


def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    part = inner | BELOW
    fields = st.dictionaries(st.sampled_from(["x", "y", "$ref", "$defs"]), part, max_size=3)
    return st.one_of(
        st.builds(lambda of: {"properties": of}, fields),
        st.builds(lambda of: {"patternProperties": {"^x": of}, "additionalProperties": True}, part),
        st.builds(lambda of: {"items": of}, part),
        st.builds(lambda of: {"anyOf": of}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda of: {"not": of}, inner),
        st.builds(lambda of, x: {"properties": {"x": x}, "$defs": {"deep": of}}, inner, BELOW),
    )


PARTS = st.recursive(LEAVES, larger, max_leaves=5)
SCHEMAS = st.builds(
    lambda xs, ys: {
        "$id": HOME,
        "$defs": {
            name: {"$anchor": f"A{index}", "properties": {"x": xs[index], "y": ys[index]}}
            for index, name in enumerate(NAMES)
        },
        "properties": {"x": xs[-1], "y": ys[-1]},
    },
    st.lists(PARTS | BELOW, min_size=6, max_size=6),
    st.lists(PARTS, min_size=6, max_size=6),
)
JSON_VALUES = st.recursive(
    st.sampled_from([1, 5, "a", None, {"$ref": "#/nowhere"}]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["x", "y", "$ref"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(SCHEMAS, st.lists(JSON_VALUES, min_size=1, max_size=6))
def test_any_schema_means_in_a_document_what_it_meant_alone(schema: Schema, values: list[Any]) -> None:
    parts = moved(schema, "record.orders", ())
    alone, there = (jsonschema_rs.validator_for(one) for one in (schema, within(parts, "record.orders")))
    for value in values:
        assert alone.is_valid(value) == there.is_valid(value), value


def test_the_sample_order_is_read_as_it_is_written() -> None:
    parts = moved(Order.model_json_schema(), "record.orders", ())
    assert list(parts) == ["record.orders", "record.orders.Item"]
    assert parts["record.orders"]["properties"]["items"]["items"] == {"$ref": "#/components/schemas/record.orders.Item"}
