"""Produces records from a file, a pipe or a generator into a topic, and says what became of each of them."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Beat
from streamlake.engine.errors import ConfigError, SourceError
from streamlake.engine.kafka.key_field import KeyField
from streamlake.engine.kafka.producer import KeyValue, RecordProducer
from streamlake.engine.kafka.settings import admin_properties, producer_properties
from streamlake.engine.kafka.topic_admin import TopicAdmin
from streamlake.engine.operations.lines import portions_of_lines
from streamlake.engine.records import Header

BATCH_BYTES_MAX = 1_000_000
ASK_SECONDS = 15.0
PACE_SECONDS = 0.05
"""With a rate, records go out in portions of so much time."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a record's headers say of where it comes from; `schema` is left out where it is empty."""

    source: str = "streamlake produce"
    schema: str = ""

    def headers(self, now_ms: int) -> list[Header]:
        """`streamlake.source`, `streamlake.schema`, and `streamlake.produced_at` in milliseconds since 1970."""
        headers: list[Header] = [("streamlake.source", self.source.encode())]
        if self.schema:
            headers.append(("streamlake.schema", self.schema.encode()))
        return [*headers, ("streamlake.produced_at", str(now_ms).encode())]


@dataclass(frozen=True, slots=True)
class Produced:
    """What became of the records: `sent = acked + failed`; failures by reason; wall clock seconds."""

    topic: str
    sent: int
    acked: int
    failed: int
    seconds: float
    reasons: Mapping[str, int] = field(default_factory=dict)


def produce(
    config: PipelineConfig,
    topic: str,
    batches: Iterable[Sequence[KeyValue]],
    *,
    origin: Origin | None = None,
    rate: float | None = None,
    progress: Callable[[int], None] = lambda _: None,
    beat: Beat = lambda: None,
) -> Produced:
    """Send `batches` to `topic` of the pipeline's cluster and wait for every delivery report.

    `rate` is records a second, None for as fast as the brokers take them. `progress` is called with the number sent so
    far. Raises SourceError where the topic does not exist or nobody answers; a record that can't be delivered is
    counted in the result.
    """
    client_id = f"streamlake-{config.pipeline}-produce"
    admin = TopicAdmin(admin_properties(config.kafka, client_id), timeout_seconds=ASK_SECONDS, beat=beat)
    limit = _message_bytes_max(admin, topic)
    properties = producer_properties(config.kafka, client_id)
    properties.setdefault("batch.size", min(BATCH_BYTES_MAX, limit))
    producer = RecordProducer(properties, beat=beat)
    began = time.monotonic()
    try:
        for portion in _paced(batches, rate, producer):
            producer.send(topic, portion, (origin or Origin()).headers(time.time_ns() // 1_000_000))
            progress(producer.deliveries.sent)
        found = producer.flush()
    finally:
        producer.close()
    return Produced(topic, found.sent, found.acked, found.failed, time.monotonic() - began, dict(found.reasons))


def json_lines(stream: BinaryIO, key_field: str | None = None) -> Iterator[list[KeyValue]]:
    """The lines of `stream` as records, about a megabyte at a time; a line is sent as it is, empty ones are left out.

    `key_field` is a JSON pointer (`/customer_id`) to the value that becomes the key; a line without it has none.
    """
    key_of = (lambda _: None) if key_field is None else KeyField(key_field)
    for lines in portions_of_lines(stream):
        yield [(key_of(line), line) for line in lines if line]


def _paced(
    batches: Iterable[Sequence[KeyValue]], rate: float | None, producer: RecordProducer
) -> Iterator[Sequence[KeyValue]]:
    """The batches as they come, or with a rate in small portions at their time."""
    if rate is None:
        yield from batches
        return
    size = max(1, int(rate * PACE_SECONDS))
    began, handed = time.monotonic(), 0
    for batch in batches:
        for start in range(0, len(batch), size):
            producer.wait(began + handed / rate - time.monotonic())
            portion = batch[start : start + size]
            handed += len(portion)
            yield portion


def _message_bytes_max(admin: TopicAdmin, topic: str) -> int:
    """The topic's `max.message.bytes`: a larger batch would be refused whole. Kafka's default where we may not ask."""
    if topic not in admin.shapes([topic]):
        raise SourceError(f"the topic {topic} does not exist: make it with `streamlake topics apply`, or mend the name")
    try:
        return int(admin.settings([topic])[topic]["max.message.bytes"].value or BATCH_BYTES_MAX)
    except (SourceError, ConfigError):
        return BATCH_BYTES_MAX
