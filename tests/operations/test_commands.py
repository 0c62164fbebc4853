"""`prove`, `dead` and `status` as a user calls them: what they print, and how they end."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.engine import AWAY, STREAMLAKE, streamlake
from support.lake import Lake
from support.proofs import ORDERS_0, ORDERS_1, final
from support.tamper import forge_rows

TERMINAL = b'\x1b]0;owned\x07{"amount": -1}'


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """orders/0: [0, 40), 12 refused and 35 with bytes that a terminal would obey; orders/1: [100, 110)."""
    lake = Lake.make(tmp_path / "lake", starts={ORDERS_1: 100}, topic_ids={"orders": "id"})
    landing = lake.claim(ORDERS_0, payload="bytes")
    landing.land(30, refused=[12], skipped=[3], holes=[29])
    landing.land(10, refused=[5], reason="malformed", field=None, value=lambda _: TERMINAL)
    lake.claim(ORDERS_1).land(10)
    return lake


def test_prove_ends_with_0_and_one_line_of_totals(pipeline: str) -> None:
    done = streamlake("prove", pipeline)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith(
        "orders: proven: 50 offsets = 46 rows + 2 dead letters + 1 skipped + 1 hole + 0 given up, in 5 files"
    )


def test_prove_names_what_is_wrong_and_where_and_ends_with_1(lake: Lake, pipeline: str) -> None:
    gone, stray = lake.files("raw")[0], lake.root / "raw/orders/copy.parquet"
    shutil.copy(lake.files("raw")[1], stray)
    gone.unlink()
    done = streamlake("prove", pipeline)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"missing     orders/0 [0, 30) {final(lake, gone)}: ")
    assert lines[1].startswith(f"stray       {final(lake, stray)}: ")
    assert lines[-3:-1] == [
        "       1 missing: a committed file is gone",
        "       1 stray: a file that no ledger entry names: readers see its rows, nobody committed them",
    ]
    assert lines[-1].startswith("orders: NOT proven: ")
    done = streamlake("prove", pipeline, "--limit", "1")
    assert "… and 1 more (--limit)" in done.stdout


def test_prove_says_the_same_to_a_program(lake: Lake, pipeline: str) -> None:
    lake.files("raw")[0].unlink()
    done = streamlake("prove", pipeline, "--json", "--quick", "--since", "1h")
    document = json.loads(done.stdout)
    assert (done.returncode, document["holds"], document["quick"]) == (1, False, True)
    assert document["counts"] == {"missing": 1}
    (defect,) = document["defects"]
    assert (defect["topic"], defect["partition"], defect["first"], defect["next"]) == ("orders", 0, 0, 30)
    assert document["totals"]["offsets"] == 50


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prove", "--quick", "--kafka"], "choose one"),
        (["prove", "--since", "yesterday"], "neither a timestamp"),
        (["prove", "--since", "2026-01-01T00:00:00"], "has no zone"),
        (["prove", "--since", "2099-01-01T00:00:00Z"], "lies in the future (now is "),
        (["dead", "show", "orders/12"], "TOPIC/PARTITION/OFFSET"),
        (["dead", "list", "--offset", "9:3"], "FIRST:NEXT"),
    ],
)
def test_a_call_that_means_nothing_ends_with_2_and_says_why(pipeline: str, arguments: list[str], said: str) -> None:
    command = [word for word in arguments if word in ("prove", "dead", "show", "list")]
    done = streamlake(*command, pipeline, *arguments[len(command) :])
    assert done.returncode == 2
    assert said in done.stderr


def test_prove_with_kafka_says_that_the_broker_is_away_instead_of_proving_less(pipeline: str) -> None:
    done = streamlake("prove", pipeline, "--kafka")
    assert done.returncode not in (0, 2)
    assert AWAY in done.stderr


def test_dead_letters_are_listed_with_reason_and_place(pipeline: str) -> None:
    done = streamlake("dead", "list", pipeline)
    assert done.returncode == 0
    header, first, second = done.stdout.splitlines()
    assert header.split() == ["refused", "at", "place", "reason", "field", "message"]
    assert first.split()[1:] == ["orders/0/12", "invalid", "/amount", "must", "not", "be", "negative"]
    assert second.split()[1:4] == ["orders/0/35", "malformed", "-"]
    assert done.stderr == "2 dead letters\n"
    done = streamlake("dead", "list", pipeline, "--limit", "1", "--since", "1h")
    assert done.stderr == "1 dead letter, and there are more (--limit)\n"
    done = streamlake("dead", "list", pipeline, "--reason", "malformed", "--offset", "30:40", "--json")
    (document,) = map(json.loads, done.stdout.splitlines())
    assert (document["offset"], document["value"]["text"].encode()) == (35, TERMINAL)
    assert "\x1b" not in done.stdout


def test_a_dead_letter_is_shown_without_letting_it_talk_to_the_terminal(pipeline: str) -> None:
    done = streamlake("dead", "show", pipeline, "orders/0/35")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "00000000  1b 5d 30 3b 6f 77 6e 65" in done.stdout
    done = streamlake("dead", "show", pipeline, "orders/0/12")
    assert done.stdout.splitlines()[-1] == '{"place": "orders/0", "offset": 12}'


def test_raw_writes_the_original_bytes_and_nothing_else(pipeline: str) -> None:
    command = [STREAMLAKE, "dead", "show", pipeline, "orders/0/35", "--raw"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (TERMINAL, b"")


@pytest.mark.parametrize(
    ("place", "said"), [("orders/0/3", "was skipped by policy"), ("orders/0/4", "landed"), ("orders/7/0", "no run has")]
)
def test_what_is_no_dead_letter_is_said_to_be_what_it_is(pipeline: str, place: str, said: str) -> None:
    done = streamlake("dead", "show", pipeline, place)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_a_dead_letter_file_that_was_cut_is_said_in_a_sentence(lake: Lake, pipeline: str) -> None:
    path = lake.files("dead")[0]
    forge_rows(lake, ORDERS_0, path, lambda table: table.drop_columns(["reason"]))
    done = streamlake("dead", "list", pipeline)
    assert done.returncode != 0
    assert final(lake, path) in done.stderr


def test_status_tells_the_ledgers_part_while_the_broker_is_away(pipeline: str) -> None:
    done = streamlake("status", pipeline)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "orders: metrics.listen is not set, so no engine can be asked"
    assert lines[1] == "orders live-1: 2 stopped"
    assert lines[3].split()[:6] == ["partition", "state", "next", "end", "lag", "behind"]
    rows = [line.split() for line in lines[4:6]]
    assert [row[:7] for row in rows] == [
        ["orders/0", "stopped", "40", "?", "?", "?", "?"],
        ["orders/1", "stopped", "110", *"????"],
    ]
    assert [row[-3:] for row in rows] == [["36", "2", "1"], ["10", "0", "0"]], "landed, refused, skipped"
    assert "end and lag are not known" in lines[6]
    assert AWAY in lines[6]
