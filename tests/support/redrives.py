"""For redrives: a cluster without a Kafka, which fails what a test says, and what a real one holds afterwards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, TopicPartition
from support.lake import Lake

from streamlake.config.model import PipelineConfig
from streamlake.engine.kafka.admin import ClusterAdmin
from streamlake.engine.operations.redrive import redrive
from streamlake.engine.operations.redrive_types import Outgoing, Redriven, RedriveRequest, Target, Undelivered
from streamlake.engine.records import TopicPartition as SourcePartition

ORDERS_0, ORDERS_1 = SourcePartition("orders", 0), SourcePartition("orders", 1)
TARGETS = {"orders": Target("id-of-orders", 2), "repaired": Target("id-of-repaired", 5)}
ALL = [1, 3, 5, 7, 9, 11, 0]
"""The offsets of `seven_letters`, in the order in which they are sent."""


@dataclass
class MemorySender:
    """Implements `Sender`; `fails` says of a record why it is not acknowledged, and whether that leaves a doubt."""

    targets: Mapping[str, Target]
    fails: Callable[[Outgoing], tuple[str, bool] | None] = lambda _: None
    sent: list[Outgoing] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def cluster_id(self) -> str:
        """As `Lake.make` has it."""
        return "cluster"

    def target(self, topic: str) -> Target | None:
        """What the test has said."""
        return self.targets.get(topic)

    def send(self, records: Sequence[Outgoing], rate: float | None) -> Sequence[Undelivered]:  # noqa: ARG002  (no clock)
        """Keep what does not fail."""
        self.before()
        self.batches.append(len(records))
        failures = []
        for one in records:
            failure = self.fails(one)
            if failure is None:
                self.sent.append(one)
            else:
                failures.append(Undelivered(one.place, failure[1], failure[0]))
        return failures

    def close(self) -> None:
        """Nothing is open."""

    def offsets(self) -> list[int]:
        """The origin offsets of what arrived, in order."""
        return [one.place.offset for one in self.sent]

    def marked(self) -> list[int]:
        """Those of them that are marked as in doubt."""
        return [one.place.offset for one in self.sent if dict(one.headers).get("streamlake.redrive.in_doubt")]


@dataclass(frozen=True)
class Redelivered:
    """A record as a topic has it; `origin` is the offset of the dead letter that it was."""

    partition: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Sequence[tuple[str, bytes | None]]

    @property
    def origin(self) -> int:
        """From the header."""
        return int(dict(self.headers)["streamlake.origin.offset"] or b"")

    @property
    def in_doubt(self) -> bool:
        """Marked: it may be there twice."""
        return dict(self.headers).get("streamlake.redrive.in_doubt") == b"true"


def redelivered(servers: str, topic: str) -> list[Redelivered]:
    """Everything in a topic that a redrive has sent, partition by partition."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reads", "enable.partition.eof": True})
    try:
        partitions = consumer.list_topics(topic, 30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        found, left = [], len(partitions)
        while left:
            message = consumer.poll(30)
            assert message is not None, f"{topic} gives no answer"
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                left -= 1
                continue
            headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
            if "streamlake.redrive.id" in dict(headers):
                at, partition = message.timestamp()[1], message.partition() or 0
                found.append(Redelivered(partition, message.key(), message.value(), at, headers))
        return sorted(found, key=lambda one: one.partition)
    finally:
        consumer.close()


def lake_on(servers: str, folder: Path, topic: str) -> Lake:
    """A lake of the real cluster's topic, as `pipeline_yaml` names its root and pipeline."""
    admin = ClusterAdmin({"bootstrap.servers": servers})
    ids = {topic: admin.topic_ids([topic])[topic]}
    return Lake.make(folder / "lake", topic_ids=ids, cluster_id=admin.cluster_id(), format="jsonl")


def seven_letters(root: Path) -> Lake:
    """A lake without a Kafka. orders/0: 1 3 5 7 9 11 refused; orders/1: 0."""
    lake = Lake.make(root, topic_ids={"orders": "id-of-orders"})
    lake.claim(ORDERS_0).land(12, refused=range(1, 12, 2))
    lake.claim(ORDERS_1).land(2, refused=[0], reason="malformed", field=None)
    return lake


def send(
    lake: Lake, config: PipelineConfig, sender: MemorySender, *, name: str | None = None, **asked: Any
) -> Redriven:
    """A redrive in batches of two."""
    return redrive(config, lake.sink, sender, RedriveRequest(**asked), name=name, batch_letters=2)
