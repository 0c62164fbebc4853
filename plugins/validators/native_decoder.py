"""Shapes and columns as the compiled decoder takes them (the optional package `streamlake-native`).

What it takes it looked at as a whole: grammar, UTF-8, depth, the size of numbers, and the shape. It passes over
nothing, so it is always `closed`. Its rules and columns are tuples; `native/streamlake_native/_native.pyi` says which.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import pyarrow as pa

from streamlake.engine.compiled import compiled
from streamlake.plugins.validators.column_types import (
    BOOLEAN,
    DATE,
    INTEGER,
    NUMBER,
    STRING,
    UTC_TIME,
    Column,
    ListOf,
    Node,
    Struct,
)
from streamlake.plugins.validators.shapes import (
    ATOM,
    Anything,
    Double,
    Either,
    InexpressibleError,
    Items,
    Nothing,
    OneOf,
    Pairs,
    Record,
    Shape,
    Text,
    Truth,
    Whole,
)

Rule = tuple[int, Any, Any, Any, Any, Any]

_NULL, _BOOLEAN, _INTEGER, _DOUBLE, _STRING, _ARRAY, _OBJECT = (1 << bit for bit in range(7))
_FORMATS = {None: 0, "date": 1, "time": 2, "date-time": 3, "uuid": 4}
_OUT_LIST, _OUT_STRUCT = 6, 7
_OUT: dict[Node, tuple[int, int]] = {  # what holds which scalar, and the kinds of JSON values that it takes
    STRING: (0, _STRING),
    INTEGER: (1, _INTEGER),
    NUMBER: (2, _INTEGER | _DOUBLE),
    BOOLEAN: (3, _BOOLEAN),
    DATE: (4, _STRING),
    UTC_TIME: (5, _STRING),
}
_NEVER_PLAIN = re.compile(r'["\\\x00-\x1f]')
"""What stands in a JSON string only as an escape: bytes are never compared with it."""
_COUNT = re.compile(r"[*+?]|\{[0-9]+(?:,[0-9]*)?\}")
_COUNTS = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}


class NativeDecoder:
    """`schema_decoder.Decoder`, compiled."""

    closed = True

    def __init__(self, shape: Shape, depth_max: int, columns: Sequence[Column] | None) -> None:
        """Raises InexpressibleError and ValueError where there is no such decoder."""
        native = compiled()
        assert native is not None, "asked for where it is installed"
        rule = _rule(shape)
        self._type: pa.StructType | None = None
        out = None
        if columns is not None:
            node = Struct(pa.struct([column.field for column in columns]), tuple(columns))
            self._type = cast("pa.StructType", node.arrow)
            rule = (rule[0] & ~_NULL, *rule[1:])  # a row of a table is never null
            out = _out(node, rule)
        self._decoder = native.Decoder(rule, depth_max, out)

    def doubtful(self, payloads: Sequence[bytes | None]) -> list[int]:
        """See `Decoder`."""
        return cast("list[int]", self._decoder.doubtful(payloads))

    def rows(self, payloads: Sequence[bytes | None]) -> tuple[pa.RecordBatch, list[int]]:
        """See `Decoder`."""
        assert self._type is not None, "rows are asked of a decoder with columns"
        doubtful, columns = self._decoder.columns(payloads)
        record: Any = _array(self._type, iter(columns))
        return pa.RecordBatch.from_arrays(record.flatten(), schema=pa.schema(list(self._type))), doubtful


def native_decoder(shape: Shape, depth_max: int, columns: Sequence[Column] | None) -> NativeDecoder | None:
    """The decoder; None where the package is not installed, or can't say the shape or fill the columns."""
    if compiled() is None:
        return None
    try:
        return NativeDecoder(shape, depth_max, columns)
    except (InexpressibleError, ValueError, OverflowError):
        return None


def _rule(shape: Shape) -> Rule:
    """A shape as a rule: the kinds of values that it allows, and what holds of each."""
    parts = [_single(part) for part in _flat(shape)]
    kinds = 0
    for part in parts:
        if kinds & part[0]:
            raise InexpressibleError  # two alternatives of one kind
        kinds |= part[0]
    merged = [next((part[at] for part in parts if part[at] is not None), None) for at in range(1, 6)]
    return (kinds, *merged)  # type: ignore[return-value]  # five of them


def _flat(shape: Shape) -> Iterator[Shape]:
    if isinstance(shape, Either):
        for part in shape.parts:
            yield from _flat(part)
    elif isinstance(shape, OneOf):
        words = tuple(value for value in shape.values if isinstance(value, str))
        numbers = tuple(value for value in shape.values if isinstance(value, int))
        yield from (OneOf(values) for values in (words, numbers) if values)
        yield from [Nothing()] if None in shape.values else []
    else:
        yield shape


