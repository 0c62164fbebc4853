"""The pipeline's `kafka:` section as librdkafka's properties: what is fixed, what is the user's, what is a secret."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from support.broker import pipeline_on
from support.secure import Certificates

from streamlake.config.kafka import KafkaSettings
from streamlake.engine.errors import ConfigError
from streamlake.engine.kafka.client_log import InFields, SeldomTheSame
from streamlake.engine.kafka.settings import (
    admin_properties,
    check_properties,
    member_properties,
    producer_properties,
    range_reader_properties,
    reader_properties,
)

Make = Callable[[KafkaSettings, str], dict[str, object]]

ONE_OF_EACH = {
    "session.timeout.ms": "6000",
    "fetch.wait.max.ms": "5",
    "queued.max.messages.kbytes": "4096",
    "linger.ms": "7",
    "message.timeout.ms": "9000",
    "compression.codec": "zstd",
    "socket.keepalive.enable": "true",
}


def settings(**changes: Any) -> KafkaSettings:
    kafka = {"bootstrap_servers": "127.0.0.1:1", "group_id": "g", "topics": [{"name": "x"}], **changes}
    return pipeline_on("127.0.0.1:1", kafka=kafka).kafka


@pytest.mark.parametrize("make", [reader_properties, member_properties])
def test_what_the_promise_rests_on_is_fixed_for_consumers(make: Make) -> None:
    found = make(settings(), "me")
    assert found["enable.auto.commit"] is False
    assert found["auto.offset.reset"] == "error"
    assert found["isolation.level"] == "read_committed"
    assert found["check.crcs"] is True
    assert found["allow.auto.create.topics"] is False
    assert (found["group.id"], found["client.id"]) == ("g", "me")


def test_a_reader_is_no_member_of_the_group() -> None:
    found = reader_properties(settings(group_protocol="consumer", properties=ONE_OF_EACH), "me")
    assert not {"group.protocol", "session.timeout.ms", "partition.assignment.strategy"} & set(found)


@pytest.mark.parametrize(
    ("chosen", "bytes_max"),
    [
        ({}, 50 * 2**20),
        ({"fetch.message.max.bytes": 1_000, "fetch.max.bytes": 2_000}, 50 * 2**20),
        ({"max.partition.fetch.bytes": 70_000_000}, 70_000_000),
        ({"message.max.bytes": 60_000_000, "fetch.max.bytes": 60_000_000}, 60_000_000),
        ({"fetch.max.bytes": 900_000_000, "receive.message.max.bytes": 1_000_000_000}, 900_000_000),
    ],
)
def test_a_reader_of_ranges_fetches_far_and_takes_what_the_engine_takes(chosen: dict[str, int], bytes_max: int) -> None:
    found = range_reader_properties(settings(properties=chosen), "me")
    assert "max.partition.fetch.bytes" not in found
    assert {found["fetch.message.max.bytes"], found["fetch.max.bytes"]} == {bytes_max}
    Consumer({**found, "bootstrap.servers": "", "log_level": 0}).close()


def test_a_member_shares_partitions_by_either_protocol() -> None:
    classic = member_properties(settings(), "me")
    assert (classic["group.protocol"], classic["partition.assignment.strategy"]) == ("classic", "cooperative-sticky")
    kip848 = member_properties(settings(group_protocol="consumer"), "me")
    assert kip848["group.protocol"] == "consumer"
    assert "partition.assignment.strategy" not in kip848


def test_a_producer_waits_for_all_replicas_and_doubles_nothing() -> None:
    found = producer_properties(settings(), "me")
    assert (found["acks"], found["enable.idempotence"], found["compression.type"]) == ("all", True, "lz4")
    assert found["delivery.timeout.ms"] == 120_000


def test_the_user_s_own_property_replaces_ours_under_either_of_its_names() -> None:
    found = producer_properties(settings(properties=ONE_OF_EACH), "me")
    assert (found["linger.ms"], found["message.timeout.ms"], found["compression.codec"]) == ("7", "9000", "zstd")
    assert "delivery.timeout.ms" not in found
    assert "compression.type" not in found
    assert reader_properties(settings(properties=ONE_OF_EACH), "me")["queued.max.messages.kbytes"] == "4096"


def test_a_short_time_out_of_the_user_s_is_no_contradiction() -> None:
    short = settings(properties={"socket.timeout.ms": "2500"})
    assert "fetch.wait.max.ms" not in reader_properties(short, "c")
    check_properties(short)
    both = settings(properties={"socket.timeout.ms": "2500", "fetch.wait.max.ms": "700"})
    assert reader_properties(both, "c")["fetch.wait.max.ms"] == "700"


def test_the_sign_in_is_handed_on(tmp_path: Path) -> None:
    Certificates(tmp_path).client("c")
    security = {
        "protocol": "SASL_SSL",
        "mechanism": "SCRAM-SHA-512",
        "username": "u",
        "password": "p",
        "ca": tmp_path / "ca.pem",
        "certificate": tmp_path / "c.crt",
        "key": tmp_path / "c.key",
    }
    for make in (reader_properties, member_properties, producer_properties, admin_properties):
        found = make(settings(security=security), "me")
        assert found["security.protocol"] == "SASL_SSL"
        assert found["sasl.mechanism"] == "SCRAM-SHA-512"
        assert (found["sasl.username"], found["sasl.password"]) == ("u", "p")
        assert found["ssl.ca.location"] == str(tmp_path / "ca.pem")
        assert found["ssl.certificate.location"] == str(tmp_path / "c.crt")
        assert found["ssl.key.location"] == str(tmp_path / "c.key")


@pytest.mark.parametrize(
    ("make", "client"),
    [
        (reader_properties, Consumer),
        (member_properties, Consumer),
        (producer_properties, Producer),
        (admin_properties, AdminClient),
    ],
)
def test_no_client_is_given_what_it_would_warn_about(
    make: Make, client: Callable[[dict[str, object]], Any], caplog: pytest.LogCaptureFixture
) -> None:
    made = client(make(settings(properties=ONE_OF_EACH), "me") | {"log_level": 6})
    with caplog.at_level(logging.DEBUG, "streamlake.kafka"):
        made.poll(0.2)
    assert [line for line in caplog.messages if "CONFWARN" in line] == []
    if client is Consumer:
        made.close()


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"fetch.wiat.max.ms": "5"}, 'No such configuration property: "fetch.wiat.max.ms"'),
        ({"fetch.wait.max.ms": "soon"}, 'Invalid value for configuration property "fetch.wait.max.ms"'),
        ({"linger.msec": "5"}, 'No such configuration property: "linger.msec"'),
        ({"batch.num.messages": "many"}, "batch.num.messages"),
    ],
)
def test_a_property_that_librdkafka_refuses_is_found_without_a_broker(properties: dict[str, str], said: str) -> None:
    check_properties(settings(properties=ONE_OF_EACH))
    with pytest.raises(ConfigError, match=r"kafka\.properties: librdkafka refuses the settings: ") as caught:
        check_properties(settings(properties=properties))
    assert said in str(caught.value)


def test_a_broker_that_is_away_is_logged_now_and_then_and_not_at_each_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("streamlake.engine.kafka.client_log.time.monotonic", lambda: clock[0])
    seldom = SeldomTheSame()

    def shown(text: str, level: int = logging.ERROR) -> bool:
        return bool(seldom.filter(logging.LogRecord("x", level, "", 0, text, None, None)))

    assert shown("127.0.0.1:9092: Connect failed (after 3ms)")
    assert not shown("127.0.0.1:9093: Connect failed (after 17ms)")
    assert shown("another line")
    clock[0] += 29
    assert not shown("127.0.0.1:9092: Connect failed (after 3ms)")
    clock[0] += 2
    assert shown("127.0.0.1:9092: Connect failed (after 4ms)")
    assert shown("asked for", logging.DEBUG)
    assert shown("asked for", logging.DEBUG)


def test_a_line_of_librdkafka_has_one_event_and_what_varies_in_fields() -> None:
    arguments = ("FAIL", "streamlake-orders#consumer-1", "kafka:9092: 100% away")
    record = logging.LogRecord("x", logging.ERROR, "", 0, "%s [%s] %s", arguments, None)
    assert InFields().filter(record)
    assert record.getMessage() == "librdkafka"
    assert record.fields == dict(zip(("facility", "client", "text"), arguments, strict=True))  # type: ignore[attr-defined]  # added
