"""A running edge on a real Kafka: what is answered is what happened, record by record."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from support.broker import everything_in
from support.edge import JSON, LINES, Answered, RunningEdge, edge_yaml
from support.shared import SharedKafka
from support.waiting import wait_until

ORDERS = [b'{"id": %d, "note":  "as it is"}' % number for number in range(5)]


@pytest.fixture(scope="module")
def edge(kafka: SharedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    """One edge for the tests of this file that only post."""
    folder = tmp_path_factory.mktemp("edge")
    with RunningEdge(edge_yaml(folder, kafka.bootstrap_servers, http__streams__orders__key_field="/id")) as running:
        yield running


def stored(edge: RunningEdge, answered: Answered) -> list[bytes | None]:
    """What lies in the topic at the places that an answer names, in its order."""
    places = {
        (message.partition(), message.offset()): message.value() for message in everything_in(edge.config, edge.topic)
    }
    return [places[one["partition"], one["offset"]] for one in answered.json["results"] if one["status"] == "stored"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\n".join(ORDERS), LINES),
        (b"\r\n".join(ORDERS) + b"\r\n\r\n", LINES),
        (b" [" + b" , ".join(ORDERS) + b"]\n", JSON),
    ],
)
@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
def test_each_record_is_where_the_answer_says_as_it_was_sent(
    edge: RunningEdge, body: bytes, kind: str, encoding: str
) -> None:
    packed = {"identity": body, "gzip": gzip.compress(body), "zstd": zstandard.compress(body)}[encoding]
    answered = edge.post(packed, kind, content_encoding=encoding)
    assert answered.status == 202, answered.body
    assert [one["index"] for one in answered.json["results"]] == list(range(5))
    assert stored(edge, answered) == ORDERS


def test_a_refused_record_stops_no_other_and_is_in_the_dead_letters(edge: RunningEdge) -> None:
    answered = edge.post(b"\n".join([ORDERS[0], b'{"id":', ORDERS[1]]), LINES)
    assert answered.status == 207
    assert (answered.json["stored"], answered.json["refused"], answered.json["unknown"]) == (2, 1, 0)
    assert stored(edge, answered) == ORDERS[:2]
    refused = answered.json["results"][1]
    assert (refused["status"], refused["reason"]) == ("refused", "malformed")
    place = refused["dead_letter"]
    (letter,) = [
        message for message in everything_in(edge.config, place["topic"]) if message.offset() == place["offset"]
    ]
    assert letter.value() == b'{"id":'
    said = dict(letter.headers() or [])
    assert said["streamlake.reason"] == b"malformed"
    assert said["__connect.errors.topic"] == edge.topic.encode()
    assert said["__connect.errors.exception.message"] == refused["message"].encode()


def test_only_refused_records_are_422(edge: RunningEdge) -> None:
    assert edge.post(b"no json").status == 422


def test_the_key_is_the_value_of_the_key_field(edge: RunningEdge) -> None:
    answered = edge.post(b'{"id": "customer-7"}')
    place = answered.json["results"][0]
    (message,) = [
        each
        for each in everything_in(edge.config, edge.topic)
        if (each.partition(), each.offset()) == (place["partition"], place["offset"])
    ]
    assert message.key() == b"customer-7"


def test_marks_of_a_request_are_on_each_of_its_records(edge: RunningEdge) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    answered = edge.post(b"\n".join(ORDERS[:2]), LINES, idempotency_key="order-1", traceparent=trace)
    places = [(one["partition"], one["offset"]) for one in answered.json["results"]]
    found = {(each.partition(), each.offset()): each for each in everything_in(edge.config, edge.topic)}
    for index, place in enumerate(places):
        assert found[place].headers() == [
            ("traceparent", trace.encode()),
            ("streamlake.idempotency_key", b"order-1"),
            ("streamlake.idempotency_index", str(index).encode()),
        ]


@pytest.mark.parametrize(("size", "passed_on"), [(512, True), (513, False)])
def test_a_tracestate_is_passed_on_where_all_of_a_request_s_records_can_bear_it(
    edge: RunningEdge, size: int, passed_on: bool
) -> None:
    trace = f"00-{'ab' * 16}-{'cd' * 8}-01"
    answered = edge.post(ORDERS[0], traceparent=trace, tracestate="a=" + "x" * (size - 2))
    (result,) = answered.json["results"]
    place = (result["partition"], result["offset"])
    headers = [
        dict(message.headers() or [])
        for message in everything_in(edge.config, edge.topic)
        if (message.partition(), message.offset()) == place
    ]
    assert [set(one) for one in headers] == [{"traceparent", "tracestate"} if passed_on else {"traceparent"}]


def test_a_summary_has_counts_alone(edge: RunningEdge) -> None:
    answered = edge.post(ORDERS[0], path="/ingest/orders?detail=summary")
    assert answered.json == {"stored": 1, "refused": 0, "unknown": 0}


def test_a_request_id_is_kept_or_made(edge: RunningEdge) -> None:
    assert edge.post(ORDERS[0], x_request_id="mine-1").headers["x-request-id"] == "mine-1"
    assert len(edge.post(ORDERS[0], x_request_id="not one: {}").headers["x-request-id"]) == 20


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "kind"),
    [
        ("POST", "/ingest/ordres", {"content-type": JSON}, b"{}", 404, "unknown-stream"),
        ("POST", "/ingest/orders/1", {"content-type": JSON}, b"{}", 404, "not-found"),
        ("GET", "/nope", {}, None, 404, "not-found"),
        ("PUT", "/ingest/orders", {"content-type": JSON}, b"{}", 405, "method-not-allowed"),
        ("POST", "/ingest/orders", {"content-type": JSON, "accept": "text/html"}, b"{}", 406, "not-acceptable"),
        ("POST", "/ingest/orders", {"content-type": JSON, "accept": "json"}, b"{}", 400, "bad-request"),
        ("POST", "/ingest/orders", {"content-type": "text/plain"}, b"{}", 415, "unsupported-type"),
        ("POST", "/ingest/orders", {"content-type": f"{JSON}; charset=utf-16"}, b"{}", 415, "unsupported-type"),
        ("POST", "/ingest/orders", {"content-type": JSON, "content-encoding": "br"}, b"{}", 415, "unsupported-type"),
        ("POST", "/ingest/orders", {"content-type": JSON}, b"", 400, "malformed"),
        ("POST", "/ingest/orders", {"content-type": JSON}, b"[]", 400, "malformed"),
        ("POST", "/ingest/orders", {"content-type": JSON}, b"[{},", 400, "malformed"),
        ("POST", "/ingest/orders", {"content-type": JSON, "content-encoding": "gzip"}, b"{}", 400, "malformed"),
        ("POST", "/ingest/orders", {"content-type": JSON}, b" " * 1_048_577, 413, "too-large"),
        ("POST", "/ingest/orders", {"content-type": LINES}, b"{}\n" * 1001, 413, "too-large"),
        ("POST", "/ingest/orders?detail=all", {"content-type": JSON}, b"{}", 400, "bad-request"),
        ("POST", "/ingest/orders", {"content-type": JSON, "idempotency-key": "a b"}, b"{}", 400, "bad-request"),
    ],
)
def test_what_is_not_taken_is_told_as_a_problem(
    edge: RunningEdge, method: str, path: str, headers: dict[str, str], body: bytes | None, status: int, kind: str
) -> None:
    answered = edge.request(method, path, body, headers)
    assert (answered.status, answered.json["type"]) == (status, f"/docs#{kind}")
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.json["status"] == status
    assert answered.json["request_id"] == answered.headers["x-request-id"]


@pytest.mark.parametrize("accept", ["", "*/*", "application/*", "text/html, */*;q=0.1", "application/json"])
def test_who_takes_json_gets_it(edge: RunningEdge, accept: str) -> None:
    assert edge.post(ORDERS[0], accept=accept).status == 202


def test_a_limit_that_was_passed_is_told_in_its_unit(edge: RunningEdge) -> None:
    records, size = edge.post(b"{}\n" * 1001, LINES).json, edge.post(b" " * 1_048_577).json
    assert (records["limit_records"], records.get("limit_bytes")) == (1000, None)
    assert (size["limit_bytes"], size.get("limit_records")) == (1_048_576, None)


def test_known_streams_are_named_where_one_is_not_known(edge: RunningEdge) -> None:
    assert edge.post(b"{}", path="/ingest/ordres").json["streams"] == ["orders"]


def test_the_metrics_count_what_was_answered(kafka: SharedKafka, tmp_path: Path) -> None:
    with RunningEdge(edge_yaml(tmp_path, kafka.bootstrap_servers, http__workers=2)) as edge:
        for _ in range(4):
            edge.post(b'{"id": 1}\nno json', LINES)

        def shown() -> dict[str, str]:
            text = edge.request("GET", "/metrics").body.decode()
            return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

        mixed = 'streamlake_http_requests_total{outcome="mixed",stream="orders"}'
        wait_until(lambda: shown().get(mixed) == "4.0", lambda: str(shown()))  # each worker tells each second
        lines = shown()
        assert edge.end() == 0
    assert lines['streamlake_http_records_total{outcome="stored",stream="orders"}'] == "4.0"
    assert lines['streamlake_http_records_total{outcome="refused",stream="orders"}'] == "4.0"
    assert float(lines['streamlake_http_delivery_seconds_count{stream="orders"}']) == 4.0


@pytest.mark.parametrize(("trusted", "client"), [(["127.0.0.1"], "203.0.113.7"), ([], "127.0.0.1")])
def test_a_proxy_is_believed_only_where_the_yaml_names_it(
    kafka: SharedKafka, tmp_path: Path, trusted: list[str], client: str
) -> None:
    with RunningEdge(edge_yaml(tmp_path, kafka.bootstrap_servers, http__trusted_proxies=trusted)) as edge:
        edge.post(b"{}", "text/plain", x_forwarded_for="203.0.113.7")
        assert edge.wait_for("request not taken")["client"] == client
        assert edge.end() == 0


def test_a_broken_yaml_changes_nothing_and_a_mended_one_does(kafka: SharedKafka, tmp_path: Path) -> None:
    path = edge_yaml(tmp_path, kafka.bootstrap_servers)
    text = path.read_text()
    with RunningEdge(path) as edge:
        path.write_text(text.replace("orders: {}", "orders: {boddy_max: 1}"))
        edge.process.send_signal(1)
        edge.wait_for("not reloaded, all goes on as before")
        assert edge.post(ORDERS[0]).status == 202
        path.write_text(text.replace("orders: {}", "orders: {}\n    more: {records_max: 1}"))
        edge.process.send_signal(1)
        edge.wait_for("reloaded")
        edge.wait_for("kafka can be written to", count=4)
        assert edge.post(b"{}\n{}", LINES, path="/ingest/more").status in (404, 413)
        assert edge.end() == 0


def test_json_of_the_answer_is_json_whatever_the_topic_is_called(edge: RunningEdge) -> None:
    assert json.loads(edge.post(ORDERS[0]).body)["results"][0]["topic"] == edge.topic
