"""A producer on an event loop: records go out as shipments, each done when Kafka has said what became of all.

One thread and no locks. librdkafka's reports are fetched by `poll(0)` on the loop: every millisecond while something
is in flight, else now and then for its errors. A thread that polls would fight for the interpreter at each report.

How long a record may take is counted here, and not by librdkafka: once that gives one up, it begins a new epoch, and
sends again, as if they were new, those that the broker may have stored already (librdkafka's issue 4953). They would
be there twice, and be reported as sent once.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streamlake.engine.errors import ConfigError
from streamlake.engine.kafka.explain import Properties, explain, make_client
from streamlake.engine.kafka.trouble import Trouble, fatal_in
from streamlake.engine.records import Header

FAST_SECONDS = 0.001
SLOW_SECONDS = 0.1
"""Between two looks for reports: while something is in flight, and while nothing is."""
YOUNG_SECONDS = 5.0
"""A producer that is younger may not even have connected: another one in its place would not be quicker."""
_ALONE: Properties = {"batch.num.messages": 1}
SPARE_SECONDS = 10.0
"""So much later librdkafka would give a record up that we have dropped, see `give_up`."""


class Place(NamedTuple):
    """Where a record is: acknowledged by all replicas in sync."""

    partition: int
    offset: int


FailureKind = Literal["unknown", "too_large", "invalid", "not_stored"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no place. Only `unknown` may be stored all the same; `too_large` and `invalid` are the record's."""

    kind: FailureKind
    message: str


Outcome = Place | Failure

_KINDS: dict[int, FailureKind] = {
    KafkaError.MSG_SIZE_TOO_LARGE: "too_large",
    KafkaError.RECORD_LIST_TOO_LARGE: "too_large",
    KafkaError.INVALID_RECORD: "invalid",
    KafkaError.INVALID_TIMESTAMP: "invalid",
    KafkaError._QUEUE_FULL: "not_stored",  # noqa: SLF001  # librdkafka's own
    KafkaError._UNKNOWN_TOPIC: "not_stored",  # noqa: SLF001  # librdkafka's own
    KafkaError._UNKNOWN_PARTITION: "not_stored",  # noqa: SLF001  # librdkafka's own
    KafkaError._INVALID_DIFFERENT_RECORD: "not_stored",  # noqa: SLF001  # librdkafka's own
    KafkaError.UNKNOWN_TOPIC_OR_PART: "not_stored",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "not_stored",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "not_stored",
    KafkaError.TOPIC_EXCEPTION: "not_stored",
    KafkaError.POLICY_VIOLATION: "not_stored",
}
"""What an error says of the record; any other one says nothing: it may be stored."""


def failure_kind(error: KafkaError) -> FailureKind:
    """What becomes of a record that was reported with this error."""
    return _KINDS.get(error.code(), "unknown")


class Shipment:
    """Records that are answered together. `done` is set when each has an outcome; `outcomes` has them by index."""

    __slots__ = ("_producer", "began", "client", "done", "left", "outcomes", "seconds", "size")

    def __init__(
        self, producer: "LoopProducer", client: Producer, count: int, size: int, done: "asyncio.Future[None]"
    ) -> None:
        self._producer, self.client = producer, client
        self.outcomes: list[Outcome | None] = [None] * count
        self.left = count
        self.size = size
        self.done = done
        self.began = time.perf_counter()
        self.seconds = 0.0
        """From its beginning to the last report."""

    def settle(self, index: int, outcome: Outcome) -> None:
        """Note what became of one record."""
        self.outcomes[index] = outcome
        self.left -= 1
        if not self.left:
            self._producer.arrived(self)

    def report(self, index: int, error: KafkaError | None, message: Message) -> None:
        """Librdkafka's report of one record."""
        partition, offset = message.partition(), message.offset()
        if error is not None:
            self.settle(index, self._producer.failure(error))
        elif partition is None or offset is None:
            # The broker knew the record already, from an earlier try whose answer was lost (DUPLICATE_SEQUENCE_NUMBER).
            self.settle(index, Failure("unknown", "Kafka has it, and does not say where"))
        else:
            # As in `settle`, without the call: this runs for each record.
            self.outcomes[index] = Place(partition, offset)
            self.left -= 1
            if not self.left:
                self._producer.arrived(self)


