"""Somebody else on the same root is sent away before a claim, and whoever was there first does not notice."""

from collections.abc import Iterator

import pytest
from support.account import tree_of
from support.engine import streamlake
from support.scene import Scene, orders
from support.topics import make_topic

from streamlake.engine.local.kafka import LocalKafka


@pytest.fixture(scope="module")
def another_kafka(kafka_parts: None) -> Iterator[LocalKafka]:
    """A second cluster."""
    with LocalKafka() as kafka:
        yield kafka


def test_strangers_leave_with_78_before_any_claim_and_the_first_one_goes_on(
    scene: Scene, another_kafka: LocalKafka
) -> None:
    scene.produce(orders(100))
    with scene.engine() as first:
        first.wait_for("committed", lambda line: line["next"] == 100)
        before = tree_of(scene.lake)
        for differs, change in _strangers(scene, another_kafka).items():
            refused = streamlake("run", str(scene.pipeline), "--until-end", "--set", change)
            assert refused.returncode == 78, refused.stderr
            (said,) = [line for line in refused.stderr.splitlines() if "belongs to somebody else" in line]
            assert "_runs/live-1.json says" in said
            assert f"{differs} " in said
            assert tree_of(scene.lake) == before

        scene.produce(orders(100, first=100))
        first.wait_for("committed", lambda line: line["next"] == 200)
        assert not first.events("worker ended")
        assert len(scene.entries("claim")) == 1
        first.stop()
    scene.check()


def _strangers(scene: Scene, another_kafka: LocalKafka) -> dict[str, str]:
    """What differs, as the refusal calls it, and the setting that makes a second run of the YAML somebody else's."""
    make_topic(another_kafka.bootstrap_servers, exactly=scene.topic)
    return {
        "group id": "kafka.group_id=somebody.else",
        "pipeline": "pipeline=payments",
        "topics": f"kafka.topics=[{{name: {make_topic(scene.servers)}}}]",
        "cluster id": f"kafka.bootstrap_servers={another_kafka.bootstrap_servers}",
    }
