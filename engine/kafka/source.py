"""Reads one partition by `assign()` at the ledger's offset and leader epoch; knows nothing of the group.

Relies on (librdkafka 2.16, tried on Apache Kafka 4.3): `position()` is the offset after the last message *or control
record* handed to us, with its leader epoch; `auto.offset.reset=error` turns an expired or truncated position into an
error instead of a jump.
"""

import time
from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from streamlake.engine.contracts import BatchLimits
from streamlake.engine.errors import PositionLostError, SourceError, StreamLakeError
from streamlake.engine.kafka.batches import Columns, offset_of
from streamlake.engine.kafka.explain import explain, make_client
from streamlake.engine.kafka.positions import with_position, without_position
from streamlake.engine.records import Batch, OffsetRange, TopicPartition

POLL_SECONDS = 0.5  # how long one call may block: bounds the time between two heartbeats
IDLE_SECONDS = 1.0
GATHER_SECONDS = 0.01
MESSAGES_MAX = 1000  # per call; many more take memory and miss the processor's cache
MESSAGES_FIRST = 500  # until the size of this topic's messages is known

NO_EPOCH = -1


class KafkaSource:
    """The messages of one partition from `(next, leader_epoch)` on, up to `until` where it is given."""

    def __init__(
        self,
        source: TopicPartition,
        properties: Mapping[str, object],
        next_offset: int,
        leader_epoch: int | None,
        until: int | None,
    ) -> None:
        self._source, self._next, self._epoch, self._until = source, next_offset, leader_epoch, until
        self._last_epoch = leader_epoch  # of the last message that was taken in
        self._bytes_mean = 0.0
        self._servers = str(properties.get("bootstrap.servers"))
        self._consumer: Consumer = make_client(Consumer, properties)
        self._consumer.assign([with_position(source, next_offset, leader_epoch)])

    def read(self, limits: BatchLimits, go_on: Callable[[], bool]) -> Batch | None:
        """See `contracts.Source`. The memory it takes is about `limits.bytes_max` and the client's own queue."""
        columns, began = Columns(), time.monotonic()
        while True:
            chunk = self._consume(limits, columns.bytes, len(columns), began)
            if chunk and not columns:
                began = time.monotonic()
            columns.add(self._wanted(chunk))
            wanted = go_on()
            position, epoch = self._position()
            idle = not columns and time.monotonic() - began > IDLE_SECONDS
            full = len(columns) >= limits.rows_max or columns.bytes >= limits.bytes_max
            old = position > self._next and time.monotonic() - began >= limits.seconds_max
            ended = self._until is not None and position >= self._until
            if full or old or ended or idle or not wanted:
                return self._batch(columns, position, epoch)

    def close(self) -> None:
        """Leave the broker; nothing is committed by this client."""
        self._consumer.close()

    def _consume(self, limits: BatchLimits, size: int, rows: int, began: float) -> list[Message]:
        """The next few messages: as many as likely fit into what is left of the limits.

        A call that waits long for many could return any number of giants. So it waits long for one only, and takes
        what is there and what comes within GATHER_SECONDS: past the limit it goes by the client's queue at most.
        """
        count = int((limits.bytes_max - size) / self._bytes_mean) + 1 if self._bytes_mean else MESSAGES_FIRST
        count = max(1, min(count, limits.rows_max - rows, MESSAGES_MAX))
        left = limits.seconds_max - (time.monotonic() - began) if rows else IDLE_SECONDS
        try:
            chunk = self._consumer.consume(count, timeout=GATHER_SECONDS) if rows else []
            if not chunk:
                chunk = self._consumer.consume(1, timeout=max(0.0, min(POLL_SECONDS, left)))
        except KafkaException as error:
            raise self._refusal(error.args[0]) from error
        for refused in filter(None, map(Message.error, chunk)):
            raise self._refusal(refused)
        if chunk:
            # The largest recent mean: a topic that turns from small to large messages must not overrun the limit.
            mean = sum(map(len, chunk)) / len(chunk)
            self._bytes_mean = max(mean, 0.9 * self._bytes_mean)
        return chunk

    def _position(self) -> tuple[int, int | None]:
        """The consumer's position and its leader epoch, which belong together."""
        (found,) = self._consumer.position([without_position(self._source)])
        if found.offset < 0:
            return self._next, self._epoch
        return found.offset, found.leader_epoch

    def _wanted(self, chunk: list[Message]) -> list[Message]:
        """Those before the end of a bounded run; remembers the epoch of the last one."""
        if self._until is not None and chunk and offset_of(chunk[-1]) >= self._until:
            chunk = [message for message in chunk if offset_of(message) < self._until]
        if chunk:
            self._last_epoch = chunk[-1].leader_epoch()
        return chunk

    def _batch(self, columns: Columns, position: int, epoch: int | None) -> Batch | None:
        if self._until is not None and position > self._until:
            position, epoch = self._until, self._last_epoch
        if position == self._next:
            return None
        covered = OffsetRange(self._next, position)
        self._next, self._epoch = position, epoch
        return columns.batch(self._source, covered, epoch)

    def _refusal(self, error: KafkaError) -> StreamLakeError:
        """The client's error as ours: who has to act, and what to do."""
        code = error.code()
        where = f"{self._source} at offset {self._next}"
        if code == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  (the library's public name for its own codes)
            return SourceError(f"{where}: the position is not there any more ({error.str()})")
        if code == KafkaError._LOG_TRUNCATION:  # noqa: SLF001
            return PositionLostError(
                f"{where}: the partition was truncated below what has been read (an unclean leader election): "
                f"{error.str()}. `streamlake prove --kafka` shows what differs."
            )
        return explain(error, f"reading {where}", self._servers)
