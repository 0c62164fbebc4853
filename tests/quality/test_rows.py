"""Each check of rows, over each shape that rows have: what it finds, where, and what it leaves out."""

from pathlib import Path
from typing import Any

import pytest
from quality.conftest import ORDERS, Checked, make, places

from streamlake.engine.errors import ConfigError, FileDamagedError
from streamlake.engine.testing import Message

IDS = ["0/0 1", "0/1 2", "0/2 2", "0/5 5", "1/0 1", "1/1 7"]
STATUSES = ["0/0 paid", "0/1 open", "0/2 paid", "0/5 lost", "1/0 paid", "1/1 paid"]
TO_5 = {"column": "id", "min_value": 1, "max_value": 5}

FOUND: list[tuple[str, dict[str, Any], int, list[str]]] = [
    ("not_null", {"column": "amount"}, 6, ["0/2 None", "1/1 None"]),
    ("not_null", {"column": "/customer/id"}, 6, ["1/1 None"]),
    ("not_null", {"column": "$.customer.id"}, 6, ["1/1 None"]),
    ("not_null", {"column": "_offset"}, 6, []),
    ("unique", {"column": "id"}, 6, ["0/0 1", "1/0 1", "0/1 2", "0/2 2"]),
    ("unique", {"columns": ["id", "status"]}, 6, ['0/0 [1,"paid"]', '1/0 [1,"paid"]']),
    ("unique", {"columns": ["id", "amount"]}, 4, []),
    ("accepted_values", {"column": "status", "values": ["paid", "open"]}, 6, ["0/5 lost"]),
    ("accepted_values", {"column": "id", "values": [1, 2.0, 5]}, 6, ["1/1 7"]),
    ("accepted_values", {"column": "id", "values": ["1", "2", "5", "7"]}, 6, IDS),
    ("accepted_values", {"column": "id", "values": [True]}, 6, IDS),
    ("accepted_range", {"column": "amount", "min_value": 0}, 4, ["0/5 -1"]),
    ("accepted_range", TO_5, 6, ["1/1 7"]),
    ("accepted_range", {**TO_5, "inclusive": False}, 6, ["0/0 1", "0/5 5", "1/0 1", "1/1 7"]),
    ("accepted_range", {"column": "status", "max_value": 5, "name": "no number"}, 6, STATUSES),
    ("accepted_range", {"column": "at", "max_value": "2026-02-01"}, 5, ["0/1 2026-02-01T06:00:00+01:00"]),
    ("accepted_range", {"column": "at", "max_value": "2026-02-01T05:00:00Z"}, 5, []),
    ("accepted_range", {"column": "_partition", "max_value": 0}, 6, ["1/0 1", "1/1 1"]),
    ("matches_regex", {"column": "$.customer.id", "regex": "^c-[0-9]+$"}, 5, ["0/2 x"]),
]


@pytest.mark.parametrize(("kind", "settings", "rows", "expected"), FOUND, ids=lambda value: str(value)[:60])
def test_a_check_finds_what_offends_with_its_place_in_every_shape(
    shaped: Checked, kind: str, settings: dict[str, Any], rows: int, expected: list[str]
) -> None:
    (result,) = shaped.report({"type": kind, **settings}, examples_max=6).results
    numbers = [place.replace(".0", "") for place in places(result)]  # a typed column of numbers has -1.0 and 9.5
    assert (result.status, result.rows, numbers) == ("fail" if expected else "pass", rows, expected)
    assert result.failures == len(expected)
    assert result.seconds > 0


def test_whole_payloads_and_array_items_are_columns_too(tmp_path: Path) -> None:
    lake = make(tmp_path, "parquet", "envelope", validator={"type": "json"})
    lake.land({"items": [{"sku": "a"}, {"sku": "b"}]}, {"items": [{"sku": "a"}]}, {"/a~b": 1, "_key": 5})
    assert places(lake.check("unique", column="$.items[0].sku")) == ["0/0 a", "0/1 a"]
    assert places(lake.check("not_null", column="/items/1/sku")) == ["0/1 None", "0/2 None"]
    assert places(lake.check("matches_regex", column="$", regex="sku")) == ['0/2 {"/a~b":1,"_key":5}']
    assert lake.check("accepted_values", column="/~1a~0b", values=[1]).rows == 1
    assert lake.check("accepted_values", column="/_key", values=[5]).rows == 1
    assert lake.check("not_null", column="_key").failures == 3


