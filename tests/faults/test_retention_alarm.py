"""A partition stands still while Kafka's retention comes nearer: metric, /readyz and status say how long is left."""

import json
import signal
import time
from http.client import HTTPConnection

import yaml
from support.engine import streamlake
from support.scene import MakeScene, Scene, orders
from support.waiting import wait_until

from streamlake.config.load import load_pipeline
from streamlake.engine.cli.parts import open_broker
from streamlake.engine.local.ports import free_ports
from streamlake.engine.operations.status import ask_engine
from streamlake.engine.records import TopicPartition
from streamlake.engine.retention import RetentionRules

TEN_MINUTES = 600_000
BROKEN = b'{"order": '


def page(listen: str, path: str) -> str:
    connection = HTTPConnection(listen, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def alarms(listen: str) -> list[str]:
    return [reason for reason in json.loads(page(listen, "/readyz"))["reasons"] if "Kafka may delete" in reason]


def left(listen: str) -> list[float | None]:
    state = ask_engine(listen, 30)
    return [] if state is None else [one.retention_seconds_left for one in state.partitions]


def parked_scene(make_scene: MakeScene, listen: str) -> Scene:
    """A topic that is kept for ten minutes: what has landed, and then what parks the partition."""
    breaker = {"consecutive_max": 5}
    scene = make_scene(topic={"retention.ms": str(TEN_MINUTES)}, dead_letters__breaker=breaker, metrics__listen=listen)
    scene.produce(orders(10))
    scene.run()
    scene.produce([BROKEN] * 10)
    return scene


def test_a_parked_partition_is_not_ready_when_its_records_are_about_to_be_deleted(make_scene: MakeScene) -> None:
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    scene = parked_scene(make_scene, listen)
    with scene.engine() as engine:
        engine.wait_for("parked")
        wait_until(lambda: any(left(listen)), engine.log)
        (seconds,) = left(listen)
        assert seconds is not None
        assert 500 < seconds <= 600
        (reason,) = alarms(listen)
        assert reason.startswith(f"{scene.topic}/0: Kafka may delete what has not landed in 5")
        assert reason.endswith("(alarms.retention_seconds_left_min is 3,600 s)")
        assert f'streamlake_retention_left_seconds{{partition="0",topic="{scene.topic}"}} 5' in page(listen, "/metrics")
        said = streamlake("status", str(scene.pipeline)).stdout
        assert f"{scene.topic}/0: Kafka may delete what has not landed in 9m " in said
        assert "(alarms.retention_seconds_left_min is 1h 0m)" in said

        document = yaml.safe_load(scene.pipeline.read_text())
        scene.pipeline.write_text(yaml.safe_dump({**document, "alarms": {"retention_seconds_left_min": "1m"}}))
        engine.signal(signal.SIGHUP)
        wait_until(lambda: not alarms(listen), engine.log)
        assert any(left(listen)), "it is known as before, and is enough"
        engine.stop()


def test_without_an_engine_status_asks_itself(make_scene: MakeScene) -> None:
    scene = parked_scene(make_scene, f"127.0.0.1:{free_ports(1)[0]}")
    (one,) = json.loads(streamlake("status", str(scene.pipeline), "--json").stdout)["partitions"]
    assert one["lag"] == 10
    assert 500 < one["retention_seconds_left"] <= 600
    assert " 9m " in streamlake("status", str(scene.pipeline)).stdout
    with scene.engine("--set", "dead_letters.breaker.consecutive_max=100", "--until-end") as engine:
        assert engine.wait() == 0, engine.log()
    (one,) = json.loads(streamlake("status", str(scene.pipeline), "--json").stdout)["partitions"]
    assert (one["lag"], one["retention_seconds_left"]) == (0, None)


def test_the_broker_says_what_it_keeps_and_where_a_time_lies(make_scene: MakeScene) -> None:
    scene = make_scene(topic={"retention.ms": "-1", "retention.bytes": "12345678"}, partitions=2)
    scene.produce(orders(3))
    broker = open_broker(load_pipeline(scene.pipeline, ()))
    assert broker.retention([scene.topic, "nowhere"]) == {scene.topic: RetentionRules(None, 12_345_678)}
    first, second, nowhere = (TopicPartition(*at) for at in ((scene.topic, 0), (scene.topic, 1), ("nowhere", 0)))
    found = broker.first_at({first: 0, second: 0, nowhere: 0})
    assert found.keys() == {first}
    offset, timestamp_ms = found[first]
    assert offset == 0
    assert abs(timestamp_ms - time.time() * 1000) < 60_000
    assert broker.first_at({first: time.time_ns() // 1_000_000 + 60_000}) == {}
