"""Topics in memory that answer a cluster's questions, too: for `init` and `dry-run` without a Kafka."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from support.memory_topics import MemoryTopics

from streamlake.engine.kafka.admin import TopicShape
from streamlake.engine.records import Batch, OffsetRange, TopicPartition


def batch(source: TopicPartition, values: Sequence[bytes | None], first: int = 0) -> Batch:
    """Consecutive messages with the offset of each as its time, in seconds."""
    offsets = range(first, first + len(values))
    return Batch(
        source=source,
        range=OffsetRange(first, first + len(values)),
        leader_epoch=0,
        offsets=offsets,
        timestamps_ms=[offset * 1000 for offset in offsets],
        timestamp_types=[1] * len(values),
        keys=[b"%d" % offset for offset in offsets],
        values=list(values),
        headers=[None] * len(values),
    )


@dataclass
class MemoryCluster:
    """A cluster that has these topics, and `empty` ones."""

    topics: MemoryTopics
    empty: Sequence[str] = ()

    @classmethod
    def of(cls, *partitions: Sequence[bytes | None], topic: str = "orders") -> "MemoryCluster":
        """One topic with these values in its partitions."""
        sources = [TopicPartition(topic, number) for number in range(len(partitions))]
        batches = {source: [batch(source, values)] for source, values in zip(sources, partitions, strict=True)}
        return cls(MemoryTopics(batches))

    def cluster_id(self) -> str:
        return "memory"

    def topic_names(self) -> list[str]:
        return sorted({source.topic for source in self.topics.batches} | set(self.empty))

    def shapes(self, topics: Iterable[str]) -> Mapping[str, TopicShape]:
        there = set(self.topic_names())
        return {
            name: TopicShape(name, f"id-of-{name}", self.topics.partitions(name), 1) for name in topics if name in there
        }

    def watermarks(self, sources: Iterable[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
        kept = {source: self.topics.kept(source) for source in sources}
        return {source: (one.first, one.next) for source, one in kept.items()}

    def offsets_for_time(self, sources: Iterable[TopicPartition], timestamp_ms: int) -> Mapping[TopicPartition, int]:
        """As `batch` gives times: a record's is its offset in seconds."""
        found = dict.fromkeys(sources, -(-timestamp_ms // 1000))
        return {source: min(offset, self.topics.kept(source).next) for source, offset in found.items()}
