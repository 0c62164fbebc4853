"""`streamlake init` without a broker: what it writes, what it never overwrites, and what it says."""

import json
from pathlib import Path

import pytest
from support.engine import AWAY, streamlake

from streamlake.config.load import load_pipeline

NOBODY = {"KAFKA_BOOTSTRAP_SERVERS": ""}


def test_a_yaml_is_written_that_validate_takes_with_the_next_commands(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    done = streamlake("init", str(file), env=NOBODY)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{file}: written; nobody has looked at a topic (--topic and --bootstrap)"
    assert [line.split()[1] for line in lines[2:]] == ["topics", "validate", "dry-run", "run", "status", "prove"]
    assert [path.name for path in tmp_path.iterdir()] == ["orders.yaml"]
    done = streamlake("validate", str(file), "--offline")
    assert done.returncode == 0, done.stderr
    config = load_pipeline(file, environ={})
    assert (config.pipeline, config.kafka.topic_names, config.kafka.group_id) == (
        "orders",
        ("orders",),
        "streamlake.orders",
    )


def test_what_is_said_stands_in_the_yaml(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    said = ["--topic", "shop.orders", "--bootstrap", "a:9092,b:9092", "--group", "shop", "--root", "gs://bucket/raw"]
    done = streamlake("init", str(file), *said, "--offline", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"written": [str(file)], "look": None})
    config = load_pipeline(file, environ={})
    assert (config.kafka.bootstrap_servers, config.kafka.group_id) == ("a:9092,b:9092", "shop")
    assert [topic.name for topic in config.all_topics] == ["shop.orders", "shop.orders.dlq"]
    assert config.sink.options["root"] == "gs://bucket/raw"


@pytest.mark.parametrize("standing", ["orders.yaml", "orders.schema.json"])
def test_nothing_that_is_there_is_overwritten_without_force(tmp_path: Path, standing: str) -> None:
    (tmp_path / standing).write_text("mine")
    done = streamlake("init", str(tmp_path / "orders.yaml"), env=NOBODY)
    assert done.returncode == 2
    assert done.stderr == (
        f"{tmp_path / standing}: is there already, and nothing was written; name another file, or say --force"
        " [SL0202]\n"
    )
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(standing, "mine")]
    done = streamlake("init", str(tmp_path / "orders.yaml"), "--force", env=NOBODY)
    assert done.returncode == 0, done.stderr
    assert "pipeline: orders" in (tmp_path / "orders.yaml").read_text()


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        (["--topic", "a b"], 78, "--topic: 'a b' is no legal topic name"),
        (["--bootstrap", "kafka"], 78, "--bootstrap: 'kafka' must be host:port"),
        (["--group", ""], 78, "--group: '' must not be empty"),
        (["--root", "s3://bucket"], 78, "sink.root 's3://bucket'"),
        (["--records", "0"], 2, "--records"),
        (["--set", "sink.root=x"], 2, "--set sink.root: init takes kafka.security and kafka.properties"),
        (["--set", "kafka.security.password=hunter2"], 78, "is a secret, and on the command line it is seen"),
        (["--set", "kafka.security.protocl=SSL"], 78, "--set kafka.security.protocl: unknown key; did you mean"),
        (
            ["--topic", "orders", "--bootstrap", AWAY],
            1,
            "is kafka.bootstrap_servers right? Nothing was written; --offline drafts the YAML without a look",
        ),
    ],
)
def test_what_can_not_be_meant_is_said_and_nothing_is_written(
    tmp_path: Path, said: list[str], code: int, why: str
) -> None:
    done = streamlake("init", str(tmp_path / "orders.yaml"), *said, env=NOBODY)
    assert done.returncode == code
    assert why in done.stderr
    assert "hunter2" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_how_to_sign_in_stands_in_the_yaml_as_it_was_said(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    settings = {
        "security.protocol": "SASL_PLAINTEXT",
        "security.mechanism": "OAUTHBEARER",
        "security.oauth": '{token_url: "https://id/token", client_id: "yes", client_secret: "${SECRET}"}',
        "properties.socket.timeout.ms": "10000",
    }
    said = [word for path, value in settings.items() for word in ("--set", f"kafka.{path}={value}")]
    done = streamlake("init", str(file), *said, "--offline", env={"SECRET": "hunter2"})
    assert done.returncode == 0, done.stderr
    assert "hunter2" not in file.read_text()
    kafka = load_pipeline(file, environ={"SECRET": "hunter2"}).kafka
    assert kafka.security.oauth is not None
    assert (kafka.security.oauth.client_id, kafka.security.oauth.client_secret.get_secret_value()) == ("yes", "hunter2")
    assert kafka.properties["socket.timeout.ms"].get_secret_value() == "10000"


def test_standard_output_is_no_place_for_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = streamlake("init", "-")
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert done.stderr == "-: init writes a file, and a schema beside it; name it, e.g. orders.yaml [SL0202]\n"


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    done = streamlake("init", str(tmp_path), "--force", env=NOBODY)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert f"{tmp_path}: is a folder; name the file to write, e.g. {tmp_path}/pipeline.yaml" in done.stderr
    assert ".: is a folder; name the file to write" in streamlake("init", ".", env=NOBODY).stderr


def test_a_broker_that_does_not_answer_is_named_with_its_code(tmp_path: Path) -> None:
    done = streamlake("init", str(tmp_path / "o.yaml"), "--topic", "o", "--bootstrap", "127.0.0.1:1", env=NOBODY)
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "no answer from 127.0.0.1:1" in done.stderr
    assert done.stderr.endswith("[SL0302]\n")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = streamlake("init", str(tmp_path / "no" / "orders.yaml"), env=NOBODY)
    assert (done.returncode, done.stderr) == (
        2,
        f"{tmp_path}/no/orders.yaml: there is no folder {tmp_path}/no; make it first [SL0202]\n",
    )
