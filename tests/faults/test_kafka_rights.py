"""A reader who signs in and may not read everything: the partitions of one topic stop, and the others go on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs forget them
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from support.engine import assert_speaks_plainly, streamlake
from support.scene import MakeScene, make_scene_in, orders
from support.topics import fill, make_topic
from support.waiting import wait_until

from streamlake.engine.local.kafka import LocalKafka
from streamlake.engine.local.ports import free_ports

PASSWORD = "open-sesame"
ACCOUNTS = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_reader="{PASSWORD}";'


@pytest.fixture(scope="module")
def guarded(kafka_parts: None) -> Iterator[tuple[LocalKafka, str]]:
    """A Kafka with a second door, at which one signs in; who comes by the first may do everything."""
    (door,) = free_ports(1)
    properties = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.proxied.plain.sasl.jaas.config": ACCOUNTS,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "true",
    }
    with LocalKafka(properties=properties, proxied=[(door, door)]) as kafka:
        yield kafka, f"127.0.0.1:{door}"


def signed_in(password: str) -> dict[str, str]:
    return {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": "reader", "password": password}


@pytest.fixture
def make_guarded_scene(guarded: tuple[LocalKafka, str], tmp_path: Path) -> MakeScene:
    return make_scene_in(tmp_path, guarded[0].bootstrap_servers)


def test_a_topic_that_may_not_be_read_stops_its_partitions_with_what_is_missing_and_no_other(
    guarded: tuple[LocalKafka, str], make_guarded_scene: MakeScene
) -> None:
    kafka, door = guarded
    denied = make_topic(kafka.bootstrap_servers, "denied")
    fill(kafka.bootstrap_servers, denied, [b"{}"] * 10)
    topic = (ResourceType.TOPIC, denied, ResourcePatternType.LITERAL, "User:reader", "*")
    rules = [
        AclBinding(*topic, AclOperation.DESCRIBE, AclPermissionType.ALLOW),
        AclBinding(*topic, AclOperation.READ, AclPermissionType.DENY),
    ]
    with AdminClient({"bootstrap.servers": kafka.bootstrap_servers}) as admin:
        for future in admin.create_acls(rules).values():
            future.result(30)
    scene = make_guarded_scene()
    scene.produce(orders(100))
    both = f"[{{name: {scene.topic}}}, {{name: {denied}}}]"
    by_the_door = ("--set", f"kafka.bootstrap_servers={door}", "--set", f"kafka.topics={both}")
    security = [f"--set=kafka.security.{name}={value}" for name, value in signed_in("${PASSWORD}").items()]
    with scene.engine(*by_the_door, *security, env={"PASSWORD": PASSWORD}) as engine:
        why = engine.wait_for("worker ended", lambda line: line["partition"] == f"{denied}/0")["why"]
        assert "TOPIC_AUTHORIZATION_FAILED" in why
        assert "READ" in why
        wait_until(lambda: scene.landed() == 100, engine.log)
        engine.stop()
        assert PASSWORD not in engine.log()
    scene.account().check(scene.produced)


def test_validate_names_each_right_that_is_missing_and_tries_nothing(
    guarded: tuple[LocalKafka, str], make_guarded_scene: MakeScene
) -> None:
    kafka, door = guarded
    scene = make_guarded_scene(kafka__bootstrap_servers=door, kafka__security=signed_in(PASSWORD))
    unseen, group = make_topic(kafka.bootstrap_servers, "unseen"), f"streamlake.{scene.topic}"
    rules = [
        AclBinding(ResourceType.TOPIC, scene.topic, *RULE, AclOperation.DESCRIBE, AclPermissionType.ALLOW),
        AclBinding(ResourceType.TOPIC, unseen, *RULE, AclOperation.DESCRIBE, AclPermissionType.DENY),
        AclBinding(ResourceType.GROUP, group, *RULE, AclOperation.DESCRIBE, AclPermissionType.ALLOW),
    ]
    with AdminClient({"bootstrap.servers": kafka.bootstrap_servers}) as admin:
        for future in admin.create_acls(rules).values():
            future.result(30)
    both = f"[{{name: {scene.topic}}}, {{name: {unseen}}}]"
    found = streamlake("validate", str(scene.pipeline), "--set", f"kafka.topics={both}")
    assert found.returncode == 78
    assert f"this user may not READ the topic '{scene.topic}'" in found.stdout
    assert f"this user may not READ the group '{group}'" in found.stdout
    assert f"kafka.topics[{unseen}].name: asking for the topic {unseen}: Kafka says TOPIC_AUTHOR" in found.stdout
    assert f"{scene.topic}: its retention and sizes are not known" in found.stdout
    assert PASSWORD not in found.stdout


RULE = (ResourcePatternType.LITERAL, "User:reader", "*")


def test_a_wrong_password_ends_with_78_and_is_never_printed(
    guarded: tuple[LocalKafka, str], make_guarded_scene: MakeScene
) -> None:
    scene = make_guarded_scene(kafka__bootstrap_servers=guarded[1], kafka__security=signed_in("wrong-sesame"))
    with scene.engine() as engine:
        assert engine.wait() == 78, engine.log()
        assert "kafka.security" in engine.log()
        assert "wrong-sesame" not in engine.log()
        assert_speaks_plainly(engine.log())
