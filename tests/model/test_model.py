"""The real commit protocol in a modelled world: many seeds hold the promise, and every mutant of it breaks it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from model.mutants import MUTANTS, Mutant
from model.run import seeds_hold

SEEDS = 10_000
SEEDS_PER_TEST = 500
SEEDS_PER_MUTANT = 2_000

HAPPENED = (
    "change before",
    "change after",
    "change late",
    "change twice",
    "landed late",
    "power cut",
    "gap",
    "close",
    "folded",
    "put into a folded slot",
    "end FencedError",
    "end StorageError",
    "end OutcomeUnknownError",
    "end DeadLetterError",
)


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_whatever_happens_each_offset_lands_once(first: int) -> None:
    counts = seeds_hold(first, SEEDS_PER_TEST)
    assert [what for what in HAPPENED if not counts[what]] == [], "luck that never strikes shows nothing"
    assert counts["data"] > SEEDS_PER_TEST


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_of_the_protocol_is_caught(mutant: Mutant) -> None:
    mutant.applied()  # its text must still be there, once
    command = [sys.executable, str(Path(__file__).with_name("run.py")), "--mutant", mutant.name]
    done = subprocess.run([*command, "--seeds", str(SEEDS_PER_MUTANT)], capture_output=True, text=True, check=False)
    assert re.match(r"seed \d+: \w+: .+\nreplay: python tests/model/run.py ", done.stdout), done.stdout + done.stderr
    assert done.returncode == 1
