"""What signals do: TERM drains, a second one stops at once, INT ends with 130, HUP reads the YAML again."""

import signal
from pathlib import Path

import pytest
import yaml
from support.scene import MakeScene, Scene, orders
from support.waiting import wait_until


def test_sigterm_lands_what_is_in_hand_closes_the_ledger_and_ends_with_0(make_scene: MakeScene) -> None:
    scene = make_scene(batch__seconds_max=60, batch__rows_max=100_000)
    scene.produce(orders(120))
    with scene.engine() as engine:
        engine.wait_for("assigned", lambda line: line["partitions"] != [])
        wait_until(lambda: scene.entries("claim") != [], engine.log)
        engine.signal(signal.SIGTERM)
        assert engine.wait() == 0, engine.log()
    assert [entry["kind"] for entry in scene.entries()][-1] in ("close", "claim")
    scene.run()
    scene.check()


def test_sigint_drains_too_and_ends_with_130(scene: Scene) -> None:
    scene.produce(orders(120))
    with scene.engine() as engine:
        engine.wait_for("committed", lambda line: line["next"] == 120)
        engine.signal(signal.SIGINT)
        assert engine.wait() == 130, engine.log()
    assert scene.entries()[-1]["kind"] == "close"
    scene.check()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_stops_a_worker_that_does_not_finish_at_once(
    make_scene: MakeScene, tmp_path: Path, number: signal.Signals
) -> None:
    notes = tmp_path / "notes"
    validator = {"type": "misbehaving:Misbehaving", "how": "hang", "notes": str(notes)}
    scene = make_scene(validator=validator, workers__drain_seconds=600)
    scene.produce(orders(120))
    with scene.engine() as engine:
        engine.wait_for("committed", lambda line: line["next"] == 120)
        scene.produce([b'{"poison": 1}'])
        wait_until(notes.exists, "a worker that hangs")
        engine.signal(number)
        engine.wait_for("draining")
        engine.signal(number)
        assert engine.wait(60) == (0 if number == signal.SIGTERM else 130), engine.log()
        assert engine.wait_for("worker ended")["why"] == "stopped by a second signal"
        assert engine.events("worker ended", level="warning") == [], "one line for all of them"
        assert engine.wait_for("stopping at once")["partitions"] == [f"{scene.topic}/0"]
    assert scene.landed() == 120


def test_a_worker_that_does_not_finish_is_killed_after_drain_seconds(make_scene: MakeScene, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    validator = {"type": "misbehaving:Misbehaving", "how": "hang", "notes": str(notes)}
    scene = make_scene(validator=validator, workers__drain_seconds=1)
    scene.produce([b'{"poison": 1}'])
    with scene.engine() as engine:
        wait_until(notes.exists, "a worker that hangs")
        engine.signal(signal.SIGTERM)
        assert engine.wait(60) == 0, engine.log()
        assert engine.wait_for("worker ended")["why"] == "not finished within 1 s (workers.drain_seconds)"


def test_sighup_takes_new_batch_limits_over(make_scene: MakeScene) -> None:
    scene = make_scene(batch__seconds_max=60)
    scene.produce(orders(200))
    with scene.engine() as engine:
        engine.wait_for("committed", lambda line: line["next"] == 200)
        _change(scene, "batch", "rows_max", 10)
        engine.signal(signal.SIGHUP)
        engine.wait_for("the YAML was taken over; each worker finishes its batch and starts again with it")
        wait_until(lambda: len(scene.entries("claim")) == 2, engine.log)
        scene.produce(orders(200, first=200))
        wait_until(lambda: scene.landed() == 400, engine.log)
        engine.stop()
    sizes = [entry["next"] - entry["first"] for entry in scene.entries("data")]
    assert max(sizes[:3]) > 10
    assert sizes[-20:] == [10] * 20
    scene.check()


def test_sighup_refuses_another_root_and_a_broken_yaml_and_keeps_the_old_one(scene: Scene, tmp_path: Path) -> None:
    good = scene.pipeline.read_text()
    scene.produce(orders(100))
    with scene.engine() as engine:
        engine.wait_for("committed")
        _change(scene, "sink", "root", str(tmp_path / "elsewhere"))
        engine.signal(signal.SIGHUP)
        refused = engine.wait_for("the YAML was not taken over, the old one stays")
        (problem,) = refused["problems"]
        line = scene.pipeline.read_text().splitlines().index("sink:") + 1
        assert problem.startswith(f"{scene.pipeline}:{line}:1: sink: can't change while the engine runs")

        scene.pipeline.write_text("pipeline: [")
        engine.signal(signal.SIGHUP)
        engine.wait_for(
            "the YAML was not taken over, the old one stays", lambda line: "not YAML" in line["problems"][0]
        )

        scene.pipeline.write_text(yaml.safe_dump({**yaml.safe_load(good), "pipeline": "other"}))
        engine.signal(signal.SIGHUP)
        engine.wait_for(
            "the YAML was not taken over, the old one stays", lambda line: "pipeline: can't" in line["problems"][0]
        )

        scene.produce(orders(100, first=100))
        wait_until(lambda: scene.landed() == 200, engine.log)
        landed = engine.wait_for("committed", lambda line: line["next"] == 200)
        assert landed["pipeline"] == "orders", "what was refused is in no line"
        engine.stop()
    assert not (tmp_path / "elsewhere").exists()
    scene.pipeline.write_text(good)
    scene.check()


def _change(scene: Scene, section: str, name: str, value: object) -> None:
    tree = yaml.safe_load(scene.pipeline.read_text())
    tree[section][name] = value
    scene.pipeline.write_text(yaml.safe_dump(tree))
