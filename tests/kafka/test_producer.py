"""The producer on a real Kafka: every record acknowledged or counted, limits, back-pressure, and no broker at all."""

import io
import time

import pytest
from support.broker import admin_of, everything_in, pipeline_on, unique
from support.shared import SharedKafka
from support.topics import make_topic

from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import SourceError, UsageError
from streamlake.engine.kafka.key_field import KeyField
from streamlake.engine.kafka.producer import KeyValue, RecordProducer
from streamlake.engine.kafka.settings import producer_properties
from streamlake.engine.operations.produce import Origin, json_lines, produce
from streamlake.engine.operations.topics import apply_topics


@pytest.fixture
def config(kafka: SharedKafka) -> PipelineConfig:
    """A pipeline whose topics have just been made."""
    made = pipeline_on(kafka.bootstrap_servers)
    apply_topics(made, admin_of(made))
    return made


def topic_of(config: PipelineConfig) -> str:
    return config.kafka.topic_names[0]


def test_every_record_is_acknowledged_and_stands_in_the_topic_byte_for_byte(config: PipelineConfig) -> None:
    records: list[KeyValue] = [(b"k%d" % (number % 7), b"v%d" % number) for number in range(2500)]
    records += [(None, b"no key"), (b"tombstone", None), (b"empty", b""), (b"", b"empty key")]
    found = produce(config, topic_of(config), [records[:1000], records[1000:]], origin=Origin("tests", "orders/1"))
    assert (found.sent, found.acked, found.failed, dict(found.reasons)) == (2504, 2504, 0, {})
    messages = everything_in(config, topic_of(config))
    assert sorted((m.key() or b"", m.value() or b"") for m in messages) == sorted(
        (k or b"", v or b"") for k, v in records
    )
    by_key = {message.key(): message.value() for message in messages}
    assert by_key[b"tombstone"] is None
    assert by_key[b"empty"] == b""
    assert by_key[None] == b"no key"


def test_records_of_one_key_stay_in_order_in_one_partition(config: PipelineConfig) -> None:
    produce(config, topic_of(config), [[(b"a", b"%d" % n), (b"b", b"%d" % n)] for n in range(200)])
    messages = everything_in(config, topic_of(config))
    for key in (b"a", b"b"):
        mine = [message for message in messages if message.key() == key]
        assert len({message.partition() for message in mine}) == 1
        assert [message.value() for message in mine] == [b"%d" % n for n in range(200)]


def test_headers_say_where_a_record_comes_from_and_when(config: PipelineConfig) -> None:
    before = int(time.time() * 1000)
    produce(config, topic_of(config), [[(None, b"x")]], origin=Origin("a test", "orders/1"))
    produce(config, topic_of(config), [[(None, b"y")]], origin=Origin("a test"))
    headers = {
        m.value(): [tuple(header) for header in m.headers() or ()] for m in everything_in(config, topic_of(config))
    }
    assert headers[b"x"][:2] == [("streamlake.source", b"a test"), ("streamlake.schema", b"orders/1")]
    name, stamp = headers[b"x"][2]
    assert name == "streamlake.produced_at"
    assert isinstance(stamp, bytes)
    assert before <= int(stamp) <= int(time.time() * 1000)
    assert [name for name, _ in headers[b"y"]] == ["streamlake.source", "streamlake.produced_at"]


def test_a_record_that_the_broker_refuses_is_counted_with_its_reason_and_the_others_land(kafka: SharedKafka) -> None:
    config = pipeline_on(kafka.bootstrap_servers)
    topic = topic_of(config)
    make_topic(kafka.bootstrap_servers, exactly=topic, max_message_bytes="20000", compression_type="producer")
    records = [(None, b"small %d" % n + b"." * 500) for n in range(100)]
    config = PipelineConfig.model_validate(
        config.model_dump() | {"kafka": config.model_dump()["kafka"] | {"properties": {"compression.type": "none"}}}
    )
    found = produce(config, topic_of(config), [[*records[:50], (None, b"x" * 60_000), *records[50:]]])
    assert (found.sent, found.acked, found.failed) == (101, 100, 1)
    ((reason, count),) = found.reasons.items()
    assert count == 1
    assert "MSG_SIZE_TOO_LARGE" in reason
    assert len(everything_in(config, topic_of(config))) == 100


def test_a_full_queue_makes_the_sender_wait_and_loses_nothing(config: PipelineConfig) -> None:
    beats: list[int] = []
    properties = {**producer_properties(config.kafka, "tests"), "queue.buffering.max.messages": 10, "linger.ms": 20}
    producer = RecordProducer(properties, beat=lambda: beats.append(1))
    producer.send(topic_of(config), [(None, b"%d" % n) for n in range(300)])
    found = producer.flush(60)
    assert (found.sent, found.acked, found.failed) == (300, 300, 0)
    assert beats, "it showed that it is alive while it waited"
    assert sorted(int(m.value() or b"") for m in everything_in(config, topic_of(config))) == list(range(300))


