"""One decided answer: what the validators say of hostile payloads is what the edge answers, record by record."""

import http.client
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hostile.mutating import mutated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.broker import everything_in, unique
from support.edge import JSON, LINES, Answered, RunningEdge, edge_yaml
from support.shared import SharedKafka
from validators.cases import CASES

from streamlake.config.plugin import PluginSettings
from streamlake.engine.policy import Policies, decide
from streamlake.engine.records import Refusal
from streamlake.engine.registry import validator_class
from streamlake.engine.testing.hostile import HOSTILE
from streamlake.http_edge.streams import make_streams
from streamlake.plugins.validators import orders

VALIDATORS: Mapping[str, dict[str, Any]] = {
    "json": {"type": "json"},
    "jsonschema": {"type": "jsonschema", "schema": str(orders.__file__).replace("orders.py", "orders.schema.json")},
    "pydantic": {"type": "pydantic", "model": "streamlake.plugins.validators.orders:Order"},
}
MUTATED = 500
RECORD_BYTES_MAX = 900_000
PAYLOADS = [*HOSTILE, *(case.payload for case in CASES if case.payload is not None), b'{"a":"' + b"x" * 900_000 + b'"}']
SPACE = b" \t\r\n"
KINDS = [JSON, LINES, "application/x-jsonlines", f"{JSON}; charset=utf-8", "text/plain", "", "a/b;charset=", "\xff"]


@pytest.fixture(scope="module")
def edge(kafka: SharedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    """A stream for each validator, each with a topic of its own."""
    streams = {
        name: {"topic": unique(name), "validator": validator, "body_max": "8MiB", "key_field": "/O_ORDERKEY"}
        for name, validator in VALIDATORS.items()
    }
    path = edge_yaml(
        tmp_path_factory.mktemp("edge"),
        kafka.bootstrap_servers,
        http__streams={"orders": {}, **streams},
        policies__record_bytes_max=RECORD_BYTES_MAX,
    )
    with RunningEdge(path) as running:
        yield running


def sent(payload: bytes) -> tuple[bytes, str]:
    """How a payload is posted so that it arrives as one record: a line where it can be one."""
    return (payload, JSON) if b"\n" in payload or payload.endswith(b"\r") else (payload, LINES)


def refusals_of(edge: RunningEdge, name: str, payloads: Sequence[bytes]) -> list[Refusal | None]:
    """What the validator and the policies say, asked without any edge."""
    section = PluginSettings.model_validate(VALIDATORS[name])
    validator = validator_class(section.type).from_options(
        section.options, columns=False, base_dir=edge.config.base_dir
    )
    batch = make_streams(edge.config)[name].batch(payloads, [None] * len(payloads))
    verdict = decide(batch, Policies("skip", RECORD_BYTES_MAX, 1000), validator.validate)
    by_index = {refusal.index: refusal for refusal in verdict.refused}
    return [by_index.get(index) for index in range(len(payloads))]


def assert_same(edge: RunningEdge, name: str, payloads: Sequence[bytes], results: Sequence[dict[str, Any]]) -> None:
    """Each result says what the validator says, and each payload is where its result says, byte for byte."""
    found = {
        (message.topic(), message.partition(), message.offset()): message.value()
        for topic in {result.get("topic") or result["dead_letter"]["topic"] for result in results}
        for message in everything_in(edge.config, topic)
    }
    expected = refusals_of(edge, name, payloads)
    for payload, refusal, result in zip(payloads, expected, results, strict=True):
        if refusal is None:
            assert result["status"] == "stored", (payload[:100], result)
            place = result
        else:
            said = (result["status"], result["reason"], result["field"], result["message"])
            assert said == ("refused", refusal.reason, refusal.field, refusal.message), payload[:100]
            place = result["dead_letter"]
        assert found[place["topic"], place["partition"], place["offset"]] == payload


@pytest.mark.parametrize("name", VALIDATORS)
def test_hostile_payloads_one_by_one_get_the_validators_answer(edge: RunningEdge, name: str) -> None:
    payloads, results, whole = [], [], []
    connection = http.client.HTTPConnection(*edge.address, timeout=30)
    for payload in PAYLOADS:
        body, kind = sent(payload)
        connection.request("POST", f"/ingest/{name}", body, {"content-type": kind})
        response = connection.getresponse()
        answered = Answered(response.status, {}, response.read())
        if answered.status == 400:
            whole.append(payload)
            continue
        (result,) = answered.json["results"]
        assert answered.status == (202 if result["status"] == "stored" else 422)
        results.append(result)
        payloads.append(payload.strip(SPACE) if kind == JSON else payload)
    connection.close()
    # What holds no record at all; as lines such payloads would be blank.
    assert set(whole) == {payload for payload in PAYLOADS if not payload.strip(SPACE)}
    assert_same(edge, name, payloads, results)


@pytest.mark.parametrize("name", VALIDATORS)
def test_hostile_payloads_in_one_request_get_the_same(edge: RunningEdge, name: str) -> None:
    payloads = [payload for payload in PAYLOADS if sent(payload)[1] == LINES and payload.strip(SPACE)]
    answered = edge.post(b"\n".join(payloads), LINES, path=f"/ingest/{name}")
    assert answered.status in (207, 422), answered.body[:300]
    assert_same(edge, name, payloads, answered.json["results"])


@pytest.mark.parametrize("name", VALIDATORS)
def test_mutated_orders_get_the_same(edge: RunningEdge, name: str) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    payloads = [each.replace(b"\n", b" ").strip(SPACE) or b"0" for each in mutated(seed, MUTATED)]
    answered = edge.post(b"\n".join(payloads), LINES, path=f"/ingest/{name}")
    assert answered.status in (207, 422), (seed, answered.body[:300])
    assert_same(edge, name, payloads, answered.json["results"])


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
).map(lambda value: json.dumps(value).encode())
BODIES = st.binary(max_size=300) | JSONISH | st.lists(JSONISH, max_size=5).map(b"\n".join)


