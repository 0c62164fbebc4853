"""Checks see what readers see: of a newer generation or a promoted replay the rows, and not what they superseded."""

from pathlib import Path

import pytest
from support.engine import AWAY, pipeline_yaml
from support.lake import Lake
from support.proofs import ORDERS_0

from streamlake.config.load import load_pipeline
from streamlake.engine.cli.parts import open_ledger, open_sink
from streamlake.engine.letters import NoCopies
from streamlake.engine.operations.generation_change import finish
from streamlake.engine.operations.quality import Outside, run_quality
from streamlake.engine.operations.quality_types import TimeRange


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three entries of ten offsets each, the second one with a dead letter."""
    lake = Lake.make(tmp_path / "lake", starts={ORDERS_0: 0})
    landing = lake.claim(ORDERS_0)
    landing.land(10)
    landing.land(10, refused=[5])
    landing.land(10)
    return lake


def checked(lake: Lake) -> list[tuple[str, str, int]]:
    """Name, status and rows of a check of rows, one of files and one of entries."""
    checks = [
        {"type": "unique", "column": "offset"},
        {"type": "row_count", "min_value": 0},
        {"type": "refused_ratio", "max_value": 0.0},
    ]
    path = pipeline_yaml(lake.root.parent, AWAY, "orders", sink__root=str(lake.root), quality__checks=checks)
    config = load_pipeline(path)
    report = run_quality(config, open_sink(config).ledger(), TimeRange(), Outside(open_ledger))
    return [(result.type, result.status, result.rows) for result in report.results]


def test_what_a_newer_generation_has_landed_again_is_there_once(lake: Lake) -> None:
    assert checked(lake) == [("unique", "pass", 29), ("row_count", "pass", 29), ("refused_ratio", "fail", 30)]
    newer = Lake.make(lake.root, run="live-2", starts={ORDERS_0: 10})
    assert finish(lake.sink, lambda _run: NoCopies())
    newer.claim(ORDERS_0).land(25)
    assert checked(lake) == [("unique", "pass", 35), ("row_count", "pass", 35), ("refused_ratio", "pass", 35)]


def test_a_replay_counts_from_its_promotion_on_and_in_place_of_what_it_replays(lake: Lake) -> None:
    fixed = {"run": "fixed", "starts": {ORDERS_0: 10}, "ends": {ORDERS_0: 20}, "output": "replays/fixed"}
    landing = Lake.make(lake.root, **fixed).claim(ORDERS_0)  # type: ignore[arg-type]  # by name
    landing.land(10)
    landing.end.close()
    assert checked(lake)[1] == ("row_count", "pass", 29)
    Lake.make(lake.root, run="live-2", adopts="fixed")
    assert finish(lake.sink, lambda _run: NoCopies())
    assert checked(lake) == [("unique", "pass", 30), ("row_count", "pass", 30), ("refused_ratio", "pass", 30)]
