"""Of a file no more is read than the checks look at: what lies beside it may be in ruins."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from quality.conftest import ORDERS, Checked, make, places

from streamlake.engine.errors import FileDamagedError


def destroy(root: Path, kept: Sequence[str]) -> list[str]:
    """Overwrite every page of all columns but those; the footers stay. The columns that are gone."""
    gone: set[str] = set()
    for path in (root / "raw").rglob("*.parquet"):
        data = bytearray(path.read_bytes())
        for chunk in _chunks(path):
            name = chunk.path_in_schema.split(".")[0]
            if name not in kept:
                begin = chunk.dictionary_page_offset or chunk.data_page_offset
                data[begin : begin + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
                gone.add(name)
        path.write_bytes(data)
    return sorted(gone)


def _chunks(path: Path) -> Iterator[pq.ColumnChunkMetaData]:
    metadata = pq.ParquetFile(path).metadata
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            yield metadata.row_group(group).column(column)


@pytest.fixture
def typed(tmp_path: Path) -> Checked:
    lake = make(tmp_path, "parquet", "typed")
    lake.land(*ORDERS)
    return lake


def test_typed_rows_are_read_by_the_columns_that_are_checked(typed: Checked, tmp_path: Path) -> None:
    gone = destroy(tmp_path / "lake", ["_partition", "_offset", "amount"])
    assert gone == ["_headers", "_key", "_timestamp", "at", "customer", "id", "status"]
    assert places(typed.check("not_null", column="amount")) == ["0/2 None", "1/1 None"]
    query = "SELECT _topic, _partition, _offset FROM rows r WHERE r.AMOUNT < 0"
    assert places(typed.check("sql", name="own", query=query)) == ["0/5 "]
    with pytest.raises(FileDamagedError):
        typed.check("not_null", column="status")


def test_a_query_reads_the_columns_that_it_names_and_with_a_star_all(typed: Checked, tmp_path: Path) -> None:
    destroy(tmp_path / "lake", ["_partition", "_offset", "amount"])
    (counted,) = typed.report({"type": "sql", "name": "own", "query": "SELECT count(*) FROM rows"}).results
    assert (counted.rows, counted.failures) == (6, 1)
    with pytest.raises(FileDamagedError):
        typed.check("sql", name="own", query="SELECT * FROM rows WHERE amount < 0")


def test_payloads_are_not_read_for_what_lies_beside_them(orders: Checked, tmp_path: Path) -> None:
    assert "value" in destroy(tmp_path / "lake", ["_partition", "_offset", "_key"])
    assert orders.check("not_null", column="_key").failures == 5
    assert orders.check("row_count", min_value=6).status == "pass"
    assert orders.check("refused_ratio", max_value=0.5).status == "pass"
    with pytest.raises(FileDamagedError):
        orders.check("not_null", column="id")


def test_the_ledger_answers_what_it_knows_without_any_file(orders: Checked, tmp_path: Path) -> None:
    for path in (tmp_path / "lake" / "raw").rglob("*.parquet"):
        path.unlink()
    report = orders.report({"type": "freshness", "max_age": "3660d"}, {"type": "volume"})
    assert [result.status for result in report.results] == ["pass", "no rows"]
    assert (report.rows, report.files) == (6, 4)
