"""A root that is deleted, replaced or unmounted under a running engine: no second ledger is begun where it was."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.engine import Engine
from support.scene import Scene, orders
from support.waiting import wait_until

GONE = "deleted, replaced or unmounted"


def nothing(_: Path) -> None:
    """The root is gone."""


def an_empty_folder(lake: Path) -> None:
    """What is left of a mount point."""
    lake.mkdir()


@pytest.mark.parametrize("instead", [nothing, an_empty_folder], ids=lambda instead: instead.__name__)
def test_a_root_that_goes_under_a_running_engine_is_said_and_waited_for(
    scene: Scene, instead: Callable[[Path], None]
) -> None:
    scene.produce(orders(100))
    away = scene.folder / "lake.away"
    with scene.engine() as engine:
        engine.wait_for("committed")
        scene.lake.rename(away)
        instead(scene.lake)
        scene.produce(orders(100, first=100))
        # The one that was at work, and then its successors, which find no run there.
        _ended(engine, 1)
        _ended(engine, 3)
        left = list(scene.lake.rglob("*")) if scene.lake.exists() else []
        assert left == [], "something was written where the root had been"
        if scene.lake.exists():
            scene.lake.rmdir()
        away.rename(scene.lake)
        wait_until(lambda: scene.landed() == 200, engine.log)
        engine.stop()
    scene.check()


def test_an_empty_root_is_asked_about_where_the_group_has_come_further(scene: Scene) -> None:
    scene.produce(orders(100))
    scene.run()
    again = scene.run("--set", f"sink.root={scene.folder / 'not-mounted'}")
    (said,) = again.events("this root is new, and the group has come further in Kafka than the root begins")
    assert said["group_offsets"] == {f"{scene.topic}/0": 100}
    assert "is its disk mounted?" in said["hint"]


def _ended(engine: Engine, times: int) -> None:
    engine.wait_for("worker ended", lambda line: line["exit"] == "storage" and GONE in line["why"], count=times)
