"""The comparison of a file's rows with its entry is exact: held against sets, with every kind of defect planted."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.entries import data_entry, file_entry

from streamlake.engine.operations import proof_rows
from streamlake.engine.operations.proof_rows import row_defects
from streamlake.engine.operations.proof_types import Defect
from streamlake.engine.operations.spans import Span, common, merged, spans_of, without
from streamlake.engine.records import OffsetRange, ranges_of

FATES = ("raw 0", "raw 1", "dead", "skipped", "hole")
FILES = ("raw 0", "raw 1", "dead")
PLANTS = ("drop", "repeat", "copy to another file", "swap", "foreign", "unskip", "nothing")


@dataclass(frozen=True)
class Planted:
    first: int
    fates: Sequence[str]
    files: dict[str, list[int]]

    def offsets(self, *fates: str) -> set[int]:
        return {self.first + index for index, fate in enumerate(self.fates) if fate in fates}


@st.composite
def planted(draw: st.DrawFn) -> Planted:
    first = draw(st.integers(0, 1000) | st.just(2**62))
    fates = draw(st.lists(st.sampled_from(FATES), min_size=1, max_size=60))
    files = {name: [first + index for index, fate in enumerate(fates) if fate == name] for name in FILES}
    world = Planted(first, fates, files)
    for _ in range(draw(st.integers(0, 3))):
        plant(draw, world)
    return world


def plant(draw: st.DrawFn, world: Planted) -> None:
    offsets = world.files[draw(st.sampled_from(FILES))]
    position = draw(st.integers(0, len(offsets)))
    match draw(st.sampled_from(PLANTS)):
        case "drop":
            del offsets[position : position + draw(st.integers(1, 3))]
        case "repeat":
            offsets[position:position] = offsets[max(0, position - 1) : position]
        case "copy to another file":
            world.files[draw(st.sampled_from(FILES))].extend(offsets[position : position + 1])
        case "swap":
            offsets[position : position + 2] = reversed(offsets[position : position + 2])
        case "foreign":
            offsets.insert(position, max(0, world.first + draw(st.integers(-5, len(world.fates) + 5))))
        case "unskip":
            offsets.extend(sorted(world.offsets("skipped", "hole"))[:1])


def oracle(world: Planted) -> dict[str, set[object]]:
    """What is wrong, by sets and lists, one offset at a time."""
    expected = world.offsets(*FILES)
    rows = [offset for offsets in world.files.values() for offset in offsets]
    wrong: dict[str, set[object]] = {
        "hole": set(expected - set(rows)),
        "duplicate": {offset for offset, count in Counter(rows).items() if count > 1},
        "foreign": {(name, o) for name, offsets in world.files.items() for o in offsets if o not in expected},
        "order": {name for name, offsets in world.files.items() if any(b <= a for a, b in pairwise(offsets))},
    }
    return {kind: places for kind, places in wrong.items() if places}


def told(defects: Sequence[Defect]) -> dict[str, set[object]]:
    found: dict[str, set[object]] = {}
    for defect in defects:
        places = found.setdefault(defect.kind, set())
        name = (defect.path or "").removeprefix("file ")
        if defect.offsets is None:
            places.add(name)
            continue
        for offset in range(defect.offsets.first, defect.offsets.next):
            places.add((name, offset) if defect.kind == "foreign" else offset)
    return found


@settings(max_examples=1500, deadline=None)
@given(planted())
def test_every_planted_defect_is_told_with_its_place_and_nothing_else_is(world: Planted) -> None:
    entry = data_entry(
        OffsetRange(world.first, world.first + len(world.fates)),
        holes=ranges_of(sorted(world.offsets("hole"))),
        skipped_offsets=ranges_of(sorted(world.offsets("skipped"))),
    )
    columns = [(file_entry(f"file {name}"), pa.array(offsets, pa.int64())) for name, offsets in world.files.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof_rows, "SPANS_TOLD_MAX", 1000)
        assert told(list(row_defects(entry, columns, complete=True))) == oracle(world)


def test_a_sound_entry_of_several_files_has_no_defect() -> None:
    entry = data_entry(OffsetRange(10, 20), holes=[OffsetRange(12, 13)], skipped_offsets=[OffsetRange(15, 17)])
    columns = [
        (file_entry("a"), pa.array([11, 19], pa.int64())),
        (file_entry("b"), pa.array([10, 13, 18], pa.int64())),
        (file_entry("dead"), pa.array([14, 17], pa.int64())),
    ]
    assert list(row_defects(entry, columns, complete=True)) == []


def test_where_a_file_is_not_known_nothing_is_called_a_hole_but_duplicates_and_strangers_still_are() -> None:
    entry = data_entry(OffsetRange(0, 10))
    columns = [(file_entry("a"), pa.array([1, 2, 2, 30], pa.int64()))]
    kinds = [defect.kind for defect in row_defects(entry, columns, complete=False)]
    assert kinds == ["order", "duplicate", "foreign"]


def test_rubbish_at_the_ends_of_int64_is_foreign_and_breaks_nothing() -> None:
    entry = data_entry(OffsetRange(0, 2))
    columns = [(file_entry("a"), pa.array([-(2**63), 0, 1, 2**63 - 2], pa.int64()))]
    defects = list(row_defects(entry, columns, complete=True))
    assert [defect.kind for defect in defects] == ["foreign", "foreign"]
    assert "-9223372036854775808" in defects[0].message
    assert defects[1].offsets == OffsetRange(2**63 - 2, 2**63 - 1)


def test_a_file_of_rubbish_tells_a_bounded_number_of_places() -> None:
    entry = data_entry(OffsetRange(0, 100_000))
    columns = [(file_entry("a"), pa.array(range(0, 100_000, 2), pa.int64()))]
    assert len(list(row_defects(entry, columns, complete=True))) == proof_rows.SPANS_TOLD_MAX


def test_two_million_rows_take_less_than_half_a_second_of_cpu_also_when_a_fifth_is_refused() -> None:
    rows = 2_000_000
    entry = data_entry(OffsetRange(0, rows), holes=[OffsetRange(7, 8)])
    landed = [offset for offset in range(rows) if offset % 5 and offset != 7]
    dead = list(range(0, rows, 5))
    columns = [(file_entry("raw"), pa.array(landed, pa.int64())), (file_entry("dead"), pa.array(dead, pa.int64()))]
    took = []
    for _ in range(5):  # the least of several: what else this process does is none of it
        began = time.process_time()
        assert list(row_defects(entry, columns, complete=True)) == []
        took.append(time.process_time() - began)
    assert min(took) < 0.5


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair))), max_size=6)


def members(spans: Sequence[Span]) -> set[int]:
    return {offset for first, following in spans for offset in range(first, following)}


@given(SPANS, SPANS)
def test_spans_behave_as_sets(left: list[Span], right: list[Span]) -> None:
    a, b = merged(left), merged(right)
    for result, wanted in (
        (a, members(left)),
        (without(a, b), members(left) - members(right)),
        (common(a, b), members(left) & members(right)),
    ):
        assert members(result) == wanted
        assert result == merged(result)


@given(st.sets(st.integers(-5, 40) | st.integers(-(2**63), 2**63 - 2)))
def test_spans_of_a_column_hold_its_offsets(offsets: set[int]) -> None:
    spans = spans_of(pa.array(sorted(offsets), pa.int64()))
    assert sum(following - first for first, following in spans) == len(offsets)
    assert all(any(first <= offset < following for first, following in spans) for offset in offsets)
    assert spans == merged(spans)


def test_the_entry_of_another_range_is_not_taken_for_this_one() -> None:
    entry = replace(data_entry(OffsetRange(0, 3)), first=1)
    assert [
        d.kind for d in row_defects(entry, [(file_entry("a"), pa.array([0, 1, 2], pa.int64()))], complete=True)
    ] == ["foreign"]
