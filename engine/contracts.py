"""What StreamLake's parts promise each other: the Protocols of validator, source, sink, ledger, group and cluster.

The types they speak of are in `records.py` and `entries.py`. All calls are batch-wise, never record-wise. What is *not*
promised is said beside each call. Standard library only. A plugin is held to its Protocol by the public suites of
`streamlake.engine.testing`: `check_sink` and `check_validator`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from streamlake.engine.entries import CommitRecord, Entry, FileEntry, FileFacts, Head, Recovered, RunIdentity
from streamlake.engine.records import Batch, DeadLetter, PayloadKind, TopicPartition, Verdict

CONTRACT_VERSION = 1
"""Of these Protocols and the types they speak of: goes up when a plugin that kept its word would break by a change.

A plugin's class says which it was written for, as a number and not by this name: `contract_version = 1`. One that says
nothing was written for 1. Another version than ours is refused when the plugin is used (`engine/registry.py`).
"""


@dataclass(frozen=True, slots=True)
class PluginOption:
    """One option of a plugin's section in the YAML, for people and editors; `from_options` is what checks it.

    A class that has `options()`, a classmethod without arguments, is shown with what it returns by
    `streamlake plugins TYPE`. `type` is in the words of a reader (`text`, `bytes, e.g. 32MiB`, `parquet | jsonl`);
    `default` is as the YAML would have it, and None where the option must be given.
    """

    name: str
    type: str
    default: str | None
    meaning: str


Beat = Callable[[], None]
"""Tells the supervisor that the main loop is alive; whoever blocks for longer than a second calls it."""


class Validator(Protocol):
    """Decides for many messages at once. Made once per worker; called by one thread, slice after slice.

    A slice is a `Batch` of up to some thousand messages, part of what will land as one ledger entry. `validate` sees
    no tombstones and nothing over the size limit (policies decide on those before). It may take as long as it needs
    as long as the supervisor's `stuck_seconds` is not passed. It must be deterministic: after a crash the same
    messages are validated again, cut into slices elsewhere. An exception, a crash or a hang costs no data: the slice
    is bisected and the one record that causes it is refused as `crash`.
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

    # A validator may also have `json_schema(self) -> Mapping[str, object] | None`: what an accepted payload looks like
    # as a JSON Schema (draft 2020-12, JSON values only, a `$ref` leads into the schema itself); None where that can't
    # be said. It is for people and their tools, decides nothing, and may allow more than `validate` does. The HTTP edge
    # asks once when it begins, for /openapi.json and /docs; one without it is shown as taking anything.


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

    @property
    def in_hand(self) -> int:
        """Records of the open batch that were read by now; told to the user while the batch waits for more."""

    def slices(self, limits: BatchLimits, go_on: Callable[[], bool]) -> Iterator[Batch]:
        """The next batch, slice by slice, until a limit is reached; nothing when nothing came within two seconds.

        `go_on` is called at least once a second while reading (it is the worker's heartbeat, too); when it answers
        False the batch in hand is closed at once. What was yielded is not read again, so whoever stops taking slices
        keeps the one in hand. Raises SourceError (an expired position, a truncated log, a lost permission), never
        skips. Not promised: that offsets have no holes.
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


class BatchStage(Protocol):
    """One batch on its way into the storage, slice by slice: invisible, and dropped if the `with` ends without `seal`.

    Raises what `PartitionSink` raises.
    """

    def fits(self, part: Batch) -> int:
        """How many of the first messages of `part` one ledger entry can take beside what was added; 0 when full.

        Before anything was added at least one fits.
        """

    def add(self, part: Batch, verdict: Verdict, dead: Sequence[DeadLetter]) -> None:
        """Write the accepted and the refused of a slice that begins where the one before ended."""

    def seal(self) -> CommitRecord:
        """Make all that was added durable, and verify it, as far as the commit (a transaction, say) does not do so."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class PartitionSink(Protocol):
    """The sink's end of one partition, used by one worker thread. It answers: how far are you? and commits once.

    Order of calls: `head`, `claim`, then any number of `stage`, `commit`, `publish`, then perhaps `close`; the next
    batch may be staged before this one is published, and is committed after. Raises FencedError when another writer
    owns the partition now (then nothing of ours was or will be committed), StorageError when the storage does not
    answer; both end the worker.

    A worker may die between any two calls and inside each; the next one makes an instance of its own and begins with
    `head`. How a sink keeps its word is its own: files make an entry in a slot that only one writer can take, and are
    renamed after that; a database commits rows, entry and epoch in one transaction, and `publish` does nothing.
    """

    def head(self) -> Head:
        """How far this partition is; reads only. Raises LedgerDamagedError."""

    def claim(self, head: Head) -> Recovered:
        """Take the partition: append a `claim` entry with the next epoch, and finish what the last owner left.

        From then on no older writer commits: its `commit` raises FencedError. A `head` that is stale by now costs
        another look and nothing else. The dead letters of the last data entry are handed back again and again, until
        a data entry or a `close` follows it, which show that they were sent; a claim and a gap show nothing.
        """

    def skip_to(self, next_offset: int, reason: str) -> None:
        """Append a `gap` entry: the offsets up to `next_offset` are given up, with the reason."""

    def stage(self) -> BatchStage:
        """Begin a batch; the storage is not touched before the first slice."""

    def commit(self, record: CommitRecord) -> Entry:
        """Append the ledger entry: **the** commit point. Rows, dead letters and entry stand together or not at all.

        The batch must begin where the ledger ends; raises, and commits nothing, where it does not.
        """

    def publish(self, record: CommitRecord) -> None:
        """Let readers see what was committed (files get their final names); can be repeated."""

    def close(self) -> None:
        """Append a `close` entry: all is published, all dead letters are sent, and nobody died."""

    # A sink that has `move` (`abilities.RunKeeper`) takes `close(final=True)`, too: the entry is `final`, and from then
    # on `claim` raises SupersededError, for everybody and for ever.


