"""A lake with a live run and others beside it, compared by `replay diff`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from support.lake import Lake, Landing

from streamlake.engine.operations.diff_types import ReplayDiff
from streamlake.engine.operations.replay_diff import DiffRequest, diff_replay
from streamlake.engine.records import TopicPartition

ORDERS = TopicPartition("orders", 0)


@dataclass
class Rows:
    """Takes the rows of the file of all differences."""

    found: list[dict[str, Any]] = field(default_factory=list)

    def write_table(self, table: pa.Table) -> None:
        self.found += table.to_pylist()

    @property
    def offsets(self) -> list[int]:
        return sorted(row["offset"] for row in self.found)


@dataclass
class Two:
    """A lake with a live run and a replay of it, partition 0 of both."""

    root: Path

    def land(self, run: str, rows: int = 10, *, start: int = 0, **said: Any) -> Landing:
        named = {name: said.pop(name) for name in ("refused", "skipped", "holes", "field", "value") if name in said}
        bounds: dict[str, Any] = (
            {} if run.startswith("live") else {"ends": {ORDERS: start + 10}, "output": f"replays/{run}"}
        )
        landing = Lake.make(self.root, run=run, starts={ORDERS: start}, **bounds, **said).claim(ORDERS)
        if rows:
            landing.land(rows, **named)
        return landing

    def diff(self, against: str = "live", *, run: str = "fix", rows: Rows | None = None) -> ReplayDiff:
        return diff_replay(Lake.open(self.root, run="fix").ledger(), DiffRequest(run, against), rows)
