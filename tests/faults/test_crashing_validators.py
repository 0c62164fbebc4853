"""A validator that one record breaks: that record alone is refused as `crash`, and the rest lands."""

from pathlib import Path
from typing import Any

import pytest
from support.scene import MakeScene, Scene, orders

POISON = b'{"poison": 1}'


def scene_of(make_scene: MakeScene, folder: Path, how: str, **changes: Any) -> Scene:
    """A scene with a validator that shows its flaw at POISON."""
    validator = {"type": "misbehaving:Misbehaving", "how": how, "notes": str(folder / "notes")}
    return make_scene(validator=validator, **changes)


@pytest.mark.parametrize(
    ("how", "deaths", "why"),
    [("raise", 0, "no such currency table"), ("exit", 3, "exit code 3"), ("exit 0", 3, "exit code 0")],
)
def test_the_record_that_breaks_the_validator_is_refused_as_crash_and_the_rest_lands(
    make_scene: MakeScene, tmp_path: Path, how: str, deaths: int, why: str
) -> None:
    scene = scene_of(make_scene, tmp_path, how, batch__rows_max=20)
    # The worker that dies first has landed a batch; the third that claims after it is suspicious.
    scene.produce([*orders(30), POISON, *orders(20, first=30)])
    engine = scene.run()
    ended = engine.events("worker ended")
    assert len(ended) == deaths, engine.log()
    assert all(why in line["why"] for line in ended)
    account = scene.check(crashing=[POISON])
    assert [place for place, row in account.dead.items() if row["reason"] == "crash"] == [(0, 30)]
    assert why in account.dead[0, 30]["message"]


def test_the_record_that_hangs_the_validator_is_refused_as_crash_and_the_rest_lands(
    make_scene: MakeScene, tmp_path: Path
) -> None:
    scene = scene_of(make_scene, tmp_path, "hang", workers__stuck_seconds=4, batch__rows_max=2)
    scene.produce([b'{"order": 0}', POISON, *orders(10)])
    engine = scene.run()
    ended = engine.events("worker ended")
    assert [line["why"] for line in ended] == ["no sign of life for 4 s while reading (workers.stuck_seconds)"] * 2, (
        engine.log()
    )
    account = scene.check(crashing=[POISON])
    assert "no answer within 4 s" in account.dead[0, 1]["message"]


def test_each_of_several_such_records_is_found(make_scene: MakeScene, tmp_path: Path) -> None:
    scene = scene_of(make_scene, tmp_path, "exit")
    scene.produce([POISON, *orders(6), POISON, POISON, *orders(6, first=6)])
    scene.run()
    account = scene.check(crashing=[POISON])
    assert sum(row["reason"] == "crash" for row in account.dead.values()) == 3
