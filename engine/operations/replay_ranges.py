"""From bounds to offsets: which partitions a replay is of, and what its bounds mean in each, asked once for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from streamlake.config.model import PipelineConfig
from streamlake.engine.counted import counted
from streamlake.engine.errors import ConfigError, SourceError, UsageError
from streamlake.engine.operations.bounds import Bound, Bounds
from streamlake.engine.operations.live_partition import LivePartition
from streamlake.engine.operations.replay_types import Cluster
from streamlake.engine.records import OffsetRange, TopicPartition

if TYPE_CHECKING:  # it imports librdkafka
    from streamlake.engine.kafka.admin import TopicShape

Side = Literal["--from", "--to"]
Lives = Mapping[TopicPartition, LivePartition]


@dataclass(frozen=True, slots=True)
class ResolvedRange:
    """The offsets that the bounds mean in a partition, and the first one that Kafka still has."""

    range: OffsetRange
    kept_from: int

    @property
    def expired(self) -> OffsetRange:
        """The part that Kafka does not have any more."""
        return OffsetRange(self.range.first, min(max(self.kept_from, self.range.first), self.range.next))


def chosen_topics(config: PipelineConfig, topic: str | None) -> Sequence[str]:
    """The pipeline's topics, or the one of them that is wanted. Raises UsageError."""
    known = config.kafka.topic_names
    if topic is None:
        return known
    if topic not in known:
        near = get_close_matches(topic, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"it reads {', '.join(known)}"
        raise UsageError(f"--topic {topic}: is none that the pipeline {config.pipeline} reads; {hint}")
    return (topic,)


def chosen_partitions(
    shapes: "Mapping[str, TopicShape]", topics: Sequence[str], partitions: Sequence[int] | None, servers: str
) -> list[TopicPartition]:
    """All partitions of the topics, or those of one topic that are wanted. Raises UsageError, ConfigError."""
    missing = [topic for topic in topics if topic not in shapes]
    if missing:
        raise ConfigError(*(f"kafka.topics: the cluster at {servers} has no topic {topic!r}" for topic in missing))
    if partitions is None:
        return [TopicPartition(topic, number) for topic in sorted(topics) for number in range(shapes[topic].partitions)]
    if len(topics) > 1:
        raise UsageError(f"--partitions: which topic's? Say --topic, too, one of {', '.join(topics)}")
    (topic,) = topics
    beyond = [number for number in partitions if number >= shapes[topic].partitions]
    if beyond:
        raise UsageError(
            f"--partitions {beyond[0]}: {topic} has {counted(shapes[topic].partitions, 'partition')}, from 0 on"
        )
    return [TopicPartition(topic, number) for number in partitions]


def resolve(
    bounds: Bounds, sources: Sequence[TopicPartition], cluster: Cluster, lives: Lives
) -> dict[TopicPartition, ResolvedRange]:
    """What the bounds mean in each partition now. Raises UsageError where they can't mean anything there.

    A time that lies before all that Kafka still has is looked for in what the live run has landed. The first and last
    offsets are asked for last: so nothing that expires in between is taken for kept, and a record that arrives in
    between is never passed over.
    """
    times = {
        bound.number: cluster.offsets_for_time(sources, bound.number)
        for bound in (bounds.first, bounds.next)
        if bound.place == "time"
    }
    marks = cluster.watermarks(sources)
    found: dict[TopicPartition, ResolvedRange] = {}
    for source in sources:
        if source not in marks or any(source not in offsets for offsets in times.values()):
            raise SourceError(f"{source}: the cluster knew this partition a moment ago, and does not any more")
        by_time = {number: offsets[source] for number, offsets in times.items()}
        place = Place(source, *marks[source], by_time, lives.get(source))
        first, following = place.offset(bounds.first, "--from"), place.offset(bounds.next, "--to", behind=True)
        if first > following:
            raise UsageError(
                f"{source}: --from {bounds.first.said} is offset {first} there, --to {bounds.next.said} is "
                f"{following}: it would end before it begins"
            )
        found[source] = ResolvedRange(OffsetRange(first, following), marks[source][0])
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """One partition, and what is known of it when a bound becomes an offset; `by_time` are Kafka's answers."""

    source: TopicPartition
    low: int
    high: int
    by_time: Mapping[int, int]
    live: LivePartition | None

    def offset(self, bound: Bound, side: Side, *, behind: bool = False) -> int:
        """The offset that a bound means; of a time inside of a file, with `behind`, the one behind that file.

        Raises UsageError.
        """
        if bound.place in ("earliest", "missing"):
            return self.low
        if bound.place in ("latest", "landed"):
            return self.high
        if bound.place == "offset":
            if bound.number > self.high:
                raise UsageError(
                    f"{side} {bound.said}: lies in the future: {self.source} ends at {self.high}, which is latest"
                )
            return bound.number
        offset = self.by_time[bound.number]
        if offset > self.low or self.live is None:
            return offset
        older = self.live.offset_at(bound.number, self.low, behind=behind)
        return offset if older is None else older
