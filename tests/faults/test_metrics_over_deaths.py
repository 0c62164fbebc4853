"""What an engine counts outlives its workers, and traces are sent or fail beside it: with a real Kafka."""

import signal
import threading
from http.client import HTTPConnection

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.broker import pipeline_on
from support.engine import Engine
from support.otlp import collector, plain
from support.scene import MakeScene, Scene, orders
from support.shared import SharedKafka
from support.topics import make_topic
from support.waiting import wait_until

from streamlake.config.model import MetricsSettings, WorkerSettings
from streamlake.engine.assembly import run_pipeline
from streamlake.engine.errors import Exit
from streamlake.engine.local.ports import free_ports
from streamlake.engine.state import EngineState

BROKEN = b'{"order": '


def answered(listen: str, path: str) -> int:
    """The status of an answer."""
    connection = HTTPConnection(listen, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


COUNTED = ("counter", "histogram")


def counted(listen: str) -> dict[tuple[str, ...], float]:
    """Every sample of a counter or histogram of the engine's own, by its name and labels."""
    connection = HTTPConnection(listen, timeout=5)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        if family.type in COUNTED and family.name.startswith("streamlake_")
        for sample in family.samples
    }


def of(found: dict[tuple[str, ...], float], name: str, *labels: str) -> float:
    """The sum of the samples of a name that have these labels."""
    return sum(value for key, value in found.items() if key[0] == name and set(labels) <= set(key))


def landed(engine: Engine, scene: Scene, records: int) -> None:
    """Wait until partition 0 is at `records`."""
    wait_until(lambda: any(line["next"] == records for line in engine.events("committed")), engine.log)


def test_nothing_that_was_counted_goes_backwards_when_a_worker_dies(make_scene: MakeScene) -> None:
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    scene = make_scene(metrics__listen=listen)
    scene.produce([*orders(10), BROKEN])
    with scene.engine() as engine:
        landed(engine, scene, 11)
        before = counted(listen)
        (worker,) = engine.workers()
        worker.send_signal(signal.SIGKILL)
        engine.wait_for("worker ended")
        between = counted(listen)
        scene.produce([*orders(3, first=10), BROKEN])
        landed(engine, scene, 15)
        after = counted(listen)
        engine.stop()
    for earlier, later in ((before, between), (between, after)):
        assert {key for key, value in earlier.items() if later.get(key, -1) < value} == set()
    killed = ("streamlake_worker_restarts_total", "exit=killed")
    assert [of(one, *killed) for one in (before, between, after)] == [0, 1, 1]
    for name, labels, was, is_now in (
        ("streamlake_records_total", ("outcome=landed",), 10, 13),
        ("streamlake_records_total", ("outcome=refused",), 1, 2),
        ("streamlake_refused_records_total", ("reason=malformed",), 1, 2),
    ):
        assert (of(before, name, *labels), of(after, name, *labels)) == (was, is_now), name
    for one in (before, after):
        batches = of(one, "streamlake_batches_total")
        assert batches >= 1
        assert of(one, "streamlake_batch_seconds_count") == batches
        for step in ("fetch", "validate", "stage", "confirm", "commit", "publish"):
            assert of(one, "streamlake_batch_step_seconds_count", f"step={step}") == batches
            assert of(one, "streamlake_batch_step_seconds_bucket", f"step={step}", "le=+Inf") == batches
        assert of(one, "streamlake_batch_step_seconds_sum", "step=commit") > 0


def test_a_supervisor_whose_loop_hangs_is_not_alive_until_it_goes_on(kafka: SharedKafka) -> None:
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    short = {"metrics": MetricsSettings(listen=listen), "workers": WorkerSettings(stuck_seconds=5, drain_seconds=0)}
    config = pipeline_on(kafka.bootstrap_servers).model_copy(update=short)
    make_topic(config.kafka.bootstrap_servers, exactly=config.kafka.topic_names[0], partitions=2)
    hangs, goes_on = threading.Event(), threading.Event()
    ended: list[Exit] = []

    def tick(_: EngineState) -> None:
        hangs.set()
        goes_on.wait(30)

    run = threading.Thread(target=lambda: ended.append(run_pipeline(config, until_end=True, tick=tick)))
    run.start()
    try:
        assert hangs.wait(30)
        assert answered(listen, "/livez") == 200
        wait_until(lambda: answered(listen, "/livez") == 503, "503")
    finally:
        goes_on.set()
        run.join(60)
    assert ended == [Exit.DONE]


def test_each_commit_of_a_run_is_a_span_at_the_collector(scene: Scene) -> None:
    scene.produce(orders(150))
    with collector() as receiver:
        scene_run(scene, receiver.address)
        batches = [span for span in receiver.spans() if not span.parent_span_id]
        said = [plain(span.attributes) for span in batches]
    entries = scene.entries("data")
    assert len(entries) > 1
    for name in ("offset.first", "offset.next", "records.landed", "records.refused", "records.skipped", "ledger.seq"):
        assert [one[f"streamlake.{name}"] for one in said] == [entry[name.rpartition(".")[2]] for entry in entries], (
            name
        )


@pytest.mark.parametrize("answer", [None, 503])
def test_a_collector_in_trouble_costs_no_record_and_few_seconds(scene: Scene, answer: int | None) -> None:
    scene.produce(orders(150))
    with collector(answer) as receiver:
        scene_run(scene, receiver.address)
        assert receiver.requests, "it was asked"


def test_opentelemetry_is_not_even_imported_unless_somebody_asks(scene: Scene) -> None:
    scene.produce(orders(10))
    assert "opentelemetry" not in scene_run(scene, None), "by the supervisor or by a worker"
    scene.produce(orders(10, first=10))
    with collector() as receiver:
        assert "opentelemetry.sdk.trace" in scene_run(scene, receiver.address), "else this test sees no import at all"


def scene_run(scene: Scene, address: str | None) -> str:
    """Land what is there, prove it, and give back what was said, imports by all of its processes included."""
    # Each span soon: what is left for the end is given up where that takes long.
    env = {
        "PYTHONPROFILEIMPORTTIME": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "10",
        "OTEL_EXPORTER_OTLP_ENDPOINT": address or "",
    }
    with scene.engine("--until-end", env=env) as engine:
        assert engine.wait() == 0, engine.log()
        said = "".join(engine.text)
    scene.check()
    return said
