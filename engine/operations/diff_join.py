"""Two chunks over the same offsets, joined by offset: what became of each in the one and in the other, in Arrow.

Python sees spans of offsets without rows, distinct outcomes, and rows that differ; never a row that is the same.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from streamlake.engine.lake.batches import between
from streamlake.engine.operations.diff_sides import REFUSED, Chunk
from streamlake.engine.operations.diff_types import Fate
from streamlake.engine.operations.diff_values import comparable, differing_columns, differing_payloads
from streamlake.engine.operations.spans import Span, common
from streamlake.engine.records import OffsetRange

_compute: Any = pc

OUTCOMES = pa.schema(
    [("offset", pa.int64())]
    + [(f"{side}{what}", pa.string()) for side in ("here", "there") for what in ("", "_reason", "_field")]
)
"""What became of offsets: the fate here and there, with reason and field where it is `refused`."""


class Seen(Protocol):
    """Takes in what a comparison finds."""

    def without_rows(self, here: Fate, there: Fate, offsets: int) -> None:
        """So many offsets have a row in neither."""

    def outcomes(self, rows: pa.Table) -> None:
        """Offsets (OUTCOMES) that have a row in one at least, and did not land in both."""

    def values(self, same: int, not_compared: int, columns_apart: set[str]) -> None:
        """Of offsets that landed in both: so many with equal values, and so many whose values can't be compared."""

    def value_differs(self, here: pa.RecordBatch, there: pa.RecordBatch, columns: Sequence[str]) -> None:
        """Rows of both sides, with `_offset`, that landed in both and differ in some of these columns."""


def aligned(here: Iterator[Chunk], there: Iterator[Chunk]) -> Iterator[tuple[Chunk, Chunk]]:
    """Two sequences of chunks over one range as pairs over the same offsets, cut where either of them ends."""
    one, other = next(here, None), next(there, None)
    while one is not None and other is not None:
        following = min(one.range.next, other.range.next)
        covered = OffsetRange(one.range.first, following)
        if covered:
            yield one.part(covered), other.part(covered)
        one, other = _rest(one, following, here), _rest(other, following, there)
    assert one is other is None, "both are over one range"


def compare(here: Chunk, there: Chunk, seen: Seen) -> None:
    """Tell `seen` of every offset of two chunks over the same range, once."""
    for fate, spans in here.others.items():
        for other, its_spans in there.others.items():
            count = sum(following - first for first, following in common(list(spans), list(its_spans)))
            if count:
                seen.without_rows(fate, other, count)
    _compare_values(here, there, *_matched(here.landed, there.landed), seen)
    refused_there = _matched(here.landed, there.refused)
    refused_here = _matched(here.refused, there.landed)
    refused = _matched(here.refused, there.refused)
    for (rows, its_rows), fate, other in (
        (refused_there, "landed", "refused"),
        (refused_here, "refused", "landed"),
        (refused, "refused", "refused"),
    ):
        _tell(rows, fate, its_rows, other, seen)
    _tell_unmatched(here, there, lambda rows, fate, other: _tell(rows, fate, None, other, seen))
    _tell_unmatched(there, here, lambda rows, fate, other: _tell(None, other, rows, fate, seen))


def _rest(chunk: Chunk, from_: int, following: Iterator[Chunk]) -> Chunk | None:
    if chunk.range.next > from_:
        return chunk.part(OffsetRange(from_, chunk.range.next))
    return next(following, None)


def _matched(one: pa.RecordBatch, other: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The rows of each whose offset is in both, in the same order."""
    if not one.num_rows or not other.num_rows:
        return one.slice(0, 0), other.slice(0, 0)
    offsets, others = one.column("_offset"), other.column("_offset")
    if offsets.equals(others):
        return one, other
    places: Any = _compute.index_in(offsets, value_set=others)
    return one.filter(places.is_valid()), other.take(places.drop_null())


def _compare_values(here: Chunk, there: Chunk, one: pa.RecordBatch, other: pa.RecordBatch, seen: Seen) -> None:
    if not one.num_rows:
        return
    if here.kind != there.kind or here.kind == "unknown":
        seen.values(0, one.num_rows, set())
        return
    if here.kind == "payload":
        columns, apart = ["value"], set[str]()
        mask = differing_payloads(
            one.column("value"), other.column("value"), one_in_lines=here.lines is not there.lines
        )
        differing = [("value", mask)] if mask is not None else []
    else:
        columns, apart = comparable(one.schema, other.schema)
        differing = differing_columns(one, other, columns)
    if not columns:
        seen.values(0, one.num_rows, apart)
        return
    if not differing:
        seen.values(one.num_rows, 0, apart)
        return
    names, masks = zip(*differing, strict=True)
    some: Any = masks[0]
    for another in masks[1:]:
        some = _compute.or_(some, another)
    here_rows, there_rows = one.filter(some), other.filter(some)
    seen.values(one.num_rows - here_rows.num_rows, 0, apart)
    seen.value_differs(here_rows, there_rows, names)


def _tell_unmatched(mine: Chunk, other: Chunk, tell: Callable[[pa.RecordBatch, Fate, Fate], None]) -> None:
    """Tell of the rows of `mine` that `other` has no row of: landed and refused ones by its fates."""
    sides: tuple[tuple[pa.RecordBatch, Fate], ...] = ((mine.landed, "landed"), (mine.refused, "refused"))
    for rows, fate in sides:
        if not rows.num_rows:
            continue
        for its_fate, spans in other.others.items():
            for part in _within(rows, spans):
                tell(part, fate, its_fate)


def _within(rows: pa.RecordBatch, spans: Sequence[Span]) -> Iterator[pa.RecordBatch]:
    """The rows with offsets within the spans, together."""
    parts = [between(rows, OffsetRange(*span)) for span in spans]
    some = [part for part in parts if part.num_rows]
    if some:
        yield from pa.Table.from_batches(some).combine_chunks().to_batches()


def _tell(here: pa.RecordBatch | None, fate: Fate, there: pa.RecordBatch | None, other: Fate, seen: Seen) -> None:
    """The outcomes of rows, of which one side may have none."""
    rows = here if here is not None else there
    assert rows is not None, "one side has rows"
    if rows.num_rows:
        columns: list[Any] = [
            rows.column("_offset"),
            *_side(here, fate, rows.num_rows),
            *_side(there, other, rows.num_rows),
        ]
        seen.outcomes(pa.table(columns, schema=OUTCOMES))


def _side(rows: pa.RecordBatch | None, fate: Fate, count: int) -> list[Any]:
    nothing = pa.nulls(count, pa.string())
    refused = rows is not None and fate == "refused"
    why = [rows.column(name) for name in REFUSED.names[1:]] if rows is not None and refused else [nothing, nothing]
    return [pa.repeat(fate, count), *why]
