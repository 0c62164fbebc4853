"""The plain reader of topic ranges, on a real broker: transactions, retention, ranges side by side."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from support.shared import SharedKafka
from support.topics import expire
from support.waiting import wait_until

from streamlake.engine.errors import PositionLostError, SourceError
from streamlake.engine.kafka.reader import TopicRangeReader
from streamlake.engine.kafka.topic_admin import TopicAdmin
from streamlake.engine.records import OffsetRange, TopicPartition


@pytest.fixture
def admin(kafka: SharedKafka) -> TopicAdmin:
    return TopicAdmin({"bootstrap.servers": kafka.bootstrap_servers})


@pytest.fixture
def reader(kafka: SharedKafka, admin: TopicAdmin) -> Iterator[TopicRangeReader]:
    properties = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "group.id": "nobody",
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
    }
    reader = TopicRangeReader(admin, properties, timeout_seconds=10)
    yield reader
    reader.close()


@pytest.fixture
def source(admin: TopicAdmin) -> TopicPartition:
    topic = f"reader-{uuid4()}"
    admin.create_topic(topic, 1, 1, {})
    return TopicPartition(topic, 0)


@pytest.fixture
def producer(kafka: SharedKafka) -> Producer:
    return Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": str(uuid4())})


def produce(producer: Producer, source: TopicPartition, count: int, *, commit: bool) -> None:
    """One transaction of `count` messages: they and its marker take `count + 1` offsets."""
    producer.begin_transaction()
    for number in range(count):
        producer.produce(source.topic, b"%d" % number, key=b"key", headers=[("name", b"\xff")])
    producer.flush(10)
    if commit:
        producer.commit_transaction(10)
    else:
        producer.abort_transaction(10)


def wait_until_kept(reader: TopicRangeReader, source: TopicPartition, wanted: OffsetRange) -> None:
    """A transaction is over for its producer before its marker stands in the partition."""
    wait_until(lambda: reader.kept(source) == wanted, lambda: f"{wanted}; there is {reader.kept(source)}")


def offsets(reader: TopicRangeReader, source: TopicPartition, first: int, following: int) -> list[int]:
    return [offset for batch in reader.read(source, OffsetRange(first, following)) for offset in batch.offsets]


def test_ranges_hold_what_is_committed_and_nothing_else(
    reader: TopicRangeReader, producer: Producer, source: TopicPartition
) -> None:
    producer.init_transactions(10)
    produce(producer, source, 3, commit=True)  # 0 1 2, marker 3
    produce(producer, source, 2, commit=False)  # 4 5, marker 6
    produce(producer, source, 4, commit=True)  # 7 8 9 10, marker 11
    wait_until_kept(reader, source, OffsetRange(0, 12))
    assert offsets(reader, source, 0, 12) == [0, 1, 2, 7, 8, 9, 10]
    # One after the other, cut anywhere, a range of holes alone among them, and back again.
    assert offsets(reader, source, 0, 2) == [0, 1]
    assert offsets(reader, source, 2, 4) == [2]
    assert offsets(reader, source, 4, 7) == []
    assert offsets(reader, source, 7, 11) == [7, 8, 9, 10]
    assert offsets(reader, source, 11, 12) == []
    assert offsets(reader, source, 1, 8) == [1, 2, 7]
    (batch,) = reader.read(source, OffsetRange(7, 8))
    assert (batch.keys, batch.values, batch.headers) == ([b"key"], [b"0"], [[("name", b"\xff")]])


def test_an_open_transaction_ends_what_can_be_read(
    reader: TopicRangeReader, producer: Producer, source: TopicPartition
) -> None:
    producer.init_transactions(10)
    produce(producer, source, 3, commit=True)
    producer.begin_transaction()
    producer.produce(source.topic, b"open")
    producer.flush(10)
    wait_until_kept(reader, source, OffsetRange(0, 4))
    assert offsets(reader, source, 0, 4) == [0, 1, 2]
    producer.abort_transaction(10)


def test_what_has_expired_is_said_and_not_passed_over(
    kafka: SharedKafka, reader: TopicRangeReader, producer: Producer, source: TopicPartition
) -> None:
    producer.init_transactions(10)
    produce(producer, source, 5, commit=True)
    expire(kafka.bootstrap_servers, source.topic, 3)
    wait_until_kept(reader, source, OffsetRange(3, 6))
    with pytest.raises(PositionLostError, match=r"reading .* from 0"):
        offsets(reader, source, 0, 6)
    assert offsets(reader, source, 3, 6) == [3, 4]


def test_a_range_past_the_end_is_an_error_and_not_an_endless_wait(kafka: SharedKafka, admin: TopicAdmin) -> None:
    topic = f"reader-{uuid4()}"
    admin.create_topic(topic, 1, 1, {})
    reader = TopicRangeReader(
        admin, {"bootstrap.servers": kafka.bootstrap_servers, "group.id": "nobody"}, timeout_seconds=1
    )
    with pytest.raises(SourceError, match="nothing came from"):
        offsets(reader, TopicPartition(topic, 0), 0, 3)
    reader.close()


def test_topics_are_described(reader: TopicRangeReader, admin: TopicAdmin, source: TopicPartition) -> None:
    compacted = f"reader-{uuid4()}"
    admin.create_topic(compacted, 2, 1, {"cleanup.policy": "compact,delete"})
    assert reader.keeps_all(source.topic)
    assert not reader.keeps_all(compacted)
    assert (reader.partitions(compacted), reader.partitions("no-such-topic")) == (2, 0)
    assert reader.topic_id("no-such-topic") is None
    assert reader.topic_id(source.topic) == admin.topic_ids([source.topic])[source.topic]
