"""Where the results of a run are kept, and that nothing is written over."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from streamlake.engine.errors import StorageError
from streamlake.engine.operations import quality_keep
from streamlake.engine.operations.quality_keep import keep_report
from streamlake.engine.operations.quality_types import CheckResult, Example, QualityReport, TimeRange
from streamlake.plugins.sinks.file.sink import FileSink

RESULT = CheckResult("a", "not_null", "error", "/a", None, "pass", 1, 0, [Example("t", 0, 0, None)], "", 0.1)
REPORT = QualityReport("orders", TimeRange(), datetime(2026, 1, 31, 6, tzinfo=UTC), 0.1, 1, 1, [RESULT])


@pytest.fixture
def sink(tmp_path: Path) -> FileSink:
    return FileSink.from_options({"root": str(tmp_path)}, base_dir=tmp_path)


@pytest.mark.parametrize(("root", "begins"), [("gs://bucket/lake", "gs://bucket/lake/quality"), ("", "quality")])
def test_it_says_where(sink: FileSink, tmp_path: Path, root: str, begins: str) -> None:
    kept = keep_report(sink, REPORT, root).kept
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert path.parent == tmp_path / "quality" / "orders" / "run_date=2026-01-31"
    assert kept == f"{begins}/orders/run_date=2026-01-31/{path.name}"


def test_what_is_there_stays(sink: FileSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality_keep, "uuid4", lambda: UUID(int=7))  # a name that is not new
    keep_report(sink, REPORT, "")
    with pytest.raises(StorageError, match="is there already, and says something else; nothing was overwritten"):
        keep_report(sink, replace(REPORT, results=[]), "")


def test_a_sink_that_keeps_nothing_is_said() -> None:
    said = keep_report(_Stranger(), REPORT, "lake")  # type: ignore[arg-type]  # that is the point
    assert (said.kept, said.notes) == (None, ("results were kept nowhere: the sink _Stranger has no method `notes`",))


class _Stranger:
    """A sink without what is optional."""
