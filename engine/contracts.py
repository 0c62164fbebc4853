"""The vocabulary that crosses StreamLake's rooms: small frozen types and the Protocols of the parts.

Read this file first. An offset kept anywhere means **the next one to read**; a range is half-open. The contracts
are batch-wise, never record-wise. What is *not* promised is said beside each call. Standard library only.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Literal, Protocol, Self

Header = tuple[str, bytes | None]
Reason = Literal["malformed", "invalid", "oversize", "crash", "tombstone"]
EntryKind = Literal["claim", "data", "gap", "close"]
FileKind = Literal["raw", "dead"]
PayloadKind = Literal["json", "bytes"]

Beat = Callable[[], None]
"""Tells the supervisor that the main loop is alive; whoever blocks for longer than a second calls it."""


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True, order=True)
class OffsetRange:
    """A half-open range of offsets `[first, next)`; the only place that says what "next" means."""

    first: int
    next: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.next:
            raise ValueError(f"no offset range: [{self.first}, {self.next})")

    def __len__(self) -> int:
        return self.next - self.first

    def __contains__(self, offset: int) -> bool:
        return self.first <= offset < self.next

    def __str__(self) -> str:
        return f"[{self.first}, {self.next})"


def ranges_between(offsets: Sequence[int], within: OffsetRange) -> tuple[OffsetRange, ...]:
    """The ranges of `within` that the strictly increasing `offsets` leave out: a batch's holes."""
    if len(offsets) == len(within):
        return ()
    holes, expected = [], within.first
    for offset in offsets:
        if offset != expected:
            holes.append(OffsetRange(expected, offset))
        expected = offset + 1
    if expected != within.next:
        holes.append(OffsetRange(expected, within.next))
    return tuple(holes)


def ranges_of(offsets: Iterable[int]) -> tuple[OffsetRange, ...]:
    """Strictly increasing offsets as the fewest half-open ranges."""
    ranges: list[OffsetRange] = []
    first = following = -1
    for offset in offsets:
        if offset != following:
            if first >= 0:
                ranges.append(OffsetRange(first, following))
            first = offset
        following = offset + 1
    if first >= 0:
        ranges.append(OffsetRange(first, following))
    return tuple(ranges)


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive messages of one partition, column by column; all columns have one entry per message.

    `range` covers every message and may have holes (control records, compaction); `range.next` and `leader_epoch`
    are the consumer's position after the last message, and belong together. A value of None is a tombstone,
    `b""` is an empty payload. Headers keep order, repeats and None values; None = no headers.
    """

    source: TopicPartition
    range: OffsetRange
    leader_epoch: int | None
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    timestamp_types: Sequence[int]  # 0 none, 1 create time, 2 log append time (librdkafka's numbers)
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Sequence[Header] | None]

    def __len__(self) -> int:
        return len(self.offsets)

    def holes(self) -> tuple[OffsetRange, ...]:
        """The offsets of `range` that the broker never delivered, as ranges."""
        return ranges_between(self.offsets, self.range)

    def cut(self, rows: int) -> tuple["Batch", "Batch"]:
        """The first `rows` messages, up to where the next one lies, and the rest.

        The leader epoch that belongs to a position inside the batch is not known: the first part has none.
        """
        middle = self.offsets[rows]
        before, after = OffsetRange(self.range.first, middle), OffsetRange(middle, self.range.next)
        return self._part(slice(None, rows), before, None), self._part(slice(rows, None), after, self.leader_epoch)

    def take(self, indices: Sequence[int]) -> "Batch":
        """The messages at `indices` (ascending) as a batch over the same range."""
        return Batch(
            self.source,
            self.range,
            self.leader_epoch,
            [self.offsets[i] for i in indices],
            [self.timestamps_ms[i] for i in indices],
            [self.timestamp_types[i] for i in indices],
            [self.keys[i] for i in indices],
            [self.values[i] for i in indices],
            [self.headers[i] for i in indices],
        )

    def without(self, indices: Iterable[int]) -> "Batch":
        """All but the messages at `indices`, as a batch over the same range."""
        keep = bytearray(b"\x01") * len(self)
        for index in indices:
            keep[index] = 0
        return Batch(
            self.source,
            self.range,
            self.leader_epoch,
            list(compress(self.offsets, keep)),
            list(compress(self.timestamps_ms, keep)),
            list(compress(self.timestamp_types, keep)),
            list(compress(self.keys, keep)),
            list(compress(self.values, keep)),
            list(compress(self.headers, keep)),
        )

    def _part(self, part: slice, covered: OffsetRange, leader_epoch: int | None) -> "Batch":
        return Batch(
            self.source,
            covered,
            leader_epoch,
            self.offsets[part],
            self.timestamps_ms[part],
            self.timestamp_types[part],
            self.keys[part],
            self.values[part],
            self.headers[part],
        )


class ArrowColumns(Protocol):
    """Anything that exports Arrow columns (the Arrow PyCapsule interface): how columns cross the rooms."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule with an ArrowArrayStream."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the message at `index` of the batch may not land. `field` is a JSON pointer (`/items/0/qty`)."""

    index: int
    reason: Reason
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a validator decided for each message of a batch: refused, skipped, and all others accepted.

    Both sequences ascend by index and share none. `columns`, where asked for, holds one row per accepted message,
    in order.
    """

    refused: Sequence[Refusal] = ()
    skipped: Sequence[int] = ()
    columns: ArrowColumns | None = None

    def accepted(self, rows: int) -> Sequence[int]:
        """The indices of the accepted ones among `rows` messages, ascending."""
        if not self.refused and not self.skipped:
            return range(rows)
        out = {refusal.index for refusal in self.refused}.union(self.skipped)
        return [index for index in range(rows) if index not in out]


