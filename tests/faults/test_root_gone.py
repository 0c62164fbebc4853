"""A root that is deleted, replaced or unmounted under a running engine: no second ledger is begun where it was."""

from pathlib import Path
from typing import Self

import pytest
from support.disk import MountPoint
from support.engine import Engine
from support.scene import Scene, orders
from support.waiting import wait_until

GONE = "deleted, replaced or unmounted"


class Moved:
    """A root that somebody deletes or moves away, and another one puts back."""

    def __init__(self, lake: Path) -> None:
        self._lake, self._away = lake, lake.with_name("lake.away")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""

    def go(self) -> None:
        """It is gone."""
        self._lake.rename(self._away)

    def come_back(self) -> None:
        """It is there again, as it was."""
        self._away.rename(self._lake)


class Replaced(Moved):
    """A root in whose place stands another, empty folder."""

    def go(self) -> None:
        """It is another one."""
        super().go()
        self._lake.mkdir()

    def come_back(self) -> None:
        """It is the old one again."""
        self._lake.rmdir()
        super().come_back()


class Unmounted(MountPoint):
    """A root that is a disk's mount point."""

    go = MountPoint.unmount
    come_back = MountPoint.mount


@pytest.mark.parametrize("kind", [Moved, Replaced, Unmounted])
def test_a_root_that_goes_under_a_running_engine_is_said_and_waited_for(
    scene: Scene, kind: type[Moved] | type[Unmounted]
) -> None:
    with kind(scene.lake) as root:
        scene.produce(orders(100))
        with scene.engine() as engine:
            engine.wait_for("committed")
            root.go()
            scene.produce(orders(100, first=100))
            # The one that was at work, and then its successors, which find no run there.
            _ended(engine, 1)
            _ended(engine, 3)
            left = list(scene.lake.rglob("*")) if scene.lake.exists() else []
            assert left == [], "something was written where the root had been"
            root.come_back()
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
