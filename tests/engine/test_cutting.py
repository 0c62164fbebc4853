"""A batch that one entry can't describe is cut into parts that tile it."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from support.batches import batch_of

from streamlake.engine.cutting import cuts

OFFSETS = st.sets(st.integers(5, 80), min_size=1).map(sorted)


@given(OFFSETS, st.integers(0, 9), st.integers(1, 7), st.integers(1, 4))
def test_the_parts_tile_the_batch_and_each_is_within_the_limits(
    offsets: list[int], trailing: int, fits: int, ranges_max: int
) -> None:
    values = [b"x" if offset % 3 else None for offset in offsets]
    batch = batch_of(values, 5, offsets=offsets, following=offsets[-1] + 1 + trailing)
    parts = list(cuts(batch, lambda _: fits, ranges_max))
    assert [offset for part in parts for offset in part.offsets] == offsets
    assert [value for part in parts for value in part.values] == values
    assert (parts[0].range.first, parts[-1].range.next) == (batch.range.first, batch.range.next)
    assert all(left.range.next == right.range.first for left, right in itertools.pairwise(parts))
    assert all(len(part) <= fits for part in parts)
    for part in parts:
        # One message may bring two, and the trailing hole of a part is not known before its end.
        assert len(part) == 1 or len(part.holes()) + part.values.count(None) <= ranges_max + 2


def test_a_batch_that_fits_is_not_touched() -> None:
    batch = batch_of([b"a", b"b"])
    assert list(cuts(batch, len)) == [batch]
