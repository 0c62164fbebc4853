"""`status` on a terminal fits it, `--watch` says it again and again, and a running engine's words are in the table."""

import json
import signal
from pathlib import Path

import pytest
from support.engine import AWAY, STREAMLAKE, pipeline_yaml
from support.lake import Lake
from support.processes import started
from support.screen import Screen
from support.shown import at_night

from streamlake.engine.endpoint import serve_state
from streamlake.engine.records import TopicPartition
from streamlake.engine.state_json import state_to_json


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Partition 0 of orders with a ledger up to 40."""
    lake = Lake.make(tmp_path / "lake", topic_ids={"orders": "id"})
    landing = lake.claim(TopicPartition("orders", 0))
    landing.land(40, refused=[3])
    landing.end.close()
    return lake


def test_watching_in_a_pipe_is_a_line_each_time(pipeline: str) -> None:
    command = [STREAMLAKE, "status", pipeline, "--json", "--watch", "0.1"]
    with started(command) as process:
        assert process.stdout is not None
        documents = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.returncode == 130
    (one,) = documents[1]["partitions"]
    assert (one["next"], one["state"], one["last_commit_rows"], one["records_per_second"]) == (40, "stopped", 40, None)
    assert one["last_commit_bytes"] > 100


def test_on_a_terminal_an_engines_word_is_shown_and_fits_it(lake: Lake, tmp_path: Path) -> None:
    endpoint = serve_state("127.0.0.1:0", lambda: at_night(64))
    yaml = pipeline_yaml(
        tmp_path,
        AWAY,
        "orders",
        sink__root=str(lake.root),
        sink__format="parquet",
        metrics={"listen": endpoint.address},
    )
    try:
        with Screen([STREAMLAKE, "status", str(yaml), "--watch"], 80, 30) as screen:
            text = screen.wait_for("orders/3 is parked since")
            screen.wait_for("the broker can't be asked")
            screen.press("\x03")
            assert screen.end() == 130
            assert text.startswith("orders: engine runs on host-1 (pid 4711)\norders live-1: 1 parked,"), (
                "nothing scrolled"
            )
            assert " more: " in text
        with Screen([STREAMLAKE, "status", str(yaml), "--all"], 80, 120) as screen:
            assert screen.end() == 0
            assert " more: " not in screen.text
            assert sum(line.startswith("orders/") and " held, file closes" in line for line in screen.lines) == 60
    finally:
        endpoint.close()


def test_an_engines_json_says_when_it_was_said() -> None:
    assert state_to_json(at_night(2))["said_at"] > "2026-01-31T03:12:44"
