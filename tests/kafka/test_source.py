"""The source on a real Kafka: positions, holes, limits, and positions that are gone."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka import Producer
from support.shared import SharedKafka
from support.topics import expire, fill, fill_in_transactions, make_topic

from streamlake.config.kafka import KafkaSettings, TopicSettings
from streamlake.engine.contracts import BatchLimits
from streamlake.engine.errors import SourceError
from streamlake.engine.kafka.settings import reader_properties
from streamlake.engine.kafka.source import KafkaSource
from streamlake.engine.records import UNREADABLE_HEADERS, Batch, OffsetRange, TopicPartition

pytestmark = pytest.mark.usefixtures("way")

TESTS = Path(__file__).parents[1]
WIDE = BatchLimits(rows_max=100_000, bytes_max=1 << 27, seconds_max=0.5)


def open_source(
    servers: str, topic: str, first: int = 0, epoch: int | None = None, until: int | None = None
) -> KafkaSource:
    settings = KafkaSettings(bootstrap_servers=servers, group_id="tests", topics=(TopicSettings(name=topic),))
    return KafkaSource(TopicPartition(topic, 0), reader_properties(settings, "tests"), first, epoch, until)


def read(source: KafkaSource, limits: BatchLimits = WIDE, go_on: Callable[[], bool] = lambda: True) -> Batch:
    """The next batch, its slices put together again."""
    for _ in range(30):
        slices = list(source.slices(limits, go_on))
        assert all(before.range.next == after.range.first for before, after in pairwise(slices)), "slices tile"
        if slices:
            return joined(slices)
    raise AssertionError("nothing came within 30 seconds")


def joined(slices: Sequence[Batch]) -> Batch:
    """One batch over the offsets of all."""
    names = ("offsets", "timestamps_ms", "timestamp_types", "keys", "values", "headers")
    columns = {name: [one for part in slices for one in getattr(part, name)] for name in names}
    last = slices[-1]
    return Batch(last.source, OffsetRange(slices[0].range.first, last.range.next), last.leader_epoch, **columns)


def test_markers_at_the_start_middle_and_end_are_holes_and_the_position_lies_behind_them(kafka: SharedKafka) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    fill_in_transactions(
        kafka.bootstrap_servers, topic, ([b"x"], False), ([b"a", b"b"], True), ([b"c"], True), ([b"y", b"z"], False)
    )
    source = open_source(kafka.bootstrap_servers, topic)
    batch = read(source)
    source.close()
    assert batch.range == OffsetRange(0, 10)
    assert list(batch.values) == [b"a", b"b", b"c"]
    assert list(batch.offsets) == [2, 3, 5]
    assert batch.holes() == (OffsetRange(0, 2), OffsetRange(4, 5), OffsetRange(6, 10))
    assert batch.leader_epoch == 0


def test_a_batch_is_closed_by_rows_and_the_next_goes_on_where_it_ended(kafka: SharedKafka) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    fill(kafka.bootstrap_servers, topic, [b"%d" % i for i in range(25)])
    source = open_source(kafka.bootstrap_servers, topic)
    ranges = [read(source, BatchLimits(10, 1 << 20, 0.5)).range for _ in range(3)]
    source.close()
    assert ranges == [OffsetRange(0, 10), OffsetRange(10, 20), OffsetRange(20, 25)]


def test_a_batch_of_large_messages_is_closed_by_bytes(kafka: SharedKafka) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    fill(kafka.bootstrap_servers, topic, [b"s"] * 1000 + [b"L" * 900_000] * 100)
    source = open_source(kafka.bootstrap_servers, topic)
    batches: list[Batch] = []
    while sum(len(batch) for batch in batches) < 1100:
        batches.append(read(source, BatchLimits(100_000, 4_000_000, 5)))
    source.close()
    assert [b.range.first for b in batches[1:]] == [b.range.next for b in batches[:-1]]
    sizes = [sum(len(value or b"") for value in batch.values) for batch in batches]
    queue_and_one_fetch = 16 * 1024**2 + 4 * 1024**2
    assert max(sizes) < 4_000_000 + queue_and_one_fetch


@pytest.mark.parametrize("where", ["key", "header"])
def test_keys_and_headers_count_as_much_as_values(kafka: SharedKafka, where: str) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    large = b"L" * 500_000
    for _ in range(40):
        headers: list[tuple[str, str | bytes | None]] = [("large", large)] if where == "header" else []
        producer.produce(topic, b"{}", large if where == "key" else None, headers=headers)
        producer.poll(0)
    assert producer.flush(60) == 0
    source = open_source(kafka.bootstrap_servers, topic)
    slices: list[Batch] = []
    while sum(map(len, slices)) < 40:
        taken = list(source.slices(BatchLimits(100_000, 4_000_000, 5), lambda: True))
        assert sum(map(len, taken)) < 40, "all of them are one batch of 20 MB"
        slices += taken
    source.close()


def test_a_bounded_run_reads_up_to_its_end_and_no_further(kafka: SharedKafka) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    fill(kafka.bootstrap_servers, topic, [b"%d" % i for i in range(20)])
    source = open_source(kafka.bootstrap_servers, topic, first=3, until=12)
    batch = read(source, BatchLimits(100_000, 1 << 20, 60))
    source.close()
    assert (batch.range, batch.values[-1]) == (OffsetRange(3, 12), b"11")


def test_headers_keep_order_repeats_and_nulls(kafka: SharedKafka) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    headers: list[tuple[str, str | bytes | None]] = [("a", b"1"), ("a", None), ("b", b"\xff")]
    producer.produce(topic, b"v", b"k", headers=headers)
    producer.produce(topic, None, b"k")
    producer.flush(30)
    source = open_source(kafka.bootstrap_servers, topic)
    batch = read(source)
    source.close()
    assert list(batch.headers) == [headers, None]
    assert list(batch.values) == [b"v", None]
    assert list(batch.keys) == [b"k", b"k"]


def test_headers_that_the_client_can_not_read_do_not_stop_the_partition(kafka: SharedKafka) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    fill(kafka.bootstrap_servers, topic, [b"{}"])
    command = [sys.executable, "-m", "support.odd_header", kafka.bootstrap_servers, topic]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    source = open_source(kafka.bootstrap_servers, topic)
    batch = read(source)
    source.close()
    assert list(batch.values) == [b"{}", b'{"id": 7}']
    assert list(batch.headers) == [None, UNREADABLE_HEADERS]
    assert batch.headers[1] is UNREADABLE_HEADERS


def test_a_position_that_has_expired_is_an_error_and_never_a_jump(kafka: SharedKafka) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    fill(kafka.bootstrap_servers, topic, [b"%d" % i for i in range(20)])
    expire(kafka.bootstrap_servers, topic, 10)
    source = open_source(kafka.bootstrap_servers, topic, first=5)
    with pytest.raises(SourceError, match="offset 5"):
        read(source)
    source.close()


def test_a_drain_closes_the_batch_in_hand_at_once(kafka: SharedKafka) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    fill(kafka.bootstrap_servers, topic, [b"a", b"b"])
    source = open_source(kafka.bootstrap_servers, topic)
    rounds = iter(range(1000))
    batch = read(source, BatchLimits(100, 1 << 20, 3600), lambda: next(rounds) < 10)
    source.close()
    assert list(batch.values) == [b"a", b"b"]
