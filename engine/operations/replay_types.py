"""What a plan of a replay says: the range of each partition, what became of it the first time, what it will cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from streamlake.engine.operations.live_partition import Fates
from streamlake.engine.records import OffsetRange, TopicPartition

if TYPE_CHECKING:  # it imports librdkafka
    from streamlake.engine.kafka.admin import TopicShape


class Cluster(Protocol):
    """What a plan asks of the cluster, each question once for all partitions; `ClusterAdmin` answers.

    Raises SourceError and ConfigError.
    """

    def cluster_id(self) -> str:
        """The cluster's own id."""

    def shapes(self, topics: Iterable[str]) -> "Mapping[str, TopicShape]":
        """Id and partitions of those of `topics` that exist."""

    def watermarks(self, sources: Iterable[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
        """First offset and end (last stable offset) of each partition."""

    def offsets_for_time(self, sources: Iterable[TopicPartition], timestamp_ms: int) -> Mapping[TopicPartition, int]:
        """The first offset of a record of that time or later; the end where there is none."""


class TopicList(Cluster, Protocol):
    """What is asked where a topic may be missing; `ClusterAdmin` answers. Raises SourceError and ConfigError."""

    def topic_names(self) -> Sequence[str]:
        """The names of all topics that this sign-in may see, without Kafka's own."""


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """One partition of a replay.

    `range` is what the bounds mean here, resolved. `records` and `file_bytes` are what it will read and write,
    estimated from what the live run has landed (None: it has landed nothing to estimate from). `expired` is the part of
    the range that Kafka does not have any more. `before` is what became of the range in the live run, `expired_before`
    of its expired part; `exact` is False where landed and refused of the range are a share of an entry's.
    """

    source: TopicPartition
    range: OffsetRange
    records: int
    file_bytes: int | None
    expired: OffsetRange
    before: Fates
    expired_before: Fates
    exact: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """How long it will take: one worker's records a second, where that was seen, and the seconds for all partitions."""

    records_per_second: float
    seen_in: TopicPartition
    seconds: float


@dataclass(frozen=True, slots=True)
class Begun:
    """A run of that name and these bounds is there already: since when, and how many of its offsets have an entry."""

    created_at: str
    accounted: int


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay would do. `output` is relative to the root; `live_run` is None where none has landed anything.

    `cpu_seconds` are what as many records took of workers lately; None where no ledger entry says it. `remarks` are
    sentences that a person should read.
    """

    pipeline: str
    run: str
    bounds: str
    topic_ids: Mapping[str, str]
    output: str
    live_run: str | None
    begun: Begun | None
    pace: Pace | None
    cpu_seconds: float | None
    partitions: Sequence[PartitionPlan]
    remarks: Sequence[str]

    @property
    def offsets(self) -> int:
        """All offsets of all ranges."""
        return sum(len(one.range) for one in self.partitions)

    @property
    def records(self) -> int:
        """About as many records will be read."""
        return sum(one.records for one in self.partitions)

    @property
    def file_bytes(self) -> int | None:
        """About as many bytes will be written; None where nothing has landed to estimate from."""
        sizes = [one.file_bytes for one in self.partitions if one.file_bytes is not None]
        return sum(sizes) if sizes or not self.partitions else None

    @property
    def before(self) -> Fates:
        """What became of all of it in the live run."""
        return sum((one.before for one in self.partitions), Fates())
