"""Reads one partition by `assign()` at the ledger's offset and leader epoch; knows nothing of the group.

Relies on (librdkafka 2.16, tried on Apache Kafka 4.3): `position()` is the offset after the last message *or control
record* handed to us, with its leader epoch; `auto.offset.reset=error` turns an expired or truncated position into an
error instead of a jump.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

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
SLICE_ROWS_MAX = 2000  # also per call; many more take memory and miss the processor's cache
SLICE_BYTES_MAX = 2 * 2**20
SLICE_SECONDS_MAX = 0.25  # few messages a second are gathered: each slice has a price of its own
MESSAGES_FIRST = 500  # until the size of this topic's messages is known

TRUNCATED = KafkaError(KafkaError._LOG_TRUNCATION).str()  # noqa: SLF001  (librdkafka's own codes)
"""With `auto.offset.reset=error` a truncation comes as `_AUTO_OFFSET_RESET`, and only its words tell (2.16)."""


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

    def slices(self, limits: BatchLimits, go_on: Callable[[], bool]) -> Iterator[Batch]:
        """See `contracts.Source`. The memory it takes is that of one slice and of the client's own queue."""
        taken, began = Taken(self._next), time.monotonic()
        while not taken.over:
            columns, since = Columns(), time.monotonic()
            while True:
                chunk = self._consume(limits, taken.bytes + columns.bytes, taken.rows + len(columns), began)
                if chunk and not taken.rows and not columns:
                    began = since = time.monotonic()
                self._take(chunk, columns)
                wanted = go_on()
                position, epoch = self._position()
                now = time.monotonic()
                taken.over = not wanted or taken.closes(columns, position, now - began, limits, self._until)
                if taken.over or _is_a_slice(columns, now - since):
                    break
            taken.rows, taken.bytes = taken.rows + len(columns), taken.bytes + columns.bytes
            part = self._slice(columns, position, epoch)
            if part is not None:
                yield part

    def close(self) -> None:
        """Leave the broker; nothing is committed by this client."""
        self._consumer.close()

    def _consume(self, limits: BatchLimits, size: int, rows: int, began: float) -> list[Message]:
        """The next few messages: as many as likely fit into what is left of the limits.

        A call that waits long for many could return any number of giants. So it waits long for one only, and takes
        what is there and what comes within GATHER_SECONDS: past the limit it goes by the client's queue at most.
        """
        size_max = min(limits.bytes_max - size, SLICE_BYTES_MAX)
        count = int(size_max / self._bytes_mean) + 1 if self._bytes_mean else MESSAGES_FIRST
        count = max(1, min(count, limits.rows_max - rows, SLICE_ROWS_MAX))
        left = limits.seconds_max - (time.monotonic() - began) if rows else IDLE_SECONDS
        try:
            chunk = self._consumer.consume(count, timeout=GATHER_SECONDS) if rows else []
            if not chunk:
                chunk = self._consumer.consume(1, timeout=max(0.0, min(POLL_SECONDS, left)))
        except KafkaException as error:
            raise self._refusal(error.args[0]) from error
        for refused in filter(None, map(Message.error, chunk)):
            raise self._refusal(refused)
        return chunk

    def _position(self) -> tuple[int, int | None]:
        """The consumer's position and its leader epoch, which belong together."""
        (found,) = self._consumer.position([without_position(self._source)])
        if found.offset < 0:
            return self._next, self._epoch
        return found.offset, found.leader_epoch

    def _take(self, chunk: list[Message], columns: Columns) -> None:
        """Take in those before the end of a bounded run; remembers the epoch of the last one, and the mean size."""
        if self._until is not None and chunk and offset_of(chunk[-1]) >= self._until:
            chunk = [message for message in chunk if offset_of(message) < self._until]
        if not chunk:
            return
        self._last_epoch = chunk[-1].leader_epoch()
        before = columns.bytes
        columns.add(chunk)
        # The largest recent mean: a topic that turns from small to large messages must not overrun the limit.
        self._bytes_mean = max((columns.bytes - before) / len(chunk), 0.9 * self._bytes_mean)

    def _slice(self, columns: Columns, position: int, epoch: int | None) -> Batch | None:
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
        if code == KafkaError._LOG_TRUNCATION or TRUNCATED in error.str():  # noqa: SLF001  (librdkafka's own codes)
            return PositionLostError(
                f"{where}: the partition was truncated below what has been read, and its later records are others now "
                f"(an unclean leader election): {error.str()}. `streamlake prove --kafka` shows what differs. Land the "
                "topic under another root (sink.root) or another pipeline name, or make the topic anew and refill it; "
                "the old root stays readable and provable."
            )
        if code == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            return SourceError(f"{where}: the position is not there any more ({error.str()})")
        return explain(error, f"reading {where}", self._servers)


@dataclass
class Taken:
    """How much of a batch was read; `first` is where it began, `over` becomes true with its last slice."""

    first: int
    rows: int = 0
    bytes: int = 0
    over: bool = False

    def closes(self, columns: Columns, position: int, seconds: float, limits: BatchLimits, until: int | None) -> bool:
        """Whether the batch ends with what is in `columns`: a limit, an end, or nothing for a while."""
        rows = self.rows + len(columns)
        full = rows >= limits.rows_max or self.bytes + columns.bytes >= limits.bytes_max
        old = position > self.first and seconds >= limits.seconds_max
        ended = until is not None and position >= until
        return full or old or ended or (not rows and seconds > IDLE_SECONDS)


def _is_a_slice(columns: Columns, seconds: float) -> bool:
    """Whether what was gathered is worth to be worked on."""
    many = len(columns) >= SLICE_ROWS_MAX or columns.bytes >= SLICE_BYTES_MAX
    return many or (len(columns) > 0 and seconds >= SLICE_SECONDS_MAX)
