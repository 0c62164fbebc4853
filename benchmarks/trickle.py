"""A running engine under light load: what it costs while hardly anything comes, and how late a record is."""

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

import psutil
import pyarrow.parquet as pq
from bench import PIPELINE, STREAMLAKE, Bench, streamlake
from figures import Figure
from idle import PATIENCE_SECONDS, free_port, wait_until_all_read
from processes import cpu_of

from streamlake.engine.cli.common import load
from streamlake.engine.cli.parts import open_ledger

TRICKLE_RATE = 10
LOAD_RATE = 10_000
LOAD_PARTITIONS = 4


def measure(bench: Bench) -> Iterator[Figure]:
    """Figures of both."""
    bench.say(f"{TRICKLE_RATE} records a second to {bench.idle_partitions} partitions, {bench.seconds} s")
    topic = bench.topic("trickle")
    environment = bench.environment(topic, BENCH_PARTITIONS=str(bench.idle_partitions))
    with _engine(environment, bench.idle_partitions) as engine:
        _produce(environment, TRICKLE_RATE, 5 * TRICKLE_RATE)  # each partition's first batch opens what it needs
        before, began = _cpu_of(engine), time.monotonic()
        _produce(environment, TRICKLE_RATE, bench.seconds * TRICKLE_RATE)
        share = (_cpu_of(engine) - before) / (time.monotonic() - began)
    yield Figure(
        f"{TRICKLE_RATE} records a second, {bench.idle_partitions} partitions", [100 * share], "% of a core", 3.0
    )

    bench.say(f"{LOAD_RATE:,} records a second, {bench.seconds} s")
    environment = bench.environment(bench.topic("latency"), BENCH_PARTITIONS=str(LOAD_PARTITIONS))
    with _engine(environment, LOAD_PARTITIONS, "--set", "batch.seconds_max=1"):
        _produce(environment, LOAD_RATE, bench.seconds * LOAD_RATE)
        time.sleep(3.0)
    late = sorted(_latencies(environment))
    assert len(late) == bench.seconds * LOAD_RATE, f"{len(late)} records landed"
    remark = f"from the record's timestamp to the commit, {LOAD_RATE:,} records a second, `seconds_max: 1`"
    yield Figure("latency, half of the records", [late[len(late) // 2]], "s", 1.2, remark=remark)
    yield Figure("latency, 99 of 100", [late[len(late) * 99 // 100]], "s", 2.0)


@contextmanager
def _engine(environment: Mapping[str, str], partitions: int, *arguments: str) -> Iterator[psutil.Process]:
    """An engine whose workers all read."""
    streamlake(environment, "topics", "apply", PIPELINE)
    listen = f"127.0.0.1:{free_port()}"
    command = [STREAMLAKE, "run", PIPELINE, "--set", f"metrics.listen={listen}", *arguments]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as engine:
        try:
            wait_until_all_read(listen, time.monotonic(), partitions)
            yield psutil.Process(engine.pid)
        finally:
            engine.send_signal(signal.SIGTERM)
            engine.wait(PATIENCE_SECONDS)


def _produce(environment: Mapping[str, str], rate: int, records: int) -> None:
    wanted = ("--generate", "orders", "--records", str(records), "--rate", str(rate))
    streamlake(environment, "produce", PIPELINE, *wanted)


def _cpu_of(engine: psutil.Process) -> float:
    """CPU seconds so far of the engine and everything below it; its workers live all the time."""
    return sum(cpu_of(process.pid) for process in [engine, *engine.children(recursive=True)])


def _latencies(environment: Mapping[str, str]) -> Iterator[float]:
    """Seconds of each record between its timestamp and the commit of the entry that it is in."""
    with patch.dict("os.environ", environment):
        config = load(Path(PIPELINE))
        ledger = open_ledger(config)
    root = Path(environment["BENCH_ROOT"].removeprefix("file://"))
    for run in ledger.runs():
        for source in ledger.partitions(run.run):
            for entry in ledger.entries(run.run, source):
                committed = datetime.fromisoformat(entry.committed_at).timestamp()
                for file in entry.files:
                    stamps = pq.read_table(root / file.final, columns=["_timestamp"])["_timestamp"].to_pylist()
                    yield from (committed - stamp.timestamp() for stamp in stamps)
