"""`replay diff` as a user calls it: what it prints and writes, and how it ends."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.engine import streamlake
from support.lake import Lake

from streamlake.engine.operations.diff_tally import DIFFERENCES
from streamlake.engine.records import TopicPartition

ORDERS = TopicPartition("orders", 0)


def _value(offset: int) -> bytes:
    return b'{"n": 1}' if offset == 1005 else b'{"place": "orders/0", "offset": %d}' % offset


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """The live run refused 1000 and 1001 of ten, the run `fix` 1001; 1005 has another value there."""
    lake = Lake.make(tmp_path / "lake", starts={ORDERS: 1000})
    lake.claim(ORDERS).land(10, refused=[0, 1])
    fix = Lake.make(tmp_path / "lake", run="fix", starts={ORDERS: 1000}, ends={ORDERS: 1010}, output="replays/fix")
    fix.claim(ORDERS).land(10, refused=[1], value=_value)
    return lake


def test_it_prints_outcomes_partitions_and_examples_and_ends_with_1(pipeline: str) -> None:
    done = streamlake("replay", "diff", pipeline, "fix")
    assert (done.returncode, done.stderr) == (1, "")
    assert [" ".join(line.split()) for line in done.stdout.splitlines()] == [
        "orders: fix beside what is live: 2 offsets differ",
        "offsets in the run there",
        "7 landed landed same value",
        "1 landed landed OTHER VALUE",
        "1 landed refused (invalid, /amount) OTHER OUTCOME",
        "1 refused (invalid, /amount) refused (invalid, /amount) same",
        "partition first next same other outcome other value not compared",
        "orders/0 1,000 1,010 8 1 1 0",
        "orders/0 offset 1005: landed in the run, landed there",
        'in the run {"n": 1}',
        'there {"place": "orders/0", "offset": 1005}',
        "orders/0 offset 1000: landed in the run, refused (invalid, /amount) there",
    ]


def test_as_json_it_says_the_same(pipeline: str) -> None:
    done = streamlake("replay", "diff", pipeline, "fix", "--json", "--examples", "1")
    assert (done.returncode, done.stderr) == (1, "")
    said = json.loads(done.stdout)
    assert (said["pipeline"], said["run"], said["against"]) == ("orders", "fix", "live")
    assert (said["same"], said["differences"]) == (False, 2)
    assert said["values"] == {"same": 7, "differ": 1, "not_compared": 0, "columns_apart": []}
    assert said["outcomes"][1] == {
        "here": {"fate": "landed", "reason": None, "field": None},
        "there": {"fate": "refused", "reason": "invalid", "field": "/amount"},
        "offsets": 1,
        "differs": True,
    }
    (partition,) = said["partitions"]
    assert (partition["first"], partition["next"], partition["same"]) == (1000, 1010, 8)
    assert [example["offset"] for example in said["examples"]] == [1005]


def test_every_difference_goes_into_a_file(pipeline: str, tmp_path: Path) -> None:
    file = tmp_path / "differences.parquet"
    done = streamlake("replay", "diff", pipeline, "fix", "--parquet", str(file), "--examples", "0")
    assert done.stdout.splitlines()[-1] == f"2 differences in {file}"
    table = pq.read_table(file)
    assert table.schema.equals(DIFFERENCES)
    rows = {row["offset"]: row for row in table.to_pylist()}
    assert (rows[1000]["there"], rows[1000]["there_field"], rows[1000]["here_value"]) == ("refused", "/amount", None)
    assert (rows[1005]["here_value"], rows[1005]["there"]) == (b'{"n": 1}', "landed")
    again = streamlake("replay", "diff", pipeline, "fix", "--parquet", str(file))
    assert (again.returncode, again.stdout) == (2, "")
    assert f"--parquet {file}: File exists: it has to be a new file in a folder that is there" in again.stderr
    assert pq.read_table(file).num_rows == 2


def test_a_comparison_that_fails_leaves_no_file(pipeline: str, lake: Lake, tmp_path: Path) -> None:
    lake.files()[0].unlink()
    file = tmp_path / "differences.parquet"
    done = streamlake("replay", "diff", pipeline, "fix", "--parquet", str(file))
    assert done.returncode == 1
    assert "raw/orders/" in done.stderr
    assert not file.exists()


def test_a_run_that_is_the_same_ends_with_0(pipeline: str, tmp_path: Path) -> None:
    again = Lake.make(
        tmp_path / "lake", run="again", starts={ORDERS: 1000}, ends={ORDERS: 1010}, output="replays/again"
    )
    again.claim(ORDERS).land(10, refused=[0, 1])
    done = streamlake("replay", "diff", pipeline, "again")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "orders: again beside what is live: nothing differs"
    other = streamlake("replay", "diff", pipeline, "again", "--against", "fix")
    assert other.stdout.splitlines()[0] == "orders: again beside fix: 2 offsets differ"


def test_a_run_that_is_not_there_is_wrong_usage(pipeline: str) -> None:
    done = streamlake("replay", "diff", pipeline, "nix")
    assert done.returncode == 2
    assert "RUN nix: there is no such run here; known are live-1, fix" in done.stderr
