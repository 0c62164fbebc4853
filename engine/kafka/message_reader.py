"""One partition's messages from the client into columns: by confluent-kafka, or compiled where that is installed.

Both are librdkafka with the same properties, and give the same batches (`tests/kafka/test_source.py` runs on both).
"""

from array import array
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, cimpl

from streamlake.engine.compiled import compiled
from streamlake.engine.kafka.batches import Columns, offset_of
from streamlake.engine.kafka.client_log import logger
from streamlake.engine.kafka.explain import make_client
from streamlake.engine.kafka.positions import with_position, without_position
from streamlake.engine.records import UNREADABLE_HEADERS, Batch, OffsetRange, TopicPartition

Properties = Mapping[str, object]

# A syslog level as Python's, as confluent-kafka has it.
_LEVELS = (50, 50, 50, 40, 30, 20, 20, 10)
_NOTHING_READ = -2  # `Reader.last_epoch` before the first message


class MessageReader(Protocol):
    """Takes messages in, call by call, until they are taken as a batch."""

    slice_rows: int
    """How many messages are best taken together, and at most asked for in one call."""

    @property
    def last_epoch(self) -> int | None:
        """The leader epoch of the last message that was taken in; at first the one to begin with."""

    @property
    def rows(self) -> int:
        """How many messages were taken in since the last batch."""

    @property
    def bytes(self) -> int:
        """Their keys, values and headers."""

    def read(self, count: int, seconds: float, until: int | None) -> int:
        """How many of `count` messages came within `seconds`; those before the offset `until` are taken in.

        Raises KafkaException, with a KafkaError, where the client says that something is wrong.
        """

    def position(self) -> tuple[int, int | None] | None:
        """The next offset to read and its leader epoch, which belong together; None where nothing came yet."""

    def take(self, source: TopicPartition, covered: OffsetRange, leader_epoch: int | None) -> Batch:
        """All that was taken in, as a batch over `covered`; the epoch belongs to the range's end."""

    def close(self) -> None:
        """Leave the broker."""


def open_reader(
    source: TopicPartition, properties: Properties, next_offset: int, leader_epoch: int | None
) -> MessageReader:
    """A reader that begins at the offset. Raises ConfigError where librdkafka refuses a property."""
    native = compiled()
    plain = {name: value for name, value in properties.items() if name != "logger"}
    if native is not None and all(isinstance(value, str | int | float) for value in plain.values()):
        return NativeReader(native, source, plain, next_offset, leader_epoch)
    return ClientReader(source, properties, next_offset, leader_epoch)


class ClientReader:
    """By confluent-kafka's Consumer: an object a message, taken apart at once."""

    slice_rows = 2000  # many more take memory and miss the processor's cache

    def __init__(
        self, source: TopicPartition, properties: Properties, next_offset: int, leader_epoch: int | None
    ) -> None:
        self._last_epoch = leader_epoch
        self._source = source
        self._columns = Columns()
        self._consumer: Consumer = make_client(Consumer, properties)
        self._consumer.assign([with_position(source, next_offset, leader_epoch)])

    @property
    def last_epoch(self) -> int | None:
        """See `MessageReader`."""
        return self._last_epoch

    @property
    def rows(self) -> int:
        """See `MessageReader`."""
        return len(self._columns)

    @property
    def bytes(self) -> int:
        """See `MessageReader`."""
        return self._columns.bytes

    def read(self, count: int, seconds: float, until: int | None) -> int:
        """See `MessageReader`."""
        chunk: list[Message] = self._consumer.consume(count, timeout=seconds)
        for refused in filter(None, map(Message.error, chunk)):
            raise KafkaException(refused)
        came = len(chunk)
        if until is not None and chunk and offset_of(chunk[-1]) >= until:
            chunk = [message for message in chunk if offset_of(message) < until]
        if chunk:
            self._last_epoch = chunk[-1].leader_epoch()
            self._columns.add(chunk)
        return came

    def position(self) -> tuple[int, int | None] | None:
        """See `MessageReader`."""
        (found,) = self._consumer.position([without_position(self._source)])
        return (found.offset, found.leader_epoch) if found.offset >= 0 else None

    def take(self, source: TopicPartition, covered: OffsetRange, leader_epoch: int | None) -> Batch:
        """See `MessageReader`."""
        columns, self._columns = self._columns, Columns()
        return columns.batch(source, covered, leader_epoch)

    def close(self) -> None:
        """See `MessageReader`."""
        self._consumer.close()


class NativeReader:
    """By `streamlake-native`: no object a message; values and keys lie one after the other, as Arrow has them."""

    slice_rows = 8000  # each slice has a price of its own, which is a tenth of all at 2,000

    def __init__(
        self,
        native: ModuleType,
        source: TopicPartition,
        properties: Properties,
        next_offset: int,
        leader_epoch: int | None,
    ) -> None:
        self._begin_epoch = leader_epoch
        self._name = str(properties.get("client.id", "rdkafka"))
        settings = [(name, _as_text(value)) for name, value in properties.items()]

        def opened(_: dict[str, Any]) -> Any:
            return native.Reader(
                cimpl.__file__, [*settings, ("log.queue", "true")], source.topic, source.partition, UNREADABLE_HEADERS
            )

        self._reader: Any = make_client(opened, properties)
        _raise(self._reader.assign(next_offset, -1 if leader_epoch is None else leader_epoch))

    @property
    def last_epoch(self) -> int | None:
        """See `MessageReader`."""
        epoch: int = self._reader.last_epoch
        if epoch == _NOTHING_READ:
            return self._begin_epoch
        return epoch if epoch >= 0 else None

    @property
    def rows(self) -> int:
        """See `MessageReader`."""
        rows: int = self._reader.rows
        return rows

    @property
    def bytes(self) -> int:
        """See `MessageReader`."""
        size: int = self._reader.bytes
        return size

    def read(self, count: int, seconds: float, until: int | None) -> int:
        """See `MessageReader`."""
        came = self._reader.read(count, int(seconds * 1000), -1 if until is None else until)
        for level, facility, text in self._reader.logs():
            logger.log(_LEVELS[level], "%s [%s] %s", facility, self._name, text)
        return _raise(came) or 0

    def position(self) -> tuple[int, int | None] | None:
        """See `MessageReader`."""
        offset, epoch = self._reader.position()
        return (offset, epoch if epoch >= 0 else None) if offset >= 0 else None

    def take(self, source: TopicPartition, covered: OffsetRange, leader_epoch: int | None) -> Batch:
        """See `MessageReader`."""
        offsets, timestamps_ms, timestamp_types, keys, values, headers = self._reader.take()
        return Batch(
            source=source,
            range=covered,
            leader_epoch=leader_epoch,
            offsets=array("q", offsets),
            timestamps_ms=array("q", timestamps_ms),
            timestamp_types=timestamp_types,
            keys=keys,
            values=values,
            headers=[None] * len(values) if headers is None else headers,
        )

    def close(self) -> None:
        """See `MessageReader`."""
        self._reader.close()


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _raise(answer: int | tuple[int, str] | None) -> int | None:
    """The answer; raises it where it is an error: its code, and what librdkafka says."""
    if isinstance(answer, tuple):
        raise KafkaException(KafkaError(*answer))
    return answer
