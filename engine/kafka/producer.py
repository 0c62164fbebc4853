"""Writes records to Kafka: every one is acknowledged by all replicas in sync, or counted as failed with why."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streamlake.engine.contracts import Beat
from streamlake.engine.errors import SourceError
from streamlake.engine.kafka.explain import Properties, make_client
from streamlake.engine.kafka.settings import DELIVERY_TIMEOUT_MS
from streamlake.engine.kafka.trouble import Trouble, fatal_in
from streamlake.engine.records import Header

KeyValue = tuple[bytes | None, bytes | None]
"""A record's key and value; None is no key, or a tombstone."""

POLL_SECONDS = 0.5
"""The longest wait between two beats."""
STEP_SECONDS = 0.01
"""A flush looks again so soon whether all has arrived, as librdkafka's own does: nobody reports what has."""
FLUSH_SLACK_SECONDS = 30.0
"""By default a flush ends this much later than librdkafka's own `delivery.timeout.ms`: it then knows every outcome."""
REASONS_MAX = 20
ANY_PARTITION = -1
"""The partitioner chooses, by the key."""
NOW = 0
"""A record's time is when it is handed over."""


@dataclass(slots=True)
class Deliveries:
    """What became of the records sent so far: `acked` is counted at a flush, and then `sent = acked + failed`.

    `reasons` counts failures by sentence, the first REASONS_MAX different ones; `tagged` has the error of each
    failed record that was sent with a tag.
    """

    sent: int = 0
    acked: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    tagged: dict[int, KafkaError] = field(default_factory=dict)


