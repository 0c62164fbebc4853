"""Reads one partition from what has landed: the files of its ledger entries in the place of Kafka.

What is yielded is what Kafka delivered, byte for byte, accepted and refused records alike. Three things are not there
to be read, and become holes: offsets that were holes, offsets that were given up (`gap`), and records that were skipped
by policy or by the validator, whose bytes are nowhere. Each file is held against its checksum before a row of its entry
is taken.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator

import pyarrow as pa

from streamlake.engine.abilities import RecordLedger
from streamlake.engine.codes.ledger import FILE_GONE
from streamlake.engine.contracts import BatchLimits, Ledger
from streamlake.engine.entries import Entry, FileEntry
from streamlake.engine.errors import ConfigError, FileDamagedError, PositionLostError
from streamlake.engine.lake.batches import batch_of, between, nothing_over, offsets_of, record_batches, slices_of
from streamlake.engine.lake.merging import in_offset_order
from streamlake.engine.packed import bytes_of
from streamlake.engine.records import Batch, OffsetRange, TopicPartition


class LakeSource:
    """The records of one partition from `next_offset` up to `until` (`contracts.Source`).

    `entries` are those that account for these offsets, in the order of their offsets, read as they are needed. Memory:
    a part of each file of an entry (of Parquet a row group), so one entry at most.

    Raises ConfigError where the sink does not give records back.
    """

    def __init__(
        self, ledger: Ledger, source: TopicPartition, entries: Iterable[Entry], next_offset: int, until: int
    ) -> None:
        self._ledger = ledger
        self._records = record_ledger(ledger)
        self._source = source
        self._beat: Callable[[], object] = lambda: None
        self._coming = self._all(entries, OffsetRange(next_offset, max(next_offset, until)))
        self._held: Batch | None = None

    @property
    def in_hand(self) -> int:
        """See `contracts.Source`: nothing waits for more, all of it is there."""
        return 0

    def slices(self, limits: BatchLimits, go_on: Callable[[], bool]) -> Iterator[Batch]:
        """See `contracts.Source`. `go_on` is called for each part of a file, and around the check of its sum.

        The leader epoch is None: nobody knows it of a position in a file. Raises ConfigError where a file does not keep
        the record, FileDamagedError, and PositionLostError where nobody has landed the offsets.
        """
        rows, size, began = 0, 0, time.monotonic()
        self._beat = go_on
        while rows < limits.rows_max and size < limits.bytes_max and time.monotonic() - began < limits.seconds_max:
            part = self._next(limits.rows_max - rows)
            if part is None:
                return
            rows, size = rows + len(part), size + bytes_of(part.keys) + bytes_of(part.values)
            wanted = go_on()
            yield part
            if not wanted:
                return

    def close(self) -> None:
        """Let go of the files in hand."""
        self._coming.close()

    def _next(self, rows_max: int) -> Batch | None:
        part, self._held = self._held or next(self._coming, None), None
        if part is not None and len(part) > rows_max:
            part, self._held = part.cut(rows_max)
        return part

    def _all(self, entries: Iterable[Entry], wanted: OffsetRange) -> Generator[Batch]:
        position = wanted.first
        for entry in entries:
            if position >= wanted.next:
                return
            if entry.next <= position:
                continue
            if entry.first > position:
                raise self._nowhere(OffsetRange(position, min(entry.first, wanted.next)))
            covered = OffsetRange(position, min(entry.next, wanted.next))
            yield from self._of_entry(entry, covered)
            position = covered.next
        if position < wanted.next:
            raise self._nowhere(OffsetRange(position, wanted.next))

    def _of_entry(self, entry: Entry, covered: OffsetRange) -> Iterator[Batch]:
        """The records of an entry within `covered`, slice by slice; what it has none of is within a slice's range.

        That offsets ascend is checked by whoever takes a slice, whatever its source is (`pipeline.check_order`).
        """
        position, found = covered.first, 0
        for part in in_offset_order([self._rows_of(file) for file in entry.files]):
            mine = between(part, entry.range)
            found += mine.num_rows
            for some in slices_of(between(mine, covered)):
                following = max(position, offsets_of(some)[-1] + 1)
                yield batch_of(some, self._source, OffsetRange(position, following))
                position = following
        if found != entry.landed + entry.refused:
            names = ", ".join(file.final for file in entry.files) or "no file"
            raise FileDamagedError(
                f"{entry.source}: {found} rows within {entry.range}, {entry.landed + entry.refused} were committed by "
                f"ledger entry {entry.seq} of run {entry.run} ({names})"
            )
        if position < covered.next:
            yield nothing_over(self._source, OffsetRange(position, covered.next))

    def _rows_of(self, file: FileEntry) -> Iterator[pa.RecordBatch]:
        refuse_without_records(file)
        self._check(file)
        for part in self._records.records(file):
            self._beat()
            yield from record_batches(part)

    def _check(self, file: FileEntry) -> None:
        """Raise FileDamagedError unless the file is what was committed."""
        self._beat()
        facts = self._ledger.inspect(file, checksum=True)
        self._beat()
        if facts is None:
            raise FileDamagedError(
                f"{file.final} is gone, and so is its staged {file.staged}: it can't be read again", code=FILE_GONE
            )
        if (facts.bytes, facts.sha256) != (file.bytes, file.sha256):
            raise FileDamagedError(
                f"{facts.path} is not what was committed: {facts.bytes} bytes with sha256 {facts.sha256}, it was "
                f"{file.bytes} with {file.sha256}. Nothing of it was taken; put the file back, or replay its offsets "
                "from Kafka"
            )

    def _nowhere(self, offsets: OffsetRange) -> PositionLostError:
        return PositionLostError(
            f"{self._source}: offsets {offsets} have not landed, so no file has them: replay them from Kafka, or say "
            "bounds that leave them out"
        )


def record_ledger(ledger: Ledger) -> RecordLedger:
    """The ledger as one that gives records back. Raises ConfigError where it does not."""
    if isinstance(ledger, RecordLedger):
        return ledger
    raise ConfigError(
        f"sink.type: its ledger ({type(ledger).__name__}) does not give back what it has landed (it has no `records` "
        "and `contents`, see `RecordLedger` in streamlake/engine/abilities.py): no replay can read from it or be "
        "compared in it. Read from Kafka instead"
    )


def refuse_without_records(file: FileEntry) -> None:
    """Raise ConfigError for a raw file whose rows are not whole records."""
    if file.kind == "raw" and file.columns != "envelope":
        lost = "has the payloads alone" if file.columns == "value" else "has the validator's columns and no payload"
        raise ConfigError(
            f"{file.final} was landed with sink.columns {file.columns}: it {lost}, so the records can't be read again "
            "from it. Replay them from Kafka; what is landed with sink.columns envelope can be replayed from files"
        )
