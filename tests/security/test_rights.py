"""A right that is missing: what Kafka forbids is named with the right to ask for, and nothing waits for ever."""

import contextlib
import uuid

import pytest
from confluent_kafka import KafkaError
from support.scene import Scene, orders
from support.secure import MakeSecureScene, SecureKafka

from streamlake.config.load import load_pipeline
from streamlake.engine.errors import SourceError
from streamlake.engine.kafka.producer import RecordProducer
from streamlake.engine.kafka.settings import producer_properties

RIGHTS = (("TOPIC", "topic", "READ"), ("GROUP", "group", "READ"), ("TOPIC", "dead letters", "WRITE"))
"""All that a pipeline needs; each lets it DESCRIBE, too."""


def scene_without(secured: SecureKafka, make: MakeSecureScene, missing: str | None, instead: str = "") -> Scene:
    """A pipeline of a user who has all rights but the one on `missing`, where there is another one `instead`."""
    user, password = f"some-{uuid.uuid4().hex[:8]}", "some-sesame-4711"
    secured.add_user(user, password)
    scene = make(username=user, password=password)
    names = {"topic": scene.topic, "dead letters": scene.dead_topic, "group": f"streamlake.{scene.topic}"}
    rights = [(kind, names[what], instead if what == missing else right) for kind, what, right in RIGHTS]
    secured.allow(user, [one for one in rights if one[2]])
    scene.produce(orders(60))
    return scene


def test_these_rights_are_all_that_a_pipeline_needs(secured: SecureKafka, secure_scene: MakeSecureScene) -> None:
    scene = scene_without(secured, secure_scene, None)
    scene.run()
    scene.account().check(scene.produced)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("topic", "asking for the topic {topic}: Kafka says TOPIC_AUTHORIZATION_FAILED"),
        ("group", "asking for the offsets of the group streamlake.{topic}: Kafka says GROUP_AUTHORIZATION_FAILED"),
        ("dead letters", "dead-letter topic {topic}.dlq: asking for the topic {topic}.dlq: Kafka says TOPIC_AUTHORIZ"),
    ],
)
def test_what_may_not_be_seen_is_named(
    secured: SecureKafka, secure_scene: MakeSecureScene, missing: str, said: str
) -> None:
    stops_with(scene_without(secured, secure_scene, missing), said)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("topic", "reading {topic}/0 at offset 0: Kafka says TOPIC_AUTHORIZATION_FAILED"),
        ("group", "joining the group streamlake.{topic}: Kafka says GROUP_AUTHORIZATION_FAILED"),
        ("dead letters", "dead-letter topic {topic}.dlq: sending: Kafka says CLUSTER_AUTHORIZATION_FAILED"),
    ],
)
def test_what_may_only_be_seen_is_named(
    secured: SecureKafka, secure_scene: MakeSecureScene, missing: str, said: str
) -> None:
    scene = scene_without(secured, secure_scene, missing, "DESCRIBE")
    stops_with(scene, said)


def test_a_fatal_error_keeps_its_cause_whatever_a_callback_does(
    secured: SecureKafka, secure_scene: MakeSecureScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = scene_without(secured, secure_scene, "dead letters", "DESCRIBE")
    properties = producer_properties(load_pipeline(scene.pipeline).kafka, "tests")

    def careless(_: RecordProducer, error: KafkaError | None, __: object) -> None:
        with contextlib.suppress(SystemError):  # what calling back with an exception under way leads to
            str(error and error.code())

    monkeypatch.setattr(RecordProducer, "_delivered", careless)
    producer = RecordProducer(properties)
    producer.send(scene.dead_topic, [(None, b"x")] * 3)
    with pytest.raises(SourceError, match="Kafka says CLUSTER_AUTHORIZATION_FAILED"):
        producer.flush(30)


def stops_with(scene: Scene, said: str) -> None:
    with scene.engine("--until-end", "--set", "workers.restarts_max=0") as engine:
        assert engine.wait() == 1, engine.log()
    assert said.format(topic=scene.topic) in engine.log(), [line.get("why") for line in engine.lines]
    assert "ask for " in engine.log()
