"""Quality of what lies in a bucket: the same results, kept in the bucket, and of each object the columns alone."""

import json
from pathlib import Path

import pytest
from quality.conftest import ORDERS, SHAPES, make, places
from support.shared import SharedGcs

from streamlake.engine.cli.main import run


@pytest.mark.parametrize(("file_format", "columns"), SHAPES)
def test_a_bucket_is_checked_as_a_disk_is(
    tmp_path: Path,
    gcs: SharedGcs,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file_format: str,
    columns: str,
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.endpoint)
    bucket = gcs.new_bucket()
    sink = {"type": "file", "root": f"gs://{bucket}/lake", "format": file_format, "columns": columns}
    lake = make(tmp_path, file_format, columns, sink=sink)
    lake.land(*ORDERS)
    unique = {"type": "unique", "column": "id"}
    assert places(lake.check(kind="unique", column="id")) == ["0/0 1", "1/0 1", "0/1 2", "0/2 2"]
    code = run(["quality", "run", str(lake.with_checks(unique)), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (code, report["rows"], report["results"][0]["failures"]) == (1, 6, 4)
    assert report["kept"].startswith(f"gs://{bucket}/lake/quality/orders/run_date=")
    (kept,) = (gcs.folder_of(bucket) / "lake" / "quality").rglob("*.parquet")
    assert report["kept"].endswith(kept.name)