@given(
    body=BODIES,
    kind=st.sampled_from(KINDS),
    encoding=st.sampled_from(["", "identity", "gzip", "zstd", "br"]),
    name=st.sampled_from([*VALIDATORS, "orders", "nope"]),
    query=st.sampled_from(["", "?detail=summary", "?detail", "?%"]),
    accept=st.sampled_from(["*/*", "application/*;q=0.1", ",", "a", JSON]),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_have_an_answer_in_json(
    edge: RunningEdge, body: bytes, kind: str, encoding: str, name: str, query: str, accept: str
) -> None:
    """No 5xx, whatever is sent; and no traceback in the log, which `RunningEdge` looks through at its end."""
    headers = {"content-type": kind, "content-encoding": encoding, "accept": accept}
    answered = edge.request("POST", f"/ingest/{name}{query}", body, headers)
    assert answered.status < 500
    found = answered.json
    if answered.headers["content-type"] == JSON:
        assert answered.status in (202, 207, 422)
        assert "summary" in query or len(found["results"]) == found["stored"] + found["refused"]
        assert found["unknown"] == 0
    else:
        assert answered.headers["content-type"] == "application/problem+json"
        assert (found["status"], set(found) >= {"type", "title", "detail", "request_id"}) == (answered.status, True)


NAMES = st.sampled_from(["accept", "content-type", "content-encoding", "authorization", "x-api-key", "idempotency-key"])
MORE_NAMES = st.sampled_from(["traceparent", "tracestate", "x-request-id", "expect", "cookie", "range", "forwarded"])
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)


@given(headers=st.dictionaries(NAMES | MORE_NAMES, VALUES, max_size=6), path=VALUES, query=VALUES)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_head_has_an_answer_in_json(edge: RunningEdge, headers: dict[str, str], path: str, query: str) -> None:
    quoted = "".join(f"%{each:02x}" for each in f"{path}?".encode("latin-1")[:-1])
    asked = "".join(each for each in query if each.isascii() and each not in " #")
    for address in (f"/ingest/{quoted}", f"/ingest/orders?{asked}"):
        answered = edge.request("POST", address, b'{"a":1}', headers)
        assert answered.status < 500
        assert answered.headers["content-type"] == (JSON if answered.status == 202 else "application/problem+json")
        assert answered.json["detail" if answered.status >= 400 else "results"]
