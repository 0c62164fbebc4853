"""A bounded slice of `make torture PART=edge`, and a broken edge, in which the same has to find what is lost."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support.processes import end_within
from torture.edge.mutants import EDGE_MUTANTS

RUN = Path(__file__).parents[1] / "run.py"
SEED = 3
SECONDS_MAX = 900.0
"""Many times what it takes, for all that may wait in it has a limit of its own, and says what it waited for."""


def tortured(tmp_path: Path, seconds: float, *arguments: str, spare: Sequence[str]) -> tuple[int, str]:
    """Exit code, and what was said."""
    command = [sys.executable, str(RUN), "--part", "edge", "--seed", str(SEED), "--minutes", str(seconds / 60)]
    # Into a file, which nobody waits for who was left behind with an end of it, as one would for a pipe's end.
    said = tmp_path / "said.txt"
    with said.open("w") as out:
        run = subprocess.Popen([*command, *arguments, "--spare", *spare], stdout=out, stderr=subprocess.STDOUT)
        end_within(run, SECONDS_MAX)
    return run.returncode, said.read_text(errors="replace")


def test_each_mutant_of_the_edge_is_one_of_its_source_as_it_is() -> None:
    for mutant in EDGE_MUTANTS:
        compile(mutant.applied(), str(mutant.source()), "exec")


@pytest.mark.timeout(1200)
def test_a_third_of_a_minute_of_torture_loses_doubles_and_alters_nothing_and_leaves_nobody_unanswered(
    kafka_parts: None, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    # To start a broker again, and to wait out its time, takes longer than there is.
    spare = ["broker killed", "wires", "broker paused, worker told to end", "broker paused, edge told to end"]
    code, said = tortured(tmp_path, 20, spare=spare)
    assert code == 0, said[-6000:]
    last = next(line for line in reversed(said.splitlines()) if line.startswith(f"seed {SEED}: "))
    assert last.endswith("0 lost, 0 doubled, 0 altered, 0 unanswered")
    record_property("torture of the edge", last)


@pytest.mark.timeout(1200)
def test_an_edge_that_answers_before_the_delivery_report_is_seen_to_lose_records(
    kafka_parts: None, tmp_path: Path
) -> None:
    mutant = "answered before the delivery report"
    spare = ["told to end", "SIGHUP", "broker killed", "wires", "worker killed", "whole edge"]
    code, said = tortured(tmp_path, 60, "--mutant", mutant, spare=spare)
    assert code == 1, said[-6000:]
    lost = [line for line in said.splitlines() if line.startswith("lost: ") and "it is nowhere" in line]
    assert lost, said[-6000:]
