"""Values of two runs compared: typed columns one by one, payloads between formats, and what can't be compared."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.two_runs import Rows, Two

from streamlake.engine.operations.diff_types import Outcome
from streamlake.engine.records import Verdict

LANDED = Outcome("landed")


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path / "lake")


def test_line_breaks_between_tokens_differ_where_both_kept_them(two: Two) -> None:
    two.land("live-1", value=lambda _: b'{"n":\n1}')
    two.land("fix", value=lambda _: b'{"n": 1}')
    two.land("lines", format="jsonl", value=lambda _: b'{"n":\n1}')
    assert two.diff().values_differ == 10
    assert two.diff(run="lines").same


def test_payloads_alone_in_several_files_can_t_be_told_apart(two: Two) -> None:
    for run in ("live-1", "fix"):
        landing = two.land(run, 0, start=774, columns="value", partition_by="record_hour")
        landing.land(10, refused=[0])  # in two hours
    diff = two.diff()
    assert (diff.values_not_compared, diff.values_same, diff.same) == (9, 0, True)


TYPED: dict[str, Any] = {
    "id": pa.array(range(10), pa.int64()),
    "price": pa.array([1.5, float("nan"), None] * 3 + [2.0], pa.float64()),
    "items": pa.array([[{"sku": "a", "qty": n}, {"sku": "b", "qty": None}] for n in range(10)]),
}


def land_typed(two: Two, run: str, columns: dict[str, Any], **options: Any) -> None:
    landing = two.land(run, 0, columns="typed", **options)
    batch = landing.batch(10)
    with landing.end.stage() as stage:
        stage.add(batch, Verdict(columns=pa.table(columns)), ())
        record = stage.seal()
    landing.end.commit(record)
    landing.end.publish(record)


def test_typed_columns_are_compared_column_by_column(two: Two) -> None:
    items = TYPED["items"].to_pylist()
    items[4][1]["qty"] = 7
    land_typed(two, "live-1", TYPED)
    land_typed(two, "fix", {**TYPED, "items": pa.array(items)})
    rows = Rows()
    diff = two.diff(rows=rows)
    assert (diff.values_same, diff.values_differ, diff.columns_apart) == (9, 1, [])
    (row,) = rows.found
    assert (row["offset"], row["here_value"], row["there_value"]) == (
        4,
        b'{"items":[{"sku":"a","qty":4},{"sku":"b","qty":7}]}',
        b'{"items":[{"sku":"a","qty":4},{"sku":"b","qty":null}]}',
    )


def test_columns_of_another_type_are_left_out_and_said(two: Two) -> None:
    land_typed(two, "live-1", TYPED)
    land_typed(two, "fix", {**TYPED, "id": pa.array(range(10), pa.int32()), "note": pa.array(["x"] * 10)})
    diff = two.diff()
    assert (diff.values_same, diff.columns_apart, diff.same) == (10, ["id", "note"], False)
    assert diff.remarks == ["columns that only one side has, or has with another type, were left out: id, note"]


@pytest.mark.parametrize("options", [{}, {"format": "jsonl"}])
def test_where_values_can_t_be_compared_what_became_of_offsets_is(two: Two, options: dict[str, Any]) -> None:
    land_typed(two, "live-1", TYPED)
    if options:
        land_typed(two, "fix", TYPED, **options)
    else:
        two.land("fix")
    diff = two.diff()
    assert (diff.values_not_compared, diff.values_same, diff.values_differ) == (10, 0, 0)
    assert diff.remarks[0].startswith("the values of 10 records that landed in both were not compared: ")
    assert {(pair.here, pair.there) for pair in diff.pairs} == {(LANDED, LANDED)}


def test_typed_lines_are_compared_as_text(two: Two) -> None:
    land_typed(two, "live-1", TYPED, format="jsonl")
    land_typed(two, "fix", {**TYPED, "id": pa.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 99])}, format="jsonl")
    diff = two.diff()
    assert [example.offset for example in diff.examples] == [9]
