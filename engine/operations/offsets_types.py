"""What `offsets show`, `plan` and `reset` are about: where each partition is, and where a reset takes it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from streamlake.engine.contracts import TopicFacts
from streamlake.engine.operations.bounds import Bound
from streamlake.engine.records import TopicPartition

if TYPE_CHECKING:  # they import librdkafka
    from streamlake.engine.kafka.admin import TopicShape
    from streamlake.engine.kafka.group_admin import GroupMember

Way = Literal["stays", "forwards", "backwards", "anew"]


class OffsetsCluster(Protocol):
    """What is asked of the cluster, each question once for all partitions; `GroupAdmin` answers.

    Raises SourceError and ConfigError.
    """

    def cluster_id(self) -> str:
        """The cluster's own id."""

    def shapes(self, topics: Iterable[str]) -> "Mapping[str, TopicShape]":
        """Id and partitions of those of `topics` that exist."""

    def facts(self, sources: Iterable[TopicPartition], group_id: str) -> Mapping[TopicPartition, TopicFacts]:
        """What the broker says of each partition; one that is gone is left out."""

    def offsets_for_time(self, sources: Iterable[TopicPartition], timestamp_ms: int) -> Mapping[TopicPartition, int]:
        """The first offset of a record of that time or later; the end where there is none."""

    def members(self, group_id: str) -> "Sequence[GroupMember]":
        """Who is in the consumer group."""

    def set_group_offsets(self, group_id: str, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit the next offset of each partition; False, and nothing is set, while the group has members."""


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """Where one partition is: the next offset by the ledger and by the group, and what Kafka has of it.

    `next` and `landed_topic_id` are None for a partition that no run has begun, `generation` is the live one's name.
    `low` is the first offset that Kafka still has, `high` the end for a reader of committed records.
    """

    source: TopicPartition
    generation: str | None
    next: int | None
    group_offset: int | None
    low: int
    high: int
    topic_id: str
    landed_topic_id: str | None

    @property
    def lag(self) -> int | None:
        """Offsets that are there to be read; None where nothing has begun, or of another topic."""
        return None if self.next is None or self.made_anew else max(0, self.high - self.next)

    @property
    def made_anew(self) -> bool:
        """Whether what has landed is of a topic that was deleted, and this one has its name."""
        return self.landed_topic_id not in (None, self.topic_id)


@dataclass(frozen=True, slots=True)
class OffsetsShown:
    """All partitions of a pipeline, ascending. `remarks` are sentences that a person should read."""

    pipeline: str
    group_id: str
    generation: str | None
    partitions: Sequence[PartitionOffsets]
    remarks: Sequence[str]


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """Where the live run is to go on: at `bound`, in some topic or partitions of it.

    `recreated`: of topics that were deleted and made anew, at that place of the new one. `zone` is that of --timezone.
    """

    bound: Bound
    topic: str | None = None
    partitions: Sequence[int] | None = None
    recreated: bool = False
    zone: str | None = None

    @property
    def said(self) -> str:
        """All that was said, for a run file: by it the same command is known again."""
        words = ["--recreated"] if self.recreated else []
        words.append(f"--to {self.bound.said}")
        for option, value in (("--topic", self.topic), ("--timezone", self.zone)):
            words += [] if value is None else [f"{option} {value}"]
        if self.partitions is not None:
            words.append(f"--partitions {','.join(map(str, self.partitions))}")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Affected:
    """What a move gives up or supersedes: offsets, what stands of them in files, what Kafka has lost anyway."""

    offsets: int = 0
    landed: int = 0
    refused: int = 0
    skipped: int = 0
    files: int = 0
    file_bytes: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class PartitionMove:
    """What a reset does to one partition: it goes on at `target` instead of `position`.

    `asked` is the offset that the bound means there; backwards, `target` is the edge of a file at or below it.
    `position` is None where the topic was made anew: what has landed is of another one.
    """

    source: TopicPartition
    topic_id: str
    way: Way
    position: int | None
    asked: int
    target: int
    group_offset: int | None
    affected: Affected = field(default_factory=Affected)

    @property
    def group_differs(self) -> bool:
        """Whether the group's committed offset in Kafka will be another one."""
        return self.group_offset != self.target and (self.group_offset is not None or self.way != "stays")


@dataclass(frozen=True, slots=True)
class ResetPlan:
    """What a reset would do. `generation` is the newest live run, `unfinished` whether no engine has begun it yet.

    `topic_ids` are those of the pipeline's topics now. `remarks` are sentences that a person should read.
    """

    pipeline: str
    said: str
    generation: str
    unfinished: bool
    topic_ids: Mapping[str, str]
    moves: Sequence[PartitionMove]
    remarks: Sequence[str]

    @property
    def forwards(self) -> Sequence[PartitionMove]:
        """Those that get a gap in the ledger that is there."""
        return [move for move in self.moves if move.way == "forwards"]

    @property
    def backwards(self) -> Sequence[PartitionMove]:
        """Those that need a new live generation."""
        return [move for move in self.moves if move.way in ("backwards", "anew")]

    @property
    def nothing_to_do(self) -> bool:
        """Whether all is as it should be already, in the ledger and in Kafka's group."""
        return all(move.way == "stays" and not move.group_differs for move in self.moves)


@dataclass(frozen=True, slots=True)
class ResetOutcome:
    """What a reset came to: the live generation now, and the group's offsets that were set in Kafka.

    `plan` is None where a change that was begun before with the same words was only finished. `group_left_alone`: the
    group had members again, whose engine commits where it is.
    """

    generation: str
    plan: ResetPlan | None
    group_offsets: Mapping[TopicPartition, int]
    group_left_alone: bool = False