def _single(shape: Shape) -> Rule:  # noqa: C901, PLR0911  (a table, a line for each shape)
    match shape:
        case Nothing():
            return _NULL, None, None, None, None, None
        case Truth():
            return _BOOLEAN, None, None, None, None, None
        case Text(length_min, length_max, form, pattern):
            strings = (_limit(length_min), _limit(length_max), _FORMATS[form], _pattern(pattern), ())
            return _STRING, strings, None, None, None, None
        case Whole(least, most, multiple_of):
            return _INTEGER, None, (least, most, multiple_of or 0, ()), None, None, None
        case Double():
            return _DOUBLE, None, None, _bounds(shape), None, None
        case OneOf(values) if isinstance(values[0], str):
            words = tuple(str(value).encode() for value in values)
            return _STRING, (-1, -1, 0, None, words), None, None, None, None
        case OneOf(values):
            return _INTEGER, None, (-(2**63), 2**63 - 1, 0, values), None, None, None
        case Items(item, items_min, items_max):
            return _ARRAY, None, None, None, (_inner(item), _limit(items_min), _limit(items_max)), None
        case Pairs(value):
            return _OBJECT, None, None, None, None, ((), False, _inner(value))
        case Record(fields, closed):
            if any(_NEVER_PLAIN.search(field.name) for field in fields):
                raise InexpressibleError
            declared = tuple((field.name.encode(), field.required, _rule(field.shape)) for field in fields)
            return _OBJECT, None, None, None, None, (declared, closed, None)
        case Anything() | Either():
            return _ANYTHING


_ANYTHING: Rule = (127, None, None, None, None, None)


def _inner(shape: Shape) -> Rule | None:
    return None if isinstance(shape, Anything) else _rule(shape)


def _limit(limit: int | None) -> int:
    if limit is not None and type(limit) is not int:
        raise InexpressibleError
    return -1 if limit is None else limit


def _bounds(shape: Double) -> tuple[float, float, bool, bool]:
    least, most = (shape.least, shape.above), (shape.most, shape.below)
    lowest = next((bound for bound in least if bound is not None), -math.inf)
    highest = next((bound for bound in most if bound is not None), math.inf)
    return lowest, highest, shape.above is not None, shape.below is not None


def _pattern(pattern: str | None) -> tuple[bool, tuple[tuple[bytes, int, int], ...]] | None:
    """A pattern of `shapes.py` as atoms: the ASCII characters that each allows, and how often it may stand."""
    if pattern is None:
        return None
    to_end = pattern.endswith("$") and not pattern.endswith(r"\$")
    rest = pattern.removeprefix("^").removesuffix("$") if to_end else pattern.removeprefix("^")
    atoms = []
    while rest:
        atom = re.match(ATOM, rest)
        assert atom is not None, "a pattern is made of atoms"
        rest = rest[atom.end() :]
        count = _COUNT.match(rest)
        least, most = (1, 1) if count is None else _counts(count.group())
        rest = rest[count.end() :] if count is not None else rest
        atoms.append((_bits(code for code in range(128) if re.fullmatch(atom.group(), chr(code))), least, most))
    return to_end, tuple(atoms)


def _counts(count: str) -> tuple[int, int]:
    if count in _COUNTS:
        return _COUNTS[count]
    least, comma, most = count.strip("{}").partition(",")
    if comma:
        return int(least), int(most) if most else -1
    return int(least), int(least)


def _bits(codes: Iterable[int]) -> bytes:
    bits = bytearray(32)
    for code in codes:
        bits[code >> 3] |= 1 << (code & 7)
    return bytes(bits)


def _out(node: Node, rule: Rule) -> tuple[int, tuple[Any, ...]]:
    """The columns for values of `rule`; raises InexpressibleError where `node` reads other ones than it allows."""
    kinds, array, declared = rule[0] & ~_NULL, rule[4], rule[5]
    match node:
        case Struct(_, fields) if kinds == _OBJECT and len(declared[0]) == len(fields):
            children = []
            for field, (name, required, inner) in zip(fields, declared[0], strict=True):
                missing = not required or inner[0] & _NULL
                if name != field.name.encode() or (missing and not field.nullable):
                    raise InexpressibleError
                children.append(_out(field.node, inner))
            return _OUT_STRUCT, tuple(children)
        case ListOf(_, item) if kinds == _ARRAY and array[0] is not None:
            if array[0][0] & _NULL and not item.nullable:
                raise InexpressibleError
            return _OUT_LIST, (_out(item.node, array[0]),)
        case _ if node in _OUT and kinds and not kinds & ~_OUT[node][1]:
            return _OUT[node][0], ()
    raise InexpressibleError


def _array(kind: pa.DataType, columns: Iterator[tuple[int, int, bytes | None, bytes | None, bytes | None]]) -> Any:
    """The next of `columns`, which come before what they hold, as an Arrow array."""
    rows, nulls, *parts = next(columns)
    buffers = [None if part is None else pa.py_buffer(part) for part in parts]
    children: list[Any] = []
    if isinstance(kind, pa.StructType):
        buffers = buffers[:1]
        children = [_array(field.type, columns) for field in kind]
    elif isinstance(kind, pa.ListType):
        buffers = buffers[:2]
        children = [_array(kind.value_type, columns)]
    elif not pa.types.is_string(kind):
        buffers = [buffers[0], buffers[2]]
    return pa.Array.from_buffers(kind, rows, buffers, nulls, children=children)
