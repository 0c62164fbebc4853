"""Records in Arrow's columns (`abilities.RecordLedger`) as batches, by whole columns."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal

import pyarrow as pa

from streamlake.engine.compiled import compiled
from streamlake.engine.records import ArrowColumns, Batch, Header, OffsetRange, TopicPartition

Code = Literal["B", "i", "q"]

SLICE_BYTES_MAX = 2 * 2**20
SLICE_ROWS_PACKED = 8192
SLICE_ROWS = 2000  # an object for each key and value: many more miss the processor's cache


def record_batches(columns: ArrowColumns) -> Iterator[pa.RecordBatch]:
    """What a ledger gave as Arrow's own type."""
    yield from [columns] if isinstance(columns, pa.RecordBatch) else pa.table(columns).to_batches()


def batch_of(records: pa.RecordBatch, source: TopicPartition, covered: OffsetRange) -> Batch:
    """The records as a batch over `covered`; the leader epoch is not known."""
    return Batch(
        source=source,
        range=covered,
        leader_epoch=None,
        offsets=_integers(records.column("_offset")),
        timestamps_ms=_integers(records.column("_timestamp")),
        timestamp_types=_numbers(records.column("_timestamp_type"), "B").tobytes(),
        keys=_items(records.column("_key")),
        values=_items(records.column("value")),
        headers=_headers(records.column("_headers")),
    )


def nothing_over(source: TopicPartition, covered: OffsetRange) -> Batch:
    """No record over `covered`: all of it are holes."""
    return Batch(source, covered, None, (), (), (), (), (), ())


def between(records: pa.RecordBatch, wanted: OffsetRange) -> pa.RecordBatch:
    """The records with these offsets, of ascending ones."""
    offsets = offsets_of(records)
    first, following = bisect_left(offsets, wanted.first), bisect_left(offsets, wanted.next)
    return records.slice(first, following - first)


def slices_of(records: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The records in consecutive slices, each of a size to be worked on, at least one record each."""
    ends = _numbers(records.column("value"), "i", more=1)
    rows_max, first = SLICE_ROWS if compiled() is None else SLICE_ROWS_PACKED, 0
    while first < records.num_rows:
        full = bisect_right(ends, ends[first] + SLICE_BYTES_MAX) - 1
        following = min(max(full, first + 1), first + rows_max, records.num_rows)
        left_rows, left_bytes = records.num_rows - following, ends[records.num_rows] - ends[following]
        if left_rows <= rows_max // 8 and left_bytes <= SLICE_BYTES_MAX // 8:
            following = records.num_rows  # a small rest would cost almost as much as a whole slice
        yield records.slice(first, following - first)
        first = following


def offsets_of(records: pa.RecordBatch) -> "memoryview[int]":
    """The offset of each record."""
    return _numbers(records.column("_offset"), "q")


def _integers(column: Any) -> Sequence[int]:
    return array("q", _numbers(column, "q").tobytes())


def _items(column: Any) -> Sequence[bytes | None]:
    native = compiled()
    items: Sequence[bytes | None] = column.to_pylist() if native is None else native.Bytes(column)
    return items


def _headers(column: Any) -> Sequence[Sequence[Header] | None]:
    """The headers of each record; neighbours with equal ones share one object, which spares whoever encodes them."""
    rows = len(column)
    if column.null_count == rows:
        return [None] * rows
    begins = _numbers(column, "i", more=1)
    pairs = column.values.slice(begins[0], begins[-1] - begins[0])
    names, values = pairs.field("name").to_pylist(), pairs.field("value").to_pylist()
    flat = list(zip(names, values, strict=True))
    found: list[Sequence[Header] | None] = []
    before: Sequence[Header] | None = None
    for first, following in pairwise(begins):
        headers = tuple(flat[first - begins[0] : following - begins[0]]) or None
        before = before if headers == before else headers
        found.append(before)
    return found


def _numbers(column: Any, code: Code, *, more: int = 0) -> "memoryview[int]":
    """The numbers of an Arrow array, or with one `more` the begins and ends of what it holds, without a copy."""
    if not len(column):
        return memoryview(array(code, [0] * more))  # it may be without a buffer
    numbers = memoryview(column.buffers()[1]).cast("B").cast(code)
    return numbers[column.offset : column.offset + len(column) + more]
