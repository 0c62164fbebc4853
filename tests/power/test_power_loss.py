"""The power of a disk goes at any call: nothing that was told is lost, and without any one sync something is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from model.mutants import Mutant
from power.run import MUTANTS

RUN = [sys.executable, str(Path(__file__).with_name("run.py"))]
SEEDS = 300
SEEDS_PER_MUTANT = 1_000


def test_whatever_a_power_cut_leaves_nothing_that_was_told_is_lost() -> None:
    done = subprocess.run([*RUN, "--seeds", str(SEEDS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    killed, cuts = (int(re.search(rf"(\d+) {what}", done.stdout)[1]) for what in ("killed", "power cuts"))  # type: ignore[index]
    assert killed > SEEDS
    assert cuts > SEEDS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_without_any_one_sync_something_is_lost(mutant: Mutant) -> None:
    mutant.applied()
    command = [*RUN, "--mutant", mutant.name, "--seeds", str(SEEDS_PER_MUTANT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.match(r"seed \d+: .+\nreplay: python tests/power/run.py ", done.stdout), done.stdout + done.stderr
    assert done.returncode == 1
