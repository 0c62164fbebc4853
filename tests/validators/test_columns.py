"""Typed columns of a JSON Schema hold what the decoder makes of a payload, exactly, or the record is refused."""

import json
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from validators import making
from validators.shapes import JSON_TEXT, SCALARS, Shape, records, struct

from streamlake.engine.errors import ConfigError
from streamlake.plugins.validators.arrow_types import columns_of
from streamlake.plugins.validators.columns import TableBuilder

OPTIONAL = {"anyOf": [{"type": "integer"}, {"type": "null"}]}


def schema_of(**properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def the_refusal(value_schema: object, payload: bytes) -> tuple[str | None, str]:
    validator = making.jsonschema(schema_of(v=value_schema), columns=True)
    (refusal,) = making.refused(validator, payload)
    assert refusal.reason == "invalid"
    return refusal.field, refusal.message


@settings(max_examples=75, deadline=None)
@given(st.data())
def test_rows_of_any_shape_equal_the_decoded_documents(data: st.DataObject) -> None:
    shape = data.draw(records)
    documents = data.draw(st.lists(shape.values, max_size=5))
    validator = making.jsonschema(shape.schema, columns=True)
    table = making.table_of(validator, *map(orjson.dumps, documents))
    assert pa.struct(list(table.schema)) == shape.arrow
    assert table.to_pylist() == [shape.shown(document) for document in documents]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(JSON_TEXT), st.data())
def test_what_no_type_describes_is_json_text_of_the_same_meaning(shape: Shape, data: st.DataObject) -> None:
    record = struct({"v": (shape, True)})
    documents = data.draw(st.lists(record.values, max_size=4))
    table = making.table_of(making.jsonschema(record.schema, columns=True), *map(orjson.dumps, documents))
    assert table.schema.field("v") == pa.field("v", pa.string())
    read = [None if text is None else json.loads(text) for text in table.column("v").to_pylist()]
    assert read == [document["v"] for document in documents]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(SCALARS).flatmap(lambda shape: shape.values), min_size=1, max_size=4), st.data())
def test_a_value_of_another_type_is_never_bent_into_a_column(values: list[Any], data: st.DataObject) -> None:
    # No schema stands before the columns here: what they are handed is anything.
    shape = data.draw(st.sampled_from(SCALARS))
    builder = TableBuilder(columns_of(schema_of(v=shape.schema), "a test"))
    refusals = builder.add(range(len(values)), [{"v": value} for value in values])
    refused = {refusal.index for refusal in refusals}
    kept = [value for index, value in enumerate(values) if index not in refused]
    shown = [row["v"] for row in builder.table().to_pylist()]
    assert shown == [shape.shown(value) for value in kept]
    assert all(isinstance(value, bool) == isinstance(row, bool) for value, row in zip(kept, shown, strict=True))


@pytest.mark.parametrize(
    ("schema", "payload", "field", "arrow"),
    [
        ({"type": "integer"}, b'{"v":9223372036854775808}', "/v", "int64"),
        ({"type": "integer"}, b'{"v":1.0}', "/v", "int64"),
        ({"type": "integer"}, b'{"v":1e3}', "/v", "int64"),
        ({"enum": [1]}, b'{"v":1.0}', "/v", "int64"),
        ({"type": "number"}, b'{"v":9007199254740993}', "/v", "double"),
        ({"type": "number"}, b'{"v":18446744073709551615}', "/v", "double"),
        ({"type": "string", "format": "date-time"}, b'{"v":"2016-12-31T23:59:60Z"}', "/v", "timestamp[us, tz=UTC]"),
        (
            {"type": "string", "format": "date-time"},
            b'{"v":"2026-01-01T00:00:00.1234567Z"}',
            "/v",
            "timestamp[us, tz=UTC]",
        ),
        ({"type": "array", "items": {"type": "integer"}}, b'{"v":[1,2,3.0]}', "/v/2", "int64"),
        (schema_of(w={"type": "integer"}), b'{"v":{"w":1.0}}', "/v/w", "int64"),
        ({"type": "object", "additionalProperties": OPTIONAL}, b'{"v":{"x":null,"y/z":1.0}}', "/v/y~1z", "int64"),
    ],
)
def test_what_a_column_can_not_hold_exactly_is_refused_with_its_field(
    schema: object, payload: bytes, field: str, arrow: str
) -> None:
    found, message = the_refusal(schema, payload)
    assert found == field
    assert message.startswith(f"field {field} does not fit {arrow}: ")


def test_a_misfit_costs_no_other_record_of_its_batch() -> None:
    validator = making.jsonschema(schema_of(v={"type": "integer"}), columns=True)
    payloads = [b'{"v":%d}' % index for index in range(1500)]
    payloads[3], payloads[700], payloads[1400] = b'{"v":1.0}', b"{", b'{"v":9223372036854775808}'
    assert [refusal.index for refusal in making.refused(validator, *payloads)] == [3, 700, 1400]
    rows = [index for index in range(1500) if index not in (3, 700, 1400)]
    assert making.table_of(validator, *payloads).column("v").to_pylist() == rows


