"""A root in memory: the whole engine in one process, workers as threads."""

import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer
from support.engine import pipeline_yaml
from support.shared import SharedKafka
from support.topics import fill, make_topic

from streamlake.config.load import load_pipeline
from streamlake.engine.assembly import run_pipeline
from streamlake.engine.errors import Exit
from streamlake.engine.operations.dead import list_letters
from streamlake.engine.operations.dead_types import LetterFilter
from streamlake.engine.operations.prove import prove
from streamlake.engine.state import EngineState
from streamlake.engine.worker_main import make_sink


def test_a_bounded_run_into_memory_lands_and_proves(kafka: SharedKafka, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap_servers, partitions=2)
    make_topic(kafka.bootstrap_servers, exactly=f"{topic}.dlq")
    for partition in (0, 1):
        fill(kafka.bootstrap_servers, topic, [b'{"a":%d}' % i if i % 10 else b"no" for i in range(250)], partition)
    root = f"memory://{topic}"
    config = load_pipeline(pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic, sink__root=root))
    assert run_pipeline(config, until_end=True) is Exit.DONE
    proof = prove(make_sink(config).ledger())
    assert proof.holds
    assert (proof.totals.rows, proof.totals.dead_letters) == (450, 50)


def test_a_signal_drains_it(kafka: SharedKafka, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    fill(kafka.bootstrap_servers, topic, [b"{}"] * 30)
    config = load_pipeline(
        pipeline_yaml(
            tmp_path,
            kafka.bootstrap_servers,
            topic,
            sink__root=f"memory://{topic}",
            validator__type="none",
            dead_letters=None,
        )
    )
    told = threading.Event()

    def stop_after_the_first_commit(state: EngineState) -> None:
        if not told.is_set() and any(partition.landed for partition in state.partitions):
            told.set()
            signal.raise_signal(signal.SIGTERM)

    assert run_pipeline(config, tick=stop_after_the_first_commit) is Exit.DONE
    (source,) = make_sink(config).ledger().partitions("live-1")
    head = make_sink(config).ledger().head("live-1", source)
    assert head.last is not None
    assert (head.next, head.last.kind) == (30, "close")


def test_an_engine_to_which_nothing_comes_learns_that_a_new_generation_goes_on(
    kafka: SharedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlake.engine.worker.LOOK_SECONDS", 0.0)
    topic = make_topic(kafka.bootstrap_servers)
    fill(kafka.bootstrap_servers, topic, [b"{}"] * 30)
    changes = {"sink__root": f"memory://{topic}", "validator__type": "none", "dead_letters": None}
    config = load_pipeline(pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic, **changes))
    sink = make_sink(config)
    runs: list[str] = []

    def reset_when_all_has_landed(state: EngineState) -> None:
        landed = sum(partition.landed for partition in state.partitions)
        if landed == 30 and state.run not in runs:
            runs.append(state.run)
            if state.run == "live-2":
                signal.raise_signal(signal.SIGTERM)
                return
            (live,) = sink.ledger().runs()
            starts = dict.fromkeys(sink.ledger().partitions("live-1"), 0)
            sink.register_run(replace(live, run="live-2", starts=starts))

    assert run_pipeline(config, tick=reset_when_all_has_landed) is Exit.DONE
    assert runs == ["live-1", "live-2"]
    totals = prove(sink.ledger()).totals
    assert (totals.rows, totals.beside) == (30, 30)


def test_a_record_with_too_many_headers_is_a_dead_letter_with_all_of_them(
    kafka: SharedKafka, tmp_path: Path, way: str
) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    make_topic(kafka.bootstrap_servers, exactly=f"{topic}.dlq")
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for count in (0, 3, 4, 0):
        producer.produce(topic, b"{}", headers=[(f"h{number}", b"") for number in range(count)], partition=0)
    assert producer.flush(60) == 0
    changes = {"sink__root": f"memory://{topic}-{way}", "policies__record_headers_max": 3}
    config = load_pipeline(pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic, **changes))
    assert run_pipeline(config, until_end=True) is Exit.DONE
    ledger = make_sink(config).ledger()
    assert prove(ledger).holds
    (found,) = list_letters(ledger, LetterFilter())
    assert (found.letter.offset, found.letter.reason) == (2, "oversize")
    assert found.letter.message == "it has 4 headers, policies.record_headers_max is 3"
    assert [name for name, _ in found.letter.headers] == ["h0", "h1", "h2", "h3"]
