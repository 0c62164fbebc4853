"""SIGKILL of supervisors, of everything at once, and of workers again and again: it costs time and no record."""

import random
import signal
import threading
from functools import partial
from pathlib import Path

import psutil
import pytest
from support.engine import Engine, gone_within
from support.scene import MakeScene, Scene, orders
from support.waiting import wait_until

POISON = b'{"poison": true}'
GONE_SECONDS_MAX = 15.0
"""They die at once; but each needs a processor to, one after the other."""


@pytest.mark.parametrize("flaw", [None, "hang", "hang alone"])
def test_a_killed_supervisor_takes_its_whole_family_with_it(
    make_scene: MakeScene, tmp_path: Path, flaw: str | None
) -> None:
    notes = tmp_path / "notes"
    misbehaving = {"type": "misbehaving:Misbehaving", "how": flaw, "notes": str(notes)}
    scene = make_scene(partitions=2, validator=misbehaving if flaw else {"type": "json"})
    scene.produce(orders(120))
    with scene.engine() as engine:
        engine.wait_for("committed")
        wait_until(lambda: len(engine.workers()) == 2, "two workers")
        if flaw is not None:
            scene.produce([POISON])
            wait_until(notes.exists, "a worker inside the validator")
        family = [process for process in engine.family() if process.pid != engine.process.pid]
        assert len(family) >= 3, "two workers and the forkserver"
        engine.signal(signal.SIGKILL)
        assert gone_within(family, GONE_SECONDS_MAX) == []
    assert len(scene.entries("data")) >= 1


def test_a_stopped_worker_dies_with_its_supervisor_too(scene: Scene) -> None:
    scene.produce(orders(120))
    with scene.engine() as engine:
        engine.wait_for("committed")
        (worker,) = engine.workers()
        worker.suspend()
        family = [process for process in engine.family() if process.pid != engine.process.pid]
        engine.signal(signal.SIGKILL)
        assert gone_within(family, GONE_SECONDS_MAX) == []


def test_an_engine_killed_as_a_whole_again_and_again_goes_on_where_its_ledger_ends(make_scene: MakeScene) -> None:
    scene = make_scene(batch__rows_max=20)
    lucky = random.Random(4)
    for _ in range(2):
        scene.produce(orders(200, first=len(scene.produced.get(0, []))))
        commits = lucky.randint(1, 4)
        with scene.engine() as engine:
            engine.wait_for("committed", count=commits)
            engine.kill_everything()
            assert engine.family() == []
    scene.run()
    assert len(scene.entries("claim")) == 3
    scene.check()


def test_a_forkserver_that_is_killed_takes_its_workers_and_nothing_else(make_scene: MakeScene) -> None:
    scene = make_scene(partitions=2)
    with scene.engine() as engine:
        for turn in range(3):
            for partition in range(2):
                scene.produce(orders(100, first=100 * turn), partition)
            wait_until(lambda turn=turn: scene.landed() == 200 * (turn + 1), engine.log)  # type: ignore[misc]
            # Everything but the supervisor, the resource tracker and the forkserver among them.
            for process in engine.family():
                if process.pid != engine.process.pid:
                    process.kill()
        engine.stop()
    scene.run()  # what the last ones had committed and not sent
    scene.check()


def test_a_worker_killed_from_outside_however_often_never_costs_an_innocent_record(make_scene: MakeScene) -> None:
    scene = make_scene(batch__rows_max=10_000, batch__seconds_max=5.0)
    scene.produce(orders(100))
    lucky = random.Random(11)
    with scene.engine() as engine:
        for death in range(1, 7):
            wait_until(partial(_claimed, scene, death), engine.log)
            # The first three die before their batch is full, so that the next ones are suspicious of its records.
            threading.Event().wait(0.2 if death <= 3 else lucky.uniform(0.2, 6.0))
            _kill_a_worker(engine)
            engine.wait_for("worker ended", count=death)
            scene.produce(orders(20, first=len(scene.produced[0])))
        assert len(engine.events("worker ended", exit="killed")) == 6
        wait_until(lambda: scene.landed() == len(scene.produced[0]), engine.log)
        engine.stop()
    assert [entry["kind"] for entry in scene.entries()][:4] == ["claim"] * 4
    account = scene.check()
    assert "crash" not in {row["reason"] for row in account.dead.values()}


def _claimed(scene: Scene, times: int) -> bool:
    return len(scene.entries("claim")) == times


def _kill_a_worker(engine: Engine) -> None:
    """The eldest: a younger one may be a disposable child of it."""
    min(engine.workers(), key=psutil.Process.create_time).kill()
