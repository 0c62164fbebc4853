"""The edge while Kafka is killed, stopped or full: nothing is answered that is not so, and nobody waits for nothing."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.broker import admin_of, everything_in
from support.edge import JSON, LINES, Answered, RunningEdge, edge_yaml
from support.waiting import wait_until

from streamlake.engine.local.kafka import LocalKafka

DELIVERY_SECONDS = 6.0
QUICK = {"http__delivery_seconds": DELIVERY_SECONDS, "http__body_seconds": 5, "http__request_seconds": 13}
AT_ONCE_SECONDS = 4.0
"""Far below DELIVERY_SECONDS, far above what an answer takes."""


@pytest.fixture(scope="module")
def own_kafka(kafka_parts: None) -> Iterator[LocalKafka]:
    """A Kafka whose node this file kills and stops."""
    with LocalKafka() as kafka:
        yield kafka


@pytest.fixture
def edge(own_kafka: LocalKafka, tmp_path: Path) -> Iterator[RunningEdge]:
    with RunningEdge(edge_yaml(tmp_path, own_kafka.bootstrap_servers, **QUICK)) as running:
        yield running


def numbered(edge: RunningEdge, number: int) -> Answered:
    return edge.post(b'{"id":%d}' % number)


def ids_in(edge: RunningEdge) -> list[int]:
    return [json.loads(message.value() or b"{}")["id"] for message in everything_in(edge.config, edge.topic)]


def away(edge: RunningEdge) -> bool:
    """Whether the edge knows that Kafka is away."""
    return bool(edge.request("GET", "/readyz").json["away"])


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_what_is_not_answered_as_stored_is_told_as_unknown_or_not_stored_and_is_so(
    edge: RunningEdge, own_kafka: LocalKafka, how: str
) -> None:
    assert numbered(edge, 0).status == 202
    if how == "killed":
        own_kafka.kill()
    else:
        own_kafka.pause()
    answers = {1: numbered(edge, 1)}
    assert (answers[1].status, answers[1].json["type"]) == (504, "/docs#outcome-unknown")
    assert answers[1].json["unknown"] == 1
    assert "Idempotency-Key" in answers[1].json["detail"]
    wait_until(lambda: away(edge), edge.log)
    began = time.monotonic()
    answers[2] = numbered(edge, 2)
    assert time.monotonic() - began < AT_ONCE_SECONDS, "the circuit is open: nobody waits"
    assert (answers[2].status, answers[2].json["type"]) == (503, "/docs#kafka-away")
    assert int(answers[2].headers["retry-after"]) >= 1
    if how == "killed":
        own_kafka.restart()
    else:
        own_kafka.resume()
    wait_until(lambda: numbered(edge, 3).status == 202, edge.log)
    found = ids_in(edge)
    assert {0, 3} <= set(found)
    assert 2 not in found, "503 says that nothing was stored"
    assert set(found) <= {0, 1, 3}, "1 may be there, as was said"


def test_an_edge_that_is_told_to_end_while_kafka_is_stopped_answers_all_that_is_in_flight(
    edge: RunningEdge, own_kafka: LocalKafka
) -> None:
    assert numbered(edge, 0).status == 202
    own_kafka.pause()
    try:
        answers: list[Answered] = []
        posting = [threading.Thread(target=lambda: answers.append(numbered(edge, 1))) for _ in range(20)]
        for thread in posting:
            thread.start()
        metric = "streamlake_http_queue_records 20.0"
        wait_until(lambda: metric in edge.request("GET", "/metrics").body.decode(), edge.log)
        assert edge.end() == 0
        for thread in posting:
            thread.join()
    finally:
        own_kafka.resume()
    assert [answered.status for answered in answers] == [504] * 20


def test_an_edge_that_starts_before_kafka_takes_records_once_it_is_there(own_kafka: LocalKafka, tmp_path: Path) -> None:
    path = edge_yaml(tmp_path, own_kafka.bootstrap_servers, **QUICK)
    own_kafka.kill()
    with RunningEdge(path, ready=False) as edge:
        assert edge.request("GET", "/livez").status == 200
        assert edge.request("GET", "/readyz").status == 503
        assert numbered(edge, 1).status == 503
        own_kafka.restart()
        wait_until(lambda: numbered(edge, 2).status == 202, edge.log)
        assert 1 not in ids_in(edge)


def test_a_full_queue_is_told_at_once_and_nothing_of_the_request_is_stored(
    own_kafka: LocalKafka, tmp_path: Path
) -> None:
    path = edge_yaml(tmp_path, own_kafka.bootstrap_servers, http__queue_bytes_max=65_536, **QUICK)
    with RunningEdge(path) as edge:
        assert numbered(edge, 0).status == 202
        own_kafka.pause()
        large = b'{"id":1,"text":"%b"}' % (b"x" * 80_000)
        first = threading.Thread(target=edge.post, args=(large,))
        first.start()
        wait_until(lambda: edge.request("GET", "/readyz").json["queue_full"], edge.log)
        began = time.monotonic()
        refused = numbered(edge, 2)
        assert time.monotonic() - began < AT_ONCE_SECONDS
        assert (refused.status, refused.json["type"]) == (503, "/docs#queue-full")
        own_kafka.resume()
        first.join()
        wait_until(lambda: numbered(edge, 3).status == 202, edge.log)
        assert 2 not in ids_in(edge)


@pytest.mark.parametrize("records", [b'{"id":1}\n', b"broken\n"])
def test_what_each_record_carries_counts_in_the_queue_and_many_let_in_at_once_do_not_pass_it(
    own_kafka: LocalKafka, tmp_path: Path, records: bytes
) -> None:
    path = edge_yaml(tmp_path, own_kafka.bootstrap_servers, http__queue_bytes_max=65_536, **QUICK)
    with RunningEdge(path) as edge:
        assert numbered(edge, 0).status == 202
        own_kafka.pause()
        body = records * 500  # a few KiB: what stands in their headers is fifty times as much
        head = f"POST /ingest/orders HTTP/1.1\r\nhost: edge\r\nidempotency-key: {'k' * 200}\r\n"
        head += f"content-type: {LINES}\r\ncontent-length: {len(body)}\r\n\r\n"
        try:
            with edge.connect() as first, edge.connect() as second:
                for client in (first, second):
                    client.sendall(head.encode() + body[:-1])  # both are let in: nothing waits for Kafka yet
                wait_until(lambda: b"connections 2.0" in edge.request("GET", "/metrics").body, edge.log)
                first.sendall(body[-1:])
                wait_until(lambda: edge.request("GET", "/readyz").json["queue_full"], edge.log, DELIVERY_SECONDS)
                second.sendall(body[-1:])
                answer = second.recv(1000)
        finally:
            own_kafka.resume()
        assert answer.startswith(b"HTTP/1.1 503 "), answer
        assert b"/docs#queue-full" in answer


def test_small_records_are_not_refused_for_the_batch_that_they_were_in(own_kafka: LocalKafka, tmp_path: Path) -> None:
    with RunningEdge(edge_yaml(tmp_path, own_kafka.bootstrap_servers, **QUICK)) as edge:
        assert numbered(edge, 0).status == 202  # the limit that was asked for at the start is another one
        admin_of(edge.config).alter_topic(edge.topic, {"max.message.bytes": "3000"})
        probe = b'{"id":1,"text":"%b"}' % os.urandom(9_000).hex().encode()
        wait_until(lambda: edge.post(probe).status == 422, edge.log)  # until it holds
        records = [b'{"id":%d,"text":"%b"}' % (number, os.urandom(60).hex().encode()) for number in range(200)]
        answered = edge.post(b"\n".join(records), LINES)
        assert (answered.status, answered.json["stored"]) == (202, 200)
        found = [message.value() or b"" for message in everything_in(edge.config, edge.topic)]
        assert sorted(found) == sorted([b'{"id":0}', *records])


def test_a_record_that_the_topic_finds_too_large_is_a_dead_letter(own_kafka: LocalKafka, tmp_path: Path) -> None:
    with RunningEdge(edge_yaml(tmp_path, own_kafka.bootstrap_servers, **QUICK)) as edge:
        admin_of(edge.config).alter_topic(edge.topic, {"max.message.bytes": "5000"})
        small, large = b'{"id":1}', b'{"id":2,"text":"%b"}' % (os.urandom(9_000).hex().encode())
        wait_until(lambda: edge.post(large, JSON).status == 422, edge.log)
        answered = edge.post(large, LINES)
        (result,) = answered.json["results"]
        assert (answered.status, result["reason"]) == (422, "oversize")
        place = result["dead_letter"]
        (letter,) = [one for one in everything_in(edge.config, place["topic"]) if one.offset() == place["offset"]]
        assert letter.value() == large
        assert edge.post(small).status == 202
