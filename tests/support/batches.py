"""Batches for tests: consecutive messages with as little said as possible."""

from collections.abc import Sequence

from streamlake.engine.records import Batch, OffsetRange, TopicPartition

ORDERS = TopicPartition("orders", 0)


def batch_of(
    values: Sequence[bytes | None],
    first: int = 0,
    *,
    offsets: Sequence[int] | None = None,
    following: int | None = None,
    source: TopicPartition = ORDERS,
) -> Batch:
    """`values` as a batch from offset `first` on; `offsets` and `following` (the range's end) make holes."""
    offsets = list(range(first, first + len(values))) if offsets is None else offsets
    end = following if following is not None else (offsets[-1] + 1 if offsets else first)
    rows = len(values)
    return Batch(
        source=source,
        range=OffsetRange(first, end),
        leader_epoch=0,
        offsets=offsets,
        timestamps_ms=[1_700_000_000_000 + offset for offset in offsets],
        timestamp_types=[1] * rows,
        keys=[None] * rows,
        values=values,
        headers=[None] * rows,
    )
