"""The results of a quality run as a Parquet file in the root: a row for each check, for dashboards and for later."""

import io
from dataclasses import asdict, replace
from datetime import UTC
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from streamlake.engine.abilities import NoteKeeper
from streamlake.engine.contracts import Sink
from streamlake.engine.errors import StorageError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.operations.quality_types import QualityReport

FOLDER = "quality"
_EXAMPLE = pa.struct(
    [
        pa.field("topic", pa.string()),
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("value", pa.string()),
    ]
)
_MOMENT = pa.timestamp("us", "UTC")
_FIELDS: "list[pa.Field[Any]]" = [
    pa.field("pipeline", pa.string(), nullable=False),
    pa.field("quality_run", pa.string(), nullable=False),
    pa.field("started_at", _MOMENT, nullable=False),
    pa.field("since", _MOMENT),
    pa.field("until", _MOMENT),
    pa.field("name", pa.string(), nullable=False),
    pa.field("type", pa.string(), nullable=False),
    pa.field("severity", pa.string(), nullable=False),
    pa.field("column", pa.string(), nullable=False),
    pa.field("topic", pa.string()),
    pa.field("status", pa.string(), nullable=False),
    pa.field("rows", pa.int64(), nullable=False),
    pa.field("failures", pa.int64(), nullable=False),
    pa.field("examples", pa.list_(_EXAMPLE), nullable=False),
    pa.field("message", pa.string(), nullable=False),
    pa.field("seconds", pa.float64(), nullable=False),
]
SCHEMA = pa.schema(_FIELDS)
"""A row is a check: what `CheckResult` says, and what run it was of."""


def keep_report(sink: Sink, report: QualityReport, root: str) -> QualityReport:
    """Write the results below `quality/` of the sink's root, and say where in `kept`; `root` is as the YAML has it.

    A file that is written once, under a name of its own; so a run that died before this has left nothing, and is made
    again. A sink that keeps nothing is a note. Raises StorageError.
    """
    if not isinstance(sink, NoteKeeper):
        note = f"results were kept nowhere: the sink {type(sink).__name__} has no method `notes`"
        return replace(report, notes=(*report.notes, note))
    run = f"{report.started_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
    path = f"{FOLDER}/{report.pipeline}/run_date={report.started_at.astimezone(UTC):%Y-%m-%d}/{run}.parquet"
    data = _encoded(report, run)
    failpoint("before_keep")
    if sink.notes().write(path, data) != data:
        raise StorageError(f"{path} is there already, and says something else; nothing was overwritten")
    failpoint("after_keep")
    return replace(report, kept=f"{root}/{path}" if root else path)


def _encoded(report: QualityReport, run: str) -> bytes:
    about = {
        "pipeline": report.pipeline,
        "quality_run": run,
        "started_at": report.started_at,
        "since": report.within.since,
        "until": report.within.until,
    }
    rows = [{**about, **asdict(result)} for result in report.results]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), out, compression="zstd")
    return out.getvalue()
