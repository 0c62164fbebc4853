"""SIGKILL of `replay promote` at every step, and beside an engine that runs: readers see each record once, always."""

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.account import Account
from support.engine import proof, streamlake
from support.scene import Scene, orders
from support.waiting import wait_until

STEPS = (
    "before_fate",
    "after_fate",
    "before_generation",
    "before_entry_link",
    "after_entry_link",
    "after_generation",
    "after_claim",
    "before_final_close",
    "after_final_close",
    "before_move",
    "before_publish_unlink",
    "after_move",
)


def replay(scene: Scene) -> None:
    done = streamlake("replay", "run", str(scene.pipeline), "--from", "100", "--to", "250", "--name", "fixed")
    assert done.returncode == 0, done.stderr


def promote(scene: Scene, env: dict[str, str] | None = None) -> int:
    return streamlake("replay", "promote", str(scene.pipeline), "fixed", "--yes", env=env).returncode


def check(scene: Scene, runs: Sequence[str] = ("live-1", "fixed")) -> None:
    """Readers see each record once; what our proof says, by the topic, too."""
    account = Account.of(scene.lake, scene.topic, runs="[lf]i[vx]e*")
    skipped = {place for place in account.skipped if account.times[place]}
    for place in skipped:
        account.times[place] = 1  # the live ledger and the replay's both say it
    account.check(scene.produced)
    assert proof(scene.pipeline, "--kafka")["holds"]
    names = [path.name.split(".")[-2] for path in (scene.lake / "raw").rglob("*.jsonl")]
    assert set(runs) <= set(names)


@pytest.mark.parametrize("step", STEPS)
def test_a_promotion_that_was_killed_is_finished_by_the_same_command(scene: Scene, tmp_path: Path, step: str) -> None:
    scene.produce(orders(250))
    scene.run()
    replay(scene)
    env = {"STREAMLAKE_FAILPOINT": f"{step}:1:{tmp_path / 'deaths'}"}
    assert promote(scene, env) == -signal.SIGKILL
    assert proof(scene.pipeline)["holds"], "in the middle of it, too"
    assert promote(scene) == 0
    check(scene)
    scene.produce(orders(50, first=250))
    scene.run()
    check(scene, ("live-1", "fixed", "live-2"))


@pytest.mark.parametrize("step", ["after_generation", "after_final_close", "after_move"])
def test_a_promotion_that_was_killed_is_finished_by_a_run(scene: Scene, tmp_path: Path, step: str) -> None:
    scene.produce(orders(250))
    scene.run()
    replay(scene)
    assert promote(scene, {"STREAMLAKE_FAILPOINT": f"{step}:1:{tmp_path / 'deaths'}"}) == -signal.SIGKILL
    scene.produce(orders(50, first=250))
    scene.run()
    check(scene, ("live-1", "fixed", "live-2"))


def test_an_engine_that_runs_goes_on_as_the_new_generation(scene: Scene) -> None:
    scene.produce(orders(250))
    with scene.engine() as engine:
        engine.wait_for("committed", lambda line: line["next"] == 250)
        replay(scene)
        assert promote(scene) == 0
        scene.produce(orders(50, first=250))
        engine.wait_for("committed", lambda line: line["next"] == 300)
        assert engine.events("the live run was superseded, its new generation goes on here")
        engine.stop()
    check(scene, ("live-1", "fixed", "live-2"))


def test_a_worker_that_slept_through_a_promotion_lands_nothing(scene: Scene, tmp_path: Path) -> None:
    scene.produce(orders(250))
    scene.run()
    replay(scene)
    scene.produce(orders(50, first=250))
    stops = tmp_path / "stops"
    with scene.engine(env={"STREAMLAKE_FAILPOINT": f"before_commit=STOP:1:{stops}"}) as engine:
        engine.wait_for("assigned")
        wait_until(stops.exists, engine.log)
        assert promote(scene) == 0
        engine.signal_everything(signal.SIGCONT)
        engine.wait_for("committed", lambda line: line["next"] == 300)
        engine.stop()
    check(scene, ("live-1", "fixed", "live-2"))