class Validator(Protocol):
    """Decides for a whole batch at once. Made once per worker; called by one thread, batch after batch.

    `validate` sees no tombstones and nothing over the size limit (policies decide on those before). It may take as
    long as it needs as long as the supervisor's `stuck_seconds` is not passed. It must be deterministic: after a
    crash the same messages are validated again. An exception, a crash or a hang costs no data: the batch is
    bisected and the one record that causes it is refused as `crash`.
    """

    payload: PayloadKind
    """What an accepted value is: `json` (valid UTF-8 JSON) or `bytes` (anything)."""
    fingerprint: str
    """Changes whenever a decision could change; written into every ledger entry."""

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, columns: bool, base_dir: Path) -> Self:
        """Make one from the YAML's `validator:` section without `type`; relative paths start at `base_dir`.

        `columns`: the sink wants `Verdict.columns`. Raises ConfigError on a bad or unknown option.
        """

    def validate(self, batch: Batch) -> Verdict:
        """The verdict over every message of `batch`."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused message as it was, with where it came from and why it was refused."""

    source: TopicPartition
    offset: int
    timestamp_ms: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    reason: Reason
    field: str | None
    message: str
    attempt: int
    first_failed_at_ms: int


class DeadLetterSender(Protocol):
    """Copies dead letters to where other systems read them, at least once."""

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Return when every letter is acknowledged. Raises DeadLetterError; then the partition stops."""

    def close(self) -> None:
        """Let go of connections; nothing is in flight any more."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is closed: whichever of the limits is reached first."""

    rows_max: int
    bytes_max: int
    seconds_max: float


class Source(Protocol):
    """Reads one partition from one position onwards."""

    def read(self, limits: BatchLimits, go_on: Callable[[], bool]) -> Batch | None:
        """The next batch once a limit is reached, or None when nothing came within about a second.

        `go_on` is called at least once a second while reading (it is the worker's heartbeat, too); when it answers
        False the batch in hand is closed at once. Raises SourceError (an expired position, a truncated log, a lost
        permission), never skips. Not promised: that offsets have no holes.
        """

    def close(self) -> None:
        """Leave the broker."""


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What the broker says of a partition. `low` and `high` are its first offset and its end (last stable one)."""

    topic_id: str
    low: int
    high: int
    group_offset: int | None
    asked_at: float  # monotonic seconds on this host, taken before the question was sent


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Who a run is: `_runs/<run>.json`, written once. `starts` holds the resolved first offsets."""

    run: str
    pipeline: str
    group_id: str
    cluster_id: str
    topic_ids: Mapping[str, str]
    starts: Mapping[TopicPartition, int]
    created_at: str  # ISO 8601, UTC

    def start_of(self, source: TopicPartition) -> int | None:
        """The resolved first offset; None for a partition that appeared later: it starts at its low watermark."""
        return self.starts.get(source)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a ledger entry; paths are relative to the root; timestamps are records' own, milliseconds."""

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
class Entry:
    """One immutable ledger entry (DESIGN §5): what became of the offsets `[first, next)`.

    `landed + refused + skipped + holes = next - first`; `first` equals the previous entry's `next`. `read` counts
    the messages that were delivered. `sha256` is that of this entry's own bytes and is not stored inside them.
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
    reason: str = ""  # of a gap: why these offsets were given up
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

    @property
    def skipped(self) -> int:
        """How many messages were skipped by policy."""
        return sum(map(len, self.skipped_offsets))


class PartitionSink(Protocol):
    """The sink's end of one partition, used by one worker thread. It answers: how far are you? and commits once.

    Order of calls: `head`, `claim`, then any number of `stage`, `commit`, `publish`, then perhaps `close`. Raises
    FencedError when another writer owns the partition now (then nothing of ours was or will be committed),
    StorageError when the storage does not answer; both end the worker.
    """

    def head(self) -> Head:
        """How far this partition is; reads only. Raises LedgerDamagedError."""

    def claim(self, head: Head) -> Recovered:
        """Take the partition at `head`, roll the last data entry forward, collect what older epochs staged."""

    def skip_to(self, next_offset: int, reason: str) -> None:
        """Append a `gap` entry: the offsets up to `next_offset` are given up, with the reason."""

    def fits(self, batch: Batch) -> int:
        """How many of the first messages of `batch` one entry can take, at least one: the rest is another batch."""

    def stage(self, batch: Batch, verdict: Verdict, dead: Sequence[DeadLetter]) -> CommitRecord:
        """Write the accepted and the refused as invisible, durable, verified files."""

    def commit(self, record: CommitRecord) -> Entry:
        """Append the ledger entry: **the** commit point."""

    def publish(self, record: CommitRecord) -> None:
        """Rename the committed files to their final names; can be repeated."""

    def close(self) -> None:
        """Append a `close` entry: all is published and all dead letters are sent. Nothing when just claimed."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file of an entry is found to be: where it lies, its bytes and, where asked for, its sha256."""

    path: str
    published: bool
    bytes: int
    sha256: str | None