class LoopProducer:
    """Idempotent, `acks=all`; to be made on the loop that it is used on, after a fork."""

    def __init__(
        self,
        properties: Properties,
        *,
        patience_seconds: float,
        trouble: Callable[[str], None] = lambda _why: None,
    ) -> None:
        """`patience_seconds` is how long anybody waits for a shipment; longer a record is not tried to be sent.

        `trouble` is told, in a sentence, of whatever may mean that the brokers are away.
        Raises ConfigError on a property that librdkafka refuses; asks no broker yet.
        """
        self.records = self.bytes = 0
        """What is in flight."""
        self._properties = _bounded(properties, patience_seconds)
        self._patience_seconds = patience_seconds
        self._servers = str(properties.get("bootstrap.servers", ""))
        self._trouble = trouble
        self._heard = Trouble(properties)
        self._former: list[tuple[Producer, float]] = []
        self._fatal = self._stale = False
        """Of the client in use: it can't go on; it has something that was given up."""
        self._loop = asyncio.get_running_loop()
        self._empty = asyncio.Event()
        self._empty.set()
        self._producer = self._made()
        self._single: Producer | None = None
        """Puts each record into a batch of its own; made when it is needed."""
        self._fast = False
        self._timer = self._loop.call_later(SLOW_SECONDS, self._tick)

    def change(self, properties: Properties) -> None:
        """Go on with other properties; what is in flight arrives all the same, if somebody still waits for it."""
        self._properties = {**self._properties, **properties}
        self._former.append((self._producer, self._loop.time() + self._patience_seconds))
        self._producer = self._made()

    async def arrival(self, shipment: Shipment, deadline: float) -> bool:
        """Wait for a shipment until the loop's time is `deadline`. Returns whether all of it has arrived."""
        # One timer and no task: `asyncio.wait` costs three times as much, for each request.
        timer = self._loop.call_at(deadline, _wake, shipment.done)
        await shipment.done
        timer.cancel()
        return not shipment.left

    def give_up(self, shipment: Shipment) -> None:
        """Nobody waits for it any longer. What is sent from now on goes another way, on connections of its own.

        Younger shipments are waited for. Then what is left of the old way is dropped, this shipment, too: so long its
        records may still be stored. Of a client that is young, all this is true a little later.
        """
        self._trouble(f"sending: no answer from {self._servers} within {self._patience_seconds:g} s")
        self._stale = self._stale or shipment.client is self._producer
        if self._single is not None and shipment.client is self._single:
            self._former.append((self._single, self._loop.time() + self._patience_seconds))
            self._single = None
        self._renew()

    def shipment(self, count: int, size: int, *, alone: bool = False) -> Shipment:
        """Begin a shipment of `count` (1 or more) records with `size` bytes in all; then `send` each of them.

        `alone`: each in a batch of its own. A batch that is larger than its topic takes is refused with all that is in
        it, and of several small records nobody knows whether they are too large.
        """
        client = self._producer
        if alone:
            client = self._single = self._single or self._client(_ALONE)
        self.records += count
        self.bytes += size
        self._empty.clear()
        return Shipment(self, client, count, size, self._loop.create_future())

    def send(
        self,
        shipment: Shipment,
        index: int,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header],
    ) -> None:
        """Hand over one record; what became of it is found in the shipment, also when it could not be handed over."""
        try:
            shipment.client.produce(
                topic,
                value,
                key,
                on_delivery=partial(shipment.report, index),
                headers=headers or None,  # type: ignore[arg-type]  # a list of pairs is taken
            )
        except BufferError:
            shipment.settle(index, Failure("not_stored", "librdkafka's queue is full"))
        except KafkaException as error:
            shipment.settle(index, self.failure(error.args[0]))

    def sent(self) -> None:
        """After the last `send` of a shipment: look for reports often from now on."""
        if not self._fast:
            self._fast = True
            self._timer.cancel()
            self._timer = self._loop.call_later(FAST_SECONDS, self._tick)

    def arrived(self, shipment: Shipment) -> None:
        """All of a shipment's outcomes are known."""
        shipment.seconds = time.perf_counter() - shipment.began
        self.records -= len(shipment.outcomes)
        self.bytes -= shipment.size
        if not self.records:
            self._empty.set()
        if not shipment.done.done():  # whoever waited may have given up
            shipment.done.set_result(None)

    def failure(self, error: KafkaError) -> Failure:
        """What an error says of its record."""
        self._fatal = self._fatal or error.fatal()
        kind = failure_kind(error)
        said = str(self._heard.sentence(error, "sending"))
        if kind in ("unknown", "not_stored"):
            self._trouble(said)
        return Failure(kind, said)

    def look_for(self, topic: str, seconds: float) -> str | None:
        """Ask the brokers for a topic, which may take `seconds`: what is wrong, in a sentence. For another thread."""
        try:
            found = self._producer.list_topics(topic, timeout=seconds).topics[topic]
        except KafkaException as error:
            return str(self._heard.explained(error.args[0], f"asking for {topic}"))
        if found.error is not None:
            return str(explain(found.error, f"asking for {topic}", self._servers))
        leaderless = sum(partition.leader < 0 for partition in found.partitions.values())
        return f"{leaderless} partitions of {topic} have no leader" if leaderless == len(found.partitions) else None

    async def drain(self, seconds: float) -> None:
        """Return when nothing is in flight; after `seconds` what is left is given up: its outcome is unknown."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), seconds)
        for producer in self._all():
            producer.purge()
            self._poll(producer)

    def close(self) -> None:
        """Let go of the connections. `drain` first."""
        self._timer.cancel()
        for producer in self._all():
            producer.flush(0.1)

    def _all(self) -> Sequence[Producer]:
        single = [] if self._single is None else [self._single]
        return [self._producer, *single, *(producer for producer, _ in self._former)]

    def _made(self) -> Producer:
        self._fatal = self._stale = False
        self._made_at = self._loop.time()
        return self._client({})

    def _client(self, properties: Properties) -> Producer:
        return make_client(Producer, {**self._properties, **properties, "error_cb": self._error})

    def _error(self, error: KafkaError) -> None:
        """An error of the client itself, told by `poll`."""
        self._fatal = self._fatal or error.fatal()
        self._heard.heard(error)
        self._trouble(str(self._heard.sentence(error, "writing")))

    def _tick(self) -> None:
        self._poll(self._producer)
        if self._single is not None:
            self._poll(self._single)
        if self._former:
            self._former = [former for former in self._former if self._is_waited_for(*former)]
        self._renew()
        self._fast = self.records > 0
        self._timer = self._loop.call_later(FAST_SECONDS if self._fast else SLOW_SECONDS, self._tick)

    def _renew(self) -> None:
        """Go on with another client where this one can't, or something was given up that it still has."""
        # A fatal error is one that an idempotent producer can't go on after; what it held is reported as failed.
        if self._fatal or (self._stale and self._loop.time() > self._made_at + YOUNG_SECONDS):
            self.change({})

    def _is_waited_for(self, producer: Producer, until: float) -> bool:
        """Whether a former producer still has something; after `until` what it has is dropped."""
        if self._loop.time() > until:
            producer.purge()
        return bool(self._poll(producer)) or len(producer) > 0

    def _poll(self, producer: Producer) -> int:
        """Serve what a producer has to report; a fatal error of it is heard as any other."""
        try:
            return producer.poll(0)
        except KafkaException as raised:
            self._error(fatal_in(raised))
            return 1


def check_properties(properties: Properties, patience_seconds: float) -> None:
    """Let librdkafka look at what a LoopProducer would be made of, without talking to a broker.

    Raises ConfigError with what it refuses, and where records would wait for company until nobody waits for them.
    """
    for name in ("linger.ms", "queue.buffering.max.ms"):
        linger = properties.get(name)
        if linger is not None and float(str(linger)) >= patience_seconds * 1000:
            why = f"must be below what Kafka is given for a record, {patience_seconds * 1000:g}: http.delivery_seconds"
            raise ConfigError(f"kafka.properties: {name} is {linger}, and {why}")
    # Without any broker no connection is tried.
    make_client(Producer, {**_bounded(properties, patience_seconds), "bootstrap.servers": "", "log_level": 0})


def _bounded(properties: Properties, patience_seconds: float) -> Properties:
    never_seconds = 2 * patience_seconds + YOUNG_SECONDS + SPARE_SECONDS
    return {**properties, "delivery.timeout.ms": int(never_seconds * 1000)}


def _wake(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)
