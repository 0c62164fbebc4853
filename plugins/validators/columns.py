"""Builds typed columns from decoded documents; what a column can't hold exactly is found and named."""

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain
from operator import attrgetter, itemgetter
from typing import Any, TypeAlias, cast

import msgspec
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from streamlake.engine.records import Refusal
from streamlake.plugins.validators.column_types import Column, ListOf, MapOf, Node, Scalar, Struct
from streamlake.plugins.validators.wording import message_of, pointer_of, shown

Path = tuple[str | int, ...]
Values = Sequence[Any]
Array: TypeAlias = "pa.Array[Any]"

# pyarrow's stubs lack the overloads used here.
_lists: Callable[..., Array] = pa.ListArray.from_arrays
_maps: Callable[..., Array] = pa.MapArray.from_arrays


class TableBuilder:
    """Collects the accepted documents of one batch, piece by piece, into a table with one schema."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self._record = Column(
            "record", Struct(pa.struct([column.field for column in columns]), columns), nullable=False
        )
        self._schema = pa.schema([column.field for column in columns])
        self._batches: list[pa.RecordBatch] = []

    def add(self, indices: Sequence[int], documents: Values) -> list[Refusal]:
        """Append the documents, each the message `indices[i]` of the batch, as rows.

        Returns a refusal for each one that a column can't hold exactly; these become no rows.
        """
        refusals: list[Refusal] = []
        try:
            record: Any = _array(self._record, documents)
        except _UNFIT:
            misfits = [_misfit(self._record, document, ()) for document in documents]
            assert any(misfits), "a piece does not fit although each of its records does"
            refusals = [_refusal(index, misfit) for index, misfit in zip(indices, misfits, strict=True) if misfit]
            kept = [document for document, misfit in zip(documents, misfits, strict=True) if not misfit]
            record = _array(self._record, kept)
        self._append(record)
        return refusals

    def add_rows(self, rows: Values | pa.RecordBatch) -> bool:
        """Append what a `Decoder` made; False, and nothing is appended, when a column can't hold one exactly."""
        if isinstance(rows, pa.RecordBatch):
            self._batches.append(rows)
            return True
        try:
            self._append(_array(self._record, rows))
        except _UNFIT:
            return False
        return True

    def table(self) -> pa.Table:
        """All rows so far, in the order they came."""
        return pa.Table.from_batches(self._batches, schema=self._schema)

    def _append(self, record: Any) -> None:
        self._batches.append(pa.RecordBatch.from_arrays(record.flatten(), schema=self._schema))


class _UnfitError(Exception):
    """A value is not of a type that its column reads."""


_UNFIT = (_UnfitError, pa.ArrowInvalid, pa.ArrowTypeError, KeyError, OverflowError, TypeError, UnicodeError)


def _array(column: Column, values: Values) -> Array:
    """The values as an Arrow array of the column's type; raises one of _UNFIT when it can't hold one exactly."""
    kinds = set(map(type, values))
    nulls = type(None) in kinds
    kinds.discard(type(None))
    # Arrow alone would make 1 of 1.5 in an int64 column, and 1.0 of true in a float64 one.
    if not kinds <= (column.node.reads or kinds) and not _are_records(column.node, kinds):
        raise _UnfitError
    if nulls and not column.nullable:
        raise _UnfitError
    if isinstance(column.node, Scalar):
        return _scalars(column.node, values, kinds)
    present = _nested(column, [value for value in values if value is not None] if nulls else values)
    return _spread(present, values) if nulls else present


def _are_records(node: Node, kinds: set[type]) -> bool:
    """Whether objects came from a `SchemaDecoder`, all of one kind, for a column of objects with declared fields."""
    return isinstance(node, Struct) and len(kinds) == 1 and issubclass(next(iter(kinds)), msgspec.Struct)


def _scalars(node: Scalar, values: Values, kinds: set[type]) -> Array:
    if node.text and str in kinds:
        return _parsed(node.arrow, pa.array(values, pa.string()))
    try:
        return cast("Array", pa.array(values, node.arrow))
    except pa.ArrowInvalid:
        if not pa.types.is_floating(node.arrow):
            raise
        # Arrow takes integers up to 2^53 for floats; larger ones can be exact, too.
        return cast("Array", pa.array([_exact_float(value) for value in values], node.arrow))


