"""Each way of not getting in is one sentence: cause, value, and what to do; soon, and with the right exit code."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from support.broker import pipeline_on
from support.pages import blocks
from support.secure import LANDER, OVER, MakeSecureScene, SecureKafka, security
from support.source import ROOT
from support.token_server import CLIENT, token_server

from streamlake.engine.errors import Exit, StreamLakeError
from streamlake.engine.kafka.admin import ClusterAdmin
from streamlake.engine.kafka.settings import admin_properties

PAGE = ROOT / "docs" / "security.md"
WRONG = "wrong-sesame-4711"
SECONDS_MAX = 20.0
"""Two are waited for, and this machine may be busy; librdkafka's own time-out is 30."""


@dataclass(frozen=True)
class Case:
    """A listener, what is wrong with our security there, and what has to be said."""

    listener: str
    changes: Callable[[SecureKafka], dict[str, Any]]
    said: str
    code: Exit = Exit.BAD_CONFIG


def always(**changes: Any) -> Callable[[SecureKafka], dict[str, Any]]:
    return lambda _: changes


def by_certificate(kafka: SecureKafka, name: str, **settings: Any) -> dict[str, Any]:
    crt = kafka.certificates.client(name, **settings)
    return {"certificate": str(crt), "key": str(crt.with_suffix(".key"))}


def by_token(url: str, secret: str = WRONG) -> dict[str, Any]:
    oauth = {"token_url": url, "client_id": CLIENT, "client_secret": secret}
    return {"mechanism": "OAUTHBEARER", "username": None, "password": None, "oauth": oauth}


CASES = {
    "a wrong password": Case(
        "SECURE",
        always(password=WRONG),
        "AT refuses the sign-in as streamlake by SCRAM-SHA-512: Authentication failed.*: "
        "check kafka.security.username and password",
    ),
    "a wrong password of PLAIN": Case(
        "SECURE",
        always(mechanism="PLAIN", password=WRONG),
        "AT refuses the sign-in as streamlake by PLAIN: Authentication failed.*: check",
    ),
    "an unknown user": Case("SECURE", always(username="nobody"), "AT refuses the sign-in as nobody by SCRAM-SHA-512: "),
    "a mechanism that is not offered": Case(
        "SIGNED",
        always(mechanism="PLAIN"),
        "AT offers SCRAM-SHA-256, and kafka.security.mechanism is PLAIN: take one of those",
    ),
    "an unknown authority": Case(
        "SECURE",
        lambda kafka: {"ca": str(kafka.certificates.strange_ca)},
        r"the certificate of AT comes from an authority that kafka.security.ca \(.*strange-ca.pem\) does not know",
    ),
    "the system's authorities": Case(
        "TLS",
        always(ca=None),
        r"comes from an authority that the system \(kafka.security.ca is not set\) does not know",
    ),
    "an expired certificate": Case(
        "EXPIRED",
        always(),
        r"the certificate of AT has expired \(until 2026-01-31T06:00:00Z\): the broker needs another one",
    ),
    "another host's certificate": Case(
        "OTHER",
        always(),
        "the certificate of AT is not for localhost, but for kafka.example.org: use such a name in",
    ),
    "no certificate of ours": Case(
        "MUTUAL",
        always(),
        r"AT wants a certificate of this client, and none is set \(.*\): set kafka.security.certificate and",
    ),
    "our certificate expired": Case(
        "MUTUAL",
        lambda kafka: by_certificate(kafka, f"{LANDER}-over", times=OVER),
        r"AT refuses this client's certificate, kafka.security.certificate: it has expired \(until 2026-01-31T06",
    ),
    "our certificate of another authority": Case(
        "MUTUAL",
        lambda kafka: by_certificate(kafka, f"{LANDER}-strange", of=kafka.certificates.stranger),
        r"AT refuses this client's certificate, kafka.security.certificate \(.*\): take one from an authority that the",
    ),
    "no TLS to a TLS port": Case(
        "TLS",
        always(protocol="PLAINTEXT", ca=None),
        "AT speaks TLS, and kafka.security.protocol is PLAINTEXT: set it to SSL or SASL_SSL",
    ),
    "a sign-in without TLS to a TLS port": Case(
        "SECURE",
        always(protocol="SASL_PLAINTEXT", ca=None),
        "AT speaks TLS, and kafka.security.protocol is SASL_PLAINTEXT: set it to SASL_SSL",
    ),
    "TLS to a port without": Case(
        "SIGNED",
        always(protocol="SASL_SSL"),
        "AT speaks no TLS, and kafka.security.protocol is SASL_SSL: set it to SASL_PLAINTEXT",
    ),
    "no sign-in where one is wanted": Case(
        "SECURE",
        always(protocol="SSL"),
        "AT wants a sign-in, and kafka.security.protocol is SSL: set it to SASL_SSL, with a mechanism",
    ),
    "no sign-in where one is wanted, without TLS": Case(
        "SIGNED",
        always(protocol="PLAINTEXT"),
        "AT wants a sign-in, and kafka.security.protocol is PLAINTEXT: set it to SASL_PLAINTEXT, with a mechanism",
    ),
    "a sign-in where none is taken": Case(
        "TLS",
        always(protocol="SASL_SSL"),
        "AT takes no sign-in, and kafka.security.protocol is SASL_SSL: set it to SSL",
    ),
    "a token server that is away": Case(
        "SECURE",
        always(**by_token("http://127.0.0.1:1/token")),
        r"no token from http://127.0.0.1:1/token for the client streamlake: .*: does it answer there, and is "
        r"kafka.security.oauth.token_url right\?",
        Exit.SOURCE,
    ),
    "a wrong client secret": Case(
        "SECURE",
        lambda _: by_token("TOKENS"),
        r"no token from .* for the client streamlake: .*invalid_client.*: check kafka.security.oauth \(client_id",
    ),
}


