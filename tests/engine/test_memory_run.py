"""A root in memory: the whole engine in one process, workers as threads."""

import signal
import threading
from pathlib import Path

from support.engine import pipeline_yaml
from support.shared import SharedKafka
from support.topics import fill, make_topic

from streamlake.config.load import load_pipeline
from streamlake.engine.assembly import run_pipeline
from streamlake.engine.errors import Exit
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