class RecordProducer:
    """A producer for one process and one thread; idempotent, so that a retry doubles nothing.

    When librdkafka's queue is full, `send` waits for room by serving delivery reports, and beats while it waits. How
    long a record may be retried is `delivery.timeout.ms`.
    """

    def __init__(self, properties: Properties, *, beat: Beat = lambda: None) -> None:
        """Raises ConfigError on a property that librdkafka refuses; asks no broker yet."""
        self.deliveries = Deliveries()
        self._beat = beat
        timeout_ms = properties.get("delivery.timeout.ms", properties.get("message.timeout.ms", DELIVERY_TIMEOUT_MS))
        self._flush_seconds = int(str(timeout_ms)) / 1000 + FLUSH_SLACK_SECONDS
        self._trouble = Trouble(properties)
        self._producer: Producer = make_client(Producer, {**properties, "error_cb": self._trouble.heard})

    def send(self, topic: str, records: Iterable[KeyValue], headers: Sequence[Header] = ()) -> None:
        """Hand over records that all carry the same headers; what fails is counted, not raised."""
        produce, on_delivery, common = self._producer.produce, self._delivered, list(headers) or None
        for key, value in records:
            self.deliveries.sent += 1
            try:
                produce(topic, value, key, on_delivery=on_delivery, headers=common)  # type: ignore[arg-type]  # bytes or None: a list is invariant
            except (BufferError, KafkaException):
                self._send_slowly(topic, key, value, common, on_delivery)
        self._served(lambda: self._producer.poll(0))

    def send_one(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header],
        tag: int,
        *,
        partition: int = ANY_PARTITION,
        timestamp_ms: int = NOW,
    ) -> None:
        """Hand over one record; if it fails, its error is found in `deliveries.tagged[tag]`."""
        given, on_delivery = list(headers), partial(self._delivered_tagged, tag)
        self.deliveries.sent += 1
        try:
            self._producer.produce(topic, value, key, partition, on_delivery, timestamp=timestamp_ms, headers=given)  # type: ignore[arg-type]  # see `send`
        except (BufferError, KafkaException):
            self._send_slowly(topic, key, value, given, on_delivery, partition, timestamp_ms)

    def wait(self, seconds: float) -> None:
        """Let time pass, serving delivery reports and beating: for a limited rate."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._served(partial(self._producer.poll, min(left, POLL_SECONDS)))
            self._beat()

    def flush(self, timeout_seconds: float | None = None) -> Deliveries:
        """Wait until the outcome of every record is known. Returns all deliveries so far.

        After `timeout_seconds` the rest counts as failed; in truth its outcome is unknown, it may be stored. Raises
        SourceError where the producer can't go on; nothing is known of what it had.
        """
        deadline = time.monotonic() + (self._flush_seconds if timeout_seconds is None else timeout_seconds)
        while self._in_flight(_until(deadline)) > 0:
            self._beat()
            if time.monotonic() >= deadline:
                self._producer.purge()  # what is left is reported as _PURGE_QUEUE or _PURGE_INFLIGHT
                self._in_flight(POLL_SECONDS)
                break
        # Only failures are reported (`delivery.report.only.error`): an object and a call less for each other record.
        self.deliveries.acked = self.deliveries.sent - self.deliveries.failed - len(self._producer)
        return self.deliveries

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Flush for a short time and let go of the connections."""
        with contextlib.suppress(SourceError):  # who sent has heard it from `flush`
            self.flush(timeout_seconds)
        self._producer.close()

    def sentence(self, error: KafkaError, doing: str) -> str:
        """An error in words. A refused sign-in shows as a time-out only: then the client's own last error says it."""
        return str(self._trouble.sentence(error, doing))

    def _in_flight(self, seconds: float) -> int:
        """Serve reports until nothing is in flight, so long at most; how many records are.

        By `poll`: confluent-kafka's `flush` raises a fatal error and goes on calling back, which may lose its cause.
        """
        deadline = time.monotonic() + seconds
        self._served(partial(self._producer.poll, 0))
        while len(self._producer) and (left := deadline - time.monotonic()) > 0:
            self._served(partial(self._producer.poll, min(left, STEP_SECONDS)))
        return len(self._producer)

    def _served(self, serve: Callable[[], int]) -> int:
        """What librdkafka's `poll` gives. Raises SourceError on an error that no producer goes on after.

        Which records it was about is not known then: they are reported as purged.
        """
        try:
            return serve()
        except KafkaException as raised:
            raise self._trouble.sentence(fatal_in(raised), "sending") from None

    def _send_slowly(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Any,
        on_delivery: Any,
        partition: int = ANY_PARTITION,
        timestamp_ms: int = NOW,
    ) -> None:
        """Try again until there is room. A record that finds no room in an empty queue never will."""
        while True:
            empty = len(self._producer) == 0
            try:
                self._producer.produce(
                    topic, value, key, partition, on_delivery, timestamp=timestamp_ms, headers=headers
                )
            except BufferError:
                if empty:
                    on_delivery(_too_large(key, value), None)
                    return
                self._served(partial(self._producer.poll, POLL_SECONDS))
                self._beat()
            except KafkaException as error:
                on_delivery(error.args[0], None)
                return
            else:
                return

    def _delivered(self, error: KafkaError | None, _message: Message | None) -> None:
        if error is not None:
            self._failed(error)

    def _delivered_tagged(self, tag: int, error: KafkaError | None, message: Message | None) -> None:
        self._delivered(error, message)
        if error is not None:
            self.deliveries.tagged[tag] = error

    def _failed(self, error: KafkaError) -> None:
        self.deliveries.failed += 1
        reason = self.sentence(error, "sending")
        if reason in self.deliveries.reasons or len(self.deliveries.reasons) < REASONS_MAX:
            self.deliveries.reasons[reason] += 1


def _until(deadline: float) -> float:
    """How long to wait now: not beyond the deadline, and never longer than to the next beat."""
    return max(0.0, min(POLL_SECONDS, deadline - time.monotonic()))


def _too_large(key: bytes | None, value: bytes | None) -> KafkaError:
    size = len(key or b"") + len(value or b"")
    said = f"a record of {size} bytes is more than queue.buffering.max.kbytes holds"
    return KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, said)
