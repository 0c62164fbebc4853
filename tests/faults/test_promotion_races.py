"""Two who want something of the same replay at the same moment: one of them gets it, and what readers see is whole."""

import signal
from pathlib import Path

import pytest
from support.account import Account
from support.engine import Engine, proof, streamlake
from support.scene import Scene, orders
from support.waiting import wait_until


def replayed(scene: Scene) -> None:
    scene.produce(orders(250))
    scene.run()
    done = streamlake("replay", "run", str(scene.pipeline), "--from", "100", "--to", "250", "--name", "fixed")
    assert done.returncode == 0, done.stderr


def beside(scene: Scene, verb: str, step: str, stops: Path, other: str) -> tuple[int, int]:
    """`verb` stands still at `step` until `other` is done; the exit codes of both."""
    env = {"STREAMLAKE_FAILPOINT": f"{step}=STOP:1:{stops}"}
    with Engine(scene.pipeline, "fixed", "--yes", verb=f"replay {verb}", env=env) as first:
        wait_until(stops.exists, first.log)
        second = streamlake("replay", other, str(scene.pipeline), "fixed", "--yes")
        first.signal_everything(signal.SIGCONT)
        return first.wait(), second.returncode


def check(scene: Scene, *, fixed: bool) -> None:
    """What readers see is whole; `fixed`: a part of it is the replay's."""
    account = Account.of(scene.lake, scene.topic, runs="live-*")
    account.check(scene.produced)
    assert proof(scene.pipeline, "--kafka")["holds"]
    assert any(".fixed." in file.name for file in (scene.lake / "raw").rglob("*.jsonl")) == fixed


@pytest.mark.parametrize("step", ["before_fate", "after_fate", "before_final_close", "before_forget"])
def test_a_deletion_that_slept_through_a_promotion(scene: Scene, tmp_path: Path, step: str) -> None:
    replayed(scene)
    deleted, promoted = beside(scene, "delete", step, tmp_path / "stops", "promote")
    assert (deleted, promoted) in {(0, 2), (2, 0)}
    check(scene, fixed=promoted == 0)


@pytest.mark.parametrize("step", ["before_fate", "after_fate", "before_generation", "after_generation"])
def test_a_promotion_that_slept_through_a_deletion(scene: Scene, tmp_path: Path, step: str) -> None:
    replayed(scene)
    promoted, deleted = beside(scene, "promote", step, tmp_path / "stops", "delete")
    assert (deleted, promoted) in {(0, 2), (2, 0)}
    check(scene, fixed=promoted == 0)
