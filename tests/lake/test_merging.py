"""Rows of several files in the order of their offsets, however they lie between each other."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlake.engine.lake import merging
from streamlake.engine.lake.merging import in_offset_order

ROWS = 40


def parts(offsets: Sequence[int], rows_max: int, name: str) -> Iterator[pa.RecordBatch]:
    """A file with these offsets, each row with the file's name, in parts of so many rows."""
    for first in range(0, len(offsets), rows_max):
        some = offsets[first : first + rows_max]
        yield pa.record_batch({"_offset": pa.array(some, pa.int64()), "file": [name] * len(some)})


def merged(*files: Iterator[pa.RecordBatch]) -> list[tuple[int, str]]:
    return [(row["_offset"], row["file"]) for part in in_offset_order(files) for row in part.to_pylist()]


@settings(deadline=None)
@given(st.lists(st.sampled_from("aaaaaaab"), max_size=ROWS), st.integers(1, ROWS), st.integers(1, ROWS), st.booleans())
def test_two_files_are_one_by_runs_and_by_sorting(of: list[str], rows_a: int, rows_b: int, by_runs: bool) -> None:
    mine = {name: [offset for offset, one in enumerate(of) if one == name] for name in "ab"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "RUN_ROWS", 0 if by_runs else ROWS + 1)
        found = merged(parts(mine["a"], rows_a, "a"), parts(mine["b"], rows_b, "b"))
    assert found == list(enumerate(of))


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=ROWS), st.integers(1, ROWS))
def test_three_files_are_one(of: list[str], rows_max: int) -> None:
    mine = {name: [offset for offset, one in enumerate(of) if one == name] for name in "abc"}
    assert merged(*(parts(offsets, rows_max, name) for name, offsets in mine.items())) == list(enumerate(of))


def test_an_offset_that_two_files_have_comes_twice() -> None:
    many, few = list(range(100)), [7, 8, 99]
    found = [offset for offset, _ in merged(parts(many, 100, "many"), parts(few, 3, "few"))]
    assert found == sorted(many + few)
