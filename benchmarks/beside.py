"""`make bench-backfill`: how far a live run under load is behind its producer, alone and while a backfill runs.

    python benchmarks/beside.py [--seconds 30] [--load 5000] [--rate 5000] [--records 1500000] [--json FILE]

The lag is the end of the topic less what the engine says has landed, ten times a second. All of it shares one machine:
Kafka, the producer, the live engine and the backfill.
"""

import argparse
import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from unittest.mock import patch
from urllib.request import ProxyHandler, build_opener

from bench import LOOK_SECONDS, PIPELINE, STREAMLAKE, Bench, program, streamlake
from confluent_kafka import Consumer, TopicPartition
from figures import Figure, machine, print_json, print_table
from idle import PATIENCE_SECONDS, free_port, wait_until_all_read
from programs import finish, kafka, saying

from streamlake.engine.cli.common import load
from streamlake.engine.cli.parts import open_ledger

SAY = saying("bench")
PARTITIONS = 4
SETTLE_SECONDS = 3.0
TIMES_MAX = 2.0


@dataclass(frozen=True)
class Live:
    """A live engine, the topic that it lands, and who else works beside it."""

    environment: Mapping[str, str]
    topic: str
    history: str
    listen: str
    load: int
    seconds: int

    def lags(self) -> list[int]:
        """Records that the live run was behind, over the time of one load."""
        records = self.load * (self.seconds + int(SETTLE_SECONDS) + 2)
        wanted = ("--generate", "orders", "--records", str(records), "--rate", str(self.load))
        command = [STREAMLAKE, "produce", PIPELINE, *wanted]
        client = Consumer({"bootstrap.servers": self.environment["KAFKA_BOOTSTRAP_SERVERS"], "group.id": "looks"})
        found = []
        with _running(command, self.environment) as producer:
            time.sleep(SETTLE_SECONDS)
            until = time.monotonic() + self.seconds
            while time.monotonic() < until:
                assert producer.poll() is None, "the producer has to outlast the look"
                landed = self._landed()
                found.append(max(0, _end(client, self.topic) - landed))
                time.sleep(LOOK_SECONDS)
        client.close()
        return found

    def beside(self, *options: str) -> tuple[list[int], float]:
        """The lags while a backfill of the other topic runs, and how many records a second that landed."""
        command = [STREAMLAKE, "backfill", "run", PIPELINE, "--topic", self.history, "--to", "latest", *options]
        before, began = self._backfilled(), time.monotonic()
        with _running(command, self.environment) as backfill:
            while self._backfilled() == before and backfill.poll() is None:
                time.sleep(LOOK_SECONDS)
            before, began = self._backfilled(), time.monotonic()
            lags = self.lags()
            if backfill.poll() is not None:
                SAY("the backfill was done before the look was: give it more --records")
            landed = self._backfilled() - before
        return lags, landed / (time.monotonic() - began)

    def _landed(self) -> int:
        with build_opener(ProxyHandler({})).open(f"http://{self.listen}/status", timeout=5) as answer:
            return sum(partition["next"] or 0 for partition in json.load(answer)["partitions"])

    def _backfilled(self) -> int:
        with patch.dict("os.environ", self.environment):
            ledger = open_ledger(load(Path(PIPELINE)))
        runs = [run.run for run in ledger.runs() if run.ends]
        return sum(ledger.head(run, source).next for run in runs for source in ledger.partitions(run))


def main() -> int:
    """Measure and print; exits 1 where the lag is more than twice what it is alone."""
    wanted = _arguments()
    with tempfile.TemporaryDirectory(prefix="streamlake-bench-") as folder, kafka(SAY) as servers:
        bench = Bench(servers, Path(folder), wanted.records, 1, 0, wanted.seconds, SAY)
        figures = list(measure(bench, wanted.load, wanted.rate))
    facts = machine(bench.busy)
    print_table(figures, facts)
    if wanted.json:
        with wanted.json.open("w") as file:
            print_json(figures, facts, file)
    return 0 if all(figure.met is not False for figure in figures) else 1


def measure(bench: Bench, load_rate: int, rate: int) -> Iterator[Figure]:
    """The lag alone, beside a backfill with a rate, and beside the same one without."""
    topic, history, listen = bench.topic("live"), bench.topic("history"), f"127.0.0.1:{free_port()}"
    environment = bench.environment(topic, BENCH_PARTITIONS=str(PARTITIONS))
    streamlake(environment, "topics", "apply", PIPELINE)
    bench.say(f"{bench.records:,} records of another topic's history")
    streamlake({**environment, "BENCH_NAME": history}, "topics", "apply", PIPELINE)
    program("fill.py", environment, history, bench.records, 0.0)
    command = [STREAMLAKE, "run", PIPELINE, "--set", f"metrics.listen={listen}", "--set", "batch.seconds_max=1"]
    with _running(command, environment):
        wait_until_all_read(listen, time.monotonic(), PARTITIONS)
        live = Live(environment, topic, history, listen, load_rate, bench.seconds)
        bench.say(f"the live run alone, {load_rate:,} records a second, {bench.seconds} s")
        alone = live.lags()
        bench.say(f"beside a backfill with --rate {rate}")
        rated, landed = live.beside("--rate", str(rate), "--set", "batch.seconds_max=1")
        bench.say("beside the same one without a rate")
        free, landed_free = live.beside()
    yield Figure("lag of the live run, alone", [mean(alone)], "records", remark=f"most {max(alone):,}")
    yield Figure(
        f"beside a backfill with --rate {rate}",
        [mean(rated)],
        "records",
        TIMES_MAX * mean(alone),
        remark=_said(rated, landed),
    )
    yield Figure("as many times", [mean(rated) / mean(alone)], "x", TIMES_MAX)
    yield Figure("beside one without a rate", [mean(free)], "records", remark=_said(free, landed_free))


def _said(lags: list[int], landed: float) -> str:
    return f"most {max(lags):,}; the backfill landed {landed:,.0f} records/s"


@contextlib.contextmanager
def _running(command: list[str], environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A command beside the measurement; it is asked to leave at the end."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _end(client: Consumer, topic: str) -> int:
    marks = [client.get_watermark_offsets(TopicPartition(topic, number), timeout=10) for number in range(PARTITIONS)]
    return sum(high for _, high in filter(None, marks))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-backfill", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=30, help="how long each look takes (default: %(default)s)")
    parser.add_argument("--load", type=int, default=5_000, help="records a second to the live topic (%(default)s)")
    parser.add_argument("--rate", type=int, default=5_000, help="the backfill's --rate (default: %(default)s)")
    parser.add_argument("--records", type=int, default=1_500_000, help="of the other topic's history (%(default)s)")
    parser.add_argument("--json", type=Path, help="write JSON to this file beside what is printed")
    return parser.parse_args()


if __name__ == "__main__":
    finish(main)
