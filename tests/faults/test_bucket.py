"""The engine on a bucket: as on a disk, and when the storage server dies, stands still or is away for long."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from support.engine import streamlake
from support.scene import MakeScene, Scene, orders
from support.shared import SharedGcs
from support.waiting import wait_until

from streamlake.engine.local.gcs import LocalGcs
from streamlake.engine.local.ports import free_ports
from streamlake.engine.operations.status import ask_engine

MakeBucketScene = Callable[..., Scene]


@pytest.fixture
def in_bucket(make_scene: MakeScene, gcs: SharedGcs, monkeypatch: pytest.MonkeyPatch) -> MakeBucketScene:
    """Makes a scene whose root is in a bucket of its own on the shared server."""
    bucket = gcs.new_bucket()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.endpoint)

    def make(**changes: Any) -> Scene:
        return replace(make_scene(sink__root=f"gs://{bucket}/lake", **changes), bucket=gcs.folder_of(bucket))

    return make


@pytest.fixture
def server(gcs_parts: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGcs]:
    """A server of this test's own, to be broken."""
    with LocalGcs() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        yield server


def on(server: LocalGcs, make_scene: MakeScene, **gcs: object) -> Scene:
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    changes: dict[str, Any] = {
        "sink__root": "gs://streamlake/lake",
        "sink__gcs": gcs,
        "batch__rows_max": 20,
        "metrics__listen": listen,
    }
    return replace(make_scene(**changes), bucket=server.folder / "objects" / "streamlake")


def test_a_bucket_is_landed_on_as_a_disk_is(in_bucket: MakeBucketScene) -> None:
    scene = in_bucket(partitions=2)
    for partition in range(2):
        scene.produce(orders(300), partition)
    scene.run()
    scene.check()


def test_kills_in_the_middle_lose_nothing_and_double_nothing(in_bucket: MakeBucketScene) -> None:
    scene = in_bucket(batch__rows_max=10)
    for _ in range(4):
        scene.produce(orders(100, first=len(scene.produced.get(0, []))))
        with scene.engine() as engine:
            engine.wait_for("committed", count=3)
            engine.kill_everything()
    scene.run()
    scene.check()


def test_two_hosts_share_a_bucket_and_one_takes_over_when_the_other_dies(in_bucket: MakeBucketScene) -> None:
    scene = in_bucket(partitions=2, batch__rows_max=20)
    for partition in range(2):
        scene.produce(orders(200), partition)
    with scene.engine() as first:
        first.wait_for("committed")
        with scene.engine() as second:
            second.wait_for("assigned", lambda line: len(line["partitions"]) > 0)
            for partition in range(2):
                scene.produce(orders(200, first=200), partition)
            first.signal_everything(signal.SIGSTOP)  # a zombie: it goes on when others own all it had
            wait_until(lambda: scene.landed() == 800, second.log)
            first.signal_everything(signal.SIGCONT)
            second.stop()
        for partition in range(2):
            scene.produce(orders(50, first=400), partition)
        wait_until(lambda: scene.landed() == 900, first.log)
        first.stop()
    scene.check()


def test_a_server_that_stands_still_is_waited_for_and_everybody_is_told(
    make_scene: MakeScene, server: LocalGcs
) -> None:
    scene = on(server, make_scene, request_seconds_max=1)
    listen = str(scene.pipeline.read_text().partition("listen: ")[2].split()[0])
    scene.produce(orders(100))
    with scene.engine() as engine:
        engine.wait_for("committed", count=3)
        server.pause()
        scene.produce(orders(100, first=100))

        def waits() -> bool:
            state = ask_engine(listen, 30)
            return state is not None and state.partitions[0].storage_since is not None

        wait_until(waits, engine.log)
        told = streamlake("status", str(scene.pipeline), seconds=120)
        assert "waiting for storage since" in told.stdout, told
        assert "the storage can't be asked" in told.stdout, told
        server.resume()
        wait_until(lambda: scene.landed() == 200, engine.log)
        state = ask_engine(listen, 30)
        assert state is not None
        assert state.partitions[0].storage_since is None
        assert state.partitions[0].storage_waits["timeout"] >= 1
        assert not engine.events("worker ended"), "nobody has to die for it"
        engine.stop()
    scene.check()


def test_a_server_that_is_away_for_longer_than_is_waited_ends_the_worker_and_the_next_goes_on(
    make_scene: MakeScene, server: LocalGcs
) -> None:
    scene = on(server, make_scene, retry_seconds_max=2)
    scene.produce(orders(100))
    with scene.engine() as engine:
        engine.wait_for("committed", count=2)
        server.kill()
        scene.produce(orders(100, first=100))
        ended = engine.wait_for("worker ended")
        assert ended["exit"] == "storage"
        assert "gave no answer for 2 s (sink.gcs.retry_seconds_max)" in ended["why"], ended
        server.restart()
        wait_until(lambda: scene.landed() == 200, engine.log)
        engine.stop()
    scene.check()
