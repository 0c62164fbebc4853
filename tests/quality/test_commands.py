"""`streamlake quality run`: exit codes, what it prints and writes, and that no error is a traceback."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from xml.etree import ElementTree as ET

import duckdb
import pyarrow.parquet as pq
import pytest
from quality.conftest import Checked, make
from support.engine import STREAMLAKE, assert_speaks_plainly

from streamlake.engine.cli.main import run
from streamlake.engine.failpoints import OPERATIONS
from streamlake.engine.operations.quality_keep import SCHEMA
from streamlake.plugins.sinks.file.reader import FileLedger
from streamlake.plugins.sinks.file.sink import FileSink

Said = Callable[..., tuple[int, str, str]]

BAD = {"type": "not_null", "column": "amount"}
GOOD = {"type": "not_null", "column": "id"}


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs the command; exit code, standard output and standard error."""

    def command(pipeline: Path, *arguments: str) -> tuple[int, str, str]:
        code = run(["quality", "run", str(pipeline), *arguments])
        out, err = capsys.readouterr()
        assert_speaks_plainly(out + err)
        return code, out, err

    return command


def kept(checked: Checked) -> list[Path]:
    """The results that were kept, the oldest first."""
    return sorted(
        (checked.path.parent / "lake" / "quality").rglob("*.parquet"), key=lambda path: path.stat().st_mtime_ns
    )


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ([GOOD], 0),
        ([GOOD, BAD], 1),
        ([GOOD, {**BAD, "severity": "warn"}], 0),
        ([{"type": "matches_regex", "column": "nowhere", "regex": "x"}], 0),
        ([{"type": "sql", "name": "own", "query": "SELECT nothing FROM rows", "severity": "warn"}], 1),
    ],
    ids=["pass", "fail", "warn", "no rows", "error"],
)
def test_the_exit_code_is_1_where_an_error_fails_or_a_check_can_not_be_made(
    orders: Checked, said: Said, checks: list[dict[str, Any]], code: int
) -> None:
    assert said(orders.with_checks(*checks))[0] == code


def test_a_person_reads_a_table_examples_and_a_verdict(orders: Checked, said: Said) -> None:
    code, out, _ = said(orders.with_checks(GOOD, {**BAD, "severity": "warn"}))
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    assert lines[0] == "status severity check rows failures seconds"
    assert re.fullmatch(r"pass error not_null id 6 0 \d+\.\d{3}", lines[1])
    assert re.fullmatch(r"fail warn not_null amount 6 2 \d+\.\d{3}", lines[2])
    assert lines[3:6] == ["not_null amount:", "orders/0/2: null", "orders/1/1: null"]
    assert lines[6].startswith(f"kept in {orders.path.parent}/lake/quality/orders/run_date=")
    assert lines[7].startswith("orders: quality holds: 1 pass, 1 fail; all that landed: 6 rows in 4 files; ")


def test_an_empty_range_is_said(orders: Checked, said: Said) -> None:
    code, out, _ = said(orders.with_checks(GOOD), "--until", "2020-01-01T00:00:00Z")
    assert code == 0
    assert "no rows  error" in out
    assert "no rows: orders has nothing that landed until 2020-01-01T00:00:00+00:00" in out
    assert "orders: quality holds: 1 no rows; landed until 2020-01-01T00:00:00+00:00: 0 rows in 0 files" in out


