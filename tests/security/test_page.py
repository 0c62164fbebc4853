"""docs/security.md: each way on it is a YAML that loads; and the example, run as it stands there."""

import re
from pathlib import Path

import pytest
import yaml
from support.engine import streamlake
from support.pages import blocks
from support.secure import KEY_PASSWORD, PASSWORD, Certificates, SecureKafka
from support.source import ROOT
from support.yaml_file import SMALL, YamlFile

from streamlake.engine.kafka.settings import check_properties

PAGE = (ROOT / "docs" / "security.md").read_text()
WAYS = [block.text for block in blocks(PAGE) if block.language == "yaml"]


def put_secrets(folder: Path, made: Certificates) -> None:
    """What the page names, below `secrets/`."""
    secrets = folder / "secrets"
    secrets.mkdir()
    crt = made.client("streamlake", password=KEY_PASSWORD)
    texts = {"kafka-password": PASSWORD, "key-password": KEY_PASSWORD, "client-secret": "x"}
    texts |= {"ca.pem": made.ca.read_text(), "streamlake.crt": crt.read_text()}
    texts["streamlake.key"] = crt.with_suffix(".key").read_text()
    for name, text in texts.items():
        (secrets / name).write_text(text)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: " ".join(way.split()[2:6]))
def test_each_way_is_a_yaml_that_loads(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, way: str) -> None:
    yaml_file = YamlFile(tmp_path)
    put_secrets(tmp_path, Certificates(tmp_path_factory.mktemp("made")))
    tree = yaml.safe_load(SMALL)
    tree["kafka"] |= yaml.safe_load(way)
    config = yaml_file.load(yaml.safe_dump(tree))
    assert config.kafka.security.protocol != "PLAINTEXT"
    check_properties(config.kafka)


def test_each_protocol_and_mechanism_is_there() -> None:
    assert len(WAYS) == 5
    named = {word for way in WAYS for word in re.findall(r"[A-Z][A-Z0-9_-]+", way)}
    wanted = {"SSL", "SASL_SSL", "SASL_PLAINTEXT", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"}
    assert wanted <= named


def test_the_example_lands_what_it_was_sent(secured: SecureKafka, tmp_path: Path) -> None:
    pipeline = tmp_path / "secure.yaml"
    pipeline.write_text((ROOT / "config" / "examples" / "secure.yaml").read_text())
    put_secrets(tmp_path, secured.certificates)
    (tmp_path / "some.jsonl").write_text('{"a": 1}\n{"a": 2}\n{"a":\n')
    env = {"KAFKA_BOOTSTRAP_SERVERS": secured.at("SECURE")}
    said = ""
    for command in (
        ("validate", "--offline"),
        ("topics", "apply"),
        ("produce", "--file", str(tmp_path / "some.jsonl")),
        ("run", "--until-end"),
        ("prove", "--kafka"),
    ):
        verbs = 2 if command[0] == "topics" else 1
        done = streamlake(*command[:verbs], str(pipeline), *command[verbs:], env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        said += done.stdout + done.stderr
    assert "3 offsets = 2 rows + 1 dead letter" in said
    assert PASSWORD not in said
