"""Typed columns hold what the decoder and the model make of a payload, exactly, or the record is refused."""

import datetime as dt
import enum
import json
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    NaiveDatetime,
    computed_field,
    field_validator,
    model_validator,
)
from validators import making
from validators.shapes import EARLIEST, JSON_TEXT, LATEST, SCALARS, Shape, records, struct

from streamlake.engine.errors import ConfigError
from streamlake.plugins.validators.arrow_types import columns_of
from streamlake.plugins.validators.columns import TableBuilder
from streamlake.plugins.validators.decode import Gate
from streamlake.plugins.validators.pydantic import PydanticValidator

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


@pytest.mark.parametrize(
    "schema", [{}, {"type": "array"}, {"type": "object", "additionalProperties": {"type": "string"}}]
)
def test_a_schema_without_fields_has_no_columns(schema: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"declares no plain object at its top level"):
        making.jsonschema(schema, columns=True)


class Colour(enum.StrEnum):
    RED = "red"


class Size(enum.IntEnum):
    LARGE = 3


class Part(BaseModel):
    name: str
    weight: float | None = None


class Everything(BaseModel):
    """A field of every kind there is a column for."""

    model_config = ConfigDict(extra="ignore")

    text: str
    whole: int
    number: float
    flag: bool
    money: Decimal = Field(max_digits=12, decimal_places=2)
    ratio: Decimal
    day: dt.date
    at: AwareDatetime
    wall: NaiveDatetime
    some_time: dt.datetime
    colour: Colour
    size: Size
    word: Literal["a", "b"]
    part: Part
    parts: list[Part | None]
    counts: dict[str, int]
    maybe: int | None = None
    union: int | str
    anything: Any = None
    open_: dict[str, Any] = Field(alias="open")
    id_: uuid.UUID = Field(alias="id")
    limited: Annotated[str, Field(max_length=9)] = "none"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def size_name(self) -> str:
        """What the model adds itself."""
        return self.size.name


class Shouting(BaseModel):
    word: str
    many: int = 0

    @field_validator("word")
    @classmethod
    def shout(cls, value: str) -> str:
        """Change the value."""
        return value.upper()

    @field_validator("many")
    @classmethod
    def more(cls, value: int) -> int:
        """Make it too large for a column."""
        return value * 10**19


class Vanishing(BaseModel):
    word: str

    @model_validator(mode="wrap")
    @classmethod
    def vanish(cls, value: Any, handler: ModelWrapValidatorHandler["Vanishing"]) -> "Vanishing":
        """Give back what no type checker would let pass."""
        made = handler(value)
        nothing: Any = None
        return nothing if made.word == "vanish" else made


EVERYTHING = {
    "text": "t\u00e4xt\u0000", "whole": -5, "number": 2, "flag": True, "money": "1234567890.50", "ratio": "1.10",
    "day": "1996-01-02", "at": "1996-01-02T03:04:05.25+02:00", "wall": "1996-01-02T03:04:05",
    "some_time": "1996-01-02T03:04:05Z", "colour": "red", "size": 3, "word": "b", "part": {"name": "p"},
    "parts": [{"name": "q", "weight": 1.5}, None], "counts": {"a": 1, "b": 2}, "union": "u",
    "anything": [1, {"x": None}], "open": {"x": 1}, "id": "12345678-1234-5678-1234-567812345678", "ignored": 1,
}  # fmt: skip
MODEL = f"{__name__}:Everything"
EVERYTHING_TYPED = PydanticValidator(Everything, Gate(), columns=True)