def _exact_float(value: object) -> float | None:
    if not isinstance(value, int):
        assert value is None or isinstance(value, float)
        return value
    number = float(value)
    if int(number) != value:
        raise _UnfitError
    return number


def _parsed(arrow: pa.DataType, texts: Array) -> Array:
    """Dates, times and decimals from their text."""
    if not pa.types.is_timestamp(arrow):
        return texts.cast(arrow)
    texts = pc.ascii_upper(texts)  # RFC 3339 allows `t` and `z`
    try:
        return texts.cast(arrow)
    except pa.ArrowInvalid:
        # More than six digits of a second fit when the rest are zeros.
        return pc.replace_substring_regex(texts, r"(\.[0-9]{6})0+", r"\1").cast(arrow)


def _nested(column: Column, values: Values) -> Array:
    """Objects, arrays and JSON texts; none of the values is None."""
    match column.node:
        case Struct(_, fields):
            fields_of = _fields_of_records if values and isinstance(values[0], msgspec.Struct) else _field_values
            children = [_array(field, fields_of(field, values)) for field in fields]
            return pa.StructArray.from_arrays(children, fields=[field.field for field in fields])
        case ListOf(arrow, item):
            return _lists(_offsets(values), _array(item, list(chain.from_iterable(values))), type=arrow)
        case MapOf(arrow, item):
            keys = pa.array(list(chain.from_iterable(values)), pa.string())
            items = _array(item, list(chain.from_iterable(map(dict.values, values))))
            return _maps(_offsets(values), keys, items, type=arrow)
        case _:
            return pa.array([orjson.dumps(value).decode() for value in values], pa.string())


def _spread(present: Array, values: Values) -> Array:
    """`present` with a null wherever `values` has None."""
    following = iter(range(len(present)))
    places = [None if value is None else next(following) for value in values]
    return present.take(pa.array(places, pa.int64()))


def _field_values(field: Column, values: Values) -> Sequence[object]:
    if field.nullable:
        return [value.get(field.name) for value in values]
    return list(map(itemgetter(field.name), values))


def _fields_of_records(field: Column, values: Values) -> Sequence[object]:
    """Raises KeyError where the records have no such field; see `_are_records`: all are of one kind."""
    kind = type(values[0])
    attribute = dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))[field.name]
    return list(map(attrgetter(attribute), values))


def _offsets(values: Values) -> Array:
    return pa.array(list(accumulate(map(len, values), initial=0)), pa.int32())


def _misfit(column: Column, value: object, path: Path) -> tuple[Path, Column, object] | None:
    """The first part of one record's `value` that its column can't hold: its path, the column, and the part."""
    try:
        _array(column, [value])
    except _UNFIT:
        parts = (_misfit(*part) for part in _parts(column, value, path))
        return next(filter(None, parts), (path, column, value))
    return None


def _parts(column: Column, value: object, path: Path) -> Iterable[tuple[Column, object, Path]]:
    match column.node, value:
        case Struct(_, fields), dict():
            return [(field, value.get(field.name), (*path, field.name)) for field in fields]
        case ListOf(_, item), list():
            return [(item, part, (*path, index)) for index, part in enumerate(value)]
        case MapOf(_, item), dict():
            return [(item, part, (*path, key)) for key, part in value.items()]
        case _:
            return []


def _refusal(index: int, misfit: tuple[Path, Column, object]) -> Refusal:
    path, column, value = misfit
    return does_not_fit(index, pointer_of(path), str(column.node.arrow), value)


def does_not_fit(index: int, field: str | None, arrow: str, value: object) -> Refusal:
    """The refusal of a record whose `field` a column of the Arrow type can't hold exactly."""
    message = f"field {field or '(the record)'} does not fit {arrow}: {shown(value)}"
    return Refusal(index, "invalid", message_of(message), field)
