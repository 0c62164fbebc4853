"""Cuts a batch where one ledger entry could not say all of it: too many holes, too many files."""

from collections.abc import Callable, Iterator

from streamlake.engine.records import Batch

RANGES_MAX = 10_000
"""Holes and skipped ranges in one entry: a half-compacted topic has one for each record."""


def cuts(batch: Batch, fits: Callable[[Batch], int], ranges_max: int = RANGES_MAX) -> Iterator[Batch]:
    """`batch` in one or more consecutive parts, each of which one entry can take."""
    while True:
        rows = min(fits(batch), _rows_within(batch, ranges_max))
        if rows >= len(batch):
            yield batch
            return
        part, batch = batch.cut(rows)
        yield part


def _rows_within(batch: Batch, ranges_max: int) -> int:
    """How many of the first messages have at most `ranges_max` holes and tombstones among them; at least one."""
    if len(batch.offsets) == len(batch.range) and None not in batch.values:
        return len(batch)
    ranges, expected = 0, batch.range.first
    for index, (offset, value) in enumerate(zip(batch.offsets, batch.values, strict=True)):
        ranges += (offset != expected) + (value is None)
        expected = offset + 1
        if ranges > ranges_max:
            return max(1, index)
    return len(batch)