def test_a_batch_of_nothing_or_of_refused_ones_has_columns_and_no_rows() -> None:
    validator = making.jsonschema(making.ORDER_SCHEMA, columns=True)
    empty, refused = making.table_of(validator), making.table_of(validator, b"{", b"{}")
    assert empty.schema.equals(refused.schema)
    assert (empty.num_rows, refused.num_rows, len(empty.schema)) == (0, 0, 8)


def test_columns_are_the_same_whatever_a_batch_holds() -> None:
    validator = making.jsonschema(schema_of(a=OPTIONAL, b={"type": "array", "items": OPTIONAL}), columns=True)
    assert (
        making.table_of(validator, b'{"a":null,"b":[]}').schema == making.table_of(validator, b'{"a":1,"b":[2]}').schema
    )


def test_nested_columns_with_nulls_survive_parquet() -> None:
    inner = schema_of(x={"type": "integer"}, y={"type": "array", "items": {"type": "string"}})
    schema = {
        "type": "object",
        "properties": {"s": inner, "l": {"type": "array", "items": {"anyOf": [inner, {"type": "null"}]}}},
    }
    payloads = [
        b"{}",
        b'{"s":{"x":1,"y":[]}}',
        b'{"s":{"x":2,"y":["a"]},"l":[null,{"x":3,"y":["b","c"]}]}',
        b'{"l":[]}',
    ]
    table = making.table_of(making.jsonschema(schema, columns=True), *payloads)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    read = pq.read_table(pa.BufferReader(sink.getvalue()))
    assert read.to_pylist() == table.to_pylist()
    assert read.to_pylist()[2] == {"s": {"x": 2, "y": ["a"]}, "l": [None, {"x": 3, "y": ["b", "c"]}]}


@pytest.mark.parametrize(
    ("schema", "arrow"),
    [
        ({"type": ["integer", "number"]}, pa.float64()),
        ({"type": ["null", "boolean"]}, pa.bool_()),
        ({"oneOf": [{"type": "null"}, {"type": "string", "format": "date"}]}, pa.date32()),
        ({"$ref": "#/$defs/day", "description": "beside"}, pa.date32()),
        ({"allOf": [{"$ref": "#/$defs/day"}]}, pa.date32()),
        ({"type": "string", "format": "uuid"}, pa.string()),
        ({"enum": [None, "a"]}, pa.string()),
        ({"type": "integer", "anyOf": [{"minimum": 3}, {"maximum": 1}]}, pa.int64()),
        ({"type": "object", "properties": {}}, pa.string()),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "integer"}}, pa.string()),
        ({"type": "object", "properties": {"a": {"type": "null"}}, "allOf": [{}, {}]}, pa.string()),
        ({"type": "object", "patternProperties": {"^a": {}}}, pa.string()),
        ({"type": "object", "additionalProperties": {}}, pa.string()),
        ({"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, pa.string()),
        ({"type": "null"}, pa.string()),
        (True, pa.string()),
    ],
)
def test_types_of_a_schema(schema: object, arrow: pa.DataType) -> None:
    whole = {**schema_of(v=schema), "$defs": {"day": {"type": "string", "format": "date"}}}
    assert making.table_of(making.jsonschema(whole, columns=True)).schema.field("v").type == arrow


def test_a_schema_that_contains_itself_ends_in_json_text() -> None:
    node = {"properties": {"next": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}, "v": {"type": "integer"}}}
    schema = {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", **node}}}
    table = making.table_of(making.jsonschema(schema, columns=True), b'{"v":1,"next":{"v":2,"next":null}}')
    assert table.to_pylist() == [{"next": '{"v":2,"next":null}', "v": 1}]
    chain = {"anyOf": [{"type": "object", "properties": {"next": {"$ref": "#/$defs/c"}}}, {"type": "null"}]}
    whole = {**schema_of(v={"$ref": "#/$defs/c"}), "$defs": {"c": chain}}
    assert making.table_of(making.jsonschema(whole, columns=True)).schema.field("v").type == pa.struct(
        [pa.field("next", pa.string())]
    )


def test_a_record_that_contains_records_of_its_own_kind_has_them_as_json_text() -> None:
    schema = {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"$ref": "#"}}}
    table = making.table_of(making.jsonschema(schema, columns=True), b'{"v":1,"next":{"v":2}}')
    assert table.to_pylist() == [{"v": 1, "next": '{"v":2}'}]


@pytest.mark.parametrize(
    "schema", [{}, {"type": "array"}, {"type": "object", "additionalProperties": {"type": "string"}}]
)
def test_a_schema_without_fields_has_no_columns(schema: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"declares no plain object at its top level"):
        making.jsonschema(schema, columns=True)
