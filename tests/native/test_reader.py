"""The compiled reader gives what confluent-kafka gives, and says what it refuses."""

import logging
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytest
from confluent_kafka import Producer, cimpl
from support.compiled import built
from support.shared import SharedKafka
from support.topics import make_topic

from streamlake.config.kafka import KafkaSettings, TopicSettings
from streamlake.engine.compiled import compiled
from streamlake.engine.errors import ConfigError
from streamlake.engine.kafka.message_reader import ClientReader, MessageReader, NativeReader, open_reader
from streamlake.engine.kafka.settings import reader_properties
from streamlake.engine.records import Batch, OffsetRange, TopicPartition

pytestmark = pytest.mark.usefixtures("native")

MESSAGES = 6_000


def properties(servers: str, topic: str, **more: object) -> Mapping[str, object]:
    settings = KafkaSettings(bootstrap_servers=servers, group_id="tests", topics=(TopicSettings(name=topic),))
    return {**reader_properties(settings, "tests"), **more}


def fill(servers: str, topic: str, chance: random.Random) -> None:
    """Messages of all sorts, in runs with the same headers."""
    producer = Producer({"bootstrap.servers": servers, "compression.type": "lz4"})
    headers: list[tuple[str, str | bytes | None]] = []
    for number in range(MESSAGES):
        if chance.random() < 0.1:
            names = chance.choices(["", "a", "trace", "ä", "a"], k=chance.randrange(4))
            headers = [(name, chance.choice([None, b"", b"1", b"\xff\x00", b"x" * 300])) for name in names]
        value = chance.choice([None, b"", b"{}", chance.randbytes(chance.randrange(600)), b"x" * 40_000])
        key = chance.choice([None, b"", b"%d" % number])
        stamp = int(time.time() * 1000) - chance.randrange(3_600_000)  # not so old that the broker deletes it
        producer.produce(topic, value, key, headers=headers, timestamp=stamp)
        producer.poll(0)
    assert producer.flush(60) == 0


def read(reader: MessageReader, source: TopicPartition, chance: random.Random, until: int) -> list[Batch]:
    """All messages below `until`, in batches of any size."""
    found: list[Batch] = []
    done = 0
    while done < until:
        wanted = chance.choice([1, 7, 500, 3000])
        while reader.rows < wanted and done + reader.rows < until:
            reader.read(min(wanted, 2000), 0.5, until)
        position = reader.position()
        assert position is not None
        following = min(position[0], until)
        found.append(reader.take(source, OffsetRange(done, following), position[1]))
        done = following
    return found


def columns(batches: list[Batch]) -> list[tuple[Any, ...]]:
    """Message by message, all that there is to know."""
    return [
        (*row[:5], None if row[5] is None else list(row[5]))
        for each in batches
        for row in zip(
            each.offsets, each.timestamps_ms, each.timestamp_types, each.keys, each.values, each.headers, strict=True
        )
    ]


def test_both_readers_give_the_same_messages(kafka: SharedKafka) -> None:
    topic, chance = make_topic(kafka.bootstrap_servers), random.Random(6)
    fill(kafka.bootstrap_servers, topic, chance)
    source, until = TopicPartition(topic, 0), MESSAGES - 5
    found = []
    for way, kind in (("pure", ClientReader), ("compiled", NativeReader)):
        with built(way):
            reader = open_reader(source, properties(kafka.bootstrap_servers, topic), 0, None)
            assert isinstance(reader, kind)
            assert reader.position() is None
            batches = read(reader, source, chance, until)
            found.append((columns(batches), reader.last_epoch, sum(map(len, batches))))
            reader.close()
    assert found[0] == found[1]
    assert found[0][2] == until


def test_messages_are_as_large_to_both(kafka: SharedKafka) -> None:
    topic, chance = make_topic(kafka.bootstrap_servers), random.Random(7)
    fill(kafka.bootstrap_servers, topic, chance)
    sizes = []
    for way in ("pure", "compiled"):
        with built(way):
            reader = open_reader(TopicPartition(topic, 0), properties(kafka.bootstrap_servers, topic), 0, None)
            while reader.rows < MESSAGES:
                reader.read(2000, 0.5, None)
            sizes.append(reader.bytes)
            reader.close()
    assert sizes[0] == sizes[1]


def test_what_librdkafka_logs_comes_to_the_logger(kafka: SharedKafka, caplog: pytest.LogCaptureFixture) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    with caplog.at_level(logging.DEBUG, "streamlake.kafka"):
        wordy = properties(kafka.bootstrap_servers, topic, debug="consumer")
        reader = open_reader(TopicPartition(topic, 0), wordy, 0, None)
        reader.read(1, 0.5, None)
        reader.close()
    assert isinstance(reader, NativeReader)
    clients = [
        getattr(record, "fields", {}).get("client") for record in caplog.records if record.levelno == logging.DEBUG
    ]
    assert "tests" in clients


def test_a_property_that_librdkafka_refuses_is_said() -> None:
    for wrong in ({"no.such.property": "1"}, {"queued.min.messages": "many"}, {"fetch.min.bytes": -1}):
        with pytest.raises(ConfigError, match="librdkafka refuses the settings"):
            open_reader(TopicPartition("t", 0), properties("localhost:1", "t", **wrong), 0, None)


def test_a_property_that_is_no_text_takes_the_pure_reader() -> None:
    reader = open_reader(TopicPartition("t", 0), properties("localhost:1", "t", error_cb=print), 0, None)
    reader.close()
    assert isinstance(reader, ClientReader)


def made(library: str = cimpl.__file__, **settings: str) -> Any:
    native = compiled()
    assert native is not None
    return native.Reader(library, list(settings.items()), "t", 0, ())


def test_a_library_without_librdkafka_is_refused() -> None:
    # In an interpreter of its own: the functions are looked up once.
    program = "import streamlake_native as n\ntry: n.Reader({}, [], 't', 0, ())\nexcept ImportError as e: print(e)"
    for library, said in (("/nowhere.so", "nowhere"), (None, "no rd_kafka_conf_new")):
        command = [sys.executable, "-c", program.format(repr(library or sys.modules["_struct"].__file__))]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert said in done.stdout


def test_a_closed_reader_says_so_and_calls_are_checked() -> None:
    with pytest.raises(ValueError, match=r"group\.id"):
        made()
    reader = made(**{"group.id": "tests"})
    for count in (0, -1, 100_000):
        with pytest.raises(ValueError, match="messages a call"):
            reader.read(count, 0, -1)
    reader.close()
    reader.close()
    for call in (lambda: reader.read(1, 0, -1), lambda: reader.assign(0, -1), reader.position):
        with pytest.raises(RuntimeError, match="closed"):
            call()
    assert reader.logs() == []
    assert reader.take()[5] is None
