"""Made-up record types: a JSON Schema, the Arrow type it becomes, documents of it, and the rows expected of those."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KEYS = st.sampled_from(["a", "b", "a/b", "~", "", "\u00e4", "_offset", "item"])


@dataclass(frozen=True)
class Shape:
    """A schema with the Arrow type of its column, values that it allows, and what a row shows of a value."""

    schema: dict[str, Any]
    arrow: pa.DataType
    values: st.SearchStrategy[Any]
    shown: Callable[[Any], Any] = lambda value: value
    nullable: bool = False

    def __repr__(self) -> str:
        return json.dumps(self.schema)


def _exactly_float(number: float) -> bool:
    return int(float(number)) == number


def _utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text.upper()).astimezone(dt.UTC)


# Without a zone, as hypothesis wants them, and far enough from the ends for every zone.
EARLIEST, LATEST = dt.datetime.fromisoformat("0001-01-03"), dt.datetime.fromisoformat("9999-12-29")
_ZONES = st.sampled_from(["Z", "z", "+00:00", "-00:00", "+05:30", "-23:59", "+14:00"])
_TIMES = st.builds(
    lambda time, zeros, zone: f"{time.isoformat()}{zeros if time.microsecond else ''}{zone}",
    st.datetimes(EARLIEST, LATEST),
    st.sampled_from(["", "0", "000"]),
    _ZONES,
)

INTEGER = Shape({"type": "integer"}, pa.int64(), st.integers(-(2**63), 2**63 - 1))
NUMBER = Shape(
    {"type": "number"},
    pa.float64(),
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**53), 2**53)
    | st.integers(-(2**63), 2**64 - 1).filter(_exactly_float)
    | st.sampled_from([2**60, 10**17, -(2**63)]),
)
STRING = Shape({"type": "string"}, pa.string(), TEXTS)
BOOLEAN = Shape({"type": "boolean"}, pa.bool_(), st.booleans())
DATE = Shape({"type": "string", "format": "date"}, pa.date32(), st.dates().map(str), dt.date.fromisoformat)
TIME = Shape({"type": "string", "format": "date-time"}, pa.timestamp("us", "UTC"), _TIMES, _utc)
ENUM = Shape({"enum": ["x", "y"]}, pa.string(), st.sampled_from(["x", "y"]))
CONST = Shape({"const": 7}, pa.int64(), st.just(7))
_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
_UNTYPED: list[tuple[dict[str, Any], st.SearchStrategy[Any]]] = [
    ({}, _ANY),
    ({"type": ["integer", "string"]}, st.integers(-9, 9) | TEXTS),
    ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, st.integers(-9, 9) | st.booleans()),
    ({"type": "object"}, st.dictionaries(KEYS, _ANY, max_size=3)),
    ({"type": "array"}, st.lists(_ANY, max_size=3)),
    ({"enum": ["x", 1]}, st.sampled_from(["x", 1])),
]
JSON_TEXT = [Shape(schema, pa.string(), values, nullable=True) for schema, values in _UNTYPED]
SCALARS = [INTEGER, NUMBER, STRING, BOOLEAN, DATE, TIME, ENUM, CONST]


def _optional(shape: Shape) -> Shape:
    schema = {"anyOf": [shape.schema, {"type": "null"}]}
    shown = lambda value: None if value is None else shape.shown(value)  # noqa: E731
    return Shape(schema, shape.arrow, st.none() | shape.values, shown, nullable=True)


def _field(name: str, shape: Shape, *, nullable: bool) -> "pa.Field[Any]":
    """The field of a shape; in a struct that may be null every field may be, for Parquet's sake."""
    nullable = nullable or shape.nullable
    return pa.field(name, _loosened(shape.arrow) if nullable else shape.arrow, nullable=nullable)


def _loosened(arrow: pa.DataType) -> pa.DataType:
    if not isinstance(arrow, pa.StructType):
        return arrow
    return pa.struct([pa.field(field.name, _loosened(field.type)) for field in arrow])


def _list(shape: Shape) -> Shape:
    arrow = pa.list_(_field("item", shape, nullable=False))
    schema = {"type": "array", "items": shape.schema}
    return Shape(schema, arrow, st.lists(shape.values, max_size=3), lambda value: [shape.shown(one) for one in value])


def _map(shape: Shape) -> Shape:
    arrow = pa.map_(pa.string(), _field("value", shape, nullable=False))  # type: ignore[call-overload]
    return Shape(
        {"type": "object", "additionalProperties": shape.schema},
        arrow,
        st.dictionaries(KEYS, shape.values, max_size=3),
        lambda value: [(key, shape.shown(one)) for key, one in value.items()],
    )


def struct(fields: dict[str, tuple[Shape, bool]]) -> Shape:
    """An object of fields, each with its shape and whether it is required."""
    arrow = pa.struct([_field(name, shape, nullable=not must) for name, (shape, must) in fields.items()])
    schema = {
        "type": "object",
        "properties": {name: shape.schema for name, (shape, _) in fields.items()},
        "required": [name for name, (_, must) in fields.items() if must],
    }
    values = st.fixed_dictionaries(
        {name: shape.values for name, (shape, must) in fields.items() if must},
        optional={name: shape.values for name, (shape, must) in fields.items() if not must},
    )

    def shown(value: Any) -> Any:
        return {name: shape.shown(value[name]) if name in value else None for name, (shape, _) in fields.items()}

    return Shape(schema, arrow, values, shown)


def _structs(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    return st.dictionaries(KEYS, st.tuples(inner, st.booleans()), min_size=1, max_size=3).map(struct)


_leaves = st.sampled_from(SCALARS)
shapes = st.recursive(
    _leaves,
    lambda inner: inner.map(_optional) | inner.map(_list) | inner.map(_map) | _structs(inner),
    max_leaves=5,
)
records = _structs(shapes)