def test_an_hour_is_a_range_in_utc(orders: Checked, said: Said) -> None:
    path, now = orders.with_checks(GOOD), datetime.now(UTC)
    found = []
    for moment in (now, now - timedelta(hours=2)):
        _, out, _ = said(path, "--hour", f"{moment:%Y-%m-%dT%H}", "--json", "--no-keep")
        report = json.loads(out)
        found.append((report["since"], report["until"], report["rows"]))
    hour = now.replace(minute=0, second=0, microsecond=0)
    assert found[1] == ((hour - timedelta(hours=2)).isoformat(), (hour - timedelta(hours=1)).isoformat(), 0)
    # The orders landed a moment ago: in this hour, unless it has only just begun.
    assert (found[0][:2], found[0][2] > 0 or now - hour < timedelta(minutes=1)) == (
        (hour.isoformat(), (hour + timedelta(hours=1)).isoformat()),
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--hour", "2026-01-31"], "'2026-01-31' has no zone: write it, too, as in 2026-01-31T06:00:00Z"),
        (["--hour", "2026-01-31T06:30Z"], "is not where an hour begins in UTC: it lies in 2026-01-31T06"),
        (["--hour", "six"], "'six' is no hour: write it as in 2026-01-31T06, which is in UTC"),
        (["--hour", "2999-01-31T06"], "has not begun yet"),
        (["--hour", "2026-01-31T06", "--since", "2h"], "--hour is a range of its own: leave out --since and --until"),
        (["--since", "1h", "--until", "2h"], "does not lie behind --since"),
        (["--since", "2026-01-31T06:00:00"], "has no zone"),
        (["--check", "not_nul id"], "--check 'not_nul id': there is no such check; did you mean 'not_null id'?"),
        (["--junit", "nowhere/x.xml"], "--junit nowhere/x.xml: can't be written: No such file or directory"),
    ],
)
def test_wrong_usage_is_said(orders: Checked, said: Said, arguments: list[str], says: str) -> None:
    code, _, err = said(orders.with_checks(GOOD), "--no-keep", *arguments)
    assert code == 2
    assert says in err


def test_a_pipeline_without_checks_has_none_to_make(orders: Checked, said: Said) -> None:
    code, _, err = said(orders.path)
    assert code == 2
    assert "orders has no checks: the YAML needs a section `quality:` with `checks:`" in err


def test_checks_are_chosen_by_their_names(orders: Checked, said: Said) -> None:
    path = orders.with_checks(GOOD, {**BAD, "name": "amounts"})
    _, out, _ = said(path, "--check", "amounts", "--json")
    assert [result["name"] for result in json.loads(out)["results"]] == ["amounts"]


def test_programs_get_one_document(orders: Checked, said: Said) -> None:
    code, out, _ = said(orders.with_checks(GOOD, BAD), "--json")
    report = json.loads(out)
    (path,) = kept(orders)
    assert code == 1
    assert (report["pipeline"], report["holds"], report["rows"], report["files"]) == ("orders", False, 6, 4)
    assert (report["since"], report["until"], report["kept"]) == (None, None, str(path))
    seconds = [result.pop("seconds") for result in report["results"]]
    assert all(0 < one < 60 for one in seconds)
    assert report["results"][1] == {
        "name": "not_null amount",
        "type": "not_null",
        "severity": "error",
        "column": "amount",
        "topic": None,
        "status": "fail",
        "rows": 6,
        "failures": 2,
        "examples": [
            {"topic": "orders", "partition": 0, "offset": 2, "value": None},
            {"topic": "orders", "partition": 1, "offset": 1, "value": None},
        ],
        "message": "",
    }


def test_results_are_kept_as_parquet_run_by_run(orders: Checked, said: Said) -> None:
    path = orders.with_checks(GOOD, BAD)
    said(path, "--since", "2h")
    said(path)
    said(path, "--no-keep")
    first, second = (pq.read_table(one) for one in kept(orders))
    assert first.schema.remove_metadata() == SCHEMA
    assert first.column("status").to_pylist() == ["pass", "fail"]
    assert first.column("since")[0].as_py() is not None
    assert second.column("since")[0].as_py() is None
    assert second.to_pylist()[1]["examples"][0] == {
        "topic": "orders",
        "partition": 0,
        "offset": 2,
        "value": None,
    }
    assert set(first.column("quality_run").to_pylist()).isdisjoint(second.column("quality_run").to_pylist())
    assert run(["prove", str(path)]) == 0, "results are nothing astray"


def test_junit_tells_failures_errors_and_what_was_not_looked_at(orders: Checked, said: Said, tmp_path: Path) -> None:
    path = orders.with_checks(
        GOOD,
        BAD,
        {"type": "matches_regex", "column": "status", "regex": "paid", "severity": "warn"},
        {"type": "matches_regex", "column": "nowhere", "regex": "x"},
        {"type": "sql", "name": "own", "query": "SELECT nothing FROM rows"},
    )
    code, _, _ = said(path, "--junit", str(tmp_path / "quality.xml"))
    suite = ET.parse(tmp_path / "quality.xml").getroot()[0]
    assert code == 1
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "5", "failures": "1", "errors": "1", "skipped": "1"}
    outcomes = [(case.get("classname"), [child.tag for child in case]) for case in suite]
    assert outcomes == [
        ("orders.not_null", []),
        ("orders.not_null", ["failure"]),
        ("orders.matches_regex", ["system-out"]),
        ("orders.matches_regex", ["skipped"]),
        ("orders.sql", ["error"]),
    ]
    assert suite[1][0].text == "2 of 6 rows\norders/0/2: null\norders/1/1: null"


