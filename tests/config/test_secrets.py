"""Secrets in wrong YAMLs and on the command line: never shown, and refused where everybody would see them."""

import pytest
from support.yaml_file import SMALL, YamlFile

CANARY = "canary-7f3a"
PEM = f"-----BEGIN PRIVATE KEY-----\nMII{CANARY}\n-----END PRIVATE KEY-----\n"

WRONG = [
    "{password:canary-7f3a}",
    "{username: u, pasword: canary-7f3a}",
    "{protocol: SASL_SSL, password=canary-7f3a}",
    "{password: !!int canary-7f3a}",
    "{password: !x canary-7f3a}",
    "{password: &a canary-7f3a, username: *a}",
    "{password: canary-7f3a: x}",
    '{password: "canary-7f3a}',
    "{password: canary-7f3a, password: canary-7f3a}",
    "{password:canary-7f3a: 1, password:canary-7f3a: 1}",
    '{protocol: SSL, key: "${file:secret}", certificate: c.pem}',
    '{protocol: SSL, key: ["${file:pem}"], certificate: c.pem}',
    '{key: "${file:pem}"}',
    '{protocol: "${file:pem}"}',
    '{protocol: "${PEM}"}',
    '{protocol: SSL, certificate: c.pem, key: "MII' + CANARY * 20 + '"}',
    "\n    key: |\n    -----BEGIN PRIVATE KEY-----\n    MIIcanary-7f3a\n    -----END PRIVATE KEY-----",
    "{protocol: SASL_SSL, mechanism: OAUTHBEARER, oauth: {client_secret:canary-7f3a}}",
    "{protocol: SASL_SSL, mechanism: OAUTHBEARER, oauth: {client_secret: [canary-7f3a]}}",
]


@pytest.mark.parametrize("security", WRONG)
def test_a_wrong_yaml_shows_no_secret(yaml_file: YamlFile, security: str) -> None:
    (yaml_file.path.parent / "secret").write_text(CANARY)
    (yaml_file.path.parent / "pem").write_text(PEM)
    text = SMALL.replace("  topics:", f"  security: {security}\n  topics:")
    found = yaml_file.problems(text, environ={"PEM": PEM})
    assert found
    assert CANARY not in "\n".join(found)


@pytest.mark.parametrize(
    "override",
    [
        "kafka.security.password=canary-7f3a",
        "kafka.security={protocol: SASL_SSL, mechanism: PLAIN, username: u, password: canary-7f3a}",
        "kafka.security.password=${P:-canary-7f3a}",
        "kafka.security.password=before-${P}-canary-7f3a",
        "kafka.security.key_password=canary-7f3a",
        "kafka.security.oauth.client_secret=canary-7f3a",
        f"kafka.security.key={PEM}",
        "kafka.properties.ssl.keystore.password=canary-7f3a",
        "kafka.properties={sasl.oauthbearer.client.secret: canary-7f3a}",
        "sink.options.api_key=canary-7f3a",
    ],
)
def test_a_secret_on_the_command_line_is_refused_with_what_to_write_instead(yaml_file: YamlFile, override: str) -> None:
    (found,) = yaml_file.problems(SMALL, override, environ={"P": "p"})
    assert found.startswith(f"--set {override.partition('=')[0]}")
    assert "'${file:PATH}'" in found
    assert CANARY not in found


@pytest.mark.parametrize(
    "override", ["kafka.security.password:canary-7f3a", "kafka.security.password canary-7f3a", "x.token[canary-7f3a]=1"]
)
def test_a_secret_in_the_place_of_a_path_is_not_shown(yaml_file: YamlFile, override: str) -> None:
    (found,) = yaml_file.problems(SMALL, override)
    assert CANARY not in found


SIGN_IN = "  security: {protocol: SASL_SSL, mechanism: PLAIN, username: u, password: x}\n"


@pytest.mark.parametrize("given", ["${file:secret}", "${P}", "${P:-}"])
def test_a_secret_on_the_command_line_may_be_a_variable(yaml_file: YamlFile, given: str) -> None:
    (yaml_file.path.parent / "secret").write_text(CANARY)
    text = SMALL.replace("  topics:", f"{SIGN_IN}  topics:")
    config = yaml_file.load(text, f"kafka.security.password={given}", environ={"P": CANARY})
    assert config.kafka.security.password is not None
    assert config.kafka.security.password.get_secret_value() == CANARY


@pytest.mark.parametrize(
    "override",
    [
        "kafka.topics[order.raw].config.retention.ms=7",
        "http={keys_file: keys.json, auth: keys, streams: {orders: {topic: x, key_field: /a}}}",
        "kafka.security={protocol: SSL, certificate: c.pem, key: k.pem}",
    ],
)
def test_what_only_sounds_like_a_secret_may_stand_there(yaml_file: YamlFile, override: str) -> None:
    yaml_file.load(SMALL, override)
