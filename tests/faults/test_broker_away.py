"""A broker that is away for a while: the engine waits, says so, loses nothing and drains what has come meanwhile."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.scene import MakeScene, make_scene_in, orders
from support.waiting import wait_until

from streamlake.engine.broker_watch import AWAY_SECONDS
from streamlake.engine.cli.board_words import words
from streamlake.engine.local.kafka import LocalKafka
from streamlake.engine.local.ports import free_ports
from streamlake.engine.operations.status import ask_url

LONG_SECONDS = 45
SHORT_SECONDS = 1
"""After the session's end: the group has forgotten us when the broker comes back."""
AWAY_IS_SAID_SECONDS = 60


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
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    scene = make_lonely_scene(partitions=2, metrics__listen=listen)
    for partition in (0, 1):
        scene.produce(orders(150), partition)
    with scene.engine() as engine:
        engine.wait_for("committed", lambda line: line["next"] == 150, count=2)
        wait_until(lambda: ask_url(f"http://{listen}", 5).not_ready_because() == [], engine.log)
        with _away(lonely, how):
            said = engine.wait_for("the broker does not answer", seconds=AWAY_IS_SAID_SECONDS)
            assert said["code"] == "SL0337"
            assert sorted(said["partitions"]) == [f"{scene.topic}/0", f"{scene.topic}/1"]
            engine.wait_for("lost")  # the session of six seconds is over
            threading.Event().wait(seconds)
            state = ask_url(f"http://{listen}", 5)
            (reason,) = state.not_ready_because()
            assert reason.startswith("waiting for the broker since "), reason
            assert ("Connection refused" if how == "killed" else "no answer from") in reason
            for number, one in enumerate(state.partitions):
                assert (one.source.partition, one.next, one.end, one.lag) == (number, 150, None, None)
                assert words(one, datetime.now(UTC)).startswith("waiting for the broker since ")
        assert engine.process.poll() is None
        assert engine.wait_for("the broker answers again")["seconds"] > AWAY_SECONDS
        for partition in (0, 1):
            scene.produce(orders(150, first=150), partition)
        wait_until(lambda: scene.landed() == 600, engine.log)
        assert not engine.events("parked"), engine.log()
        wait_until(lambda: ask_url(f"http://{listen}", 5).not_ready_because() == [], engine.log)
        wait_until(lambda: [one.lag for one in ask_url(f"http://{listen}", 5).partitions] == [0, 0], engine.log)
        engine.stop()
    scene.check()


@pytest.mark.parametrize("bounded", [False, True], ids=["for good", "until the end"])
def test_an_engine_that_is_started_while_its_broker_is_away_waits_for_it(
    lonely: LocalKafka, make_lonely_scene: MakeScene, bounded: bool
) -> None:
    scene = make_lonely_scene()
    scene.produce(orders(100))
    with contextlib.ExitStack() as later:
        away = later.enter_context(contextlib.ExitStack())
        away.enter_context(_away(lonely, "killed"))
        engine = later.enter_context(scene.engine(*(["--until-end"] if bounded else [])))
        said = engine.wait_for("the broker does not answer")
        assert said["code"] == "SL0337"
        assert "Connection refused" in said["why"]
        assert said["seconds"] < AWAY_SECONDS, "soon"
        away.close()  # it is started again
        engine.wait_for("the broker answers again")
        wait_until(lambda: scene.landed() == 100, engine.log)
        assert len(engine.events("the broker does not answer")) <= 1
        if bounded:
            assert engine.wait() == 0, engine.log()
        else:
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
            assert engine.wait(50) == 0, engine.log()
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
