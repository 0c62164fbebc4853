"""What crosses StreamLake's rooms about the ledger: runs, files, entries, and how far a partition is (DESIGN §5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from streamlake.engine.records import DeadLetter, OffsetRange, PayloadKind, TopicPartition

EntryKind = Literal["claim", "data", "gap", "close"]

FileKind = Literal["raw", "dead"]


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Who a run is: `_runs/<run>.json`, written once.

    `starts` holds the resolved first offsets. `ends` are those of a bounded run, a replay or a backfill: the next
    offsets where each of its partitions is over; empty for a live run, which has no end. What follows them is empty
    where it says nothing, and then not written.
    """

    run: str
    pipeline: str
    group_id: str
    cluster_id: str
    topic_ids: Mapping[str, str]
    starts: Mapping[TopicPartition, int]
    created_at: str  # ISO 8601, UTC
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)
    output: str = ""  # the folder below the root under which its `raw/` and `dead/` lie; "" is the root itself
    bounds: str = ""  # of a bounded run: as the user said them
    reads: str = ""  # "lake" where it reads what has landed, and not Kafka
    adopts: str = ""  # of a live generation: the replay whose rows it takes over
    reason: str = ""  # of a live generation: why an operator made it

    def start_of(self, source: TopicPartition) -> int | None:
        """The resolved first offset; None for a partition that appeared later: it starts at its low watermark."""
        return self.starts.get(source)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a ledger entry; paths are relative to the root; timestamps are records' own, milliseconds.

    Or another set of rows that was committed together: then `final` is its name all the same (`engine/names.py`),
    `staged` is as good as any, and bytes and checksums are what `Ledger.inspect` will find again.
    """

    kind: FileKind
    staged: str
    final: str
    rows: int
    bytes: int
    sha256: str
    crc32c: str
    timestamp_ms_min: int | None
    timestamp_ms_max: int | None
    columns: str = "envelope"  # envelope | typed | value: what a row of this file is
    payload: PayloadKind = "json"  # what `value` is: JSON as it came, or any bytes


@dataclass(frozen=True, slots=True)
class Totals:
    """All that a ledger holds up to and with an entry, so that nobody has to sum up years of them.

    Offsets by their fate, files and the bytes of files. `committed_at` is that of the last data entry, "" before one.
    """

    landed: int = 0
    refused: int = 0
    skipped: int = 0
    holes: int = 0
    gaps: int = 0
    files: int = 0
    bytes: int = 0
    committed_at: str = ""

    @property
    def offsets(self) -> int:
        """All of them, whatever became of them."""
        return self.landed + self.refused + self.skipped + self.holes + self.gaps

    def __add__(self, other: "Totals") -> "Totals":
        """Of two ledgers together."""
        return self._with(other, 1)

    def __sub__(self, other: "Totals") -> "Totals":
        """Of what came after `other`, an earlier state of the same ledger."""
        return self._with(other, -1)

    def _with(self, other: "Totals", sign: int) -> "Totals":
        return Totals(
            landed=self.landed + sign * other.landed,
            refused=self.refused + sign * other.refused,
            skipped=self.skipped + sign * other.skipped,
            holes=self.holes + sign * other.holes,
            gaps=self.gaps + sign * other.gaps,
            files=self.files + sign * other.files,
            bytes=self.bytes + sign * other.bytes,
            committed_at=max(self.committed_at, other.committed_at),
        )

    def plus(self, kind: EntryKind, added: "Entry | CommitRecord", committed_at: str) -> "Totals":
        """The totals of an entry of this kind that follows."""
        if kind == "gap":
            return replace(self, gaps=self.gaps + len(added.range))
        if kind != "data":
            return self
        return Totals(
            landed=self.landed + added.landed,
            refused=self.refused + added.refused,
            skipped=self.skipped + added.skipped,
            holes=self.holes + sum(map(len, added.holes)),
            gaps=self.gaps,
            files=self.files + len(added.files),
            bytes=self.bytes + sum(file.bytes for file in added.files),
            committed_at=committed_at,
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One immutable ledger entry (DESIGN §5): what became of the offsets `[first, next)`.

    `landed + refused + skipped + holes = next - first`; `first` equals the previous entry's `next`. `read` counts
    the messages that were delivered; `totals` counts this entry in. `sha256` is that of this entry's own bytes and
    is not stored inside them.
    """

    version: int
    run: str
    topic: str
    topic_id: str
    partition: int
    seq: int
    kind: EntryKind
    epoch: int
    writer: str
    previous_sha256: str
    first: int
    next: int
    leader_epoch: int | None
    read: int
    landed: int
    refused: int
    skipped: int
    holes: Sequence[OffsetRange]
    skipped_offsets: Sequence[OffsetRange]
    files: Sequence[FileEntry]
    format: str
    columns: str
    validator: str
    fingerprint: str
    committed_at: str  # ISO 8601, UTC
    totals: Totals
    reason: str = ""  # of a gap: why these offsets were given up
    final: bool = False  # of a close: no entry is legal after it, for a new live generation goes on
    cpu_seconds: float = 0.0  # of data: of the worker, from the batch's first read until it was staged; 0: not known
    sha256: str = ""

    @property
    def source(self) -> TopicPartition:
        """The partition this entry is of."""
        return TopicPartition(self.topic, self.partition)

    @property
    def range(self) -> OffsetRange:
        """The offsets this entry accounts for."""
        return OffsetRange(self.first, self.next)


@dataclass(frozen=True, slots=True)
class Head:
    """How far a partition is: its newest ledger entry, read without writing anything.

    `seq` is -1 and `next` the run's start where there is no entry yet. `claims` counts the claims since the last
    other entry: how often a worker died here without getting anything done.
    """

    seq: int
    next: int
    leader_epoch: int | None
    topic_id: str | None
    claims: int
    last: Entry | None = None

    @property
    def first(self) -> int:
        """The first offset that the ledger accounts for; `next` where it accounts for none."""
        return self.next - (self.last.totals.offsets if self.last is not None else 0)

    @property
    def final(self) -> bool:
        """Whether the ledger has ended for good: a new live generation goes on."""
        return self.last is not None and self.last.final


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a claim found: where to go on, and the dead letters of the last data entry that may not be sent yet."""

    next: int
    leader_epoch: int | None
    unsent: Sequence[DeadLetter]


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """A staged batch on its way to becoming a ledger entry: all that the entry will say of it."""

    source: TopicPartition
    range: OffsetRange
    leader_epoch: int | None
    read: int
    landed: int
    refused: int
    holes: Sequence[OffsetRange]
    skipped_offsets: Sequence[OffsetRange]
    files: Sequence[FileEntry]
    cpu_seconds: float = 0.0

    @property
    def skipped(self) -> int:
        """How many messages were skipped by policy."""
        return sum(map(len, self.skipped_offsets))


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file of an entry is found to be: where it lies, its bytes and, where asked for, its sha256."""

    path: str
    published: bool
    bytes: int
    sha256: str | None