class Ledger(Protocol):
    """What `prove`, `dead`, `status` and `gc` read. Paths are relative to the root. Reads only."""

    def runs(self) -> Sequence[RunIdentity]:
        """Every run of this root, oldest first. Raises LedgerDamagedError."""

    def partitions(self, run: str) -> Sequence[TopicPartition]:
        """The partitions that have a ledger in this run, ascending."""

    def head(self, run: str, source: TopicPartition) -> Head:
        """The newest entry; cheap also for a long ledger."""

    def entries(self, run: str, source: TopicPartition, first_seq: int = 0) -> Iterator[Entry]:
        """Entries in order, each checked against the hash of the one before. Raises LedgerDamagedError."""

    def inspect(self, file: FileEntry, *, checksum: bool) -> FileFacts | None:
        """The file under its final name, else its staged one, else its final one again; None when it is gone."""

    def offsets(self, file: FileEntry) -> object | None:
        """The `_offset` of each row in file order as a pyarrow int64 array; None where rows carry none.

        Raises FileDamagedError when the file can't be read as what it says it is.
        """

    def rows(self, file: FileEntry) -> int:
        """How many rows the file really has. Raises FileDamagedError."""

    def values(self, file: FileEntry) -> Iterator[bytes] | None:
        """The payload of each row of a raw file in order; None where columns are typed. Raises FileDamagedError."""

    def dead_letters(self, file: FileEntry) -> Iterator[DeadLetter]:
        """The letters of a `dead` file in offset order. Raises FileDamagedError."""

    def visible(self, topic: str) -> Iterator[str]:
        """Every name that lies under `raw/<topic>` and `dead/<topic>`, whoever put it there."""


class Sink(Protocol):
    """One root. Made in each process that uses it; holds no threads before its first use."""

    one_process: bool
    """True when the root lives in this process's memory: workers then run as threads in it."""

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, base_dir: Path) -> Self:
        """Make one from the YAML's `sink:` section without `type`. Raises ConfigError; touches no storage."""

    def register_run(self, identity: RunIdentity) -> RunIdentity:
        """Write who this run is, once; the identity that stands there. Raises ForeignRootError for another's."""

    def find_run(self, run: str) -> RunIdentity | None:
        """The identity that stands there, or None. Reads only."""

    def partition(self, job: "PartitionJob") -> PartitionSink:
        """The end for one partition."""

    def ledger(self) -> Ledger:
        """The reading side of the whole root."""


@dataclass(frozen=True, slots=True)
class PartitionJob:
    """What a sink has to know of the partition it is opened for, and writes into each entry."""

    run: str
    source: TopicPartition
    topic_id: str
    start: int
    validator: str
    fingerprint: str
    payload: PayloadKind
    beat: Beat = field(default=lambda: None)


class Membership(Protocol):
    """A host's seat in the Kafka consumer group: which partitions are ours, and the group's offsets.

    The callbacks given to `join` run inside `poll`. It never fetches a record.
    """

    def join(
        self,
        assigned: Callable[[Sequence[TopicPartition]], None],
        revoked: Callable[[Sequence[TopicPartition]], None],
        lost: Callable[[Sequence[TopicPartition]], None],
    ) -> None:
        """Join the group. `revoked` may block for a while (its partitions are given up when it returns)."""

    def poll(self) -> None:
        """Serve the group; at least every few seconds, never blocks for long."""

    def commit(self, positions: Mapping[TopicPartition, tuple[int, int | None]], *, wait: bool) -> None:
        """Commit `(next offset, leader epoch)` as a group member: a courtesy to lag monitors, errors are logged.

        `wait`: return when the coordinator has answered (a few seconds at most), else in the background.
        """

    def confirm(self, source: TopicPartition) -> bool:
        """Ask the group's coordinator, as a member, whether `source` is ours; False when it can't be reached.

        May be called by another thread than `poll`; blocks for a few seconds at most.
        """

    def close(self) -> None:
        """Leave the group."""


class Cluster(Protocol):
    """The broker's answers about topics. Thread-safe; each call is bounded in time and raises SourceError."""

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
        """The id of each topic now; None where there is no such topic."""

    def facts(self, sources: Sequence[TopicPartition], group_id: str) -> Mapping[TopicPartition, TopicFacts]:
        """What the broker says of each partition; one that is gone is left out."""
