"""A slice of `make faults`, by chance, and what its own parts rest on."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from storage.cells import Cell, cells
from storage.run import missed, run
from storage.steps import STEPS

CELLS = 60


@pytest.fixture(scope="module")
def possible() -> list[Cell]:
    return [cell for cell in cells() if not cell.cannot]


def test_a_slice_by_chance_loses_nothing_and_doubles_nothing(
    possible: list[Cell], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    seed = random.randrange(10**6)
    chosen = random.Random(seed).sample(possible, CELLS)
    found = run(chosen, tmp_path)
    failed = [f"{cell.words}: {outcome.words}" for cell, outcome in found if outcome.faults]
    assert not failed, f"seed {seed}: " + "\n".join(failed)
    assert missed(found) == [], f"seed {seed}"
    record_property("faults", f"{CELLS} of {len(possible)} cells by chance of seed {seed}, nothing lost or doubled")


def test_every_step_and_every_fault_has_cells(possible: list[Cell]) -> None:
    steps = Counter((cell.backend, cell.step.name) for cell in possible)
    assert {name for backend, name in steps if backend == "gs"} == {step.name for step in STEPS if step.method}
    assert {name for backend, name in steps if backend == "file"} == {step.name for step in STEPS if step.call}
    assert min(steps.values()) >= 30


def test_a_cell_that_cannot_be_says_why() -> None:
    assert all(len(cell.cannot) > 10 for cell in cells() if cell.cannot)