@dataclass(frozen=True)
class Refused:
    """What became of a case."""

    error: StreamLakeError
    seconds: float
    address: str


@pytest.fixture(scope="module")
def refused(secured: SecureKafka) -> dict[str, Refused]:
    """All cases at once: each waits for librdkafka's answer, and would cost its seconds alone."""

    def ask(case: Case, url: str) -> Refused:
        changes = case.changes(secured)
        if changes.get("oauth", {}).get("token_url") == "TOKENS":
            changes = by_token(url)
        protocol = changes.pop("protocol", secured.listeners[case.listener].protocol)
        address = secured.at(case.listener)
        config = pipeline_on(address, kafka={"security": security(secured, protocol, **changes)})
        admin = ClusterAdmin(admin_properties(config.kafka, "tests"), timeout_seconds=30)
        began = time.monotonic()
        with pytest.raises(StreamLakeError) as caught:
            admin.topic_ids(["orders"])
        return Refused(caught.value, time.monotonic() - began, address)

    with token_server() as (_, url), ThreadPoolExecutor(len(CASES)) as pool:
        asked = {name: pool.submit(ask, case, url) for name, case in CASES.items()}
        return {name: future.result() for name, future in asked.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_is_a_sentence_with_cause_and_cure(name: str, refused: dict[str, Refused]) -> None:
    case, found = CASES[name], refused[name]
    sentence = str(found.error)
    assert sentence.startswith("asking for the topic orders: ")
    assert re.search(case.said.replace("AT", re.escape(found.address)), sentence), sentence
    assert found.error.exit_code is case.code
    assert found.seconds < SECONDS_MAX
    assert "\n" not in sentence
    assert WRONG not in sentence


def test_each_error_of_the_page_is_one_that_is_said(refused: dict[str, Refused]) -> None:
    sentences = [str(one.error).partition(": ")[2] for one in refused.values()]
    said = [re.sub(r"localhost:\d+", "localhost:9093", sentence) for sentence in sentences]
    said = [re.sub(r"\(/\S+/strange-ca.pem\)", "(secrets/ca.pem)", sentence) for sentence in said]
    shown = [line for block in blocks(PAGE.read_text()) if block.language == "text" for line in block.text.splitlines()]
    assert len(shown) > 5
    assert [line for line in shown if line not in said] == [], "\n".join(said)


@pytest.mark.parametrize("name", ["a wrong password", "an expired certificate", "a token server that is away"])
def test_a_run_ends_soon_with_the_exit_code_of_its_refusal(
    name: str, secured: SecureKafka, secure_scene: MakeSecureScene
) -> None:
    case = CASES[name]
    scene = secure_scene(case.listener, **case.changes(secured))
    with scene.engine() as engine:
        assert engine.wait() == case.code.of_command, engine.log()
    assert re.search(case.said.replace("AT", r"localhost:\d+"), engine.log())
    assert WRONG not in engine.log()