def test_a_field_that_no_row_has_says_that_there_were_no_rows_for_it(orders: Checked) -> None:
    result = orders.check("matches_regex", column="customre", regex="x")
    assert (result.status, result.rows) == ("no rows", 0)
    assert result.message == "none of 6 rows has a value there"
    assert orders.check("not_null", column="customre").failures == 6


def test_a_check_over_no_rows_says_so_and_holds(tmp_path: Path) -> None:
    lake = make(tmp_path, "parquet", "envelope")
    lake.land({"id": "refused"})
    report = lake.report(
        {"type": "not_null", "column": "id"},
        {"type": "sql", "name": "own", "query": "SELECT * FROM rows"},
        {"type": "unique", "column": "_offset"},
    )
    assert [result.status for result in report.results] == ["no rows"] * 3
    assert (report.rows, report.files, report.holds) == (0, 0, True)


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_payloads_that_no_validator_has_read_have_fields_where_they_are_json(tmp_path: Path, file_format: str) -> None:
    lake = make(tmp_path, file_format, "envelope", validator={"type": "none"})
    lake.land(b'{"id": "\xc3\xa4"}', b"no json", b'{"id": "\xff"}', b'{"id": null}')
    result = lake.check("not_null", column="id")
    assert [place for place in places(result) if not place.startswith("0/2")] == ["0/1 None", "0/3 None"]
    assert places(lake.check("accepted_values", column="id", values=["a"]))[0] == "0/0 ä"


def test_relationships_look_into_the_files_of_another_pipeline(shaped: Checked, tmp_path: Path) -> None:
    others = make(tmp_path / "customers", "jsonl", "value", validator={"type": "json"})
    others.land({"customer": "c-1"}, {"customer": "c-5"}, {"customer": None}, {"customer": "c-9"})
    result = shaped.check("relationships", column="/customer/id", to="customers/pipeline.yaml", field="customer")
    assert (result.status, result.rows, result.failures) == ("fail", 5, 2)
    assert places(result) == ["0/1 c-2", "0/2 x"]


def test_a_relationship_to_nothing_can_not_be_checked(orders: Checked, tmp_path: Path) -> None:
    others = make(tmp_path / "customers", "parquet", "envelope")
    others.land({"id": "refused"})
    result = orders.check("relationships", column="id", to="customers/pipeline.yaml", field="id")
    assert (result.status, result.message) == ("error", "pipeline.yaml has no rows to compare with")


def test_a_relationship_to_a_pipeline_that_is_not_there_is_bad_configuration(orders: Checked) -> None:
    with pytest.raises(ConfigError, match=r"customers\.yaml: can't be read: No such file"):
        orders.check("relationships", column="id", to="customers.yaml", field="id")


def test_a_typed_column_that_no_file_has_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    lake = make(tmp_path, "parquet", "typed")
    lake.land(*ORDERS)
    with pytest.raises(ConfigError) as caught:
        lake.report({"type": "unique", "column": "id"}, {"type": "not_null", "column": "amuont"})
    assert caught.value.problems == (
        "quality.checks[1]: 'amuont': no file of the range has a column 'amuont'; did you mean amount?",
    )


def test_a_column_that_came_later_is_null_in_older_files(tmp_path: Path) -> None:
    lake = make(tmp_path, "parquet", "typed")
    lake.land({"id": 1})
    schema = tmp_path / "order.schema.json"
    schema.write_text(schema.read_text().replace('"at"', '"since"'))
    lake.land(Message({"id": 2, "since": "now"}, offset=1))
    assert places(lake.check("not_null", column="since")) == ["0/0 None"]
    query = "SELECT _topic, _partition, _offset, since FROM rows WHERE since IS NOT NULL"
    assert places(lake.check("sql", name="own", query=query)) == ['0/1 {"since": "now"}']


