"""What every sink has to say of offsets: the sums over a batch, and the ledger entry that follows another.

A sink decides where rows and entries lie and what makes a commit atomic. What an entry says is the same for all of
them, and `prove` holds them to it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from streamlake.engine.contracts import PartitionJob
from streamlake.engine.entries import CommitRecord, Entry, EntryKind, FileEntry, Totals
from streamlake.engine.records import Batch, OffsetRange, TopicPartition, Verdict, joined_ranges, ranges_of

FIRST_PREVIOUS = ""
"""`previous_sha256` of entry 0."""


@dataclass(slots=True)
class Account:
    """What became of the offsets of the slices so far: the last one, without its messages, and sums over all."""

    first: int | None = None
    last: Batch | None = None
    read: int = 0
    refused: int = 0
    skipped: int = 0
    holes: list[OffsetRange] = field(default_factory=list)
    skipped_offsets: list[OffsetRange] = field(default_factory=list)
    cpu_began: float = field(default_factory=time.process_time)

    def add(self, part: Batch, verdict: Verdict) -> None:
        """Take the next slice into account."""
        self.first = part.range.first if self.first is None else self.first
        self.last = part.take(())
        self.read += len(part)
        self.refused += len(verdict.refused)
        self.skipped += len(verdict.skipped)
        self.holes += part.holes()
        self.skipped_offsets += ranges_of(part.offsets[index] for index in verdict.skipped)

    @property
    def range(self) -> OffsetRange:
        """All offsets so far."""
        assert self.first is not None, "a batch has a slice at least"
        assert self.last is not None, "a batch has a slice at least"
        return OffsetRange(self.first, self.last.range.next)

    def record(self, files: Sequence[FileEntry]) -> CommitRecord:
        """All that the entry will say."""
        covered, last = self.range, self.last
        assert last is not None, "its range was known"
        return CommitRecord(
            source=last.source,
            range=covered,
            leader_epoch=last.leader_epoch,
            read=self.read,
            landed=self.read - self.refused - self.skipped,
            refused=self.refused,
            holes=joined_ranges(self.holes),
            skipped_offsets=joined_ranges(self.skipped_offsets),
            files=files,
            cpu_seconds=round(time.process_time() - self.cpu_began, 6),
        )


def nothing_at(source: TopicPartition, next_offset: int, leader_epoch: int | None) -> CommitRecord:
    """What a `claim` or a `close` says of offsets: only where they stand."""
    return CommitRecord(source, OffsetRange(next_offset, next_offset), leader_epoch, 0, 0, 0, (), (), ())


def given_up(source: TopicPartition, lost: OffsetRange) -> CommitRecord:
    """What a `gap` says: all of `lost` are holes. The epoch belongs to a position, and nobody has read at this one."""
    return CommitRecord(source, lost, None, 0, 0, 0, (lost,), (), ())


@dataclass(frozen=True, slots=True)
class Hand:
    """Who writes entries, and in what form: the same for all entries of one writer. `version` is the sink's own."""

    version: int
    writer: str
    format: str
    columns: str


def entry_after(
    before: Entry | None,
    kind: EntryKind,
    record: CommitRecord,
    *,
    epoch: int,
    job: PartitionJob,
    hand: Hand,
    committed_at: str,
    reason: str = "",
) -> Entry:
    """The entry that follows `before` (None: the first), without its `sha256`.

    A claim has the next epoch, every other entry that of the claim it follows. `committed_at` is ISO 8601, UTC;
    `reason` is that of a gap.
    """
    return Entry(
        version=hand.version,
        run=job.run,
        topic=job.source.topic,
        topic_id=job.topic_id,
        partition=job.source.partition,
        seq=before.seq + 1 if before else 0,
        kind=kind,
        epoch=epoch,
        writer=hand.writer,
        previous_sha256=before.sha256 if before else FIRST_PREVIOUS,
        first=record.range.first,
        next=record.range.next,
        leader_epoch=record.leader_epoch,
        read=record.read,
        landed=record.landed,
        refused=record.refused,
        skipped=record.skipped,
        holes=tuple(record.holes),
        skipped_offsets=tuple(record.skipped_offsets),
        files=tuple(record.files),
        format=hand.format,
        columns=hand.columns,
        validator=job.validator,
        fingerprint=job.fingerprint,
        committed_at=committed_at,
        totals=(before.totals if before else Totals()).plus(kind, record, committed_at),
        reason=reason,
        cpu_seconds=record.cpu_seconds,
    )
