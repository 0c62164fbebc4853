"""Dead letters on a real Kafka: untouched bytes, headers, letters that are too large, and a topic that fails."""

import json
import os
import time
from collections.abc import Sequence

import pytest
from support.broker import admin_of, everything_in, pipeline_on
from support.shared import SharedKafka
from support.topics import make_topic

from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import DeadLetterError
from streamlake.engine.kafka.dead_letters import KafkaDeadLetters
from streamlake.engine.kafka.letter_records import MESSAGE_BYTES_DEFAULT, without_error_headers
from streamlake.engine.kafka.producer import Deliveries, RecordProducer
from streamlake.engine.records import DeadLetter, Header, TopicPartition

SOURCE = TopicPartition("orders", 3)


def letter(
    offset: int,
    key: bytes | None = b"k",
    value: bytes | None = b"v",
    headers: Sequence[Header] = (),
    message: str = "qty: -1 is less than 1",
) -> DeadLetter:
    return DeadLetter(
        source=SOURCE,
        offset=offset,
        timestamp_ms=1_700_000_000_000,
        timestamp_type=1,
        key=key,
        value=value,
        headers=headers,
        reason="invalid",
        field="/items/0/qty",
        message=message,
        attempt=2,
        first_failed_at_ms=1_700_000_000_123,
    )


def pipeline_with_dlq(kafka: SharedKafka, **settings: str) -> tuple[PipelineConfig, str]:
    config = pipeline_on(kafka.bootstrap_servers)
    name = f"{config.kafka.topic_names[0]}.dlq"
    make_topic(kafka.bootstrap_servers, exactly=name, partitions=1, **settings)
    return config, name


def sent(
    config: PipelineConfig, topic: str, *letters: DeadLetter
) -> list[tuple[bytes | None, bytes | None, list[Header]]]:
    sender = KafkaDeadLetters(config, "live-1")
    sender.send(letters)
    sender.close()
    found = []
    for message in everything_in(config, topic):
        headers = message.headers() or []
        assert isinstance(headers, list)
        found.append((message.key(), message.value(), [(name, _bytes(value)) for name, value in headers]))
    return found


def _bytes(value: str | bytes | None) -> bytes | None:
    assert not isinstance(value, str)
    return value


def test_key_value_and_headers_arrive_byte_for_byte(kafka: SharedKafka) -> None:
    config, topic = pipeline_with_dlq(kafka)
    own: list[Header] = [("trace", b"\x00\xff"), ("none", None), ("trace", b"again"), ("streamlake.source", b"app")]
    found = sent(
        config,
        topic,
        letter(1, b"\x00key", b"\xff\xfe", own),
        letter(2, None, None),
        letter(3, b"", b""),
    )
    assert [(key, value) for key, value, _ in found] == [(b"\x00key", b"\xff\xfe"), (None, None), (b"", b"")]
    assert found[0][2][: len(own)] == own


def test_headers_say_where_it_was_and_why_it_was_refused(kafka: SharedKafka) -> None:
    config, topic = pipeline_with_dlq(kafka)
    ((_, _, headers),) = sent(config, topic, letter(41, message="x" * 5000))
    assert dict(headers) == {
        "__connect.errors.topic": b"orders",
        "__connect.errors.partition": b"3",
        "__connect.errors.offset": b"41",
        "__connect.errors.stage": b"VALIDATE",
        "__connect.errors.class.name": b"streamlake.validators.json",
        "__connect.errors.exception.class.name": b"streamlake.invalid",
        "__connect.errors.exception.message": b"x" * 1000,
        "streamlake.pipeline": b"tests",
        "streamlake.run": b"live-1",
        "streamlake.reason": b"invalid",
        "streamlake.field": b"/items/0/qty",
        "streamlake.attempt": b"2",
        "streamlake.first_failed_at": b"1700000000123",
        "streamlake.validator": b"json",
    }


def test_what_an_earlier_refusal_wrote_is_replaced_and_never_piles_up(kafka: SharedKafka) -> None:
    config, topic = pipeline_with_dlq(kafka)
    ((_, _, first),) = sent(config, topic, letter(1, headers=[("own", b"1")]))
    again = sent(config, topic, letter(2, headers=first))[1][2]
    assert [name for name, _ in again] == [name for name, _ in first]
    assert dict(again)["__connect.errors.offset"] == b"2"
    assert without_error_headers(again) == [("own", b"1")]