def test_a_record_that_fits_into_no_queue_is_refused_instead_of_waited_for(config: PipelineConfig) -> None:
    properties = {**producer_properties(config.kafka, "tests"), "queue.buffering.max.kbytes": 1}
    producer = RecordProducer(properties)
    producer.send(topic_of(config), [(None, b"x" * 5000), (None, b"small")])
    found = producer.flush(30)
    assert (found.sent, found.acked, found.failed) == (2, 1, 1)
    (reason,) = found.reasons
    assert "a record of 5000 bytes is more than queue.buffering.max.kbytes holds" in reason


def test_without_a_broker_every_record_is_failed_after_the_delivery_time_out(config: PipelineConfig) -> None:
    away = pipeline_on(
        "127.0.0.1:1",
        kafka=config.kafka.model_dump()
        | {"bootstrap_servers": "127.0.0.1:1", "properties": {"delivery.timeout.ms": "1500"}},
    )
    producer = RecordProducer(producer_properties(away.kafka, "tests"))
    began = time.monotonic()
    producer.send("nowhere", [(None, b"x")] * 3)
    found = producer.flush()
    assert (found.sent, found.acked, found.failed) == (3, 0, 3)
    assert time.monotonic() - began < 20
    assert all("no answer from 127.0.0.1:1" in reason for reason in found.reasons)


def test_a_flush_that_may_not_wait_counts_the_rest_as_failed(config: PipelineConfig) -> None:
    away = pipeline_on("127.0.0.1:1", kafka=config.kafka.model_dump() | {"bootstrap_servers": "127.0.0.1:1"})
    producer = RecordProducer(producer_properties(away.kafka, "tests"))
    producer.send("nowhere", [(None, b"x")] * 3)
    found = producer.flush(0.2)
    assert (found.sent, found.failed) == (3, 3)


def test_a_topic_that_is_not_there_is_said_before_anything_is_sent(config: PipelineConfig) -> None:
    name = unique()
    with pytest.raises(SourceError, match=f"the topic {name} does not exist: make it with `streamlake topics apply`"):
        produce(config, name, [[(None, b"x")]])
    assert admin_of(config).topic_ids([name]) == {}, "and it is not made by accident"


def test_a_rate_is_kept(config: PipelineConfig) -> None:
    found = produce(config, topic_of(config), [[(None, b"x")] * 300], rate=200)
    assert found.acked == 300
    assert found.seconds >= 300 / 200 - 0.1


def test_a_hundred_thousand_records_go_out_in_seconds(config: PipelineConfig) -> None:
    # The aim is 100,000 a second on a quiet machine; this only sees that nothing waits for each of them.
    records = [(b"%d" % (number % 1000), b"x" * 240) for number in range(10_000)]
    found = produce(config, topic_of(config), [records] * 10, origin=Origin("tests", "orders/1"))
    assert found.acked == 100_000
    assert found.seconds < 60


# Lines and keys


def test_a_line_is_a_record_as_it_is() -> None:
    stream = io.BytesIO(b'{"a": 1}\r\n\n not json \n{"b":\xff}')
    assert [record for batch in json_lines(stream) for record in batch] == [
        (None, b'{"a": 1}'),
        (None, b" not json "),
        (None, b'{"b":\xff}'),
    ]


def test_lines_are_whole_however_the_stream_is_cut() -> None:
    lines = [b"%d" % number * 50_000 for number in range(100)]
    found = [value for batch in json_lines(io.BytesIO(b"\n".join(lines) + b"\n")) for _, value in batch]
    assert found == lines


@pytest.mark.parametrize(
    ("pointer", "value", "key"),
    [
        ("/customer_id", b'{"customer_id": 7}', b"7"),
        ("/customer/id", b'{"customer": {"id": "\xc3\xa4"}}', b"\xc3\xa4"),
        ("/items/1/sku", b'{"items": [{"sku": 1}, {"sku": 2}]}', b"2"),
        ("/a~1b", b'{"a/b": "x"}', b"x"),
        ("/customer_id", b'{"customer_id": null}', None),
        ("/customer_id", b'{"customer_id": {"id": 7}}', None),
        ("/items/9", b'{"items": []}', None),
        ("/customer_id", b"no json", None),
        ("/customer_id", b"", None),
    ],
)
def test_a_key_is_taken_from_a_json_field(pointer: str, value: bytes, key: bytes | None) -> None:
    assert KeyField(pointer)(value) == key


def test_a_key_field_that_is_no_json_pointer_is_a_wrong_usage() -> None:
    with pytest.raises(UsageError, match="must be a JSON pointer, as in /customer_id"):
        KeyField("customer_id")
