"""Topics in memory, read as `TopicReader` says: what `prove --kafka` and `dead --source topic` are tested on."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from streamlake.engine.errors import PositionLostError
from streamlake.engine.records import Batch, OffsetRange, TopicPartition


@dataclass
class MemoryTopics:
    """Partitions as batches in order; `low` is the first offset that a partition still keeps."""

    batches: dict[TopicPartition, list[Batch]]
    ids: dict[str, str] = field(default_factory=dict)
    low: dict[TopicPartition, int] = field(default_factory=dict)
    compacted: bool = False
    asked: list[OffsetRange] = field(default_factory=list)

    def topic_id(self, topic: str) -> str | None:
        """The id it was given; by default one that tells the name."""
        known = {source.topic for source in self.batches}
        return self.ids.get(topic, f"id-of-{topic}") if topic in known else None

    def partitions(self, topic: str) -> int:
        """How many there are."""
        return sum(source.topic == topic for source in self.batches)

    def kept(self, source: TopicPartition) -> OffsetRange:
        """From `low` to the last batch's end."""
        parts = self.batches[source]
        return OffsetRange(self.low.get(source, parts[0].range.first), parts[-1].range.next)

    def keeps_all(self, topic: str) -> bool:  # noqa: ARG002  the same for every topic
        """The opposite of `compacted`."""
        return not self.compacted

    def read(self, source: TopicPartition, within: OffsetRange, *, afresh: bool = False) -> Iterator[Batch]:  # noqa: ARG002 - it has no other way
        """The messages of `within`, batch by batch."""
        self.asked.append(within)
        if within.first < self.kept(source).first:
            raise PositionLostError(f"{source}: {within.first} has expired")
        for batch in self.batches[source]:
            inside = [index for index, offset in enumerate(batch.offsets) if offset in within]
            if inside:
                yield batch.take(inside)

    def change(self, source: TopicPartition, offset: int, value: bytes | None) -> None:
        """Give the message at `offset` another value."""
        for number, batch in enumerate(self.batches[source]):
            if offset in batch.offsets:
                values = list(batch.values)
                values[batch.offsets.index(offset)] = value
                self.batches[source][number] = replace(batch, values=values)

    def drop(self, source: TopicPartition, offset: int) -> None:
        """Take the message at `offset` away; its place stays, as after compaction."""
        self.batches[source] = [
            batch.take([index for index, at in enumerate(batch.offsets) if at != offset])
            for batch in self.batches[source]
        ]
