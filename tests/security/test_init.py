"""`streamlake init` signs in by `--set`, looks, and writes down how, with the variable in the secret's place."""

from pathlib import Path

from support.engine import streamlake
from support.scene import orders
from support.secure import LANDER, PASSWORD, MakeSecureScene, SecureKafka


def test_init_looks_at_a_topic_behind_a_sign_in(
    secured: SecureKafka, secure_scene: MakeSecureScene, tmp_path: Path
) -> None:
    scene = secure_scene()
    scene.produce(orders(60))
    settings = {
        "protocol": "SASL_SSL",
        "mechanism": "SCRAM-SHA-512",
        "username": LANDER,
        "password": "${KAFKA_PASSWORD}",
        "ca": secured.certificates.ca,
    }
    said = [word for name, value in settings.items() for word in ("--set", f"kafka.security.{name}={value}")]
    file = tmp_path / "drafted.yaml"
    words = ["init", str(file), "--topic", scene.topic, "--bootstrap", secured.at("SECURE"), *said]
    done = streamlake(*words, env={"KAFKA_PASSWORD": PASSWORD})
    assert done.returncode == 0, done.stderr
    assert "60 records looked at" in done.stdout
    text = file.read_text()
    assert 'password: "${KAFKA_PASSWORD}"' in text
    assert PASSWORD not in text + done.stdout
    done = streamlake("dry-run", str(file), env={"KAFKA_PASSWORD": PASSWORD})
    assert done.returncode == 0, done.stderr
    done = streamlake(*words, "--force", env={"KAFKA_PASSWORD": "wrong"})
    assert (done.returncode, "refuses the sign-in as streamlake by SCRAM-SHA-512" in done.stderr) == (78, True)
