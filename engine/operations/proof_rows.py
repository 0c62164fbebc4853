"""The heart of the proof: the rows of an entry's files are exactly the offsets that the entry accounts for.

Exact, not sampled: each file's offsets are checked to ascend, all together are checked to hold no offset twice, and
the spans they form are compared with the entry's range less its recorded holes and skips. Ascending int64 offsets
that form the expected spans *are* the expected offsets, so nothing is left to chance. All of it runs in Arrow, Python
sees spans only.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from streamlake.engine.entries import Entry, FileEntry
from streamlake.engine.operations.proof_types import Defect, DefectKind
from streamlake.engine.operations.spans import (
    NO_OFFSETS,
    Offsets,
    Span,
    ascends,
    common,
    merged,
    repeated,
    spans_of,
    without,
)
from streamlake.engine.records import OffsetRange

SPANS_TOLD_MAX = 20
"""How many places of one kind are told for one entry, so that a file of rubbish can't fill the report."""

FileOffsets = tuple[FileEntry, Offsets]


def row_defects(entry: Entry, columns: Sequence[FileOffsets], *, complete: bool) -> Iterator[Defect]:
    """What is wrong with the rows of one entry: order, duplicates, holes, foreign offsets; each with its place.

    `columns` are the offsets of each readable file as null-free int64. `complete` is False where a file of the entry
    is gone, unreadable or holds no offsets: then nothing can be called a hole. Counts of rows are not its business.
    """
    disordered = [file for file, offsets in columns if not ascends(offsets)]
    for file in disordered:
        message = f"the {file.rows} rows are not in the order of their offsets"
        yield _defect(entry, "order", message, path=file.final)
    together = pa.concat_arrays([NO_OFFSETS, *(offsets for _, offsets in columns)])
    if not ascends(together):
        together = together.take(pc.sort_indices(together))
    twice = [] if ascends(together) else repeated(together)
    for span in twice[:SPANS_TOLD_MAX]:
        yield _duplicate(entry, span, columns)
    observed = spans_of(pc.unique(together) if twice else together)
    expected = expected_spans(entry)
    if observed == expected:
        return
    yield from _foreign(entry, columns, expected)
    if complete:
        for span in without(expected, observed)[:SPANS_TOLD_MAX]:
            yield _defect(entry, "hole", "in no row and no dead letter, and not written down as skipped or hole", span)


def expected_spans(entry: Entry) -> list[Span]:
    """The offsets that must stand in the entry's files: its range less what it says was skipped or never delivered."""
    left_out = merged((part.first, part.next) for part in (*entry.holes, *entry.skipped_offsets))
    return without([(entry.first, entry.next)] if entry.next > entry.first else [], left_out)


def _foreign(entry: Entry, columns: Sequence[FileOffsets], expected: list[Span]) -> Iterator[Defect]:
    """Offsets that stand in a file and should not, file by file."""
    whole = [(entry.first, entry.next)]
    for file, offsets in columns:
        ordered = offsets if ascends(offsets) else pc.unique(offsets.take(pc.sort_indices(offsets)))
        surplus = without(spans_of(ordered), expected)
        for span in surplus[:SPANS_TOLD_MAX]:
            if common([span], whole) == [span]:
                message = "stands in a file, but the entry calls it skipped or a hole"
            else:
                message = f"stands in a file of the range {entry.range}"
            yield _defect(entry, "foreign", message, span, file.final)


def _duplicate(entry: Entry, span: Span, columns: Sequence[FileOffsets]) -> Defect:
    """Offsets that stand more than once, with the names of the files that hold the first of them."""
    holders = [file.final for file, offsets in columns if pc.any(pc.equal(offsets, pa.scalar(span[0]))).as_py()]
    where = f"in {holders[0]} alone" if len(holders) == 1 else "in " + " and ".join(holders)
    return _defect(entry, "duplicate", f"more than once {where}", span, holders[-1])


def _defect(entry: Entry, kind: DefectKind, message: str, span: Span | None = None, path: str | None = None) -> Defect:
    """A defect of this entry; a span that is no offset range (a negative number) is told in words."""
    offsets = None
    if span is not None and span[0] >= 0:
        offsets = OffsetRange(*span)
    elif span is not None:
        message = f"offsets {span[0]} to {span[1] - 1}: {message}"
    return Defect(kind, message, entry.run, entry.source, offsets, path)
