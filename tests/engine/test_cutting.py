"""A batch ends where one entry can't describe more of it, and the parts tile what was read."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.batches import batch_of

from streamlake.engine.cutting import RangesLeft, cut_to
from streamlake.engine.records import Batch

OFFSETS = st.sets(st.integers(5, 80), min_size=1).map(sorted)


def batches(slices: list[Batch], ranges_max: int) -> list[list[Batch]]:
    """Each batch's slices, as `land` takes them."""
    found: list[list[Batch]] = []
    while slices:
        left, parts = RangesLeft(ranges_max), list[Batch]()
        rest: Batch | None = None
        while slices and rest is None:
            part, rest = cut_to(left.fits(slices[0]), slices.pop(0), 0)
            left.take(part, part.values.count(None))
            parts.append(part)
        slices = slices if rest is None else [rest, *slices]
        found.append(parts)
    return found


@given(OFFSETS, st.integers(0, 9), st.integers(1, 4), st.integers(1, 40))
def test_the_parts_tile_what_was_read_and_each_batch_is_within_the_limit(
    offsets: list[int], trailing: int, ranges_max: int, slice_rows: int
) -> None:
    values = [b"x" if offset % 3 else None for offset in offsets]
    whole = batch_of(values, 5, offsets=offsets, following=offsets[-1] + 1 + trailing)
    slices: list[Batch] = []
    left: Batch | None = whole
    while left is not None:
        part, left = cut_to(slice_rows, left, 0)
        slices.append(part)
    cut = batches(slices, ranges_max)
    parts = [part for batch in cut for part in batch]
    assert [offset for part in parts for offset in part.offsets] == offsets
    assert [value for part in parts for value in part.values] == values
    assert (parts[0].range.first, parts[-1].range.next) == (whole.range.first, whole.range.next)
    assert all(left.range.next == right.range.first for left, right in itertools.pairwise(parts))
    for batch in cut:
        ranges = sum(len(part.holes()) + part.values.count(None) for part in batch)
        rows = sum(map(len, batch))
        assert rows > 0, "each batch gets on by a message at least"
        # One message may bring two, and the trailing hole of a part is not known before its end.
        assert rows == 1 or ranges <= ranges_max + 2


def test_what_has_neither_holes_nor_tombstones_always_fits() -> None:
    plain = batch_of([b"a", b"b"])
    left = RangesLeft(1)
    for _ in range(3):
        assert cut_to(left.fits(plain), plain, 0) == (plain, None)
        left.take(plain, 0)


def test_what_a_validator_skips_counts_and_the_batch_ends_with_the_slice_that_was_too_much() -> None:
    plain = batch_of([b"a"] * 6)
    left = RangesLeft(2)
    assert left.fits(plain) == 6
    left.take(plain, 3)
    assert left.fits(plain) == 0


@pytest.mark.parametrize(("before", "known"), [(0, 0), (None, None), (4, None)])
def test_the_epoch_in_the_middle_of_a_slice_is_known_where_it_is_the_same_at_both_ends(
    before: int | None, known: int | None
) -> None:
    first, rest = cut_to(1, batch_of([b"a", b"b"]), before)
    assert rest is not None
    assert (first.leader_epoch, rest.leader_epoch) == (known, 0)
