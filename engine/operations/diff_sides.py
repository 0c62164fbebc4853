"""One side of a comparison: what a run has of a partition, chunk by chunk in the order of offsets, as Arrow columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from streamlake.engine.abilities import RecordLedger
from streamlake.engine.entries import Entry, FileEntry
from streamlake.engine.errors import FileDamagedError
from streamlake.engine.folding import folded_field
from streamlake.engine.lake.batches import between, offsets_of, record_batches
from streamlake.engine.lake.merging import in_offset_order
from streamlake.engine.operations.diff_types import Fate
from streamlake.engine.operations.proof_rows import expected_spans
from streamlake.engine.operations.spans import Span, common, spans_of, without
from streamlake.engine.records import OffsetRange

Kind = Literal["payload", "typed", "unknown"]
"""What is known of landed rows: their payload, a validator's columns, or nothing but their offsets."""

_REFUSED: dict[str, pa.DataType] = {"_offset": pa.int64(), "reason": pa.string(), "field": pa.string()}
REFUSED = pa.schema(_REFUSED)
NO_ROWS = pa.record_batch([pa.array([], pa.int64())], names=["_offset"])
NONE_REFUSED = pa.record_batch([pa.array([], kind) for kind in REFUSED.types], schema=REFUSED)


@dataclass(frozen=True, slots=True)
class Chunk:
    """What became of each offset of `range`: rows that landed or were refused, and spans of all others.

    `landed` has `_offset` and, as `kind` says, `value` or typed columns. `lines` is True for JSON lines, in which line
    breaks between JSON tokens became spaces.
    """

    range: OffsetRange
    landed: pa.RecordBatch = field(default_factory=lambda: NO_ROWS)
    refused: pa.RecordBatch = field(default_factory=lambda: NONE_REFUSED)
    others: Mapping[Fate, Sequence[Span]] = field(default_factory=dict)
    kind: Kind = "unknown"
    lines: bool = False

    def part(self, within: OffsetRange) -> "Chunk":
        """The part of it that lies in `within`, which is in its range."""
        if within == self.range:
            return self
        clipped = {fate: common(spans, [(within.first, within.next)]) for fate, spans in self.others.items()}
        landed, refused = between(self.landed, within), between(self.refused, within)
        return Chunk(within, landed, refused, clipped, self.kind, self.lines)


def chunks(ledger: RecordLedger, entries: Iterable[Entry], whole: OffsetRange) -> Iterator[Chunk]:
    """All of `whole` in consecutive chunks; what no entry accounts for is `not read`.

    Memory: a part of each file of an entry, and the reasons of all its dead letters. Raises FileDamagedError.
    """
    position = whole.first
    for entry in entries:
        if entry.first >= whole.next:
            break
        if entry.first > position:
            yield _not_read(OffsetRange(position, entry.first))
            position = entry.first
        for chunk in _of_entry(ledger, entry):
            inside = chunk.range.overlap(OffsetRange(position, whole.next))
            if inside:
                yield chunk.part(inside)
                position = inside.next
    if position < whole.next:
        yield _not_read(OffsetRange(position, whole.next))


def _not_read(offsets: OffsetRange) -> Chunk:
    return Chunk(offsets, others={"not read": [(offsets.first, offsets.next)]})


def _of_entry(ledger: RecordLedger, entry: Entry) -> Iterator[Chunk]:
    if entry.kind == "gap":
        yield Chunk(entry.range, others={"given up": [(entry.first, entry.next)]})
        return
    raw, dead = ([file for file in entry.files if file.kind == kind] for kind in ("raw", "dead"))
    refused = _together([_contents(ledger, file) for file in dead])
    others: dict[Fate, Sequence[Span]] = {
        "skipped": [(part.first, part.next) for part in entry.skipped_offsets],
        "hole": [(part.first, part.next) for part in entry.holes],
    }
    kind, lines = _kind_of(raw), any(".jsonl" in file.final for file in raw)
    position, rows = entry.first, 0
    for part in _landed(ledger, entry, raw, refused, kind):
        rows += part.num_rows
        following = max(position, offsets_of(part)[-1] + 1)
        covered = OffsetRange(position, following)
        yield Chunk(entry.range, part, refused, others, kind, lines).part(covered)
        position = following
    if (rows, refused.num_rows) != (entry.landed, entry.refused):
        names = ", ".join(file.final for file in entry.files)
        raise FileDamagedError(
            f"{entry.source}: {rows} rows and {refused.num_rows} dead letters, ledger entry {entry.seq} of run "
            f"{entry.run} says {entry.landed} and {entry.refused} ({names}); `streamlake prove` says more"
        )
    yield Chunk(entry.range, NO_ROWS, refused, others).part(OffsetRange(position, max(position, entry.next)))


def _kind_of(raw: Sequence[FileEntry]) -> Kind:
    if any(file.columns == "typed" for file in raw):
        return "typed"
    # Rows of payloads alone have no offsets: they follow from the entry where all of them lie in one file.
    return "payload" if len(raw) == 1 or all(file.columns == "envelope" for file in raw) else "unknown"


def _landed(
    ledger: RecordLedger, entry: Entry, raw: Sequence[FileEntry], refused: pa.RecordBatch, kind: Kind
) -> Iterator[pa.RecordBatch]:
    """The landed rows of an entry in the order of their offsets, in parts of one row at least."""
    if all(file.columns != "value" for file in raw):
        yield from in_offset_order([_contents(ledger, file) for file in raw])
        return
    offsets = _landed_offsets(entry, refused)
    if kind == "unknown":
        yield from [pa.record_batch([offsets], names=["_offset"])] if len(offsets) else []
        return
    done = 0
    for part in _contents(ledger, raw[0]):
        mine = offsets.slice(done, part.num_rows)
        done += part.num_rows
        if len(mine) == part.num_rows:  # what is too much is counted, and said
            yield pa.record_batch([mine, *part.columns], names=["_offset", *part.schema.names])


def _landed_offsets(entry: Entry, refused: pa.RecordBatch) -> pa.Int64Array:
    """What is left of the entry's offsets without all that did not land."""
    landed = without(expected_spans(entry), spans_of(refused.column("_offset")))
    return pa.concat_arrays([pa.array([], pa.int64()), *(pa.array(range(*span), pa.int64()) for span in landed)])


def _contents(ledger: RecordLedger, file: FileEntry) -> Iterator[pa.RecordBatch]:
    for columns in ledger.contents(file):
        yield from (part for part in record_batches(columns) if part.num_rows)


def _together(files: Sequence[Iterator[pa.RecordBatch]]) -> pa.RecordBatch:
    """All refused rows as one, with `*` for each place in a list: the same rule may be broken by another item."""
    found = list(in_offset_order(files))
    if not found:
        return NONE_REFUSED
    (whole,) = pa.Table.from_batches(found).combine_chunks().to_batches()
    fields: Any = whole.column("field").cast(pa.string()).dictionary_encode()
    folded = pa.array([field and folded_field(field) for field in fields.dictionary.to_pylist()], pa.string())
    columns: list[Any] = [
        whole.column("_offset"),
        whole.column("reason").cast(pa.string()),
        folded.take(fields.indices),
    ]
    return pa.record_batch(columns, schema=REFUSED)
