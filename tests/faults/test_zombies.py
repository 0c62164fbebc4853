"""Workers that were away while others took over: they find that their slot is taken, and nothing of theirs counts."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.engine import Engine, gone_within
from support.scene import MakeScene, Scene, orders, speaking
from support.waiting import wait_until


@pytest.mark.parametrize(
    ("point", "protocol"),
    [("before_commit+1", "classic"), ("before_entry_link+2", "consumer"), ("after_stage_write+2", "classic")],
)
def test_a_host_that_was_frozen_past_its_session_is_fenced_and_doubles_nothing(
    make_scene: MakeScene, tmp_path: Path, point: str, protocol: str
) -> None:
    scene = make_scene(**speaking(protocol))
    scene.produce(orders(250))
    with _frozen(scene, point, tmp_path / "freezes") as frozen, scene.engine() as second:
        zombie = frozen.workers()[0]
        wait_until(lambda: scene.landed() == 250, second.log)
        taken_over = scene.entries()

        # The worker first, so that it meets its ledger before its supervisor meets the group.
        for process in frozen.family():
            if process.pid != frozen.process.pid:
                process.resume()
        assert gone_within([zombie], 10) == []
        frozen.signal(signal.SIGCONT)
        ended = frozen.wait_for("worker ended")
        assert ended["exit"] == "fenced", ended
        assert "another writer has taken ledger entry" in ended["why"], ended
        assert scene.entries() == taken_over, "nothing of the zombie's was committed"

        _settles(scene, frozen, second)
    scene.check()


@pytest.mark.parametrize("point", ["before_stage+1", "before_publish+1"])
def test_a_host_that_thaws_at_any_other_step_doubles_nothing_either(
    make_scene: MakeScene, tmp_path: Path, point: str
) -> None:
    scene = make_scene()
    scene.produce(orders(250))
    with _frozen(scene, point, tmp_path / "freezes") as frozen, scene.engine() as second:
        wait_until(lambda: scene.landed() == 250, second.log)
        frozen.signal_everything(signal.SIGCONT)
        assert frozen.wait_for("worker ended")["exit"] in {"fenced", "killed"}
        _settles(scene, frozen, second)
    scene.check()


@contextlib.contextmanager
def _frozen(scene: Scene, point: str, freezes: Path) -> Iterator[Engine]:
    """An engine whose worker stopped at `point`, and then all of it did."""
    with scene.engine(env={"STREAMLAKE_FAILPOINT": f"{point}=STOP:1:{freezes}"}) as engine:
        wait_until(freezes.exists, engine.log)
        (zombie,) = engine.workers()
        wait_until(lambda: zombie.status() == psutil.STATUS_STOPPED, "the worker stopped itself")
        engine.signal_everything(signal.SIGSTOP)
        yield engine


def _settles(scene: Scene, frozen: Engine, second: Engine) -> None:
    """The group goes on with the new owner, nobody claims again and again, and both engines leave in order."""
    frozen.wait_for("lost")
    scene.produce(orders(150, first=250))
    wait_until(lambda: scene.landed() == 400, lambda: second.log() + frozen.log())
    assert len(scene.entries("claim")) == 2
    frozen.stop()
    second.stop()


def test_a_stuck_worker_is_killed_and_its_successor_goes_on(make_scene: MakeScene) -> None:
    scene = make_scene(workers__stuck_seconds=6)
    scene.produce(orders(120))
    with scene.engine() as engine:
        engine.wait_for("committed")
        (stuck,) = engine.workers()
        stuck.suspend()
        scene.produce(orders(120, first=120))
        ended = engine.wait_for("worker ended")
        assert (ended["exit"], ended["why"]) == (
            "killed",
            "no sign of life for 6 s while reading (workers.stuck_seconds)",
        )
        wait_until(lambda: scene.landed() == 240, engine.log)
        engine.stop()
    scene.check()
