"""`prove --kafka`: the topic is read again, where it is still kept, and compared with what landed, offset by offset.

The ledger alone can't tell a hole from a message that a client lost: both are the residual of a batch. The topic can.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, FileEntry
from streamlake.engine.errors import PositionLostError
from streamlake.engine.operations.proof_files import FilesFound
from streamlake.engine.operations.proof_rows import SPANS_TOLD_MAX, expected_spans
from streamlake.engine.operations.proof_types import Defect, DefectKind, Findings, KafkaTotals
from streamlake.engine.operations.spans import Offsets, Span, common, merged, numbers, spans_of, without
from streamlake.engine.operations.topic_reader import TopicReader
from streamlake.engine.records import DeadLetter, OffsetRange, TopicPartition, ranges_of

_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


@dataclass(slots=True)
class KafkaProof:
    """One proof's comparison with the topics; hands out a comparison for each partition ledger."""

    reader: TopicReader
    ledger: Ledger
    findings: Findings
    totals: KafkaTotals = field(default_factory=KafkaTotals)

    def partition(self, source: TopicPartition, *, from_files: bool = False) -> "PartitionComparison":
        """The comparison for one partition; asks the broker what it keeps. Raises SourceError.

        `from_files`: the run has read files, in which nothing stands of what was skipped: its holes are no accusation.
        """
        topic_id = self.reader.topic_id(source.topic)
        if topic_id is None:
            return PartitionComparison(self, source, None, OffsetRange(0, 0), compacted=False, from_files=from_files)
        compacted = not self.reader.keeps_all(source.topic)
        return PartitionComparison(self, source, topic_id, self.reader.kept(source), compacted, from_files)

    def topic_id(self, topic: str) -> str | None:
        """The topic's id now; None where there is none. Raises SourceError."""
        return self.reader.topic_id(topic)

    def count_pending(self, topic: str, landed: Mapping[TopicPartition, int]) -> None:
        """Count what the topic keeps past `landed`, each partition's next offset. Raises SourceError."""
        if self.reader.topic_id(topic) is None:
            return
        for number in range(self.reader.partitions(topic)):
            source = TopicPartition(topic, number)
            kept = self.reader.kept(source)
            self.totals.pending += max(0, kept.next - max(kept.first, landed.get(source, 0)))


