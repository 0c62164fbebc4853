"""Names and values are never a part of a statement but in quotes; a query sees the rows and nothing else."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from quality.conftest import ORDERS, Checked, make, places

from streamlake.engine.errors import ConfigError
from streamlake.engine.operations import quality_database

HOSTILE = ["x'; DROP TABLE landed_0; --", 'x"; DROP TABLE landed_0; --', "'), 'x' --", "$values", "?", "{}", "%s", "\\"]
"""Each would be read as SQL, as a parameter or as a pattern, if it were pasted in."""


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_a_field_may_have_any_name(tmp_path: Path, name: str, file_format: str) -> None:
    lake = make(tmp_path, file_format, "envelope", validator={"type": "json"})
    lake.land({name: 1}, {name: 2}, {})
    pointer = f"/{name.replace('~', '~0').replace('/', '~1')}"
    assert places(lake.check("not_null", column=pointer)) == ["0/2 None"]
    assert places(lake.check("accepted_values", column=pointer, values=[1])) == ["0/1 2"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_typed_column_may_have_any_name(tmp_path: Path, name: str) -> None:
    lake = make(tmp_path, "parquet", "typed")
    (tmp_path / "order.schema.json").write_text(
        json.dumps({"type": "object", "properties": {name: {"type": "integer"}}})
    )
    lake.land({name: 1}, {})
    assert places(lake.check("not_null", column=f"/{name}")) == ["0/1 None"]
    everything = lake.check("sql", name="own", query="SELECT * EXCLUDE (_timestamp, _key, _headers) FROM rows")
    assert [json.loads(example.value or "") for example in everything.examples] == [{name: 1}, {name: None}]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_may_be_anything(orders: Checked, value: str) -> None:
    for settings in ({"type": "accepted_values", "values": [value]}, {"type": "matches_regex", "regex": "\\Q" + value}):
        (result,) = orders.report({"column": "status", **settings}).results
        assert (result.status, result.failures) == ("fail", 6), result.message


def test_the_names_of_topics_may_have_dots_and_dashes(tmp_path: Path) -> None:
    lake = make(tmp_path, "parquet", "envelope", kafka__topics=[{"name": "shop.orders-1"}])
    lake.land({"id": 1})
    (result,) = lake.report({"type": "unique", "column": "id", "topic": "shop.orders-1"}).results
    assert (result.status, result.rows) == ("pass", 1)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT * FROM read_text('/etc/hostname')", "file system operations are disabled"),
        ("SELECT * FROM read_parquet('lake/raw/*/*.parquet')", "file system operations are disabled"),
        ("SELECT * FROM lake", "lake does not exist"),
        ("SELECT nothing FROM rows", 'column "nothing" not found'),
        ("SELECT error('no') FROM rows", "no"),
    ],
)
def test_a_query_that_reaches_for_anything_else_is_an_error_in_a_line(
    orders: Checked, monkeypatch: pytest.MonkeyPatch, query: str, says: str
) -> None:
    # Where a connection is used, DuckDB would take a variable of Python's for a table.
    monkeypatch.setattr(quality_database, "lake", pa.table({"a": [1]}), raising=False)
    result = orders.check("sql", name="own", query=query)
    assert result.status == "error"
    assert says in result.message
    assert "\n" not in result.message


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ({"query": "DROP TABLE landed_0"}, "query: must be one SELECT"),
        ({"query": "SELECT 1; SELECT 2"}, "query: must be one SELECT, and these are 2"),
        ({"query": "COPY rows TO 'x.csv'"}, "query: must be one SELECT"),
        ({"query": "SELECT FROM WHERE"}, "query: must be one SELECT"),
        ({"query": "SELECT 1) FROM rows; DROP TABLE x; --"}, "query: must be one SELECT"),
        ({"query": "SET threads = 1"}, "query: must be one SELECT"),
    ],
)
def test_what_is_no_query_is_bad_configuration(orders: Checked, check: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        orders.check("sql", name="own", **check)
    assert f"quality.checks[0].{says}" in str(caught.value)


def test_a_pattern_that_is_none_is_bad_configuration(orders: Checked) -> None:
    with pytest.raises(ConfigError, match=r"quality\.checks\[0\]\.regex: '\(' is no pattern of RE2: .*missing \)"):
        orders.check("matches_regex", column="id", regex="(")


def test_a_query_may_end_as_people_end_them(orders: Checked) -> None:
    assert orders.check("sql", name="own", query="SELECT _offset FROM rows;  ").failures == 6
    assert orders.check("sql", name="own", query="SELECT _offset FROM rows -- all of them").failures == 6
    assert (
        orders.check("sql", name="own", query="WITH r AS (FROM rows) SELECT * FROM r WHERE _offset = 5").failures == 1
    )


def test_json_lines_of_typed_rows_have_the_columns_that_a_query_names(tmp_path: Path) -> None:
    lake = make(tmp_path, "jsonl", "typed")
    lake.land(*ORDERS)
    query = "SELECT _topic, _partition, _offset, amount FROM rows WHERE amount::DOUBLE < 0 OR _timestamp IS NULL"
    assert places(lake.check("sql", name="own", query=query)) == ['0/5 {"amount": -1.0}']
