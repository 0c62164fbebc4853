"""Each way of signing in lands records: reader, group, questions, dead letters, proof and edge go by it alike."""

import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.account import check_copies
from support.edge import RunningEdge, edge_yaml
from support.engine import streamlake
from support.scene import Scene, orders
from support.secure import KEY_PASSWORD, LANDER, PASSWORD, MakeSecureScene, SecureKafka, secure_scene_in, security
from support.token_server import CLIENT, SECRET, token_server

NO_PASSWORD = {"username": None, "password": None}


def lands(scene: Scene) -> None:
    scene.produce(orders(100))
    scene.run()
    account = scene.account()
    account.check(scene.produced)
    check_copies(scene.servers, scene.dead_topic, account)
    assert len(account.dead) == 2


@pytest.mark.parametrize(
    ("listener", "settings"),
    [
        ("SECURE", {"mechanism": "PLAIN"}),
        ("SECURE", {"mechanism": "SCRAM-SHA-256"}),
        ("SECURE", {"mechanism": "SCRAM-SHA-512"}),
        ("SIGNED", {"mechanism": "SCRAM-SHA-256"}),
        ("TLS", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else value.get("mechanism", ""),
)
def test_records_land_by(secure_scene: MakeSecureScene, listener: str, settings: dict[str, Any]) -> None:
    lands(secure_scene(listener, **settings))


@pytest.mark.parametrize("inline", [False, True], ids=["by path", "as text"])
def test_records_land_by_a_certificate(secured: SecureKafka, secure_scene: MakeSecureScene, inline: bool) -> None:
    crt = secured.certificates.client(LANDER, password=KEY_PASSWORD)
    paths = {"certificate": crt, "key": crt.with_suffix(".key"), "ca": secured.certificates.ca}
    given = {name: path.read_text() if inline else str(path) for name, path in paths.items()}
    lands(secure_scene("MUTUAL", **given, key_password=KEY_PASSWORD))


def test_records_land_by_a_token(secured: SecureKafka, secure_scene: MakeSecureScene) -> None:
    with token_server(secured.certificates.server_context()) as (server, url):
        ca = str(secured.certificates.ca)
        oauth = {"token_url": url, "client_id": CLIENT, "client_secret": SECRET, "scope": "kafka", "ca": ca}
        lands(secure_scene(mechanism="OAUTHBEARER", **NO_PASSWORD, oauth=oauth))
    assert set(server.scopes) == {"kafka"}


@pytest.fixture(scope="module")
def landed(secured: SecureKafka, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A pipeline by SCRAM-SHA-512 that has landed, for commands that only ask."""
    scene = secure_scene_in(secured, tmp_path_factory.mktemp("landed"))
    scene.produce(orders(60))
    scene.run()
    (scene.folder / "one.jsonl").write_text('{"order": 7}\n')
    return scene


@pytest.mark.parametrize(
    "command",
    [
        "topics describe PIPELINE",
        "produce PIPELINE --file one.jsonl",
        "status PIPELINE",
        "prove PIPELINE --kafka",
        "dead list PIPELINE --source topic",
        "dead redrive PIPELINE --to TOPIC --yes",
        "offsets show PIPELINE",
    ],
)
def test_commands_sign_in_as_the_pipeline_does(landed: Scene, command: str) -> None:
    names = {"PIPELINE": str(landed.pipeline), "TOPIC": landed.topic, "one.jsonl": str(landed.folder / "one.jsonl")}
    done = streamlake(*(names.get(word, word) for word in command.split()))
    assert done.returncode == 0, done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_the_edge_signs_in_as_the_pipeline_does(secured: SecureKafka, tmp_path: Path) -> None:
    changes = {"kafka__bootstrap_servers": secured.at("SECURE"), "kafka__security": security(secured)}
    pipeline = edge_yaml(tmp_path, secured.bootstrap_servers, **changes)
    with RunningEdge(pipeline) as edge:
        assert edge.post(b'{"id": 1}').status == 202


def test_an_edge_that_may_not_write_says_so_and_goes_on_answering(secured: SecureKafka, tmp_path: Path) -> None:
    user = f"some-{uuid.uuid4().hex[:8]}"
    secured.add_user(user, PASSWORD)
    pipeline = edge_yaml(tmp_path, secured.bootstrap_servers)
    tree = yaml.safe_load(pipeline.read_text())
    tree["kafka"] |= {"bootstrap_servers": secured.at("SECURE"), "security": security(secured, username=user)}
    pipeline.write_text(yaml.safe_dump(tree))
    with RunningEdge(pipeline, ready=False) as edge:
        secured.allow(user, [("TOPIC", topic, "DESCRIBE") for topic in (edge.topic, edge.dead_letter_topic)])
        answers = [edge.post(b'{"id": 1}') for _ in range(3)]
        assert {answer.status for answer in answers} <= {503, 504}
        assert b"CLUSTER_AUTHORIZATION_FAILED" in answers[-1].body
        assert b"ask for WRITE on the topic that is written" in answers[-1].body
