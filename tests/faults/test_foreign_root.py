"""Somebody else on the same root is sent away before a claim, and whoever was there first does not notice."""

from collections.abc import Iterator

import pytest
from support.account import tree_of
from support.engine import streamlake
from support.scene import Scene, orders
from support.topics import make_topic
from support.waiting import wait_until

from streamlake.engine.local.kafka import LocalKafka


@pytest.fixture(scope="module")
def another_kafka(kafka_parts: None) -> Iterator[LocalKafka]:
    """A second cluster."""
    with LocalKafka() as kafka:
        yield kafka


@pytest.mark.parametrize("stranger", ["group id", "pipeline", "topics", "cluster id"])
def test_a_stranger_leaves_with_78_before_any_claim_and_the_first_one_goes_on(
    scene: Scene, request: pytest.FixtureRequest, stranger: str
) -> None:
    scene.produce(orders(100))
    with scene.engine() as first:
        wait_until(lambda: scene.landed() == 100, first.log)
        before = tree_of(scene.lake)

        refused = streamlake("run", str(scene.pipeline), *_as_a(stranger, scene, request))
        assert refused.returncode == 78, refused.stderr
        (said,) = [line for line in refused.stderr.splitlines() if "belongs to somebody else" in line]
        assert "_runs/live-1.json says" in said
        assert f"{stranger} " in said
        assert tree_of(scene.lake) == before

        scene.produce(orders(100, first=100))
        wait_until(lambda: scene.landed() == 200, first.log)
        assert not first.events("worker ended")
        assert len(scene.entries("claim")) == 1
        first.stop()
    scene.check()


def _as_a(stranger: str, scene: Scene, request: pytest.FixtureRequest) -> list[str]:
    """What makes a second run of the same YAML somebody else's."""
    match stranger:
        case "group id":
            change = "kafka.group_id=somebody.else"
        case "pipeline":
            change = "pipeline=payments"
        case "topics":
            change = f"kafka.topics=[{{name: {make_topic(scene.servers)}}}]"
        case _:
            servers = request.getfixturevalue("another_kafka").bootstrap_servers
            make_topic(servers, exactly=scene.topic)
            change = f"kafka.bootstrap_servers={servers}"
    return ["--set", change]
