"""The supervisor's endpoint says what the supervisor says, to Prometheus, to probes and to `status`."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from importlib.metadata import version

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from streamlake.engine.endpoint import Endpoint, serve_state
from streamlake.engine.errors import ConfigError
from streamlake.engine.operations.status import ask_engine
from streamlake.engine.records import TopicPartition
from streamlake.engine.state import EngineState, PartitionState
from streamlake.engine.state_json import state_from_json, state_to_json

READING = PartitionState(
    TopicPartition("orders", 0),
    phase="reading",
    since="2026-01-01T00:00:00+00:00",
    pid=42,
    next=90,
    end=100,
    landed=80,
    refused=7,
    skipped=3,
    batches=9,
    bytes=12_345,
    restarts={"CRASHED": 2, "FENCED": 1},
    storage_waits={"503": 4, "timeout": 1},
    storage_since="2026-01-01T00:00:02+00:00",
    last_commit_at="2026-01-01T00:00:01+00:00",
)
PARKED = PartitionState(TopicPartition("orders", 1), phase="parked", why="550 refused in a row")


def engine_state(*partitions: PartitionState, draining: bool = False) -> EngineState:
    return EngineState("orders", "live-1", "host", 1, "2026-01-01T00:00:00+00:00", draining, partitions)


@pytest.fixture
def told() -> list[EngineState]:
    return [engine_state(READING)]


@pytest.fixture
def endpoint(told: list[EngineState]) -> Iterator[Endpoint]:
    endpoint = serve_state("127.0.0.1:0", lambda: told[-1])
    yield endpoint
    endpoint.close()


def get(endpoint: Endpoint, path: str, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(endpoint.address, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def samples(endpoint: Endpoint) -> dict[tuple[str, ...], float]:
    text = get(endpoint, "/metrics")[1].decode()
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_carry_the_state_under_the_promised_names(endpoint: Endpoint) -> None:
    place = ("partition=0", "topic=orders")
    assert samples(endpoint) == {
        ("streamlake_build_info", "pipeline=orders", "run=live-1", f"version={version('streamlake')}"): 1,
        ("streamlake_records_total", "outcome=landed", *place): 80,
        ("streamlake_records_total", "outcome=refused", *place): 7,
        ("streamlake_records_total", "outcome=skipped", *place): 3,
        ("streamlake_batches_total", *place): 9,
        ("streamlake_file_bytes_total", *place): 12_345,
        ("streamlake_worker_restarts_total", "exit=CRASHED", *place): 2,
        ("streamlake_worker_restarts_total", "exit=FENCED", *place): 1,
        ("streamlake_sink_retries_total", *place[:1], "reason=503", *place[1:]): 4,
        ("streamlake_sink_retries_total", *place[:1], "reason=timeout", *place[1:]): 1,
        ("streamlake_storage_waiting", *place): 1,
        ("streamlake_next_offset", *place): 90,
        ("streamlake_lag_offsets", *place): 10,
        ("streamlake_parked", *place): 0,
        ("streamlake_last_commit_timestamp_seconds", *place): 1_767_225_601,
    }


def test_what_is_not_known_yet_is_left_out_and_not_called_zero(endpoint: Endpoint, told: list[EngineState]) -> None:
    told.append(engine_state(PARKED))
    names = {name for name, *_ in samples(endpoint)}
    assert not names & {"streamlake_lag_offsets", "streamlake_next_offset", "streamlake_last_commit_timestamp_seconds"}
    assert samples(endpoint)["streamlake_parked", "partition=1", "topic=orders"] == 1


def test_livez_answers_as_long_as_the_process_serves(endpoint: Endpoint, told: list[EngineState]) -> None:
    told.append(engine_state(PARKED, draining=True))
    assert get(endpoint, "/livez")[0].status == 200


def test_readyz_says_503_and_why(endpoint: Endpoint, told: list[EngineState]) -> None:
    answer, body = get(endpoint, "/readyz")
    assert (answer.status, json.loads(body)) == (200, {"ready": True, "reasons": []})
    told.append(engine_state(READING, PARKED, draining=True))
    answer, body = get(endpoint, "/readyz")
    assert answer.status == 503
    assert json.loads(body)["reasons"] == ["orders/1 is parked: 550 refused in a row", "draining"]


def test_status_is_what_the_status_command_reads_back(endpoint: Endpoint, told: list[EngineState]) -> None:
    told.append(engine_state(READING, PARKED, draining=True))
    assert ask_engine(endpoint.address) == EngineState(
        "orders", "live-1", "host", 1, "2026-01-01T00:00:00+00:00", draining=True, partitions=[READING, PARKED]
    )
    assert json.loads(get(endpoint, "/status")[1])["partitions"][0]["lag"] == 10


def test_other_paths_are_answered_with_what_there_is_and_head_without_a_body(endpoint: Endpoint) -> None:
    answer, body = get(endpoint, "/metricz")
    assert answer.status == 404
    assert b"/metrics" in body
    answer, body = get(endpoint, "/livez", "HEAD")
    assert (answer.status, body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


def test_a_second_engine_on_the_host_gets_a_free_port_and_says_so(endpoint: Endpoint) -> None:
    with capture_logs() as logs:
        second = serve_state(endpoint.address, lambda: engine_state(PARKED))
    try:
        assert second.address != endpoint.address
        assert [(line["asked"], line["listening"]) for line in logs] == [(endpoint.address, second.address)]
        assert get(second, "/readyz")[0].status == 503
        assert get(endpoint, "/readyz")[0].status == 200
    finally:
        second.close()


def test_after_close_the_port_is_free_again(told: list[EngineState]) -> None:
    first = serve_state("127.0.0.1:0", lambda: told[-1])
    address = first.address
    first.close()
    with capture_logs() as logs:
        second = serve_state(address, lambda: told[-1])
    second.close()
    assert (second.address, logs) == (address, [])


def test_an_address_that_is_not_this_hosts_is_a_bad_setting() -> None:
    with pytest.raises(ConfigError, match=r"metrics\.listen.*192\.0\.2\.1:9464"):
        serve_state("192.0.2.1:9464", engine_state)


def test_a_client_that_says_nothing_does_not_keep_others_from_being_served(endpoint: Endpoint) -> None:
    silent = HTTPConnection(endpoint.address, timeout=5)
    silent.connect()
    try:
        assert get(endpoint, "/livez")[0].status == 200
    finally:
        silent.close()


def test_nobody_there_or_somebody_else_is_no_engine(endpoint: Endpoint) -> None:
    address = endpoint.address
    assert ask_engine(address.replace("127.0.0.1", "127.0.0.2"), 0.5) is None
    with pytest.raises(ValueError, match="not the state of an engine"):
        state_from_json({"hello": "world"})


def test_a_newer_engine_may_say_more_than_we_know() -> None:
    document = state_to_json(engine_state(READING))
    document["weather"] = "fine"
    document["partitions"][0]["mood"] = "good"
    assert state_from_json(document).partitions == [READING]
