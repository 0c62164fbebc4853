"""What Kafka itself does to offsets: markers, retention, log-append time, giants, and another tool's hands."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from support.engine import landed_values, proof, streamlake
from support.scene import MakeScene, Scene, orders
from support.topics import expire, fill_in_transactions
from support.waiting import wait_until


def status_of(scene: Scene, partition: int = 0) -> dict[str, Any]:
    """What `streamlake status --json` says of one partition."""
    done = streamlake("status", str(scene.pipeline), "--json")
    assert done.returncode == 0, done.stderr
    (found,) = [one for one in json.loads(done.stdout)["partitions"] if one["partition"] == partition]
    assert isinstance(found, dict)
    return found


def set_group_offset(scene: Scene, offset: int) -> None:
    """What another tool does while nobody is in the group."""
    consumer = Consumer({"bootstrap.servers": scene.servers, "group.id": f"streamlake.{scene.topic}"})
    consumer.commit(offsets=[TopicPartition(scene.topic, 0, offset)], asynchronous=False)
    consumer.close()


@pytest.mark.parametrize(
    "transactions",
    [
        [([b"{}", b"{}"], True)],
        [([b"{}"], False), ([b"{}"], True), ([b"{}", b"{}"], False)],
        [([b"{}"], False)],
    ],
    ids=["a marker at the end", "aborted ones at the start and at the end", "nothing but an aborted one"],
)
def test_markers_are_holes_and_the_lag_reaches_0(scene: Scene, transactions: list[tuple[list[bytes], bool]]) -> None:
    fill_in_transactions(scene.servers, scene.topic, *transactions)
    scene.run()
    accepted = sum(len(values) for values, committed in transactions if committed)
    found = proof(scene.pipeline, "--kafka")["totals"]
    assert (found["rows"], found["holes"]) == (accepted, found["offsets"] - accepted)
    assert status_of(scene)["lag"] == 0
    with scene.engine() as engine:  # and nobody starts from within the markers
        engine.wait_for("assigned", lambda line: line["partitions"] != [])
        fill_in_transactions(scene.servers, scene.topic, ([b'{"more": 1}'], True))
        wait_until(lambda: len(landed_values(scene.folder)) == accepted + 1, engine.log)
        wait_until(lambda: status_of(scene)["lag"] == 0, engine.log)
        engine.stop()
    proof(scene.pipeline, "--kafka")


def test_what_expired_before_it_was_read_parks_the_partition_and_names_the_loss(scene: Scene) -> None:
    scene.produce(orders(100))
    scene.run()
    scene.produce(orders(200, first=100))
    expire(scene.servers, scene.topic, 150)
    with scene.engine() as engine:
        parked = engine.wait_for("parked")
        assert "offsets [100, 150) are gone from Kafka" in parked["why"]
        assert "policies.gap: record" in parked["why"]
        engine.stop()
    assert scene.landed() == 100
    proof(scene.pipeline)


def test_what_expired_is_written_down_as_a_gap_by_policy(make_scene: MakeScene) -> None:
    scene = make_scene(policies__gap="record")
    scene.produce(orders(100))
    scene.run()
    scene.produce(orders(200, first=100))
    expire(scene.servers, scene.topic, 150)
    scene.run()
    (gap,) = scene.entries("gap")
    assert (gap["first"], gap["next"]) == (100, 150)
    assert "expired" in gap["reason"]
    found = proof(scene.pipeline, "--kafka")["totals"]
    assert (found["offsets"], found["gaps"]) == (300, 50)


@pytest.mark.parametrize("policy", ["stop", "record"])
def test_what_expires_under_a_worker_that_reads_is_noticed_and_never_skipped_over(
    make_scene: MakeScene, policy: str
) -> None:
    # One record batch a fetch: what the client asked for before it was frozen is not all there is.
    small = {"fetch.message.max.bytes": 1000, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    scene = make_scene(policies__gap=policy, kafka__properties=small)
    scene.produce(orders(100))
    with scene.engine() as engine:
        engine.wait_for("committed")
        (worker,) = engine.workers()
        worker.suspend()
        for first in range(100, 500, 50):
            scene.produce(orders(50, first=first))
        expire(scene.servers, scene.topic, 350)
        worker.resume()
        if policy == "stop":
            assert "are gone from Kafka" in engine.wait_for("parked")["why"]
        else:
            wait_until(lambda: scene.landed() == 500, engine.log)
        engine.stop()
    gaps = [(entry["first"], entry["next"]) for entry in scene.entries("gap")]
    # What the client had fetched before it was frozen may have landed; nothing in between is unaccounted for.
    assert all(following == 350 for _, following in gaps)
    assert len(gaps) == (policy == "record")
    proof(scene.pipeline)


def test_log_append_time_lands_as_what_it_is(make_scene: MakeScene) -> None:
    scene = make_scene(topic={"message_timestamp_type": "LogAppendTime"})
    scene.produce(orders(50))
    scene.run()
    rows = [json.loads(line) for file in _raw(scene) for line in file.read_bytes().splitlines()]
    assert {row["_timestamp_type"] for row in rows} == {"LogAppendTime"}
    assert all(row["_timestamp"] > 1_700_000_000_000 for row in rows)
    scene.check()


def test_a_record_larger_than_a_fetch_lands_with_its_neighbours(make_scene: MakeScene) -> None:
    properties = {"fetch.message.max.bytes": 10_000, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    scene = make_scene(
        topic={"max_message_bytes": "5000000"},
        dead_topic={"max_message_bytes": "5000000"},
        policies__record_bytes_max="4MiB",
        kafka__properties=properties,
    )
    large = b'{"large": "%b"}' % (b"x" * 3_500_000)
    values: Sequence[bytes | None] = [b'{"a": 1}', large, b'{"b": 2}', large, b'{"c": 3}']
    producer = Producer({"bootstrap.servers": scene.servers, "message.max.bytes": 5_000_000})
    for value in values:
        producer.produce(scene.topic, value, partition=0)
    assert producer.flush(60) == 0
    scene.produced[0] = list(values)
    scene.run()
    scene.check()


def test_a_group_offset_that_was_set_back_does_not_move_us_and_is_said(scene: Scene) -> None:
    scene.produce(orders(100))
    scene.run()
    set_group_offset(scene, 10)
    says = f"the group streamlake.{scene.topic} has offset 10 in Kafka, the ledger says 100"
    assert any(says in remark for remark in status_of(scene)["remarks"]), status_of(scene)
    scene.produce(orders(50, first=100))
    scene.run()
    assert status_of(scene)["group_offset"] == 150
    scene.check()


def test_a_group_offset_that_was_set_forward_stops_the_partition_and_names_what_tells_the_causes_apart(
    scene: Scene,
) -> None:
    scene.produce(orders(200))
    scene.run("--set", "batch.rows_max=50")
    scene.produce(orders(100, first=200))
    set_group_offset(scene, 250)
    with scene.engine() as engine:
        why = engine.wait_for("parked")["why"]
        assert "committed offset 250 is beyond the ledger's next 200" in why
        assert "streamlake prove" in why
        said = f"streamlake offsets reset --to 200 --topic {scene.topic} --partitions 0"
        assert said in why
        engine.stop()
    verb, command, *options = said.split()[1:]
    done = streamlake(verb, command, str(scene.pipeline), *options, "--reason", "moved by another tool", "--yes")
    assert done.returncode == 0, done.stderr
    scene.run()
    scene.check()


def test_a_lost_tail_of_the_ledger_is_not_written_over(scene: Scene) -> None:
    """The other cause of the same difference: the group knows of more than the ledger does."""
    scene.produce(orders(200))
    scene.run("--set", "batch.rows_max=100")
    entries = sorted((scene.lake / "_ledger").rglob("*.json"))
    for path in entries[-2:]:  # the close and the last data entry
        path.unlink()
    with scene.engine() as engine:
        assert "is beyond the ledger's next 100" in engine.wait_for("parked")["why"]
        engine.stop()
    assert sorted((scene.lake / "_ledger").rglob("*.json")) == entries[:-2], "nothing was claimed"


def _raw(scene: Scene) -> list[Path]:
    return sorted(path for path in (scene.lake / "raw").rglob("*") if path.is_file())
