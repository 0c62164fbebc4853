"""The supervisor's endpoint says what the supervisor says, to Prometheus, to probes and to `status`."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPResponse
from importlib.metadata import version
from typing import get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from streamlake.engine.endpoint import Endpoint, serve_state
from streamlake.engine.errors import ConfigError
from streamlake.engine.operations.status import ask_engine
from streamlake.engine.records import Reason, TopicPartition
from streamlake.engine.state import CommonRefusal, EngineState, PartitionState
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
    restarts={"crashed": 2, "fenced": 1},
    storage_waits={"503": 4, "timeout": 1},
    storage_since="2026-01-01T00:00:02+00:00",
    last_commit_at="2026-01-01T00:00:01+00:00",
    last_commit_steps={"commit": 0.25},
    rates=[1.0, 2.5],
    refused_reasons={"invalid": 7},
    refused_most=CommonRefusal("invalid", "/amount", "too small", 5, 71),
    ledger_seq=12,
    lag_seconds=2.5,
    memory_bytes=1_048_576,
)
LANDING = replace(READING, storage_since=None)
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


ZEROS = ("streamlake_parked", "streamlake_draining", "streamlake_broker_away", "streamlake_broker_waiting")


def test_metrics_carry_the_state_under_the_promised_names(endpoint: Endpoint) -> None:
    place = ("partition=0", "topic=orders")
    found = {key: value for key, value in samples(endpoint).items() if value or key[0] in ZEROS}
    assert {key: value for key, value in found.items() if not key[0].startswith("process_")} == {
        ("streamlake_build_info", "pipeline=orders", "run=live-1", f"version={version('streamlake')}"): 1,
        ("streamlake_records_total", "outcome=landed", *place): 80,
        ("streamlake_records_total", "outcome=refused", *place): 7,
        ("streamlake_records_total", "outcome=skipped", *place): 3,
        ("streamlake_refused_records_total", *place[:1], "reason=invalid", *place[1:]): 7,
        ("streamlake_batches_total", *place): 9,
        ("streamlake_file_bytes_total", *place): 12_345,
        ("streamlake_worker_restarts_total", "exit=crashed", *place): 2,
        ("streamlake_worker_restarts_total", "exit=fenced", *place): 1,
        ("streamlake_sink_retries_total", *place[:1], "reason=503", *place[1:]): 4,
        ("streamlake_sink_retries_total", *place[:1], "reason=timeout", *place[1:]): 1,
        ("streamlake_storage_waiting", *place): 1,
        ("streamlake_broker_waiting", *place): 0,
        ("streamlake_next_offset", *place): 90,
        ("streamlake_lag_offsets", *place): 10,
        ("streamlake_lag_seconds", *place): 2.5,
        ("streamlake_ledger_seq", *place): 12,
        ("streamlake_worker_memory_bytes", *place): 1_048_576,
        ("streamlake_draining",): 0,
        ("streamlake_broker_away",): 0,
        ("streamlake_parked", *place): 0,
        ("streamlake_last_commit_timestamp_seconds", *place): 1_767_225_601,
    }


def test_what_is_not_known_yet_is_left_out_and_not_called_zero(endpoint: Endpoint, told: list[EngineState]) -> None:
    told.append(engine_state(PARKED))
    names = {name for name, *_ in samples(endpoint)}
    assert not names & {"streamlake_lag_offsets", "streamlake_next_offset", "streamlake_last_commit_timestamp_seconds"}
    assert samples(endpoint)["streamlake_parked", "partition=1", "topic=orders"] == 1


def test_every_end_of_a_worker_and_every_reason_is_counted_from_zero(
    endpoint: Endpoint, told: list[EngineState]
) -> None:
    told.append(engine_state(PARKED))
    found = samples(endpoint)
    ends = {key[1]: value for key, value in found.items() if key[0] == "streamlake_worker_restarts_total"}
    assert {"exit=killed", "exit=not started", "exit=storage", "exit=breaker", "exit=bad_config"} <= set(ends)
    reasons = {key[2]: value for key, value in found.items() if key[0] == "streamlake_refused_records_total"}
    assert set(reasons) == {f"reason={reason}" for reason in get_args(Reason)}
    assert {*ends.values(), *reasons.values()} == {0}


def test_an_engine_that_drains_says_so(endpoint: Endpoint, told: list[EngineState]) -> None:
    told.append(engine_state(draining=True))
    assert samples(endpoint)["streamlake_draining",] == 1


def test_the_process_of_the_supervisor_is_measured_too(endpoint: Endpoint) -> None:
    found = samples(endpoint)
    assert found["process_resident_memory_bytes",] > 1_000_000
    assert found["process_cpu_seconds_total",] > 0


def test_livez_asks_for_life_alone_and_not_whether_all_is_well(endpoint: Endpoint, told: list[EngineState]) -> None:
    told.append(engine_state(PARKED, draining=True))
    assert get(endpoint, "/livez")[0].status == 200


def test_livez_says_503_when_the_supervisors_loop_stands_still(endpoint: Endpoint, told: list[EngineState]) -> None:
    told[-1].silent_seconds_max = 330.0
    told[-1].turned_at = time.monotonic() - 329
    answer, body = get(endpoint, "/livez")
    assert (answer.status, json.loads(body)) == (200, {"alive": True, "reasons": []})
    told[-1].turned_at = time.monotonic() - 400
    answer, body = get(endpoint, "/livez")
    assert answer.status == 503
    (reason,) = json.loads(body)["reasons"]
    assert reason.startswith("the supervisor's loop has stood still for 400 s")
    assert json.loads(body)["alive"] is False


def test_readyz_says_503_and_why(endpoint: Endpoint, told: list[EngineState]) -> None:
    told.append(engine_state(LANDING))
    answer, body = get(endpoint, "/readyz")
    assert (answer.status, json.loads(body)) == (200, {"ready": True, "reasons": []})
    told.append(engine_state(LANDING, PARKED, draining=True))
    answer, body = get(endpoint, "/readyz")
    assert answer.status == 503
    assert json.loads(body)["reasons"] == ["orders/1 is parked: 550 refused in a row", "draining"]


def test_while_the_broker_is_away_it_is_not_ready_and_the_lag_is_no_number(
    endpoint: Endpoint, told: list[EngineState]
) -> None:
    since = "2026-01-31T14:02:11.000+00:00"
    away = [replace(one, broker_since=since, end=None, lag_seconds=None) for one in (LANDING, PARKED)]
    told.append(engine_state(away[0], replace(away[1], phase="waiting")))
    told[-1].broker_since, told[-1].broker_why = since, "Connection refused"
    answer, body = get(endpoint, "/readyz")
    assert answer.status == 503
    assert json.loads(body)["reasons"] == [f"waiting for the broker since {since}: Connection refused"]
    found = samples(endpoint)
    for number in (0, 1):
        place = (f"partition={number}", "topic=orders")
        assert math.isnan(found["streamlake_lag_offsets", *place])
        assert math.isnan(found["streamlake_lag_seconds", *place])
        assert found["streamlake_broker_waiting", *place] == 1
        assert found["streamlake_parked", *place] == 0
    assert found["streamlake_broker_away",] == 1
    told.append(engine_state(READING, away[1]))
    told[-1].broker_since = since
    reasons = json.loads(get(endpoint, "/readyz")[1])["reasons"]
    assert f"orders/1 waits for the broker since {since}: no answer yet" in reasons
    assert samples(endpoint)["streamlake_lag_offsets", "partition=0", "topic=orders"] == 10


def test_the_lag_of_one_that_is_parked_past_the_end_is_no_number(endpoint: Endpoint, told: list[EngineState]) -> None:
    place = ("partition=1", "topic=orders")
    told.append(engine_state(replace(PARKED, next=10, end=0, lag_seconds=None)))
    assert math.isnan(samples(endpoint)["streamlake_lag_offsets", *place])
    told.append(engine_state(replace(PARKED, phase="reading", next=10, end=9, lag_seconds=0.0)))
    assert samples(endpoint)["streamlake_lag_offsets", *place] == 0, "it has just committed"


def test_an_engine_whose_storage_is_waited_for_is_not_ready_and_says_why(
    endpoint: Endpoint, told: list[EngineState]
) -> None:
    waiting = replace(READING, storage_why="disk full: /lake: 7 bytes are free")
    told.append(engine_state(waiting, replace(LANDING, source=TopicPartition("orders", 2))))
    answer, body = get(endpoint, "/readyz")
    why = "since 2026-01-01T00:00:02+00:00: disk full: /lake: 7 bytes are free"
    assert (answer.status, json.loads(body)["reasons"]) == (503, [f"orders/0 waits for the storage {why}"])
    told.append(engine_state(waiting))
    assert json.loads(get(endpoint, "/readyz")[1])["reasons"] == [f"waiting for the storage {why}"]
    told.append(engine_state(replace(waiting, storage_since=datetime.now(UTC).isoformat())))
    assert get(endpoint, "/readyz")[0].status == 200, "a retry that has just begun"


def test_a_topic_that_is_gone_waits_for_a_person_and_not_for_the_broker(
    endpoint: Endpoint, told: list[EngineState]
) -> None:
    since = "2026-01-31T14:02:11.000+00:00"
    told.append(engine_state(replace(LANDING, gone_since=since, end=None, lag_seconds=None)))
    told[-1].gone = {"orders": since}
    answer, body = get(endpoint, "/readyz")
    assert (answer.status, json.loads(body)["reasons"]) == (
        *(503, [f"the cluster has no topic orders any more, since {since}"]),
    )
    found = samples(endpoint)
    place = ("partition=0", "topic=orders")
    assert (found["streamlake_parked", *place], found["streamlake_broker_away",]) == (1, 0)
    assert math.isnan(found["streamlake_lag_offsets", *place])


def test_status_is_what_the_status_command_reads_back(endpoint: Endpoint, told: list[EngineState]) -> None:
    told.append(engine_state(READING, PARKED, draining=True))
    assert ask_engine(endpoint.address) == EngineState(
        "orders", "live-1", "host", 1, "2026-01-01T00:00:00+00:00", draining=True, partitions=[READING, PARKED]
    )
    assert json.loads(get(endpoint, "/status")[1])["partitions"][0]["lag"] == 10


def test_what_kafka_is_about_to_delete_is_not_ready_below_the_limit_alone(
    endpoint: Endpoint, told: list[EngineState]
) -> None:
    near, far = replace(LANDING, retention_seconds_left=1799), replace(PARKED, phase="idle")
    far.retention_seconds_left = 1800.0
    told.append(engine_state(near, far))
    assert get(endpoint, "/readyz")[0].status == 200, "no limit, no alarm"
    told[-1].retention_seconds_left_min = 1800
    answer, body = get(endpoint, "/readyz")
    assert answer.status == 503
    (reason,) = json.loads(body)["reasons"]
    assert reason == (
        "orders/0: Kafka may delete what has not landed in 1,799 s (alarms.retention_seconds_left_min is 1,800 s)"
    )
    found = {labels: value for labels, value in samples(endpoint).items() if "retention" in labels[0]}
    assert found == {
        ("streamlake_retention_left_seconds", "partition=0", "topic=orders"): 1799,
        ("streamlake_retention_left_seconds", "partition=1", "topic=orders"): 1800,
    }


def test_other_paths_are_answered_with_what_there_is_and_head_without_a_body(endpoint: Endpoint) -> None:
    answer, body = get(endpoint, "/metricz")
    assert answer.status == 404
    assert b"/metrics" in body
    answer, body = get(endpoint, "/livez", "HEAD")
    assert (answer.status, body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


def test_a_second_engine_on_the_host_gets_a_free_port_and_says_so(endpoint: Endpoint, told: list[EngineState]) -> None:
    told.append(engine_state(LANDING))
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