@dataclass(slots=True)
class PartitionComparison:
    """Compares the entries of one partition, in order, with one pass over the topic."""

    proof: KafkaProof
    source: TopicPartition
    topic_id: str | None
    kept: OffsetRange
    compacted: bool
    from_files: bool
    told: set[str] = field(default_factory=set)

    def compare(self, entry: Entry, found: FilesFound) -> None:
        """Compare one data entry whose files are sound; it is held in memory meanwhile, as the engine held it.

        Raises SourceError when the broker does not answer, FileDamagedError when a file can't be read.
        """
        if entry.kind != "data":
            return
        if entry.topic_id != self.topic_id:
            now = "there is no such topic" if self.topic_id is None else f"the topic's id is {self.topic_id}"
            self._tell(f"{self.source}: {now}, what landed is of {entry.topic_id}: it can't be compared")
            self.proof.totals.expired += len(entry.range)
            return
        delivered = self._delivered(entry)
        lost, gone = self._differing_offsets(entry, delivered)
        if lost or (gone and not self.compacted):
            delivered = self._in_both_answers(entry, delivered)
        self._compare_offsets(entry, delivered)
        self._compare_values(entry, found, delivered)

    def _delivered(self, entry: Entry) -> "Delivered":
        """What the topic still delivers of the entry's range; says what is not kept any more."""
        if entry.next > self.kept.next:
            self.kept = self.proof.reader.kept(self.source)  # the first answer may be older than this entry
        delivered = self._read(entry, afresh=False)
        window = delivered.window
        expired = min(entry.next, max(entry.first, self.kept.first)) - entry.first
        if expired:
            self._tell(f"{self.source}: the topic no longer keeps all that landed: its older part is not compared")
        self.proof.totals.expired += expired
        self.proof.totals.compared += len(window)
        if entry.next > self.kept.next:
            past = (max(entry.first, self.kept.next), entry.next)
            self._accuse(entry, "foreign", f"landed, but the topic ends at {self.kept.next}", [past])
        return delivered

    def _in_both_answers(self, entry: Entry, first: "Delivered") -> "Delivered":
        """What Kafka delivers when it is asked again, from here, and delivered before.

        What it calls aborted may depend on where its answer ends, and it errs on one side only: it delivers aborted
        records, and never leaves out committed ones (docs/reliability.md).
        """
        again = self._read(entry, afresh=True)
        both = first.values.keys() & again.values.keys()
        if (first.values.keys() | again.values.keys()) - both:
            self._tell(f"{self.source}: Kafka did not deliver the same records twice; what came once was aborted")
        values = {offset: again.values[offset] for offset in again.values if offset in both}
        return Delivered(again.window, values, again.keys)

    def _read(self, entry: Entry, *, afresh: bool) -> "Delivered":
        """What the topic delivers of the part of the entry's range that it still keeps."""
        while True:
            try:
                return Delivered.read(self.proof.reader, self.source, entry.range.overlap(self.kept), afresh=afresh)
            except PositionLostError:
                kept = self.proof.reader.kept(self.source)
                if kept.first <= self.kept.first:
                    raise
                self.kept = kept  # retention moved on between question and answer

    def _differing_offsets(self, entry: Entry, delivered: "Delivered") -> tuple[list[Span], list[Span]]:
        """What is delivered and has not landed, and what has landed and is not delivered."""
        window = [(delivered.window.first, delivered.window.next)] if delivered.window else []
        there = spans_of(pa.array(delivered.values, pa.int64()))
        landed = common(expected_spans(entry), window)
        skipped = merged((part.first, part.next) for part in entry.skipped_offsets)
        return without(without(there, landed), skipped), without(landed, there)

    def _compare_offsets(self, entry: Entry, delivered: "Delivered") -> None:
        lost, gone = self._differing_offsets(entry, delivered)
        if self.from_files and lost:
            self._tell(f"{self.source}: run {entry.run} has read files: what the live run skipped is a hole there")
        else:
            self._accuse(entry, "hole", "written down as never delivered, but the topic delivers a message here", lost)
        if self.compacted:
            self.proof.totals.vanished += sum(following - first for first, following in gone)
        else:
            self._accuse(entry, "foreign", "landed, but the topic delivers no message here", gone)

    def _compare_values(self, entry: Entry, found: FilesFound, delivered: "Delivered") -> None:
        differ: list[int] = []
        columns = {file.final: offsets for file, offsets in found.columns}
        for file in entry.files:
            if file.kind == "dead":
                differ += self._differing_letters(file, delivered)
            else:
                offsets = columns.get(file.final)
                known = self._offsets_of_values(entry, columns) if offsets is None else numbers(offsets)
                differ += self._differing_values(entry, file, known, delivered)
        spans = [(part.first, part.next) for part in ranges_of(sorted(differ))]
        self._accuse(entry, "value", "what landed is not the message that the topic holds", spans)

    def _offsets_of_values(self, entry: Entry, columns: dict[str, Offsets]) -> Sequence[int] | None:
        """The offset of each row of a file without an offset column: what is left, where one file has it all."""
        if sum(file.kind == "raw" for file in entry.files) > 1:
            return None
        dead = [spans_of(columns[file.final]) for file in entry.files if file.kind == "dead"]
        left = without(expected_spans(entry), dead[0] if dead else [])
        return [offset for first, following in left for offset in range(first, following)]

    def _differing_values(
        self, entry: Entry, file: FileEntry, offsets: Sequence[int] | None, delivered: "Delivered"
    ) -> Iterator[int]:
        values = self.proof.ledger.values(file)
        if values is None or offsets is None:
            self._tell(f"{self.source}: offsets were compared, values were not: they can't be told from the files")
            return
        for offset, value in zip(offsets, values, strict=True):
            if offset not in delivered.values:
                continue
            self.proof.totals.values += 1
            wanted = delivered.values[offset]
            if value == wanted:
                continue
            # JSONL has one line for a row: line breaks between JSON tokens were landed as spaces.
            if entry.format == "jsonl" and wanted is not None and value == wanted.translate(_LINE_BREAKS):
                continue
            yield offset

    def _differing_letters(self, file: FileEntry, delivered: "Delivered") -> Iterator[int]:
        for letter in self.proof.ledger.dead_letters(file):
            if letter.offset in delivered.values:
                self.proof.totals.values += 1
                if not delivered.holds(letter):
                    yield letter.offset

    def _accuse(self, entry: Entry, kind: DefectKind, message: str, spans: Sequence[Span]) -> None:
        for span in spans[:SPANS_TOLD_MAX]:
            self.proof.findings.add(Defect(kind, message, entry.run, self.source, OffsetRange(*span)))

    def _tell(self, note: str) -> None:
        if note not in self.told:
            self.told.add(note)
            self.proof.findings.notes.append(note)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a topic delivers of a window, by offset."""

    window: OffsetRange
    values: dict[int, bytes | None]
    keys: dict[int, bytes | None]

    @classmethod
    def read(
        cls, reader: TopicReader, source: TopicPartition, window: OffsetRange, *, afresh: bool = False
    ) -> "Delivered":
        """Read all of `window` into memory. Raises PositionLostError, SourceError."""
        values: dict[int, bytes | None] = {}
        keys: dict[int, bytes | None] = {}
        if window:
            for batch in reader.read(source, window, afresh=afresh):
                values.update(zip(batch.offsets, batch.values, strict=True))
                keys.update(zip(batch.offsets, batch.keys, strict=True))
        return cls(window, values, keys)

    def holds(self, letter: DeadLetter) -> bool:
        """True when the message at the letter's offset has its very key and value."""
        return (self.keys[letter.offset], self.values[letter.offset]) == (letter.key, letter.value)
