"""The producer of the edge while Kafka stands still: what is given up, what is waited for, and what is dropped."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from support.broker import everything_in, pipeline_on, unique
from support.topics import make_topic

from streamlake.engine.kafka import loop_producer
from streamlake.engine.kafka.loop_producer import LoopProducer, Outcome, Place, Shipment
from streamlake.engine.kafka.settings import producer_properties
from streamlake.engine.local.kafka import LocalKafka

LONG_SECONDS, SHORT_SECONDS = 60.0, 10.0
"""Of patience: longer than anything here takes, or to be waited out."""


@pytest.fixture(scope="module")
def own_kafka(kafka_parts: None) -> Iterator[LocalKafka]:
    """A Kafka that this file stops."""
    with LocalKafka() as kafka:
        yield kafka


class Sender:
    """Sends single records to a topic of its own. `troubles` are what the producer has said of the brokers."""

    def __init__(self, servers: str, patience_seconds: float) -> None:
        self.config = pipeline_on(servers)
        self.topic = unique()
        make_topic(servers, exactly=self.topic)
        self.troubles: list[str] = []
        properties: dict[str, Any] = {"delivery.report.only.error": False, "linger.ms": 2}
        self.producer = LoopProducer(
            producer_properties(self.config.kafka, "tests") | properties,
            patience_seconds=patience_seconds,
            trouble=self.troubles.append,
        )

    def send(self, value: bytes) -> Shipment:
        shipment = self.producer.shipment(1, len(value))
        self.producer.send(shipment, 0, self.topic, None, value, [])
        self.producer.sent()
        return shipment

    async def outcome(self, shipment: Shipment, seconds: float = 60) -> Outcome | None:
        await asyncio.wait((shipment.done,), timeout=seconds)
        return shipment.outcomes[0]

    def stored(self) -> list[bytes | None]:
        return [message.value() for message in everything_in(self.config, self.topic)]


def run(kafka: LocalKafka, work: Callable[[Sender], Awaitable[None]], patience_seconds: float = LONG_SECONDS) -> None:
    """Do `work` with a sender, which is closed after it."""

    async def whole() -> None:
        sender = Sender(kafka.bootstrap_servers, patience_seconds)
        await work(sender)
        await sender.producer.drain(0)
        sender.producer.close()

    asyncio.run(whole())


def test_what_is_sent_after_something_was_given_up_goes_another_way_and_younger_records_arrive(
    own_kafka: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_producer, "YOUNG_SECONDS", 0)

    async def work(sender: Sender) -> None:
        assert isinstance(await sender.outcome(sender.send(b"first")), Place)
        own_kafka.pause()
        given_up, younger = sender.send(b"given up"), sender.send(b"younger")
        sender.producer.give_up(given_up)
        assert len(sender.troubles) == 1
        another = sender.send(b"another way")
        assert another.client is not younger.client
        sender.producer.give_up(given_up)
        assert sender.send(b"the same").client is another.client, "one change is enough"
        own_kafka.resume()
        assert isinstance(await sender.outcome(younger), Place)
        assert isinstance(await sender.outcome(another), Place)
        assert sorted(map(str, sender.stored())) == sorted(map(str, set(sender.stored()))), "none is there twice"

    run(own_kafka, work)


def test_what_was_given_up_is_dropped_when_nobody_waits_any_more(
    own_kafka: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_producer, "YOUNG_SECONDS", 0)

    async def work(sender: Sender) -> None:
        assert isinstance(await sender.outcome(sender.send(b"first")), Place)
        own_kafka.kill()
        try:
            given_up = sender.send(b"given up")
            sender.producer.give_up(given_up)
            assert await sender.outcome(given_up, 1) is None, "it may still be stored"
            dropped = await sender.outcome(given_up)
            assert isinstance(dropped, loop_producer.Failure)
            assert dropped.kind == "unknown"
            assert (sender.producer.records, sender.producer.bytes) == (0, 0)
        finally:
            own_kafka.restart()
        assert isinstance(await sender.outcome(sender.send(b"last")), Place)
        assert sender.stored() == [b"first", b"last"]

    run(own_kafka, work, SHORT_SECONDS)


def test_a_young_client_is_left_the_time_to_connect_and_then_replaced_all_the_same(
    own_kafka: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_producer, "YOUNG_SECONDS", 5.0)

    async def work(sender: Sender) -> None:
        shipment = sender.send(b"first")
        sender.producer.give_up(shipment)
        assert sender.send(b"second").client is shipment.client
        assert isinstance(await sender.outcome(shipment), Place), "it goes on, and may arrive"
        while sender.producer._producer is shipment.client:  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.01)

    run(own_kafka, work)
