"""SIGHUP and the user's model: a good change is used, one that does not load is refused, and all goes on as before."""

import signal
from pathlib import Path

import pytest
from support.engine import Engine, proof
from support.scene import MakeScene, Scene
from support.systemd import Manager
from support.waiting import wait_until

REFUSED = "the YAML was not taken over, the old one stays"
TAKEN_OVER = "the YAML was taken over; each worker finishes its batch and starts again with it"

GOOD = """\
from pydantic import BaseModel


class Order(BaseModel):
    order: int
"""
STRICTER = f"{GOOD}    total: float\n"

BAD = {
    "no Python": (f"{GOOD}    total: = float\n", "reloaded_model.py, line 6): SyntaxError"),
    "an import that fails": (f"import currencies\n{GOOD}", "reloaded_model.py, line 1): ModuleNotFoundError"),
    "another name": (GOOD.replace("Order", "Purchase"), "has no `Order`"),
    "ends its process": ("import os\nos._exit(3)\n", "validator: to make it ended its process (exit code 3)"),
}
"""A module, and what is said of it."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The module of the scene's model, beside the YAML."""
    file = tmp_path / "reloaded_model.py"
    file.write_text(GOOD)
    return file


@pytest.fixture
def scene(make_scene: MakeScene, model: Path) -> Scene:
    """A scene with a model of its user's."""
    validator = {"type": "pydantic", "model": f"{model.stem}:Order"}
    return make_scene(partitions=2, python_path=["."], validator=validator)


def test_sighup_takes_a_good_change_of_the_model_over_and_refuses_a_bad_one_as_a_whole(
    scene: Scene, model: Path
) -> None:
    with scene.engine() as engine:
        _land(scene, engine)
        workers = engine.workers()
        line = next(n for n, text in enumerate(scene.pipeline.read_text().splitlines(), 1) if "model:" in text)
        for number, (text, said) in enumerate(BAD.values(), 1):
            model.write_text(text)
            engine.signal(signal.SIGHUP)
            refused = engine.wait_for(REFUSED, count=number)
            (problem,) = refused["problems"]
            assert said in problem, refused
            at = line - 1 if problem.endswith("exit code 3)") else line  # of `validator:` itself
            assert problem.startswith(f"{scene.pipeline}:{at}:"), problem
            assert refused["code"] == "SL0105"
        _land(scene, engine)
        assert engine.workers() == workers, "nobody was started again"
        assert engine.events("parked") == []

        model.write_text(STRICTER)
        engine.signal(signal.SIGHUP)
        engine.wait_for(TAKEN_OVER)
        wait_until(lambda: len(scene.entries("claim")) == 2 * scene.partitions, engine.log)
        refused_before = _refused(scene)
        _land(scene, engine)
        assert (refused_before, _refused(scene)) == (0, 2), "what the old model took, the new one refuses"
        engine.stop()
    proof(scene.pipeline, "--kafka")


def test_a_model_that_takes_its_time_holds_up_neither_the_watchdog_nor_the_workers(
    scene: Scene, model: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with Manager(tmp_path, watchdog_seconds=1) as manager, scene.engine(env=manager.environment) as engine:
        _land(scene, engine)
        model.write_text(
            "import pathlib, threading\n"
            f"while not pathlib.Path({str(gate)!r}).exists(): threading.Event().wait(0.05)\n{GOOD}"
        )
        engine.signal(signal.SIGHUP)
        manager.wait_for("RELOADING=1", engine.log)
        ready, beats = (sum(one.startswith(kind) for one in manager.said()) for kind in ("READY=1", "WATCHDOG=1"))
        manager.wait_for("WATCHDOG=1", engine.log, times=beats + 3)
        _land(scene, engine)
        assert engine.events(TAKEN_OVER) == []
        assert sum(one.startswith("READY=1") for one in manager.said()) == ready, "the reload is not over"
        gate.touch()
        engine.wait_for(TAKEN_OVER)
        manager.wait_for("READY=1", engine.log, times=ready + 1)
        engine.stop()
    proof(scene.pipeline, "--kafka")


def _land(scene: Scene, engine: Engine) -> None:
    """Another record in each partition."""
    for partition in range(scene.partitions):
        scene.produce([b'{"order": 1}'], partition)
    wait_until(lambda: scene.landed() == sum(map(len, scene.produced.values())), engine.log)


def _refused(scene: Scene) -> int:
    return sum(entry["refused"] for entry in scene.entries("data"))
