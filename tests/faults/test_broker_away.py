"""A broker that is away for a while: the engine waits, says so, loses nothing and drains what has come meanwhile."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.scene import MakeScene, make_scene_in, orders
from support.waiting import wait_until

from streamlake.engine.local.kafka import LocalKafka

LONG_SECONDS = 60
SHORT_SECONDS = 8
"""Longer than the session: the group has forgotten us when the broker comes back."""


@pytest.fixture(scope="module")
def lonely(kafka_parts: None) -> Iterator[LocalKafka]:
    """A cluster of these tests' own: they kill and pause its only broker."""
    properties = {"group.consumer.session.timeout.ms": "6000", "group.consumer.heartbeat.interval.ms": "1000"}
    with LocalKafka(properties=properties) as kafka:
        yield kafka


@pytest.fixture
def make_lonely_scene(lonely: LocalKafka, tmp_path: Path) -> MakeScene:
    """Scenes on that cluster."""
    return make_scene_in(tmp_path, lonely.bootstrap_servers, fragile=True)


@pytest.mark.parametrize(("how", "seconds"), [("killed", LONG_SECONDS), ("frozen", SHORT_SECONDS)])
def test_an_engine_outlives_its_broker_and_drains_afterwards(
    lonely: LocalKafka, make_lonely_scene: MakeScene, how: str, seconds: float
) -> None:
    scene = make_lonely_scene(partitions=2)
    for partition in (0, 1):
        scene.produce(orders(150), partition)
    with scene.engine() as engine:
        engine.wait_for("committed", lambda line: line["next"] == 150, count=2)
        with _away(lonely, how):
            threading.Event().wait(seconds)
        assert engine.process.poll() is None
        for partition in (0, 1):
            scene.produce(orders(150, first=150), partition)
        wait_until(lambda: scene.landed() == 600, engine.log)
        assert not engine.events("parked"), engine.log()
        engine.stop()
    scene.check()


def test_a_broker_that_goes_in_the_middle_of_a_batch_costs_nothing(
    lonely: LocalKafka, make_lonely_scene: MakeScene
) -> None:
    scene = make_lonely_scene(batch__rows_max=10)
    scene.produce(orders(600))
    with scene.engine() as engine:
        engine.wait_for("committed", count=3)
        with _away(lonely, "killed"):
            pass
        wait_until(lambda: scene.landed() == 600, engine.log)
        engine.stop()
    scene.check()


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_an_engine_whose_broker_is_away_still_leaves_when_asked(
    lonely: LocalKafka, make_lonely_scene: MakeScene, how: str
) -> None:
    scene = make_lonely_scene(workers__drain_seconds=2)
    scene.produce(orders(100))
    with scene.engine() as engine:
        engine.wait_for("committed")
        with _away(lonely, how):
            engine.signal(signal.SIGTERM)
            assert engine.wait(20) == 0, engine.log()
    scene.produce(orders(100, first=100))
    scene.run()
    scene.check()


@contextlib.contextmanager
def _away(kafka: LocalKafka, how: str) -> Iterator[None]:
    """Inside, the only broker is away."""
    (kafka.kill if how == "killed" else kafka.pause)()
    try:
        yield
    finally:
        (kafka.restart if how == "killed" else kafka.resume)()