def test_junit_is_xml_whatever_payloads_hold(tmp_path: Path, said: Said) -> None:
    lake = make(tmp_path, "parquet", "envelope", validator={"type": "json"})
    lake.land(b'{"id": "\\u0000\\u0008<&>\\ufffe"}')
    said(
        lake.with_checks({"type": "accepted_values", "column": "id", "values": ["x"]}),
        "--junit",
        str(tmp_path / "x.xml"),
    )
    (failure,) = ET.parse(tmp_path / "x.xml").getroot().iter("failure")
    assert "orders/0/0: \ufffd\ufffd<&>\ufffd" in (failure.text or "")


def test_a_damaged_file_is_named(orders: Checked, said: Said, tmp_path: Path) -> None:
    damaged = min((tmp_path / "lake" / "raw").rglob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-20])
    code, _, err = said(orders.with_checks(GOOD))
    assert code == 1
    assert f"{damaged.relative_to(tmp_path / 'lake')} can't be read as Parquet" in err


def test_a_root_that_is_not_there_has_no_rows(tmp_path: Path, said: Said) -> None:
    code, out, _ = said(make(tmp_path, "parquet", "envelope").with_checks(GOOD), "--no-keep")
    assert (code, "no rows: orders has nothing that landed at all" in out) == (0, True)
    assert not (tmp_path / "lake").exists()


def test_without_duckdb_it_says_what_to_install(orders: Checked, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    code, _, err = said(orders.with_checks(GOOD))
    assert code == 78
    assert (
        err
        == "quality: the package duckdb, which makes the checks, is not installed; pip install 'streamlake[quality]' "
        "[SL0101]\n"
    )
    code, _, _ = said(orders.with_checks({"type": "row_count", "min_value": 1}))
    assert code == 0, "what the ledger answers needs none"


def test_a_full_disk_is_a_sentence(orders: Checked, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise duckdb.IOException("could not write block: No space left on device")

    monkeypatch.setattr(duckdb, "connect", lambda *_, **__: _Full(full))
    code, _, err = said(orders.with_checks(GOOD))
    assert code == 1
    assert err == (
        "DuckDB: could not write block: No space left on device; give it room (TMPDIR), or check a shorter range "
        "[SL0205]\n"
    )


class _Full:
    """A connection whose disk is full."""

    def __init__(self, execute: Callable[..., None]) -> None:
        self.execute = execute

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_a_ledger_that_gives_no_rows_is_said(orders: Checked, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = FileSink.ledger
    monkeypatch.setattr(FileSink, "ledger", lambda sink: _Rowless(whole(sink)))
    code, _, err = said(orders.with_checks(GOOD))
    assert code == 78
    assert "a sink whose ledger has no `batches` (_Rowless) can't be checked row by row" in err


class _Rowless:
    """A ledger without what is optional."""

    def __init__(self, ledger: FileLedger) -> None:
        self.runs, self.partitions, self.head, self.entries = (
            ledger.runs,
            ledger.partitions,
            ledger.head,
            ledger.entries,
        )


@pytest.mark.parametrize("point", [point for point in OPERATIONS if point.endswith("_keep")])
def test_a_run_that_is_killed_has_kept_all_or_nothing_and_is_made_again(
    orders: Checked, tmp_path: Path, point: str
) -> None:
    command = [STREAMLAKE, "quality", "run", str(orders.with_checks(GOOD, BAD))]
    env = {**os.environ, "STREAMLAKE_FAILPOINT": f"{point}:1:{tmp_path / 'deaths'}"}
    died = subprocess.run(command, env=env, capture_output=True, check=False, timeout=60)
    assert died.returncode == -9
    assert [pq.read_table(one).num_rows for one in kept(orders)] == ([2] if point == "after_keep" else [])
    again = subprocess.run(command, env=env, capture_output=True, check=False, timeout=60)
    assert again.returncode == 1
    assert [pq.read_table(one).num_rows for one in kept(orders)][-1:] == [2]
    assert [path for path in (tmp_path / "lake" / "_stage").rglob("*") if path.is_file()] == []
