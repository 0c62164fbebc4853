"""What a typed column can be: a scalar, a JSON text, a struct, a list or a map, each with its Arrow type."""

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Scalar:
    """A column of one Arrow type. `reads` are the Python types it takes; `text`: it is parsed from strings."""

    arrow: pa.DataType
    reads: frozenset[type]
    text: bool = False


@dataclass(frozen=True, slots=True)
class JsonText:
    """A column of strings, each the JSON text of a value that no single type describes."""

    arrow: pa.DataType
    reads: ClassVar[frozenset[type]] = frozenset()  # whatever JSON there is


@dataclass(frozen=True, slots=True)
class Struct:
    """A column of objects with known fields; fields that are not declared are left out."""

    arrow: pa.DataType
    reads: ClassVar[frozenset[type]] = frozenset({dict})
    fields: tuple["Column", ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A column of arrays whose items are all of one type."""

    arrow: pa.DataType
    reads: ClassVar[frozenset[type]] = frozenset({list})
    item: "Column"


@dataclass(frozen=True, slots=True)
class MapOf:
    """A column of objects with open keys whose values are all of one type."""

    arrow: pa.DataType
    reads: ClassVar[frozenset[type]] = frozenset({dict})
    item: "Column"


Node = Scalar | JsonText | Struct | ListOf | MapOf


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the table or of a struct, or the items of a list or map."""

    name: str
    node: Node
    nullable: bool

    @property
    def field(self) -> "pa.Field[pa.DataType]":
        """The Arrow field."""
        return pa.field(self.name, self.node.arrow, nullable=self.nullable)


STRING = Scalar(pa.string(), frozenset({str}))
INTEGER = Scalar(pa.int64(), frozenset({int}))
NUMBER = Scalar(pa.float64(), frozenset({float, int}))
BOOLEAN = Scalar(pa.bool_(), frozenset({bool}))
DATE = Scalar(pa.date32(), frozenset({str, dt.date}), text=True)
UTC_TIME = Scalar(pa.timestamp("us", "UTC"), frozenset({str}), text=True)
NAIVE_TIME = Scalar(pa.timestamp("us"), frozenset({str}), text=True)
JSON_TEXT = JsonText(pa.string())
