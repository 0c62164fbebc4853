"""An engine with many partitions and nothing to do: how soon all workers are up, and how much memory is theirs."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from statistics import mean
from typing import Any
from urllib.request import ProxyHandler, build_opener

from bench import PIPELINE, STREAMLAKE, Bench, streamlake
from figures import Figure
from processes import memory_of, workers_below

SETTLE_SECONDS = 3.0
PATIENCE_SECONDS = 120.0


def measure(bench: Bench) -> Iterator[Figure]:
    """Figures of the idle engine."""
    topic, partitions = bench.topic("idle"), bench.idle_partitions
    streamlake(bench.environment(topic, BENCH_PARTITIONS=str(partitions)), "topics", "apply", PIPELINE)
    seconds, private, pss = [], [], []
    for number in range(bench.repeats):
        bench.say(f"{partitions} idle partitions, {number + 1} of {bench.repeats}")
        up, memories = _idle_engine(bench.environment(topic), partitions)
        seconds.append(up)
        private.append(mean(memory.private for memory in memories))
        pss.append(mean(memory.pss for memory in memories))
    yield Figure(
        f"{partitions} idle partitions: until all workers read", seconds, "s", 3.0, remark="from the start of `run`"
    )
    yield Figure(
        f"{partitions} idle partitions: memory of a worker, PSS", pss, "MiB", 16.0, remark="mean over the workers"
    )
    yield Figure(f"{partitions} idle partitions: memory of a worker, private", private, "MiB")


def _idle_engine(environment: Mapping[str, str], partitions: int) -> tuple[float, list[Any]]:
    """Start an engine, wait until each worker has taken its partition and reads, look at the memory, and stop it."""
    listen = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    command = [STREAMLAKE, "run", PIPELINE, "--set", f"metrics.listen={listen}"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as engine:
        try:
            wait_until_all_read(listen, began, partitions)
            up = time.monotonic() - began
            time.sleep(SETTLE_SECONDS)
            memories = [memory_of(worker.pid) for worker in workers_below(engine.pid)]
        finally:
            engine.send_signal(signal.SIGTERM)
            engine.wait(PATIENCE_SECONDS)
    found = [memory for memory in memories if memory is not None]
    assert len(found) == partitions, f"{len(found)} workers, not {partitions}"
    return up, found


def wait_until_all_read(listen: str, began: float, partitions: int) -> None:
    """Return when every worker of the engine that listens there reads; `began` is when it was started."""
    while time.monotonic() - began < PATIENCE_SECONDS:
        phases = [partition["phase"] for partition in _partitions(listen)]
        if phases.count("reading") == partitions:
            return
        time.sleep(0.02)
    raise TimeoutError(f"after {PATIENCE_SECONDS:g} s only these read: {phases}")


def _partitions(listen: str) -> list[dict[str, Any]]:
    """What /status says of each partition; nothing while nobody listens."""
    try:
        with build_opener(ProxyHandler({})).open(f"http://{listen}/status", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["partitions"]
            return found
    except OSError:
        return []


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
