"""The client's messages as a batch, column by column."""

from collections.abc import Sequence
from typing import Any, cast

from confluent_kafka import Message

from streamlake.engine.contracts import Batch, Header, OffsetRange, TopicPartition


def batch_of(
    source: TopicPartition, covered: OffsetRange, leader_epoch: int | None, messages: Sequence[Message]
) -> Batch:
    """`messages`, none of which is an error, as a batch over `covered`; the epoch belongs to the range's end.

    One pass over the messages for each column: the calls are C, and nothing of ours runs per record.
    """
    stamps = [message.timestamp() for message in messages]
    return Batch(
        source=source,
        range=covered,
        leader_epoch=leader_epoch,
        offsets=cast("list[int]", [message.offset() for message in messages]),
        timestamps_ms=[stamp[1] for stamp in stamps],
        timestamp_types=[stamp[0] for stamp in stamps],
        keys=[message.key() for message in messages],
        values=[message.value() for message in messages],
        headers=[_headers(message.headers()) for message in messages],
    )


def offset_of(message: Message) -> int:
    """The offset of a message that was read; None stands in the client's types for those to be sent."""
    offset = message.offset()
    assert offset is not None, "a message that was read has an offset"
    return offset


def _headers(headers: Any) -> Sequence[Header] | None:
    """Headers in order, with repeats; None where there are none, which the client also gives as an empty list."""
    return headers or None
