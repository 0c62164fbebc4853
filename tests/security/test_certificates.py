"""Certificates and keys are looked at before anybody is asked: what can't work is named with its setting."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from support.broker import pipeline_on
from support.secure import KEY_PASSWORD, OVER, Certificates

from streamlake.config.kafka import KafkaSettings
from streamlake.engine.errors import ConfigError
from streamlake.engine.kafka.own_certificate import ended_at
from streamlake.engine.kafka.settings import check_properties, reader_properties


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def kafka(**security: Any) -> KafkaSettings:
    changes = {"topics": [{"name": "x"}], "security": {"protocol": "SSL", **security}}
    return pipeline_on("127.0.0.1:1", kafka=changes).kafka


def with_client(made: Certificates, **changes: Any) -> KafkaSettings:
    crt = made.client("lander")
    return kafka(**{"ca": made.ca, "certificate": crt, "key": crt.with_suffix(".key"), **changes})


@pytest.mark.parametrize("inline", [False, True])
def test_certificates_and_keys_are_taken_by_path_and_as_text(made: Certificates, inline: bool) -> None:
    crt = made.client("lander", password=KEY_PASSWORD)
    paths = {"ca": made.ca, "certificate": crt, "key": crt.with_suffix(".key")}
    given: dict[str, Any] = {name: path.read_text() for name, path in paths.items()} if inline else dict(paths)
    settings = kafka(**given, key_password=KEY_PASSWORD)
    check_properties(settings)
    found = reader_properties(settings, "me")
    for name, path in paths.items():
        kind = "pem" if inline else "location"
        assert found[f"ssl.{name}.{kind}"] == (path.read_text() if inline else str(path))
    Consumer({**found, "bootstrap.servers": "", "log_level": 0}).close()


def of(**changes: Callable[[Certificates], Any]) -> Callable[[Certificates], dict[str, Any]]:
    return lambda made: {name: value(made) for name, value in changes.items()}


def other_key(made: Certificates) -> Path:
    return made.client("other").with_suffix(".key")


def locked_key(made: Certificates) -> Path:
    return made.client("locked", password=KEY_PASSWORD).with_suffix(".key")


def damaged(path: Path) -> Path:
    lines = path.read_text().splitlines()
    lines[1] = lines[1][::-1]
    copy = path.with_name(f"damaged-{path.name}")
    copy.write_text("\n".join(lines))
    return copy


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (of(ca=lambda _: "/nowhere/ca.pem"), "kafka.security.ca: the file /nowhere/ca.pem can't be read: No such file"),
        (of(key=lambda _: "/nowhere/k.pem"), "kafka.security.key: the file /nowhere/k.pem can't be read"),
        (of(ca=lambda _: "/dev/null"), "kafka.security.ca: the file /dev/null holds no certificate in PEM"),
        (of(key=lambda made: made.ca), "holds no private key in PEM (-----BEGIN … PRIVATE KEY-----): `openssl pkey"),
        (of(certificate=other_key), "holds no certificate in PEM (-----BEGIN CERTIFICATE-----): `openssl x509"),
        (of(key=other_key), "kafka.security.key: the key "),
        (of(key=other_key), "does not belong to the certificate "),
        (of(key=lambda made: other_key(made).read_text()), "the key of the YAML does not belong to the certificate "),
        (of(key=locked_key), "kafka.security.key_password: is missing: the key "),
        (
            of(key=locked_key, key_password=lambda _: "wrong-sesame"),
            "kafka.security.key_password: does not open the key",
        ),
        (of(ca=lambda made: damaged(made.ca)), "is damaged: OpenSSL can't load its certificates"),
        (of(key=lambda made: damaged(other_key(made))), "is damaged: OpenSSL can't load it"),
        (of(certificate=lambda made: damaged(made.client("l"))), "is damaged: OpenSSL can't load its certificates"),
    ],
)
def test_what_can_not_work_is_named_with_its_setting(
    made: Certificates, changes: Callable[[Certificates], dict[str, Any]], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_properties(with_client(made, **changes(made)))
    (problem,) = caught.value.problems
    assert said in problem
    assert "wrong-sesame" not in problem
    assert "MI" not in problem, "the text of a key"


def test_every_problem_is_told_at_once(made: Certificates) -> None:
    with pytest.raises(ConfigError) as caught:
        check_properties(with_client(made, ca="/nowhere/ca.pem", key="/nowhere/k.pem"))
    assert [problem.split(": ")[0] for problem in caught.value.problems] == ["kafka.security.ca", "kafka.security.key"]


def test_the_end_of_a_certificate_is_told(made: Certificates) -> None:
    texts = {}
    for name, times in (("valid", (None, None)), ("over", OVER)):
        crt = made.client(name, times, password=KEY_PASSWORD)
        texts[name] = (crt.read_text(), crt.with_suffix(".key").read_text(), KEY_PASSWORD)
    assert ended_at(*texts["valid"]) is None
    assert ended_at(*texts["over"]) == "2026-01-31T06:00:00Z"
