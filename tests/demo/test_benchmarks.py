"""The benchmarks: the meter loses nobody's CPU, and all measurements run, in small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.shared import SharedKafka

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"

BURNS = """\
import os, time
if os.fork() == 0:
    if os.fork() == 0:  # nobody's child as soon as its parent has ended
        while time.process_time() < 0.5:
            pass
    os._exit(0)
os.wait()
"""


def test_the_meter_counts_a_process_that_outlived_its_parents() -> None:
    command = [sys.executable, str(BENCHMARKS / "metered.py"), sys.executable, "-c", BURNS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert 0.5 <= json.loads(done.stdout)["cpu"] < 5


def test_the_meter_ends_with_the_exit_code_of_the_command() -> None:
    command = [sys.executable, str(BENCHMARKS / "metered.py"), sys.executable, "-c", "raise SystemExit(7)"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, json.loads(done.stdout)["code"]) == (7, 7)


FIGURES = [("landing", 18), ("sizes", 4), ("trickle", 3), ("idle", 3), ("startup", 2), ("proof", 1)]


@pytest.mark.parametrize(("what", "figures"), FIGURES, ids=str)
def test_every_measurement_gives_its_figures(kafka: SharedKafka, what: str, figures: int) -> None:
    small = ["--records", "3000", "--repeats", "1", "--idle-partitions", "2", "--seconds", "2"]
    command = [sys.executable, str(BENCHMARKS / "run.py"), *small, "--only", what, "--json"]
    environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["figures"]) == figures
    # A worker that lands this few may be gone before its memory is looked at.
    sure = [figure for figure in found["figures"] if (what, figure["unit"]) != ("landing", "MiB")]
    assert all(figure["value"] > 0 for figure in sure), sure
    assert {"cpu", "cores", "librdkafka"} <= set(found["machine"])


def test_the_lag_beside_a_backfill_is_measured(kafka: SharedKafka, tmp_path: Path) -> None:
    small = ["--seconds", "2", "--load", "200", "--rate", "500", "--records", "20000"]
    command = [sys.executable, str(BENCHMARKS / "beside.py"), *small, "--json", str(tmp_path / "found")]
    environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    figures = json.loads((tmp_path / "found").read_text())["figures"]
    assert len(figures) == 4, done.stderr
    assert all(figure["value"] > 0 for figure in figures)
    assert done.returncode == (0 if all(figure["met"] is not False for figure in figures) else 1)


def test_the_edges_benchmark_measures_and_finds_every_acknowledged_record(kafka: SharedKafka, tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "edge" / "run.py"), "--quick", "--json", str(tmp_path / "found.json")]
    command += ["--chart", str(tmp_path)]
    environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    ours, gthread = found["contenders"]
    for one in (ours, gthread):
        assert (one["unavailable"], one["stored"], one["other_answers"]) == ("", "each", 0)
        assert one["acknowledged"] == one["in_topic"] > 1_000
        assert all(min(work["records_a_second"]) > 0 for work in one["works"].values())
    assert all(figure["value"] > 0 for figure in found["figures"] if "grown" not in figure["name"])
    assert found["memory"][-1]["records"] >= 2_000
    assert [sum(spread) for spread in found["connections_of_workers"]] == [16]
    assert len(list(tmp_path.glob("edge-*.svg"))) == 6
