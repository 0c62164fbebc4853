"""Reads one partition by `assign()` at the ledger's offset and leader epoch; knows nothing of the group.

Relies on (librdkafka 2.16, tried on Apache Kafka 4.3): `position()` is the offset after the last message *or control
record* handed to us, with its leader epoch; `auto.offset.reset=error` turns an expired or truncated position into an
error instead of a jump.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException

from streamlake.engine.contracts import BatchLimits
from streamlake.engine.errors import PositionLostError, SourceError, StreamLakeError
from streamlake.engine.kafka.explain import explain
from streamlake.engine.kafka.message_reader import MessageReader, open_reader
from streamlake.engine.records import Batch, OffsetRange, TopicPartition

POLL_SECONDS = 0.9  # how long one call may block: bounds the time between two heartbeats
IDLE_SECONDS = 1.7  # how long a batch's first message is waited for
GATHER_SECONDS = 0.01
SLICE_BYTES_MAX = 2 * 2**20
SLICE_SECONDS_MAX = 30.0  # few messages a second are gathered: each slice has a price of its own
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
        self._bytes_mean = 0.0
        self._flowing = False  # something came with the last call
        self._in_hand = 0
        self._servers = str(properties.get("bootstrap.servers"))
        self._reader = open_reader(source, properties, next_offset, leader_epoch)

    @property
    def in_hand(self) -> int:
        """See `contracts.Source`."""
        return self._in_hand

    def slices(self, limits: BatchLimits, go_on: Callable[[], bool]) -> Iterator[Batch]:
        """See `contracts.Source`. The memory it takes is that of one slice and of the client's own queue."""
        taken, began, reader = Taken(self._next), time.monotonic(), self._reader
        while not taken.over:
            since = time.monotonic()
            while True:
                rows = reader.rows
                self._read(limits, taken, began)
                if reader.rows and not rows and not taken.rows:
                    began = since = time.monotonic()
                self._in_hand = taken.rows + reader.rows
                wanted = go_on()
                position, epoch = reader.position() or (self._next, self._epoch)
                now = time.monotonic()
                taken.over = not wanted or taken.closes(reader, position, now - began, limits, self._until)
                if taken.over or _is_a_slice(reader, now - since):
                    break
            taken.rows, taken.bytes = taken.rows + reader.rows, taken.bytes + reader.bytes
            part = self._slice(position, epoch)
            if part is not None:
                yield part

    def close(self) -> None:
        """Leave the broker; nothing is committed by this client."""
        self._reader.close()

    def _read(self, limits: BatchLimits, taken: "Taken", began: float) -> None:
        """Take in the next few messages: as many as likely fit into what is left of the limits.

        A call that waits long for many could return any number of giants. So it waits long for one only, and takes
        what is there and what comes within GATHER_SECONDS: past the limit it goes by the client's queue at most. Where
        nothing came the last time it waits for one at once: each wait is a wake-up.
        """
        reader = self._reader
        rows, size = reader.rows, reader.bytes
        size_max = min(limits.bytes_max - taken.bytes - size, SLICE_BYTES_MAX)
        count = int(size_max / self._bytes_mean) + 1 if self._bytes_mean else MESSAGES_FIRST
        count = max(1, min(count, limits.rows_max - taken.rows - rows, reader.slice_rows))
        some = taken.rows + rows > 0
        left = limits.seconds_max - (time.monotonic() - began) if some else IDLE_SECONDS
        try:
            came = reader.read(count, GATHER_SECONDS, self._until) if some and self._flowing else 0
            if not came:
                came = reader.read(1, max(0.0, min(POLL_SECONDS, left)), self._until)
            self._flowing = came > 0
        except KafkaException as error:
            raise self._refusal(error.args[0]) from error
        if reader.rows > rows:
            # The largest recent mean: a topic that turns from small to large messages must not overrun the limit.
            self._bytes_mean = max((reader.bytes - size) / (reader.rows - rows), 0.9 * self._bytes_mean)

    def _slice(self, position: int, epoch: int | None) -> Batch | None:
        """What was taken in as a batch up to `position`; None where that is no step forward."""
        if self._until is not None and position > self._until:
            position, epoch = self._until, self._reader.last_epoch
        if position == self._next:
            return None
        covered = OffsetRange(self._next, position)
        self._next, self._epoch = position, epoch
        return self._reader.take(self._source, covered, epoch)

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

    def closes(
        self, reader: MessageReader, position: int, seconds: float, limits: BatchLimits, until: int | None
    ) -> bool:
        """Whether the batch ends with what the reader holds: a limit, an end, or nothing for a while."""
        rows = self.rows + reader.rows
        full = rows >= limits.rows_max or self.bytes + reader.bytes >= limits.bytes_max
        old = position > self.first and seconds >= limits.seconds_max
        ended = until is not None and position >= until
        return full or old or ended or (not rows and seconds > IDLE_SECONDS)


def _is_a_slice(reader: MessageReader, seconds: float) -> bool:
    """Whether what was gathered is worth to be worked on."""
    many = reader.rows >= reader.slice_rows or reader.bytes >= SLICE_BYTES_MAX
    return many or (reader.rows > 0 and seconds >= SLICE_SECONDS_MAX)
