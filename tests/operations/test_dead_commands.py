"""`dead stats` and `dead export` as a user calls them: what they print and write, and how they end."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.engine import STREAMLAKE, streamlake
from support.lake import Lake
from support.proofs import ORDERS_0, ORDERS_1, final
from support.tamper import Fields, forge_ledger, forge_rows

from streamlake.engine.cli.dead_stats import remarks, stats_json
from streamlake.engine.operations.dead import list_letters
from streamlake.engine.operations.dead_stats import dead_stats
from streamlake.engine.operations.dead_types import LetterFilter


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """orders/0: 12 refused 90 minutes ago, 31 32 33 now, as malformed; orders/1: 100 now, by another version."""
    lake = Lake.make(tmp_path / "lake", starts={ORDERS_1: 100}, topic_ids={"orders": "id"})
    landing = lake.claim(ORDERS_0, payload="bytes", fingerprint="1a2b")
    landing.land(30, refused=[12])
    landing.land(10, refused=[1, 2, 3], reason="malformed", field=None, value=lambda at: b"\xff%d" % at)
    lake.claim(ORDERS_1, fingerprint="3c4d").land(10, refused=[0])

    def earlier(entries: list[Fields]) -> None:
        for entry in entries[:2]:
            entry["committed_at"] = (datetime.now(UTC) - timedelta(minutes=90)).isoformat()

    forge_ledger(lake, ORDERS_0, earlier)
    return lake


def document(*arguments: str) -> Any:
    done = streamlake(*arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_stats_are_two_tables_and_a_line_of_totals(pipeline: str) -> None:
    done = streamlake("dead", "stats", pipeline)
    assert done.returncode == 0
    head, malformed, invalid, gap, messages_head, message = done.stdout.splitlines()
    counts = "letters share first seen last seen last hour growth last day growth example"
    assert head.split() == ["reason", "field", *counts.split()]
    assert malformed.split()[:4] == ["malformed", "-", "3", "60.0%"]
    assert malformed.split()[6:] == ["3", "new", "3", "new", "orders/0/31"]
    assert invalid.split()[:4] == ["invalid", "/amount", "2", "40.0%"]
    assert invalid.split()[6:] == ["1", "+0%", "2", "new", "orders/1/100"]
    assert (gap, messages_head.split()) == ("", [*counts.split(), "message"])
    assert message.split()[:2] == ["5", "100.0%"]
    assert message.endswith("must not be negative")
    assert done.stderr == "5 dead letters; in the last hour 4 (+300%), in the last day 5 (new)\n"


def test_stats_say_the_same_to_a_program(pipeline: str) -> None:
    told = document("dead", "stats", pipeline, "--by", "topic,partition,fingerprint")
    assert told["by"] == ["topic", "partition", "fingerprint"]
    first, second = told["groups"]
    assert (first["topic"], first["partition"], first["fingerprint"], first["letters"]) == ("orders", 0, "1a2b", 4)
    assert (first["share"], first["hour"]) == (0.8, {"last": 3, "before": 1, "growth": 2.0})
    assert (second["fingerprint"], second["example"]) == ("3c4d", "orders/1/100")
    assert datetime.fromisoformat(first["first_seen"]) < datetime.fromisoformat(first["last_seen"])
    assert [(one["message"], one["letters"]) for one in told["messages"]] == [("must not be negative", 5)]
    assert (told["total"]["letters"], told["distinct"]) == (5, {"groups": 2, "messages": 1, "max": 10_000})
    assert told["others"] == {"groups": 0, "messages": 0}


def test_stats_take_the_filters_of_the_list(pipeline: str) -> None:
    def counted(*arguments: str) -> int:
        return int(document("dead", "stats", pipeline, *arguments)["total"]["letters"])

    for arguments, letters in (
        (["--reason", "malformed"], 3),
        (["--field", "/a*"], 2),
        (["--partition", "1"], 1),
        (["--since", "1h"], 4),
        (["--until", "1h"], 1),
        (["--offset", "12:32"], 2),
        (["--validator", "json"], 5),
        (["--validator", "pydantic"], 0),
        (["--fingerprint", "3c"], 1),
        (["--run", "live-1"], 5),
        (["--topic", "payments"], 0),
    ):
        assert counted(*arguments) == letters, arguments
        listed = streamlake("dead", "list", pipeline, "--json", *arguments).stdout.splitlines()
        assert len(listed) == letters, arguments


def test_stats_say_what_they_leave_out_and_what_they_do_not_know(pipeline: str) -> None:
    done = streamlake("dead", "stats", pipeline, "--limit", "1", "--since", "1h")
    assert done.stderr.splitlines() == [
        "4 dead letters; in the last hour 4 (?), in the last day 4 (?)",
        "1 more rows (--limit)",
    ]
    assert len(document("dead", "stats", pipeline, "--limit", "1")["groups"]) == 1
    done = streamlake("dead", "stats", pipeline, "--topic", "payments")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no dead letter\n")


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl"])
def test_an_export_is_written_and_counted_and_not_overwritten(pipeline: str, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    done = streamlake("dead", "export", pipeline, str(out))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"5 dead letters in {out} ({out.stat().st_size:,} bytes)\n"
    before = out.read_bytes()
    done = streamlake("dead", "export", pipeline, str(out), "--reason", "malformed")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{out} is there already" in done.stderr
    assert out.read_bytes() == before
    told = document("dead", "export", pipeline, str(out), "--force", "--reason", "malformed", "--limit", "2")
    assert told == {"path": str(out), "letters": 2, "bytes": out.stat().st_size, "more": True}
    done = streamlake("dead", "export", pipeline, str(out), "--force", "--reason", "malformed", "--limit", "3")
    assert done.stderr == ""
    values = [b"\xff31", b"\xff32", b"\xff33"]
    if name == "out.parquet":
        assert pq.read_table(out)["value"].to_pylist() == values
    else:
        listed = streamlake("dead", "list", pipeline, "--json", "--reason", "malformed").stdout
        assert out.read_text() == listed, "the lines of the list"


def test_a_damaged_dead_letter_file_fails_an_export_that_leaves_nothing(
    lake: Lake, pipeline: str, tmp_path: Path
) -> None:
    path = lake.files("dead")[-1]
    forge_rows(lake, ORDERS_1, path, lambda table: table.drop_columns(["reason"]))
    before = set(tmp_path.iterdir())
    done = streamlake("dead", "export", pipeline, str(tmp_path / "out.parquet"))
    assert (done.returncode, done.stdout) == (1, "")
    assert final(lake, path) in done.stderr
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl"])
def test_a_disk_that_takes_no_more_is_a_sentence_and_leaves_nothing(pipeline: str, tmp_path: Path, name: str) -> None:
    before = set(tmp_path.iterdir())
    command = f"ulimit -f 0; exec {STREAMLAKE} dead export {pipeline} {tmp_path / name}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{tmp_path / name} can't be written: File too large [SL0401]\n"
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stats", "--by", "reason,colour"], "'colour' is none of reason, field, validator"),
        (["stats", "--by", ""], "'' is none of"),
        (["stats", "--offset", "9:3"], "FIRST:NEXT"),
        (["stats", "--source", "topic", "--fingerprint", "1a"], "leave out --source topic"),
        (["export", "out.csv"], "must end in .parquet or .jsonl"),
        (["export", "out.jsonl", "--limit", "0"], "--limit"),
    ],
)
def test_a_call_that_means_nothing_ends_with_2_and_says_why(pipeline: str, arguments: list[str], said: str) -> None:
    done = streamlake("dead", arguments[0], pipeline, *arguments[1:])
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_letters_that_are_in_no_row_for_want_of_room_are_told(lake: Lake) -> None:
    stats = dead_stats(list_letters(lake.ledger(), LetterFilter()), ["reason"], keys_max=1)
    assert list(remarks(stats, 20))[1:] == [
        "3 dead letters in no row: there were 1 distinct rows already; narrow it down by a filter, or count by less"
    ]
    assert stats_json(stats, 20)["others"] == {"groups": 3, "messages": 0}


def test_letters_of_another_pipeline_are_said_to_be_its(pipeline: str) -> None:
    whose = "the root belongs to the pipeline "
    for command in ("list", "stats"):
        assert whose not in streamlake("dead", command, pipeline).stderr
        done = streamlake("dead", command, pipeline, "--set", "pipeline=somebody")
        assert done.returncode == 0
        assert ", not to somebody: these are its dead letters; " in done.stderr
        assert done.stderr.startswith(whose)


def test_show_tells_the_version_of_the_validator(pipeline: str) -> None:
    assert "validator        json (fingerprint 3c4d)" in streamlake("dead", "show", pipeline, "orders/1/100").stdout


@pytest.mark.parametrize("command", [["dead", "list"], ["dead", "stats"], ["status"]])
def test_a_reader_that_goes_away_ends_it_quietly(pipeline: str, command: list[str]) -> None:
    program = f"{STREAMLAKE} {' '.join(command)} {pipeline} | head -c0; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert not any(sign in done.stderr for sign in ("Traceback", "Exception", "Errno", "unexpected")), done.stderr
    assert done.returncode in (0, 141), "0 where all fitted into the pipe"


def test_a_reader_that_goes_away_ends_a_status_that_goes_on_too(pipeline: str) -> None:
    program = f"{STREAMLAKE} status --watch 0.1 {pipeline} | head -n1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (141, "")
