"""SIGKILL of a worker at each of its points: nothing is lost and nothing is twice, whatever it was about to do."""

from pathlib import Path

import pytest
from support.engine import Engine
from support.scene import Scene, orders

from streamlake.engine.failpoints import POINTS

COMMITTING = ("before_entry_link", "after_entry_link")
"""Points that a worker passes at its claim first: armed with `+1` it dies at the entry with data."""
RECOVERING = (
    "before_claim",
    *COMMITTING,
    "after_claim",
    "between_publish_files",
    "before_publish_unlink",
    "after_roll_forward",
    "after_collect",
    "before_resend",
    "after_resend",
)
"""Points on the way from a dead owner's entry to the first batch of the next one."""
BEFORE_THE_CLAIM = ("before_claim", "before_entry_link")


def armed(point: str, times: int, deaths: Path) -> dict[str, str]:
    """The environment in which workers die at `point`; each death adds a byte to `deaths`."""
    return {"STREAMLAKE_FAILPOINT": f"{point}:{times}:{deaths}"}


def killed(engine: Engine) -> int:
    """How many workers ended by SIGKILL, by the supervisor's log."""
    return len(engine.events("worker ended", exit="killed", why="the worker was killed by SIGKILL"))


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_twice_in_a_row_at_any_point_loses_and_doubles_nothing(
    scene: Scene, tmp_path: Path, point: str
) -> None:
    scene.produce(orders(250))
    engine = scene.run(env=armed(point, 2, tmp_path / "deaths"))
    assert (tmp_path / "deaths").read_bytes() == b".."
    assert killed(engine) == 2
    assert scene.staged() == [], "what the dead had staged is collected"
    scene.check(prove=())


@pytest.mark.parametrize("point", COMMITTING)
def test_a_worker_killed_twice_at_the_commit_point_itself_loses_and_doubles_nothing(
    scene: Scene, tmp_path: Path, point: str
) -> None:
    scene.produce(orders(250))
    engine = scene.run(env=armed(f"{point}+1", 2, tmp_path / "deaths"))
    assert killed(engine) == len((tmp_path / "deaths").read_bytes()) == 2
    assert len(scene.entries("claim")) == 3
    scene.check(prove=())


@pytest.mark.parametrize("point", RECOVERING)
def test_a_worker_killed_twice_while_it_finishes_what_a_dead_one_left_loses_and_doubles_nothing(
    scene: Scene, tmp_path: Path, point: str
) -> None:
    scene.produce(orders(250))
    first = armed("after_commit", 1, tmp_path / "first")
    then = armed(point, 2, tmp_path / "deaths")
    engine = scene.run(env={name: f"{first[name]};{then[name]}" for name in first})
    assert killed(engine) == 3
    assert (tmp_path / "deaths").read_bytes() == b".."
    assert [entry["kind"] for entry in scene.entries()][:2] == ["claim", "data"]
    assert len(scene.entries("claim")) == (2 if point in BEFORE_THE_CLAIM else 4)
    scene.check(prove=())
