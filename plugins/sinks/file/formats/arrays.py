"""The columns of a batch as Arrow arrays, built list by list and never row by row."""

import struct
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate, chain, compress, count, islice, repeat
from operator import is_not, itemgetter, sub
from typing import Any, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

from streamlake.engine.packed import Packed
from streamlake.engine.records import Header

Column: TypeAlias = "pa.Array[Any]"
"""An Arrow array of whatever type its maker says."""

HEADER = pa.struct([pa.field("name", pa.string(), nullable=False), pa.field("value", pa.binary())])
HEADERS = pa.list_(HEADER)

RECORD_FIELDS: "list[pa.Field[Any]]" = [
    pa.field("_offset", pa.int64()),
    pa.field("_timestamp", pa.int64()),
    pa.field("_timestamp_type", pa.int8()),
    pa.field("_key", pa.binary()),
    pa.field("_headers", HEADERS),
    pa.field("value", pa.binary()),
]
RECORD = pa.schema(RECORD_FIELDS)
"""A record as it was delivered (`abilities.RecordLedger`)."""

_name_of = itemgetter(0)
_value_of = itemgetter(1)


def binary(items: Sequence[bytes | None]) -> pa.BinaryArray:
    """Bytes as they are; None is null. What is packed already is taken without a copy."""
    return pa.array(items, pa.binary())


def payloads(items: Sequence[bytes | None]) -> pa.BinaryArray:
    """The same as `binary`, at half the cost where items are larger than a key and none is None."""
    if isinstance(items, Packed):
        return binary(items)
    try:
        ends = accumulate(map(len, cast("Sequence[bytes]", items)))
        begins = struct.pack(f"={len(items) + 1}i", 0, *ends)
        joined = b"".join(cast("Sequence[bytes]", items))
    except (TypeError, struct.error):  # there is None among them; more than 2 GiB
        return binary(items)
    buffers = [None, pa.py_buffer(begins), pa.py_buffer(joined)]
    return cast("pa.BinaryArray", pa.Array.from_buffers(pa.binary(), len(items), buffers))


def constant(value: int | str | None, kind: pa.DataType, rows: int) -> Column:
    """The same value `rows` times. Parts of one array: to make one costs as much as a column that is read."""
    return _constant(value, kind, 1 << max(rows - 1, 1).bit_length()).slice(0, rows)


@lru_cache(maxsize=64)
def _constant(value: int | str | None, kind: pa.DataType, rows: int) -> Column:
    scalar: Any = pa.scalar(value, kind)
    return cast("Column", pa.repeat(scalar, rows))


def integers(items: Sequence[int]) -> pa.Int64Array:
    """Offsets or milliseconds."""
    if isinstance(items, array):
        return cast("pa.Int64Array", pa.Array.from_buffers(pa.int64(), len(items), [None, pa.py_buffer(items)]))
    return pa.array(items, pa.int64())


def least_and_most(items: Sequence[int]) -> tuple[int, int]:
    """Of at least one."""
    if isinstance(items, array):
        bounds: Any = pc.min_max(integers(items))
        return bounds["min"].as_py(), bounds["max"].as_py()
    return min(items), max(items)


def timestamps(milliseconds: Sequence[int], types: Sequence[int]) -> Column:
    """Milliseconds since 1970; null where a record has none (type 0)."""
    if 0 not in types:
        return integers(milliseconds)
    stamped = zip(milliseconds, types, strict=True)
    return pa.array([ms if kind else None for ms, kind in stamped], pa.int64())


def headers(items: Sequence[Sequence[Header] | None]) -> Column:
    """Name and value of each header in order; null for a record without any."""
    if items.count(None) == len(items):
        return constant(None, HEADERS, len(items))
    return for_each_distinct(items, _headers)


def for_each_distinct(
    items: Sequence[Sequence[Header] | None], make: Callable[[Sequence[Sequence[Header] | None]], Column]
) -> Column:
    """What `make` makes of `items`, made once for neighbours that are one object (a source shares equal headers)."""
    begins = [0, *compress(count(1), map(is_not, items, islice(items, 1, None)))]
    if len(begins) > len(items) / 2:
        return make(items)
    lengths = map(sub, [*begins[1:], len(items)], begins)
    places = chain.from_iterable(map(repeat, count(), lengths))
    return make([items[begin] for begin in begins]).take(pa.array(list(places), pa.int32()))


def _headers(items: Sequence[Sequence[Header] | None]) -> Column:
    flat, offsets = flat_headers(items)
    pairs = pa.StructArray.from_arrays(
        [pa.array(list(map(_name_of, flat)), pa.string()), binary(list(map(_value_of, flat)))], fields=list(HEADER)
    )
    return pa.ListArray.from_arrays(offsets, pairs, type=HEADERS)


def flat_headers(items: Sequence[Sequence[Header] | None]) -> tuple[list[Header], pa.Int32Array]:
    """All headers in one list, and where each record's begin; a null begin marks a record without any."""
    some = [item or () for item in items]
    flat = list(chain.from_iterable(some))
    begins = accumulate(map(len, some), initial=0)
    offsets = [begin if item else None for begin, item in zip(begins, some, strict=False)]
    return flat, pa.array([*offsets, len(flat)], pa.int32())
