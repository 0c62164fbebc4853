"""How long a user waits: for `streamlake --help`, and for the first record of a new engine."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping

from bench import PIPELINE, STREAMLAKE, Bench, streamlake
from figures import Figure

HELPS = 7


def measure(bench: Bench) -> Iterator[Figure]:
    """Figures of starting."""
    bench.say("starting commands")
    yield Figure("`streamlake --help`", [_seconds([STREAMLAKE, "--help"]) for _ in range(HELPS)], "s", 0.3)
    topic = bench.topic("startup")
    environment = bench.environment(topic)
    streamlake(environment, "topics", "apply", PIPELINE)
    streamlake(environment, "produce", PIPELINE, "--generate", "orders", "--records", "1000")
    firsts = [_first_commit(bench.environment(topic)) for _ in range(bench.repeats + 2)]
    remark = "until the first record is committed, so fetched some moments earlier; batches of one record"
    yield Figure("`streamlake run` to the first fetch", firsts, "s", 2.5, remark=remark)


def _seconds(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def _first_commit(environment: Mapping[str, str]) -> float:
    """From the start of the process to its first log line about a committed batch."""
    began = time.monotonic()
    command = [STREAMLAKE, "run", PIPELINE, "--log-format", "json", "--set", "batch.rows_max=1"]
    # In a process group of its own, so that nothing of it is left when it is stopped hard.
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as engine:
        assert engine.stderr is not None
        try:
            for line in engine.stderr:
                if line.startswith("{") and json.loads(line)["event"] == "committed":
                    return time.monotonic() - began
        finally:
            os.killpg(engine.pid, signal.SIGKILL)
    raise RuntimeError("the engine ended before it committed anything")
