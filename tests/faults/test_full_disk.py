"""A disk that is full or read-only: what was committed survives, and all goes on when it can be written again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.disk import SmallDisk, small_disk
from support.engine import streamlake
from support.scene import PLUGINS, MakeScene, Scene, orders
from support.waiting import wait_until

from streamlake.engine.local.ports import free_ports

NO_SPACE = "No space left on device"
ON_SMALL_DISK: dict[str, Any] = {
    "python_path": [str(PLUGINS), str(PLUGINS.parent.parent)],
    "validator": {"type": "on_small_disk:OnSmallDisk"},
}
READ_ONLY = "Read-only file system"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """The root of this test's scene as a disk of its own."""
    with small_disk(tmp_path / "lake", 4 * 1024 * 1024) as disk:
        yield disk


@pytest.fixture
def scene(make_scene: MakeScene, disk: SmallDisk) -> Scene:
    """A scene on the small disk."""
    return make_scene(**ON_SMALL_DISK)


def test_what_was_committed_survives_two_claims_that_died_before_they_rolled_forward(
    scene: Scene, disk: SmallDisk, tmp_path: Path
) -> None:
    scene.produce(orders(100))
    _dies(scene, disk, f"after_commit:1:{tmp_path / 'first'}", restarts=0)
    _dies(scene, disk, f"after_claim:2:{tmp_path / 'second'}", restarts=1)
    assert [(entry["kind"], entry["epoch"]) for entry in scene.entries()] == [
        ("claim", 1),
        ("data", 1),
        ("claim", 2),
        ("claim", 3),
    ]
    staged = [file["staged"] for file in scene.entries("data")[0]["files"]]
    assert len(staged) == 2
    assert all((disk.folder / name).exists() for name in staged), "committed, and published by nobody yet"

    # What the second left behind when it died is all the room there is for the claim.
    epoch_2 = disk.folder / f"_stage/live-1/{scene.topic}/00000/00000002"
    epoch_2.mkdir(parents=True, exist_ok=True)
    (epoch_2 / "left-behind.jsonl").write_bytes(bytes(64 * 1024))
    scene.produce(orders(100, first=100))
    disk.fill()
    scene.run(env=disk.env)
    assert scene.entries("claim")[-1]["epoch"] == 4
    scene.check()


def test_a_full_disk_is_said_once_and_waited_for_and_all_goes_on_by_itself(
    make_scene: MakeScene, disk: SmallDisk
) -> None:
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    scene = make_scene(partitions=2, workers__restarts_max=0, metrics__listen=listen, **ON_SMALL_DISK)
    for partition in (0, 1):
        scene.produce(orders(100), partition)
    with scene.engine(env=disk.env) as engine:
        wait_until(lambda: scene.landed() == 200, engine.log)
        disk.fill()
        for partition in (0, 1):
            scene.produce(orders(2000, first=100), partition)
        full = engine.wait_for("the disk is full, waiting")
        assert full["code"] == "SL0403"
        assert full["why"].startswith(f"{disk.folder}: {NO_SPACE}, ")
        assert " bytes are free; " in full["why"]
        wait_until(lambda: _waiting(scene) == 2, engine.log)
        disk.free()
        wait_until(lambda: scene.landed() == 4200, engine.log)
        engine.wait_for("there is room on the disk again")
        assert _waiting(scene) == 0
        engine.stop()
        assert len(engine.events("the disk is full, waiting")) == 1, "once for both partitions"
        assert engine.events("worker ended") == [], "they have waited"
    scene.check()
    assert [path for path in (scene.lake / "_stage").rglob("*") if path.is_file()] == [], "nothing is half-written"


def test_a_root_that_becomes_read_only_is_said_and_waited_for(scene: Scene, disk: SmallDisk) -> None:
    scene.produce(orders(100))
    with scene.engine(env=disk.env) as engine:
        engine.wait_for("committed")
        disk.allow_writes(False)
        before = scene.entries()
        scene.produce(orders(200, first=100))
        engine.wait_for("worker ended", lambda line: line["exit"] == "storage" and READ_ONLY in line["why"], count=2)
        assert scene.entries() == before
        disk.allow_writes(True)
        wait_until(lambda: scene.landed() == 300, engine.log)
        engine.stop()
    scene.check()


def test_a_bounded_run_waits_for_room_too_and_costs_nothing(scene: Scene, disk: SmallDisk) -> None:
    scene.produce(orders(100))
    scene.run(env=disk.env)
    before = scene.entries()
    scene.produce(orders(100, first=100))
    disk.fill()
    with scene.engine("--until-end", env=disk.env) as engine:
        engine.wait_for("the disk is full, waiting")
        assert scene.entries() == before
        disk.free()
        assert engine.wait() == 0, engine.log()
    scene.check()


def _waiting(scene: Scene) -> int:
    """How many partitions wait for the storage, as a person on call sees it."""
    done = streamlake("status", str(scene.pipeline), "--json")
    return sum(one["storage_since"] is not None for one in json.loads(done.stdout)["partitions"])


def _dies(scene: Scene, disk: SmallDisk, failpoint: str, restarts: int) -> None:
    """A run whose workers die at a point until it gives up."""
    env = {**disk.env, "STREAMLAKE_FAILPOINT": failpoint}
    scene.run("--set", f"workers.restarts_max={restarts}", env=env, code=1)
