"""A proof of a root in which operators take replays away and move files at the same moment."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.generations import change, promoted, replayed, reset_to
from support.lake import Lake
from support.proofs import ORDERS_0, SUBJECT

from streamlake.engine.operations.proof_types import Findings
from streamlake.engine.operations.prove import LOOKS, prove
from streamlake.engine.operations.replay_delete import delete_replay


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three entries of ten offsets each, and a replay of the second one."""
    lake = Lake.make(tmp_path, starts={ORDERS_0: 0})
    landing = lake.claim(ORDERS_0)
    for _ in range(3):
        landing.land(10)
    replayed(lake)
    return lake


def deleted(lake: Lake) -> None:
    delete_replay(lake.sink, "fixed")


def made_live(lake: Lake) -> None:
    promoted(lake, Lake.open(lake.root, "fixed"))
    change(lake)


def set_back(lake: Lake) -> None:
    reset_to(lake, 10)
    change(lake)


@pytest.mark.parametrize("operation", [deleted, made_live, set_back])
def test_what_an_operator_changes_under_a_proof_is_no_defect(lake: Lake, operation: Callable[[Lake], None]) -> None:
    """He does it after the first entry was proven, so that what follows is not where it was when the runs were read."""
    done: list[Findings] = []

    def meanwhile(findings: Findings) -> None:
        if not done:
            operation(lake)
        done.append(findings)

    proof = prove(lake.ledger(), SUBJECT, progress=meanwhile)
    assert (proof.defects, proof.notes) == ([], [])


def test_a_run_that_is_taken_away_while_it_is_proven_is_not_proven(lake: Lake) -> None:
    proof = prove(lake.ledger(), run="fixed", progress=lambda _: deleted(lake))
    assert [defect.message for defect in proof.defects] == [
        "the run fixed was deleted meanwhile: nothing of it is there to be proven"
    ]


def test_what_is_gone_is_told_though_the_runs_are_others_each_time(lake: Lake) -> None:
    lake.files()[0].unlink()
    begun: list[str] = []

    def meanwhile(_findings: Findings) -> None:
        begun.append(f"more-{len(begun)}")
        replayed(lake, run=begun[-1])

    proof = prove(lake.ledger(), SUBJECT, progress=meanwhile)
    assert [defect.kind for defect in proof.defects] == ["missing"]
    assert len(begun) > LOOKS
