"""A cluster that answers what plans ask, out of a test's own figures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from streamlake.engine.kafka.admin import TopicShape
from streamlake.engine.records import TopicPartition

ORDERS_0, ORDERS_1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
PAYMENTS_0 = TopicPartition("payments", 0)


def stamp(offset: int) -> int:
    """The timestamp of a record of a `Lake`."""
    return 1_700_000_000_000 + 3_600 * offset


@dataclass
class Cluster:
    """Answers as a cluster whose records have the times of a `Lake`; `marks` are first offset and end."""

    marks: dict[TopicPartition, tuple[int, int]] = field(
        default_factory=lambda: {ORDERS_0: (0, 200), ORDERS_1: (0, 50), PAYMENTS_0: (0, 10)}
    )
    ids: dict[str, str] = field(default_factory=lambda: {"orders": "id-of-orders", "payments": "id-of-payments"})
    known_as: str = "cluster"

    def cluster_id(self) -> str:
        return self.known_as

    def shapes(self, topics: Iterable[str]) -> Mapping[str, TopicShape]:
        return {
            topic: TopicShape(topic, self.ids[topic], sum(source.topic == topic for source in self.marks), 1)
            for topic in topics
            if topic in self.ids
        }

    def watermarks(self, sources: Iterable[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
        return {source: self.marks[source] for source in sources if source in self.marks}

    def offsets_for_time(self, sources: Iterable[TopicPartition], timestamp_ms: int) -> Mapping[TopicPartition, int]:
        asked = {source: self.marks[source] for source in sources}
        return {
            source: next((offset for offset in range(low, high) if stamp(offset) >= timestamp_ms), high)
            for source, (low, high) in asked.items()
        }
