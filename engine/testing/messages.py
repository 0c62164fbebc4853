"""Messages of a test as a topic would hold them, and the source that reads them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from streamlake.engine.contracts import BatchLimits
from streamlake.engine.cutting import cut_to
from streamlake.engine.records import Batch, Header, OffsetRange, TopicPartition

Value = bytes | str | Mapping[str, object] | None

SLICE_ROWS_MAX = 500
"""As much as one read from Kafka brings at most."""

TIMESTAMP_MS = 1_767_312_000_000
"""Of messages that are given none: 2026-01-02T00:00:00Z."""

CREATE_TIME = 1  # librdkafka's number


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a topic.

    `value` and `key` are bytes, or text, which stands for its UTF-8; a mapping stands for its JSON, None is a
    tombstone. `timestamp_ms` is Unix time. `offset` None is the one after the message before in its partition; a
    greater one leaves a hole, as compaction and transactions do. `topic` None is the pipeline's only one.
    """

    value: Value
    key: bytes | str | None = None
    headers: Sequence[Header] = ()
    timestamp_ms: int = TIMESTAMP_MS
    partition: int = 0
    offset: int | None = None
    topic: str | None = None


def given(messages: Sequence[Message | Value], topics: Sequence[str]) -> dict[TopicPartition, Batch]:
    """The messages of each partition as one batch; a payload stands for a message with nothing but it.

    Raises ValueError for an offset that does not ascend and a topic that the pipeline does not read.
    """
    found: dict[TopicPartition, tuple[list[int], list[Message]]] = {}
    for one in messages:
        message = one if isinstance(one, Message) else Message(one)
        source = TopicPartition(_topic_of(message, topics), message.partition)
        offsets, of_partition = found.setdefault(source, ([], []))
        following = offsets[-1] + 1 if offsets else 0
        offset = following if message.offset is None else message.offset
        if offset < following:
            raise ValueError(f"{source}: offset {offset} comes after {following - 1}: offsets ascend")
        offsets.append(offset)
        of_partition.append(message)
    return {source: _batch(source, offsets, some) for source, (offsets, some) in sorted(found.items())}


def _topic_of(message: Message, topics: Sequence[str]) -> str:
    topic = topics[0] if message.topic is None and len(topics) == 1 else message.topic
    if topic is not None and topic in topics:
        return topic
    raise ValueError(f"a message of topic {message.topic!r}: the pipeline reads {', '.join(topics)}")


def _batch(source: TopicPartition, offsets: Sequence[int], messages: Sequence[Message]) -> Batch:
    return Batch(
        source=source,
        range=OffsetRange(offsets[0], offsets[-1] + 1),
        leader_epoch=0,
        offsets=offsets,
        timestamps_ms=[message.timestamp_ms for message in messages],
        timestamp_types=[CREATE_TIME] * len(messages),
        keys=[None if message.key is None else _bytes(message.key) for message in messages],
        values=[None if message.value is None else _bytes(message.value) for message in messages],
        headers=[message.headers or None for message in messages],
    )


def _bytes(value: bytes | str | Mapping[str, object]) -> bytes:
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return value.encode() if isinstance(value, str) else value


class GivenSource:
    """Reads one partition's messages (`streamlake.engine.contracts.Source`), a slice as large as one read brings."""

    def __init__(self, messages: Batch) -> None:
        self._rest: Batch | None = messages

    @property
    def in_hand(self) -> int:
        """Nothing waits for more."""
        return 0

    def slices(self, limits: BatchLimits, go_on: Callable[[], bool]) -> Iterator[Batch]:
        """The next batch; the slice that reaches `bytes_max` is its last."""
        del go_on  # asked while nothing comes: here all has come
        rows = size = 0
        while self._rest is not None and rows < limits.rows_max and size < limits.bytes_max:
            part, self._rest = cut_to(min(SLICE_ROWS_MAX, limits.rows_max - rows), self._rest, self._rest.leader_epoch)
            rows += len(part)
            size += sum(len(value) for value in part.values if value is not None)
            yield part

    def close(self) -> None:
        """Nothing is open."""
