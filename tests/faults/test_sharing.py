"""Two engines in one group: partitions move between them, and no offset is lost or doubled on the way."""

import pytest
from support.engine import Engine
from support.scene import MakeScene, Scene, orders, speaking
from support.waiting import wait_until

PARTITIONS = 2


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_second_engine_joins_and_leaves_in_the_middle(make_scene: MakeScene, protocol: str) -> None:
    scene = make_scene(partitions=PARTITIONS, batch__rows_max=20, **speaking(protocol))
    _produce(scene, 200)
    with scene.engine() as first:
        first.wait_for("committed", count=2)
        with scene.engine() as second:
            _produce(scene, 200)
            second.wait_for("assigned", lambda line: len(line["partitions"]) > 0)
            _produce(scene, 200)
            second.wait_for("committed", count=2)
            _produce(scene, 200)
            _landed(scene, first, second)
            assert len(_held(first)) == len(_held(second)) == PARTITIONS // 2
            second.stop()
        _produce(scene, 100)
        _landed(scene, first)
        assert len(_held(first)) == PARTITIONS
        assert not [*first.events("worker ended"), *second.events("worker ended")], "nobody had to be killed or fenced"
        first.stop()
    scene.check()


def test_the_first_engine_is_killed_and_the_second_takes_over_what_it_left(make_scene: MakeScene) -> None:
    scene = make_scene(partitions=PARTITIONS, batch__rows_max=20)
    _produce(scene, 100)
    with scene.engine() as first:
        first.wait_for("committed")
        with scene.engine() as second:
            second.wait_for("assigned", lambda line: len(line["partitions"]) > 0)
            _produce(scene, 200)
            first.wait_for("committed", count=3)
            first.kill_everything()
            _landed(scene, second)
            second.stop()
    scene.check()


def test_two_bounded_runs_share_the_work_and_both_end(make_scene: MakeScene) -> None:
    scene = make_scene(partitions=PARTITIONS, batch__rows_max=20)
    _produce(scene, 400)
    with scene.engine("--until-end") as first, scene.engine("--until-end") as second:
        assert (first.wait(), second.wait()) == (0, 0), first.log() + second.log()
    scene.check()


def _produce(scene: Scene, count: int) -> None:
    for partition in range(scene.partitions):
        scene.produce(orders(count, first=len(scene.produced.get(partition, []))), partition)


def _landed(scene: Scene, *engines: Engine) -> None:
    total = sum(map(len, scene.produced.values()))
    wait_until(lambda: scene.landed() == total, lambda: "\n\n".join(engine.log() for engine in engines))


def _held(engine: Engine) -> set[str]:
    """The partitions that an engine has, by its log."""
    held: set[str] = set()
    for line in engine.lines:
        if line["event"] == "assigned":
            held |= set(line["partitions"])
        elif line["event"] in ("revoked", "lost"):
            held -= set(line["partitions"])
    return held