class Ledger(Protocol):
    """What `prove`, `dead`, `status` and `gc` read. Paths are relative to the root. Reads only.

    A `FileEntry` stands for a set of rows that was committed together, under one name (`engine/names.py`): a file, or
    whatever else keeps rows. `prove` compares what `inspect`, `offsets` and `rows` find there **now** with what the
    entry says was committed; a sink that answers out of the entry itself proves nothing.
    """

    def runs(self) -> Sequence[RunIdentity]:
        """Every run of this root, oldest first. Raises LedgerDamagedError."""

    def partitions(self, run: str) -> Sequence[TopicPartition]:
        """The partitions that have a ledger in this run, ascending."""

    def head(self, run: str, source: TopicPartition) -> Head:
        """The newest entry; cheap also for a long ledger."""

    def entries(self, run: str, source: TopicPartition, first_seq: int = 0) -> Iterator[Entry]:
        """Entries in order, each checked against the hash of the one before. Raises LedgerDamagedError."""

    def inspect(self, file: FileEntry, *, checksum: bool) -> FileFacts | None:
        """The file under its final name, else its staged one, else its final one again; None when it is gone.

        Without files: the rows under that name, `published` where readers see them, their size and, with `checksum`,
        the sha256 over them as they are now, each made as at the commit.
        """

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
        """Every name that lies under `raw/<topic>` and `dead/<topic>`, whoever put it there: what readers see.

        Found by looking at the files or rows themselves, not at entries: so `prove` sees what no entry names.
        """

    # A ledger may also have `timestamps(self, file: FileEntry) -> object | None`: the time of each row in file order as
    # a pyarrow int64 array of milliseconds, null where a record has none; None where rows carry none. Without it
    # `streamlake complete` can say of late rows only how many there are at most.


class Sink(Protocol):
    """One root. Made in each process that uses it; holds no threads before its first use.

    Two conventions on its options: `root` is the place, which messages name where it is given; `columns: typed` asks
    the validator for `Verdict.columns`. A sink may also have a method `probe() -> Sequence[str]`, for `streamlake
    validate`: it tries in the storage what landing needs, and says in a sentence each what does not work. What some
    operations need beside this is in `abilities.py`.
    """

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
    output: str = ""
    """The folder of the run's own rows below the root (`RunIdentity.output`); part of each final name."""
    beat: Beat = field(default=lambda: None)
    waits: Callable[[str | None], None] = field(default=lambda _reason: None)
    """Called with a word for the reason (`timeout`, `503`) for each time that the storage is waited for, and with None
    when it answers again: the engine counts them and says since when it waits. From the worker's own thread only.
    `disk full: …` is logged, too, with what follows the colon, once for all partitions of a host."""


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
        """Serve the group; at least every few seconds, never blocks for long.

        Raises SourceError where we may not join at all.
        """

    def commit(self, positions: Mapping[TopicPartition, tuple[int, int | None]], *, wait: bool) -> bool:
        """Commit `(next offset, leader epoch)` as a group member: a courtesy to lag monitors, errors are logged.

        `wait`: return when the coordinator has answered (a few seconds at most), else in the background. False: that
        would block just now, and nothing was begun; come again.
        """

    def confirm(self, sources: Sequence[TopicPartition]) -> Collection[TopicPartition]:
        """Ask the group's coordinator, as a member, which of `sources` are ours; none when it can't be reached.

        May be called by another thread than `poll`; blocks for a few seconds at most.
        """

    def close(self) -> None:
        """Leave the group."""


class Cluster(Protocol):
    """The broker's answers about topics. Thread-safe; each call is bounded in time and raises SourceError."""

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
        """The id of each topic now; None where there is no such topic."""

    def facts(
        self, sources: Sequence[TopicPartition], group_id: str | None, *, incomplete: bool = False
    ) -> Mapping[TopicPartition, TopicFacts]:
        """What the broker says of each partition; one that is gone is left out. Without a group it has no offset.

        One without a leader is waited for, and then an error; with `incomplete` it is soon left out, too. With
        `incomplete` and without a group a broker that gives no answer is an error within seconds.
        """
