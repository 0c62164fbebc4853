"""Rows of several files in the order of their offsets, where those of each file are in order."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import pyarrow as pa

from streamlake.engine.lake.batches import offsets_of

RUN_ROWS = 32
"""Where one of two files has so many rows for each of the other's, its runs are copied whole instead of row by row."""


def in_offset_order(files: Sequence[Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    """The rows of all files (with a column `_offset`), part by part; holds a part of each file.

    Each file is begun before the first row is given.
    """
    if len(files) == 1:
        yield from files[0]
        return
    heads = [_Head(file) for file in files]
    while heads := [head for head in heads if head.begun()]:
        up_to = min(head.last for head in heads)
        parts = [part for head in heads if (part := head.take(up_to)).num_rows]
        if len(parts) == 1:
            yield parts[0]
            continue
        yield from _together(parts).combine_chunks().to_batches()


def _together(parts: Sequence[pa.RecordBatch]) -> pa.Table:
    """The rows of all parts in the order of their offsets."""
    few, many = sorted(parts, key=lambda part: part.num_rows)[-2:]
    if len(parts) == 2 and few.num_rows * RUN_ROWS <= many.num_rows:
        return pa.Table.from_batches(_runs(few, many))
    return pa.Table.from_batches(parts).sort_by("_offset")


def _runs(few: pa.RecordBatch, many: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The rows of both in order, as slices: up to where the other has the next row (or the same one), and so on."""
    these, those = offsets_of(few), offsets_of(many)
    runs, done, first = list[pa.RecordBatch](), 0, 0
    while first < len(these):
        upto = bisect_left(those, these[first], done)
        following = bisect_left(these, those[upto], first + 1) if upto < len(those) else len(these)
        runs += [many.slice(done, upto - done), few.slice(first, following - first)]
        done, first = upto, following
    return [*runs, many.slice(done)]


class _Head:
    """The part of one file that is next."""

    def __init__(self, parts: Iterator[pa.RecordBatch]) -> None:
        self._parts = parts
        self._part: pa.RecordBatch | None = None

    def begun(self) -> bool:
        """Whether there is a row left; reads the next part where this one is used up."""
        while self._part is None or not self._part.num_rows:
            self._part = next(self._parts, None)
            if self._part is None:
                return False
        return True

    @property
    def last(self) -> int:
        """The last offset of the part in hand."""
        assert self._part is not None, "begun"
        return offsets_of(self._part)[-1]

    def take(self, up_to: int) -> pa.RecordBatch:
        """Take the rows up to that offset, which may be none."""
        assert self._part is not None, "begun"
        rows = bisect_right(offsets_of(self._part), up_to)
        taken, self._part = self._part.slice(0, rows), self._part.slice(rows)
        return taken
