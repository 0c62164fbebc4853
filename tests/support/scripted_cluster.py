"""A cluster that answers what a test has written down: for `offsets plan` and `reset` without a Kafka."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streamlake.engine.contracts import TopicFacts
from streamlake.engine.kafka.admin import TopicShape
from streamlake.engine.kafka.group_admin import GroupMember
from streamlake.engine.records import TopicPartition

ORDERS_0, ORDERS_1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
PAYMENTS_0 = TopicPartition("payments", 0)


@dataclass
class ScriptedCluster:
    """Answers as a cluster; `marks` are first offset and end of partitions, `group` what the group has committed."""

    marks: dict[TopicPartition, tuple[int, int]] = field(
        default_factory=lambda: {ORDERS_0: (0, 200), ORDERS_1: (0, 50), PAYMENTS_0: (0, 10)}
    )
    ids: dict[str, str] = field(default_factory=lambda: {"orders": "id-of-orders", "payments": "id-of-payments"})
    group: dict[TopicPartition, int] = field(default_factory=dict)
    seats: Sequence[GroupMember] = ()
    known_as: str = "cluster"
    gone: Sequence[TopicPartition] = ()

    def cluster_id(self) -> str:
        return self.known_as

    def shapes(self, topics: Iterable[str]) -> Mapping[str, TopicShape]:
        return {
            topic: TopicShape(topic, self.ids[topic], sum(source.topic == topic for source in self.marks), 1)
            for topic in topics
            if topic in self.ids
        }

    def facts(self, sources: Iterable[TopicPartition], group_id: str) -> Mapping[TopicPartition, TopicFacts]:
        assert group_id == "group"
        return {
            source: TopicFacts(self.ids[source.topic], *self.marks[source], self.group.get(source), time.monotonic())
            for source in sources
            if source not in self.gone
        }

    def offsets_for_time(self, sources: Iterable[TopicPartition], timestamp_ms: int) -> Mapping[TopicPartition, int]:
        return {source: self.marks[source][0] + timestamp_ms % 1000 for source in sources}

    def members(self, group_id: str) -> Sequence[GroupMember]:
        assert group_id == "group"
        return self.seats

    def set_group_offsets(self, group_id: str, offsets: Mapping[TopicPartition, int]) -> bool:
        assert group_id == "group"
        self.group.update(offsets)
        return True
