"""The floor's small types keep their promises."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlake.engine.records import OffsetRange, Refusal, Verdict, ranges_between, ranges_of

OFFSETS = st.sets(st.integers(0, 60)).map(sorted)


@given(OFFSETS)
def test_ranges_and_the_ranges_between_them_tile_the_whole(offsets: list[int]) -> None:
    whole = OffsetRange(0, 61)
    parts = sorted([*ranges_of(offsets), *ranges_between(offsets, whole)])
    assert sum(map(len, parts)) == len(whole)
    assert all(left.next == right.first for left, right in itertools.pairwise(parts))
    assert [offset for part in ranges_of(offsets) for offset in range(part.first, part.next)] == offsets


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[3, 2\)"):
        OffsetRange(3, 2)


def test_what_is_neither_refused_nor_skipped_is_accepted() -> None:
    verdict = Verdict(refused=(Refusal(1, "invalid", "no"),), skipped=(3,))
    assert list(verdict.accepted(5)) == [0, 2, 4]
    assert list(Verdict().accepted(3)) == [0, 1, 2]