def test_a_letter_that_is_too_large_goes_without_its_value_and_says_where_the_rest_is(
    kafka: SharedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_by_one(*_: object) -> None:
        raise AssertionError("letters that fit are never sent again: no batch is larger than the topic takes")

    monkeypatch.setattr(KafkaDeadLetters, "_send_alone", one_by_one)
    config, topic = pipeline_with_dlq(kafka, **{"max.message.bytes": "50000"})
    found = sent(
        config,
        topic,
        letter(1),
        letter(2, value=os.urandom(50_000)),
        letter(3, headers=[("h", os.urandom(50_000))]),
        letter(4, key=os.urandom(50_000)),
        *(letter(number, value=os.urandom(40_000)) for number in range(5, 10)),
    )
    left_out = [json.loads(dict(headers).get("streamlake.truncated") or b"{}") for _, _, headers in found]
    assert left_out[0] == {}
    assert left_out[1] == {
        "left_out": ["value"],
        "value_bytes": 50_000,
        "dead_letter_file": {"topic": "orders", "partition": 3, "offset": 2},
    }
    assert left_out[2]["left_out"] == ["value", "headers"]
    assert left_out[3]["left_out"] == ["value", "headers", "key"]
    assert [(key, value) for key, value, _ in found[:4]] == [(b"k", b"v"), (b"k", None), (b"k", None), (None, None)]
    assert left_out[4:] == [{}] * 5
    assert [len(value or b"") for _, value, _ in found[4:]] == [40_000] * 5


def test_a_letter_that_only_the_broker_finds_too_large_is_sent_again_without_its_value(
    kafka: SharedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, topic = pipeline_with_dlq(kafka, **{"max.message.bytes": "50000"})
    monkeypatch.setattr(KafkaDeadLetters, "_topic_limit", lambda *_: MESSAGE_BYTES_DEFAULT)
    found = sent(
        config,
        topic,
        *(letter(number, value=os.urandom(20_000)) for number in range(8)),  # too large together, not alone
        letter(8, value=os.urandom(90_000)),
    )
    by_offset = {dict(headers)["__connect.errors.offset"]: (value, dict(headers)) for _, value, headers in found}
    assert len(by_offset) == 9
    for number in range(8):
        assert len(by_offset[b"%d" % number][0] or b"") == 20_000
    value, headers = by_offset[b"8"]
    assert value is None
    assert "streamlake.truncated" in headers


def test_a_missing_dead_letter_topic_is_an_error_that_says_how_to_make_it(kafka: SharedKafka) -> None:
    config = pipeline_on(kafka.bootstrap_servers)
    sender = KafkaDeadLetters(config, "live-1")
    with pytest.raises(
        DeadLetterError, match=r"the dead-letter topic .*\.dlq does not exist: `streamlake topics apply"
    ):
        sender.send([letter(1)])
    make_topic(config.kafka.bootstrap_servers, exactly=sender.topic)
    sender.send([letter(1)])
    sender.close()
    assert len(everything_in(config, sender.topic)) == 1


def test_a_topic_that_goes_away_later_is_an_error_that_names_it(kafka: SharedKafka) -> None:
    config, topic = pipeline_with_dlq(kafka)
    config = pipeline_on(
        kafka.bootstrap_servers,
        config.kafka.topic_names[0],
        kafka=config.kafka.model_dump() | {"properties": {"delivery.timeout.ms": "3000"}},
    )
    sender = KafkaDeadLetters(config, "live-1")
    sender.send([letter(1)])
    admin_of(config).delete_topic(topic)
    deadline = time.monotonic() + 20
    while admin_of(config).topic_ids([topic]):
        assert time.monotonic() < deadline
    with pytest.raises(DeadLetterError, match=f"the dead-letter topic {topic} does not exist"):
        sender.send([letter(2)])
    sender.close()


def test_a_broker_that_is_away_is_an_error_with_its_address_and_beats_go_on() -> None:
    beats: list[int] = []
    config = pipeline_on("127.0.0.1:1")
    sender = KafkaDeadLetters(config, "live-1", lambda: beats.append(1), timeout_seconds=2)
    with pytest.raises(DeadLetterError, match=r"dead-letter topic .*: .*no answer from 127\.0\.0\.1:1"):
        sender.send([letter(1)])
    assert beats


def test_a_letter_of_which_nothing_is_known_is_not_taken_for_sent(
    kafka: SharedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, topic = pipeline_with_dlq(kafka)
    sender = KafkaDeadLetters(config, "live-1")
    monkeypatch.setattr(RecordProducer, "flush", lambda *_: Deliveries(sent=2, acked=1))
    with pytest.raises(DeadLetterError, match=f"{topic}: nothing is known of 1 letters"):
        sender.send([letter(1), letter(2)])
    sender.close()


def test_no_letters_need_no_broker() -> None:
    sender = KafkaDeadLetters(pipeline_on("127.0.0.1:1"), "live-1")
    sender.send([])
    sender.close()
