"""Orders that landed as real files in each shape that rows have, and pipelines with checks over them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.engine import AWAY, pipeline_yaml
from support.landing import land

from streamlake.config.load import load_pipeline
from streamlake.engine.cli.parts import open_ledger, open_sink
from streamlake.engine.operations.quality import Outside, run_quality
from streamlake.engine.operations.quality_types import CheckResult, QualityReport, TimeRange
from streamlake.engine.operations.topic_reader import TopicReader
from streamlake.engine.testing import Message

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "status": {"type": "string"},
        "amount": {"type": ["number", "null"]},
        "customer": {"type": "object", "properties": {"id": {"type": ["string", "null"]}}},
        "at": {"type": "string"},
    },
}

SHAPES = [(file_format, columns) for file_format in ("parquet", "jsonl") for columns in ("envelope", "typed", "value")]


def order(
    number: int, status: str, amount: float | None, customer: str | None, at: str = "2026-01-31"
) -> dict[str, Any]:
    """An order's payload."""
    return {"id": number, "status": status, "amount": amount, "customer": {"id": customer}, "at": at}


ORDERS = [
    Message(order(1, "paid", 9.5, "c-1"), key="one"),
    Message(order(2, "open", 0.25, "c-2", "2026-02-01T06:00:00+01:00")),
    Message(order(2, "paid", None, "x")),
    Message({"id": "three"}),
    Message(order(5, "lost", -1, "c-5"), offset=5),
    Message(order(1, "paid", 3, "c-1"), partition=1),
    Message({"id": 7, "status": "paid"}, partition=1),
]
"""Six land, at 0/0 0/1 0/2 0/5 1/0 1/1; 0/3 is refused, 0/4 a hole."""


@dataclass(frozen=True)
class Checked:
    """A pipeline's YAML in a folder of its own, landed by `land`; `check` changes its checks."""

    path: Path
    changes: Mapping[str, Any]

    def land(self, *messages: Any) -> None:
        """Land some messages."""
        land(self.path, messages)

    def with_checks(self, *checks: Mapping[str, Any], **settings: Any) -> Path:
        """The YAML with these checks."""
        quality = {"checks": list(checks), **settings}
        return pipeline_yaml(self.path.parent, AWAY, "orders", **self.changes, quality=quality)

    def report(
        self,
        *checks: Mapping[str, Any],
        within: TimeRange | None = None,
        reader: TopicReader | None = None,
        **settings: Any,
    ) -> QualityReport:
        """Make these checks."""
        config = load_pipeline(self.with_checks(*checks, **settings))
        return run_quality(config, open_sink(config).ledger(), within or TimeRange(), Outside(open_ledger, reader))

    def check(self, kind: str, **settings: Any) -> CheckResult:
        """Make one check."""
        (result,) = self.report({"type": kind, **settings}).results
        return result


def make(folder: Path, file_format: str, columns: str, **changes: Any) -> Checked:
    """A pipeline whose rows have this shape."""
    folder.mkdir(exist_ok=True)
    (folder / "order.schema.json").write_text(json.dumps(SCHEMA))
    settings = {
        "validator": {"type": "jsonschema", "schema": "order.schema.json"},
        "sink": {"type": "file", "root": str(folder / "lake"), "format": file_format, "columns": columns},
        "batch__rows_max": 2,
        **changes,
    }
    return Checked(pipeline_yaml(folder, AWAY, "orders", **settings), settings)


@pytest.fixture
def orders(tmp_path: Path) -> Checked:
    """ORDERS as Parquet, envelope."""
    checked = make(tmp_path, "parquet", "envelope")
    checked.land(*ORDERS)
    return checked


@pytest.fixture(params=SHAPES, ids="-".join)
def shaped(request: pytest.FixtureRequest, tmp_path: Path) -> Checked:
    """ORDERS in every shape that rows have."""
    checked = make(tmp_path, *request.param)
    checked.land(*ORDERS)
    return checked


def places(result: CheckResult) -> Sequence[str]:
    """The examples as `partition/offset value`."""
    assert {example.topic for example in result.examples} <= {"orders"}
    return [f"{example.partition}/{example.offset} {example.value}" for example in result.examples]
