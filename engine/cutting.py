"""Cuts a batch where one ledger entry could not say all of it: too many holes and skipped messages."""

from dataclasses import replace

from streamlake.engine.packed import has_null
from streamlake.engine.records import Batch

RANGES_MAX = 10_000
"""Holes and skipped ranges in one entry: a half-compacted topic has one for each record."""


class RangesLeft:
    """How many ranges the entry of one batch can still take; counts from the batch's first slice on."""

    def __init__(self, ranges_max: int = RANGES_MAX) -> None:
        self._left = ranges_max
        self._least = 1  # a batch takes one message, whatever it brings

    def fits(self, part: Batch) -> int:
        """How many of the first messages of `part` the entry can take beside what was taken; 0 when full."""
        if self._left < 0:
            return self._least
        if _is_plain(part):
            return len(part)
        left, expected = self._left, part.range.first
        for index, (offset, value) in enumerate(zip(part.offsets, part.values, strict=True)):
            left -= (offset != expected) + (value is None)
            expected = offset + 1
            if left < 0:
                return max(index, self._least)
        return len(part)

    def take(self, part: Batch, skipped: int) -> None:
        """Count what `part` brings: never fewer ranges than the entry will have of it.

        A validator may skip messages, too, which nobody knows before: so a slice can bring more than was left.
        """
        self._least = 0
        self._left -= len(part.holes()) + skipped


def cut_to(rows: int, part: Batch, epoch_before: int | None) -> tuple[Batch, Batch | None]:
    """The first `rows` messages of `part`, and the rest; None for no rest.

    The leader epoch in the middle is known where it is the same at both ends (`epoch_before` is that of the slice
    before); a guess could take a healthy partition for a truncated one.
    """
    if rows >= len(part):
        return part, None
    first, rest = part.cut(rows)
    known = part.leader_epoch if part.leader_epoch == epoch_before else None
    return replace(first, leader_epoch=known), rest


def _is_plain(part: Batch) -> bool:
    """Whether it has neither holes nor tombstones, as nearly all have."""
    return len(part.offsets) == len(part.range) and not has_null(part.values)
