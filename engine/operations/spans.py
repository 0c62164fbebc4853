"""Sets of offsets as sorted half-open spans: how a column of a million offsets is compared with a ledger entry.

Plain pairs and not `OffsetRange`, because a damaged file may hold anything, negative numbers too.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

Span = tuple[int, int]

Offsets: TypeAlias = "pa.Array[pa.Int64Scalar]"
"""An Arrow int64 array without nulls."""


NO_OFFSETS = pa.array([], pa.int64())


def ascends(offsets: Offsets) -> bool:
    """True when each offset is greater than the one before."""
    return bool(len(offsets) < 2 or pc.all(pc.greater(offsets[1:], offsets[:-1])).as_py())


def spans_of(offsets: Offsets) -> list[Span]:
    """Strictly ascending int64 offsets as the fewest spans; costs Python only for each span, never for each row."""
    if not len(offsets):
        return []
    (first,), (last,) = numbers(offsets[:1]), numbers(offsets[-1:])
    if last - first + 1 == len(offsets):
        return [(first, last + 1)]  # as many as fit, each greater than the one before: all of them
    # Unchecked subtraction may wrap around, but of two ascending numbers only neighbours differ by exactly one.
    breaks = pc.not_equal(pc.subtract(offsets[1:], offsets[:-1]), pa.scalar(1))
    firsts = [first, *numbers(offsets[1:].filter(breaks))]
    lasts = [*numbers(offsets[:-1].filter(breaks)), last]
    return [(first, last + 1) for first, last in zip(firsts, lasts, strict=True)]


def numbers(offsets: Offsets) -> list[int]:
    """The offsets as Python numbers."""
    return cast("list[int]", offsets.to_pylist())


def repeated(offsets: Offsets) -> list[Span]:
    """The offsets that stand more than once in an ascending array with repeats, as spans."""
    twice = offsets[1:].filter(pc.equal(offsets[1:], offsets[:-1]))
    return spans_of(twice if ascends(twice) else pc.unique(twice))


def merged(spans: Iterable[Span]) -> list[Span]:
    """Any spans as the fewest that hold the same offsets, ascending; empty ones fall away."""
    out: list[Span] = []
    for first, following in sorted(spans):
        if first >= following:
            continue
        if out and first <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], following))
        else:
            out.append((first, following))
    return out


def without(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """The offsets of `spans` that are not in `others`; both merged, and so is the result."""
    out: list[Span] = []
    position = 0
    for first, following in spans:
        start = first
        while position < len(others) and others[position][1] <= start:
            position += 1
        at = position
        while at < len(others) and others[at][0] < following:
            if others[at][0] > start:
                out.append((start, others[at][0]))
            start = max(start, others[at][1])
            at += 1
        if start < following:
            out.append((start, following))
    return out


def common(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """The offsets that are in both; both merged, and so is the result."""
    return without(spans, without(spans, others))
