"""A bounded slice of `make torture PART=operations`, and a broken change of generations, which the same has to see."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support.processes import end_within
from torture.operations.mutants import OPERATIONS_MUTANTS

RUN = Path(__file__).parents[1] / "run.py"
SEED = 3
SECONDS_MAX = 1500.0
"""Many times what it takes, for all that may wait in it has a limit of its own, and says what it waited for."""


def tortured(tmp_path: Path, seconds: float, *arguments: str, spare: Sequence[str]) -> tuple[int, str]:
    """Exit code, and what was said."""
    command = [sys.executable, str(RUN), "--part", "operations", "--seed", str(SEED), "--minutes", str(seconds / 60)]
    # Into a file, which nobody waits for who was left behind with an end of it, as one would for a pipe's end.
    said = tmp_path / "said.txt"
    with said.open("w") as out:
        run = subprocess.Popen([*command, *arguments, "--spare", *spare], stdout=out, stderr=subprocess.STDOUT)
        end_within(run, SECONDS_MAX)
    return run.returncode, said.read_text(errors="replace")


def test_each_mutant_of_operations_is_one_of_its_source_as_it_is() -> None:
    for mutant in OPERATIONS_MUTANTS:
        compile(mutant.applied(), str(mutant.source()), "exec")


@pytest.mark.timeout(1800)
def test_two_minutes_of_tortured_operations_lose_double_and_alter_nothing(
    kafka_parts: None, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    # To start a broker again, and to wait out its time or a frozen host's, takes longer than there is.
    # A reset needs a group that is empty, and members that were killed stay in it for their session.
    spare = ["broker", "wires", "frozen", "disk", "fsync", "answers", "twice", "reset"]
    code, said = tortured(tmp_path, 120, spare=spare)
    assert code == 0, said[-6000:]
    last = next(line for line in reversed(said.splitlines()) if line.startswith(f"seed {SEED}: "))
    assert last.endswith("0 lost, 0 doubled, 0 altered")
    record_property("torture of operations", last)


@pytest.mark.timeout(1800)
def test_a_replay_whose_files_come_before_the_others_leave_is_seen_twice(kafka_parts: None, tmp_path: Path) -> None:
    mutant = "the replay's files move in before the superseded ones move out"
    spare = ["supervisor", "host", "paused", "SIGHUP", "broker", "wires", "disk", "fsync", "answers", "lake"]
    spare += ["twice", "at once", "reset", "backfill", "redrive", "complete", "delete", "gc", "name"]
    code, said = tortured(tmp_path, 900, "--mutant", mutant, "--until-fault", spare=spare)
    assert code == 1, said[-6000:]
    assert "doubled: at one moment both" in said, said[-6000:]
