"""The producer on an event loop: each record of a shipment has its outcome, and what is in flight is known."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import pytest
from confluent_kafka import KafkaError, Message
from support.broker import everything_in, pipeline_on
from support.shared import SharedKafka
from support.topics import make_topic

from streamlake.config.model import PipelineConfig
from streamlake.engine.kafka import loop_producer
from streamlake.engine.kafka.loop_producer import Failure, LoopProducer, Place, Shipment
from streamlake.engine.kafka.settings import producer_properties

T = TypeVar("T")
SECONDS = 30.0


def with_topic(kafka: SharedKafka, **settings: str) -> tuple[PipelineConfig, str]:
    config = pipeline_on(kafka.bootstrap_servers)
    (topic,) = config.kafka.topic_names
    make_topic(kafka.bootstrap_servers, exactly=topic, partitions=2, **settings)
    return config, topic


def on_a_loop(config: PipelineConfig, work: Callable[[LoopProducer], Awaitable[T]], **properties: object) -> T:
    """What `work` returns, with a producer that is drained and closed after it."""

    async def worked() -> T:
        ours = {"delivery.report.only.error": False, "linger.ms": 2}
        all_of_them = {**producer_properties(config.kafka, "tests"), **ours, **properties}
        producer = LoopProducer(all_of_them, patience_seconds=5)
        try:
            return await work(producer)
        finally:
            await producer.drain(SECONDS)
            assert (producer.records, producer.bytes) == (0, 0), "nothing is in flight after a drain"
            producer.close()

    return asyncio.run(worked())


def ship(producer: LoopProducer, topic: str, values: list[bytes]) -> Shipment:
    shipment = producer.shipment(len(values), sum(map(len, values)))
    for index, value in enumerate(values):
        producer.send(shipment, index, topic, None, value, [("n", b"%d" % index)])
    producer.sent()
    return shipment


def test_each_record_s_outcome_is_its_place_in_the_topic(kafka: SharedKafka) -> None:
    config, topic = with_topic(kafka)
    values = [b"value %d" % number for number in range(500)]

    async def work(producer: LoopProducer) -> list[object]:
        shipments = [ship(producer, topic, values[start : start + 50]) for start in range(0, 500, 50)]
        assert (producer.records, producer.bytes) == (500, sum(map(len, values)))
        await asyncio.wait([shipment.done for shipment in shipments], timeout=SECONDS)
        assert all(shipment.seconds > 0 for shipment in shipments)
        return [outcome for shipment in shipments for outcome in shipment.outcomes]

    outcomes = on_a_loop(config, work)
    there = {Place(one.partition() or 0, one.offset() or 0): one for one in everything_in(config, topic)}
    found = [there[outcome] for outcome in outcomes if isinstance(outcome, Place)]
    assert [message.value() for message in found] == values
    assert found[0].headers() == [("n", b"0")]


def test_a_record_that_the_topic_finds_too_large_is_told_apart(kafka: SharedKafka) -> None:
    config, topic = with_topic(kafka, **{"max.message.bytes": "1000"})

    async def work(producer: LoopProducer) -> list[object]:
        shipment = ship(producer, topic, [b"x" * 5000])
        await asyncio.wait([shipment.done], timeout=SECONDS)
        return list(shipment.outcomes)

    (outcome,) = on_a_loop(config, work, **{"compression.type": "none"})
    assert isinstance(outcome, Failure)
    assert outcome.kind == "too_large"


def test_a_shipment_s_records_are_alone_where_that_is_asked_for(kafka: SharedKafka) -> None:
    config, topic = with_topic(kafka, **{"max.message.bytes": "1000"})
    values = [os.urandom(200) for _ in range(40)]

    async def work(producer: LoopProducer) -> list[list[object]]:
        together = ship(producer, topic, values)
        alone = producer.shipment(len(values), 8000, alone=True)
        for index, value in enumerate(values):
            producer.send(alone, index, topic, None, value, [])
        producer.sent()
        await asyncio.wait([together.done, alone.done], timeout=SECONDS)
        return [list(together.outcomes), list(alone.outcomes)]

    together, alone = on_a_loop(config, work, **{"linger.ms": 200})
    assert {outcome.kind for outcome in together if isinstance(outcome, Failure)} == {"too_large"}
    assert all(isinstance(outcome, Place) for outcome in alone)


def test_a_topic_that_is_not_there_is_not_stored_or_unknown_and_told_as_trouble(
    kafka: SharedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, _ = with_topic(kafka)
    monkeypatch.setattr(loop_producer, "SPARE_SECONDS", -loop_producer.YOUNG_SECONDS)  # librdkafka gives it up at once
    told: list[str] = []

    async def worked() -> list[object]:
        properties = {**producer_properties(config.kafka, "tests"), "delivery.report.only.error": False}
        producer = LoopProducer(properties, patience_seconds=1.5, trouble=told.append)
        shipment = ship(producer, "nobody.made.this", [b"x"])
        await asyncio.wait([shipment.done], timeout=SECONDS)
        why = await asyncio.to_thread(producer.look_for, "nobody.made.this", 5.0)
        await producer.drain(SECONDS)
        producer.close()
        return [*shipment.outcomes, why]

    outcome, why = asyncio.run(worked())
    assert isinstance(outcome, Failure)
    assert outcome.kind in ("not_stored", "unknown")
    assert told
    assert "streamlake topics apply" in str(why)


def test_a_topic_that_is_there_has_nothing_wrong(kafka: SharedKafka) -> None:
    config, topic = with_topic(kafka)

    async def work(producer: LoopProducer) -> str | None:
        return await asyncio.to_thread(producer.look_for, topic, 10.0)

    assert on_a_loop(config, work) is None


def test_a_full_queue_is_an_outcome_of_the_records_that_found_no_room(kafka: SharedKafka) -> None:
    config, topic = with_topic(kafka)

    async def work(producer: LoopProducer) -> list[object]:
        shipment = ship(producer, topic, [b"x"] * 100)  # nobody polls in between
        await asyncio.wait([shipment.done], timeout=SECONDS)
        return list(shipment.outcomes)

    outcomes = on_a_loop(config, work, **{"queue.buffering.max.messages": 10, "linger.ms": 200})
    stored = [outcome for outcome in outcomes if isinstance(outcome, Place)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert len(stored) == len(everything_in(config, topic)) == 10
    assert {failure.kind for failure in failed} == {"not_stored"}


def test_other_properties_hold_from_then_on_and_what_was_in_flight_arrives(kafka: SharedKafka) -> None:
    config, topic = with_topic(kafka)

    async def work(producer: LoopProducer) -> list[object]:
        before = ship(producer, topic, [b"before"])
        producer.change({"batch.size": 500})
        after = ship(producer, topic, [b"after"])
        await asyncio.wait([before.done, after.done], timeout=SECONDS)
        return [*before.outcomes, *after.outcomes]

    assert all(isinstance(outcome, Place) for outcome in on_a_loop(config, work))
    assert sorted(message.value() or b"" for message in everything_in(config, topic)) == [b"after", b"before"]


def test_after_a_fatal_error_another_client_goes_on(kafka: SharedKafka) -> None:
    config, topic = with_topic(kafka)

    async def work(producer: LoopProducer) -> list[object]:
        broken = producer._producer
        producer._error(KafkaError(KafkaError._FATAL, "made up", True))
        while producer._producer is broken:
            await asyncio.to_thread(int)  # the loop goes round
        shipment = ship(producer, topic, [b"x"])
        await asyncio.wait([shipment.done], timeout=SECONDS)
        return list(shipment.outcomes)

    (outcome,) = on_a_loop(config, work)
    assert isinstance(outcome, Place)


class Somewhere:
    """A report of a record that the broker had already: it names no offset (DUPLICATE_SEQUENCE_NUMBER)."""

    def partition(self) -> int:
        return 0

    def offset(self) -> None:
        return None


def test_a_record_that_kafka_has_without_saying_where_is_unknown(kafka: SharedKafka) -> None:
    config, _ = with_topic(kafka)

    async def work(producer: LoopProducer) -> list[object]:
        shipment = producer.shipment(1, 1)
        shipment.report(0, None, cast("Message", Somewhere()))
        await asyncio.wait([shipment.done], timeout=SECONDS)
        return list(shipment.outcomes)

    (outcome,) = on_a_loop(config, work)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "unknown"


def test_what_is_given_up_at_a_drain_is_unknown(kafka: SharedKafka) -> None:
    config, topic = with_topic(kafka)

    async def worked() -> list[object]:
        properties = {**producer_properties(config.kafka, "tests"), "bootstrap.servers": "127.0.0.1:1", "log_level": 0}
        properties |= {"delivery.report.only.error": False}
        producer = LoopProducer(properties, patience_seconds=60)
        shipment = ship(producer, topic, [b"x"] * 3)
        await producer.drain(0.2)
        await asyncio.wait([shipment.done], timeout=SECONDS)
        producer.close()
        return list(shipment.outcomes)

    outcomes = asyncio.run(worked())
    assert [type(outcome) for outcome in outcomes] == [Failure] * 3
    assert {outcome.kind for outcome in outcomes if isinstance(outcome, Failure)} == {"unknown"}
