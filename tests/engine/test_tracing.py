"""A span for each committed batch, at a collector that decodes what it gets; and trouble that hurts nobody."""

import sys
import time
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from support.batches import ORDERS
from support.otlp import Collector, collector, plain

from streamlake.engine.messages import Progress
from streamlake.engine.tracing import CLOSE_SECONDS, Tracing, tracing_of

HELD_UP_SECONDS = 3 * CLOSE_SECONDS
"""On a busy machine; OpenTelemetry's own patience with a collector is ten seconds, and it would have it twice here."""
BATCH = Progress(
    phase="reading",
    next=70,
    leader_epoch=3,
    seq=5,
    first=50,
    seconds=1.0,
    landed=15,
    refused=3,
    skipped=2,
    bytes=1234,
    committed_at="2026-01-31T00:00:00+00:00",
    steps={"fetch": 1.0, "validate": 0.25, "stage": 0.5, "confirm": 0.001, "commit": 0.125, "publish": 0.03},
    reasons={"invalid": 2, "malformed": 1},
)


@pytest.fixture(autouse=True)
def of_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "PROTOCOL", "TRACES_ENDPOINT", "TRACES_PROTOCOL"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)


@pytest.fixture
def receiver() -> Iterator[Collector]:
    with collector() as server:
        yield server


def tracing_to(address: str, monkeypatch: pytest.MonkeyPatch) -> Tracing:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    tracing = tracing_of("shop", "live-1", "streamlake.orders")
    assert tracing is not None
    return tracing


def test_a_batch_is_a_span_with_its_place_its_counts_and_its_steps(
    receiver: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracing = tracing_to(receiver.address, monkeypatch)
    before = time.time_ns()
    tracing.committed(ORDERS, BATCH)
    after = time.time_ns()
    tracing.close()
    assert receiver.paths == ["/v1/traces"]
    batch, *steps = sorted(receiver.spans(), key=lambda span: (bool(span.parent_span_id), span.start_time_unix_nano))
    assert (batch.name, batch.parent_span_id) == (f"land {ORDERS.topic}", b"")
    assert plain(batch.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.operation.name": "land",
        "messaging.destination.name": ORDERS.topic,
        "messaging.destination.partition.id": str(ORDERS.partition),
        "messaging.consumer.group.name": "streamlake.orders",
        "messaging.batch.message_count": 20,
        "streamlake.offset.first": 50,
        "streamlake.offset.next": 70,
        "streamlake.records.landed": 15,
        "streamlake.records.refused": 3,
        "streamlake.records.skipped": 2,
        "streamlake.records.refused.invalid": 2,
        "streamlake.records.refused.malformed": 1,
        "streamlake.file.bytes": 1234,
        "streamlake.ledger.seq": 5,
    }
    took = [(step.name, (step.end_time_unix_nano - step.start_time_unix_nano) / 1e9) for step in steps]
    assert took == list(BATCH.steps.items()), "in the order of a batch, and no step that it did not have"
    assert {(step.parent_span_id, step.trace_id) for step in steps} == {(batch.span_id, batch.trace_id)}
    edges = [batch.start_time_unix_nano, *(step.end_time_unix_nano for step in steps)]
    assert [step.start_time_unix_nano for step in steps] == edges[:-1]
    assert edges[-1] == batch.end_time_unix_nano
    assert before <= batch.end_time_unix_nano <= after


def test_each_batch_is_a_trace_of_its_own(receiver: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    tracing = tracing_to(receiver.address, monkeypatch)
    for _ in range(3):
        tracing.committed(ORDERS, BATCH)
    tracing.close()
    assert len({span.trace_id for span in receiver.spans()}) == 3


def test_who_sends_is_said_and_the_environment_has_the_last_word(
    receiver: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in ("streamlake", "lake-1"):
        tracing = tracing_to(receiver.address, monkeypatch)
        tracing.committed(ORDERS, BATCH)
        tracing.close()
        said = receiver.resources()[-1]
        assert (said["service.name"], said["streamlake.pipeline"], said["streamlake.run"]) == (
            *(service, "shop"),
            "live-1",
        )
        monkeypatch.setenv("OTEL_SERVICE_NAME", "lake-1")


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, False),
    ],
)
def test_the_standard_variables_switch_traces_on_and_off(environ: dict[str, str], on: bool) -> None:
    with capture_logs() as logs:
        tracing = tracing_of("shop", "live-1", None, environ)
    assert (tracing is not None) is on
    assert logs == []
    if tracing is not None:
        tracing.close()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "zipkin"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json",
            },
            "http/json",
        ),
    ],
)
def test_what_is_asked_for_and_not_there_is_a_warning_and_no_end(environ: dict[str, str], said: str) -> None:
    with capture_logs() as logs:
        assert tracing_of("shop", "live-1", None, environ) is None
    (line,) = logs
    assert line["log_level"] == "warning"
    assert line["asked"].endswith(f"={said}")
    assert line["hint"]


def test_a_missing_package_is_a_warning_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with capture_logs() as logs:
        assert tracing_of("shop", "live-1", None, {"OTEL_TRACES_EXPORTER": "otlp"}) is None
    assert "streamlake[otel]" in logs[0]["hint"]


def test_a_variable_that_opentelemetry_can_not_use_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with capture_logs() as logs:
        assert tracing_of("shop", "live-1", None, {"OTEL_TRACES_EXPORTER": "otlp"}) is None
    assert logs[-1]["event"] == "no traces are sent"


@pytest.mark.parametrize("answer", [None, 503, 400])
def test_a_collector_in_trouble_holds_nobody_up_and_is_told_of_once(
    answer: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    with collector(answer) as receiver, capture_logs() as logs:
        tracing = tracing_to(receiver.address, monkeypatch)
        tracing.committed(ORDERS, BATCH)
        assert receiver.asked.wait(30)
        began = time.monotonic()
        for _ in range(1000):
            tracing.committed(ORDERS, BATCH)
        assert time.monotonic() - began < HELD_UP_SECONDS
        began = time.monotonic()
        tracing.close()
        assert time.monotonic() - began < HELD_UP_SECONDS
        said = [line for line in logs if line["event"] == "traces do not reach their collector"]
        assert len(said) == 1


def test_an_error_of_opentelemetry_ends_the_traces_and_nothing_else(
    receiver: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracing = tracing_to(receiver.address, monkeypatch)

    class Broken:
        def start_span(self, *_: object, **__: object) -> None:
            raise RuntimeError("a bug of a library")

    monkeypatch.setattr(tracing, "_tracer", Broken())
    with capture_logs() as logs:
        tracing.committed(ORDERS, BATCH)
        tracing.committed(ORDERS, BATCH)
    assert [line["why"] for line in logs] == ["RuntimeError: a bug of a library"]
    tracing.close()
