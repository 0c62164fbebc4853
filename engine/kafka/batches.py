"""The client's messages as a batch, column by column."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, count, islice, pairwise, repeat
from operator import ne
from typing import Any, cast

from confluent_kafka import Message

from streamlake.engine.records import UNREADABLE_HEADERS, Batch, Header, OffsetRange, TopicPartition


class Columns:
    """Takes messages apart as they come, so that the client's own objects are let go at once.

    They are as large as a small record. One pass over the messages for each column: the calls are C, and nothing of
    ours runs per record but for headers.
    """

    def __init__(self) -> None:
        self.bytes = 0  # of keys, values and headers
        self._offsets: list[int] = []
        self._timestamps_ms: list[int] = []
        self._timestamp_types: list[int] = []
        self._keys: list[bytes | None] = []
        self._values: list[bytes | None] = []
        self._headers: list[Sequence[Header] | None] = []

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, messages: Sequence[Message]) -> None:
        """Take in messages that come after all before; none of them is an error."""
        if not messages:
            return
        self._offsets.extend(cast("Iterable[int]", map(Message.offset, messages)))
        kinds, stamps = zip(*map(Message.timestamp, messages), strict=True)
        self._timestamp_types.extend(kinds)
        self._timestamps_ms.extend(stamps)
        keys = list(map(Message.key, messages))
        self.bytes += sum(map(len, messages)) + sum(map(len, filter(None, keys)))  # a message's length is its value's
        self._keys.extend(cast("Iterable[bytes | None]", keys))
        self._values.extend(cast("Iterable[bytes | None]", map(Message.value, messages)))
        for headers, records in _runs(_headers_of(messages)):
            self.bytes += records * sum(len(name) + len(value or b"") for name, value in headers or ())
            self._headers.extend(repeat(headers, records))

    def batch(self, source: TopicPartition, covered: OffsetRange, leader_epoch: int | None) -> Batch:
        """All that was taken in, as a batch over `covered`; the epoch belongs to the range's end."""
        return Batch(
            source=source,
            range=covered,
            leader_epoch=leader_epoch,
            offsets=self._offsets,
            timestamps_ms=self._timestamps_ms,
            timestamp_types=self._timestamp_types,
            keys=self._keys,
            values=self._values,
            headers=self._headers,
        )


def batch_of(
    source: TopicPartition, covered: OffsetRange, leader_epoch: int | None, messages: Sequence[Message]
) -> Batch:
    """`messages`, none of which is an error, as a batch over `covered`; the epoch belongs to the range's end."""
    columns = Columns()
    columns.add(messages)
    return columns.batch(source, covered, leader_epoch)


def offset_of(message: Message) -> int:
    """The offset of a message that was read; None stands in the client's types for those to be sent."""
    offset = message.offset()
    assert offset is not None, "a message that was read has an offset"
    return offset


def _headers_of(messages: Sequence[Message]) -> list[Any]:
    """Each message's headers. The client raises at a name that is not UTF-8, and must not be asked for these again.

    (confluent-kafka 2.16: the second answer is a list with null pointers in it, which ends the process.) A `map` that
    raised goes on with its next item, and `list.extend` keeps what it got before the error.
    """
    headers: list[Any] = []
    reading = map(Message.headers, messages)
    while True:
        try:
            headers.extend(reading)
        except (SystemError, UnicodeDecodeError):
            headers.append(UNREADABLE_HEADERS)
        else:
            return headers


def _runs(headers: list[Any]) -> Iterator[tuple[Sequence[Header] | None, int]]:
    """Headers, and how many records one after the other have them; None for none, which the client gives as `[]`, too.

    Neighbours mostly have the same ones: these share one list, which spares ten objects a record, and lets a sink see
    by identity that they are the same.
    """
    begins = [0, *compress(count(1), map(ne, headers, islice(headers, 1, None)))]
    for begin, end in pairwise([*begins, len(headers)]):
        yield headers[begin] or None, end - begin