@pytest.mark.parametrize(
    ("columns", "column", "says"),
    [
        ("value", "_key", "rows of `columns: value` have no _key"),
        ("typed", "_timestamp_type", "rows of `columns: typed` have no _timestamp_type"),
        ("typed", "$", "$ is the whole payload, which typed rows don't have"),
    ],
)
def test_what_rows_can_not_have_is_bad_configuration(tmp_path: Path, columns: str, column: str, says: str) -> None:
    lake = make(tmp_path, "parquet", columns)
    lake.land(*ORDERS)
    with pytest.raises(ConfigError) as caught:
        lake.check("not_null", column=column)
    assert says in str(caught.value)


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_the_ledger_tells_the_place_of_rows_that_are_payloads_alone(tmp_path: Path, file_format: str) -> None:
    lake = make(tmp_path, file_format, "value", batch__rows_max=100)
    lake.land({"id": "refused"}, {"id": 1}, None, {"id": 2}, Message({"id": 3}, offset=7), {"id": "no"}, {"id": 4})
    result = lake.check("accepted_range", column="id", max_value=0)
    assert places(result) == ["0/1 1", "0/3 2", "0/7 3", "0/9 4"]


def test_a_row_too_many_where_the_ledger_tells_the_places_is_damage(tmp_path: Path) -> None:
    lake = make(tmp_path, "jsonl", "value")
    lake.land({"id": 1})
    (path,) = (tmp_path / "lake" / "raw").rglob("*.jsonl")
    path.write_text('{"id": 1}\n{"id": 2}\n')
    with pytest.raises(FileDamagedError, match="has more than the 1 rows that landed: see `prove`"):
        lake.check("unique", column="id")


def test_rows_whose_place_nobody_knows_are_told_without_it(tmp_path: Path) -> None:
    sink = {"type": "file", "root": str(tmp_path / "lake"), "columns": "value", "partition_by": "record_date"}
    lake = make(tmp_path, "parquet", "value", sink=sink)
    day = 86_400_000
    lake.land(Message({"id": 1}, timestamp_ms=day), Message({"id": 2}, timestamp_ms=9 * day))
    report = lake.report({"type": "accepted_values", "column": "id", "values": [1]})
    assert places(report.results[0]) == ["0/None 2"]
    assert report.notes == ["2 rows don't say their offset, and neither does the ledger"]


def test_so_many_examples_are_shown_as_are_wanted_and_all_are_counted(orders: Checked) -> None:
    check = {"type": "accepted_range", "column": "_offset", "max_value": -1}
    (result,) = orders.report(check, examples_max=2).results
    assert (result.failures, places(result)) == (6, ["0/0 0", "0/1 1"])
    (result,) = orders.report(check, examples_max=0).results
    assert (result.failures, result.examples) == (6, [])


def test_a_check_of_one_topic_leaves_the_others_out(tmp_path: Path) -> None:
    topics = [{"name": "orders"}, {"name": "payments"}]
    lake = make(tmp_path, "parquet", "envelope", kafka__topics=topics)
    lake.land(Message({"id": 1}, topic="orders"), Message({"status": "x"}, topic="payments"))
    report = lake.report(
        {"type": "not_null", "column": "id"},
        {"type": "not_null", "column": "id", "topic": "orders"},
        {"type": "sql", "name": "own", "topic": "payments", "query": "SELECT _topic FROM rows"},
        {"type": "row_count", "topic": "orders", "max_value": 0},
    )
    assert [(result.rows, result.failures) for result in report.results] == [(2, 1), (1, 0), (1, 1), (1, 1)]
    assert report.results[0].examples[0].topic == "payments"
    assert report.results[2].examples[0].topic == "payments"