def test_every_kind_of_model_field_has_its_column() -> None:
    table = making.table_of(making.pydantic(MODEL, columns=True), orjson.dumps(EVERYTHING))
    part = pa.struct([pa.field("name", pa.string(), nullable=False), pa.field("weight", pa.float64())])
    maybe_part = pa.struct([pa.field("name", pa.string()), pa.field("weight", pa.float64())])
    counts: Any = pa.field("value", pa.int64(), nullable=False)
    expected = [
        pa.field("text", pa.string(), nullable=False),
        pa.field("whole", pa.int64(), nullable=False),
        pa.field("number", pa.float64(), nullable=False),
        pa.field("flag", pa.bool_(), nullable=False),
        pa.field("money", pa.decimal128(12, 2), nullable=False),
        pa.field("ratio", pa.string(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("wall", pa.timestamp("us"), nullable=False),
        pa.field("some_time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("colour", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("word", pa.string(), nullable=False),
        pa.field("part", part, nullable=False),
        pa.field("parts", pa.list_(pa.field("item", maybe_part)), nullable=False),
        pa.field("counts", pa.map_(pa.string(), counts), nullable=False),
        pa.field("maybe", pa.int64()),
        pa.field("union", pa.string()),
        pa.field("anything", pa.string()),
        pa.field("open_", pa.string()),
        pa.field("id_", pa.string(), nullable=False),
        pa.field("limited", pa.string()),
        pa.field("size_name", pa.string(), nullable=False),
    ]
    assert list(table.schema) == expected
    (row,) = table.to_pylist()
    assert row == {
        "text": "t\u00e4xt\0", "whole": -5, "number": 2.0, "flag": True, "money": Decimal("1234567890.50"),
        "ratio": "1.10", "day": dt.date(1996, 1, 2), "at": dt.datetime(1996, 1, 2, 1, 4, 5, 250000, dt.UTC),
        "wall": dt.datetime.fromisoformat("1996-01-02T03:04:05"),
        "some_time": dt.datetime(1996, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        "colour": "red", "size": 3, "word": "b", "part": {"name": "p", "weight": None},
        "parts": [{"name": "q", "weight": 1.5}, None], "counts": [("a", 1), ("b", 2)], "maybe": None, "union": '"u"',
        "anything": '[1,{"x":null}]', "open_": '{"x":1}', "id_": "12345678-1234-5678-1234-567812345678",
        "limited": "none", "size_name": "LARGE",
    }  # fmt: skip


@settings(max_examples=75, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "whole": st.integers(-(2**63), 2**63 - 1),
                "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
                "money": st.decimals(-(10**10) + 1, 10**10 - 1, places=2).map(str),
                "day": st.dates().map(str),
                "at": st.datetimes(
                    EARLIEST,
                    LATEST,
                    timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=-9, minutes=-30))]),
                ).map(lambda time: time.isoformat()),
                "maybe": st.none() | st.integers(-9, 9),
                "counts": st.dictionaries(st.text(max_size=3), st.integers(-9, 9), max_size=3),
            }
        ),
        max_size=4,
    )
)
def test_columns_equal_the_values_of_the_model(changes: list[dict[str, Any]]) -> None:
    payloads = [orjson.dumps({**EVERYTHING, **change}) for change in changes]
    rows = making.table_of(EVERYTHING_TYPED, *payloads).to_pylist()
    for payload, row in zip(payloads, rows, strict=True):
        model = Everything.model_validate_json(payload)
        for name in ("whole", "number", "money", "day", "at", "wall", "maybe", "text"):
            assert row[name] == getattr(model, name), name
        assert dict(row["counts"]) == model.counts


@pytest.mark.parametrize(
    ("field", "value", "where", "arrow"),
    [
        ("whole", 2**63, "/whole", "int64"),
        ("number", 2**53 + 1, "/number", "double"),
        ("parts", [{"name": "p", "weight": 2**53 + 1}], "/parts/0/weight", "double"),
        ("some_time", "1996-01-02T03:04:05", "/some_time", "timestamp[us, tz=UTC]"),
        ("counts", {"a": 1, "b": 2**64 - 1}, "/counts/b", "int64"),
    ],
)
def test_what_a_models_column_can_not_hold_is_refused(field: str, value: object, where: str, arrow: str) -> None:
    validator = making.pydantic(MODEL, columns=True)
    good = orjson.dumps(EVERYTHING)
    (refusal,) = making.refused(validator, good, orjson.dumps({**EVERYTHING, field: value}), good)
    assert (refusal.index, refusal.reason, refusal.field) == (1, "invalid", where)
    assert f"does not fit {arrow}: " in refusal.message
    assert making.table_of(validator, good, orjson.dumps({**EVERYTHING, field: value}), good).num_rows == 2


def test_what_a_models_own_validator_makes_of_a_value_is_in_the_column() -> None:
    validator = making.pydantic(f"{__name__}:Shouting", columns=True)
    assert making.table_of(validator, b'{"word":"abc"}').to_pylist() == [{"word": "ABC", "many": 0}]
    (refusal,) = making.refused(validator, b'{"word":"abc","many":7}')
    assert refusal.message == "field /many does not fit int64: 70000000000000000000"


def test_a_model_that_makes_nothing_of_a_record_has_no_row_for_it() -> None:
    validator = making.pydantic(f"{__name__}:Vanishing", columns=True)
    payloads = [b'{"word":"a"}', b'{"word":"vanish"}', b'{"word":"b"}']
    assert [(refusal.index, refusal.reason) for refusal in making.refused(validator, *payloads)] == [(1, "invalid")]
    assert making.table_of(validator, *payloads).to_pylist() == [{"word": "a"}, {"word": "b"}]


def test_a_model_without_fields_has_no_columns() -> None:
    with pytest.raises(ConfigError, match="declares no plain object"):
        making.pydantic(columns=True)
