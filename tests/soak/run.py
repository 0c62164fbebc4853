"""Runs engines for hours under steady load, a kill a minute, and fails where anything grows: `make soak HOURS=8`.

    python tests/soak/run.py [--hours H] [--rate R] [--json FILE]

Two hosts share the partitions. On one a worker is killed every minute, and every tenth time its supervisor; on the
other nobody is, so that what leaks there adds up: its supervisor and its oldest worker live as long as the run. Every
ten seconds it is measured what an operator would watch: memory, open files and threads of these two, memory of all
workers, what lies in the root beside data for a million records, the ledger's files, lag. A line is fitted to each,
without the first tenth of the time; growth beyond its limit is a failure, and so is a proof that fails.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, mean

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

# ruff: noqa: E402 - after the path above
import psutil
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its stubs forget it
from support.account import newest_entry
from support.engine import pipeline_yaml, streamlake
from torture.hosts import Host
from torture.logs import lies_in
from torture.oracle import record

from streamlake.engine.local.kafka import LocalKafka
from streamlake.plugins.sinks.file import layout

TOPIC = "soaked"
PARTITIONS = 4
SAMPLE_SECONDS = 10.0
KILL_SECONDS = 60.0
KILLS_OF_WORKERS = 9
"""For each supervisor that is killed."""
SLOTS_MAX = 3_000
"""Files of one partition's ledger: two thousand entries before a folder is folded, a segment a thousand, and some."""
RETENTION_MS = 30 * 60 * 1000


@dataclass(frozen=True)
class Watched:
    """A figure that must stay flat: it may grow by `share` of its mean, and by `least` in any case, over the run."""

    name: str
    unit: str
    share: float
    least: float
    values: list[tuple[float, float]] = field(default_factory=list)

    def growth(self, seconds: float) -> float:
        """What the fitted line rises by over the run, without its first tenth."""
        settled = [(at, value) for at, value in self.values if at > seconds / 10]
        if len(settled) < 3:
            return 0.0
        slope, _ = linear_regression(*zip(*settled, strict=True))
        return slope * seconds

    def row(self, seconds: float) -> tuple[str, bool]:
        """The line of the table, and whether it is flat."""
        values = [value for _, value in self.values]
        growth, allowed = self.growth(seconds), max(self.least, self.share * mean(values))
        flat = growth <= allowed
        figures = f"{mean(values):10.1f} {max(values):10.1f} {growth:+10.1f} {allowed:10.1f}"
        return f"{self.name:40} {figures}  {self.unit:6} {'flat' if flat else 'GROWS'}", flat


def watched() -> dict[str, Watched]:
    """What is measured, by its key in `sample`."""
    figures = [
        ("supervisor_mib", Watched("supervisor: memory (RSS)", "MiB", 0.1, 5)),
        ("supervisor_files", Watched("supervisor: open files", "", 0.05, 3)),
        ("supervisor_threads", Watched("supervisor: threads", "", 0.05, 1)),
        ("worker_mib", Watched("oldest worker: memory (PSS)", "MiB", 0.1, 5)),
        ("worker_files", Watched("oldest worker: open files", "", 0.05, 3)),
        ("worker_threads", Watched("oldest worker: threads", "", 0.05, 1)),
        ("workers_mib", Watched("all workers: memory (PSS)", "MiB", 0.15, 20)),
        ("stage_kib", Watched("disk: what is staged", "KiB", 0.2, 4096)),
        ("ledger_kib_a_million", Watched("disk: all but data, a million records", "KiB", 0.05, 100)),
        ("lag", Watched("lag", "rec.", 0.3, 20_000)),
    ]
    return dict(figures)


def sample(steady: Host, killed: Host, lake: Path, produced: int) -> dict[str, float]:
    """One look. Raises psutil.Error where a process goes under our eyes, IndexError where none is there."""
    supervisor = steady.family()[0]
    oldest = min(steady.workers(), key=lambda worker: worker.create_time())
    workers = [*steady.workers(), *killed.workers()]
    newest = [newest_entry(ledger) for ledger in lake.glob(f"_ledger/*/{TOPIC}/*")]
    landed = sum(entry["next"] for entry in newest if entry is not None)  # each partition began at 0
    return {
        "supervisor_mib": supervisor.memory_info().rss / 2**20,
        "supervisor_files": float(supervisor.num_fds()),
        "supervisor_threads": float(supervisor.num_threads()),
        "worker_mib": oldest.memory_full_info().pss / 2**20,
        "worker_files": float(oldest.num_fds()),
        "worker_threads": float(oldest.num_threads()),
        "workers_mib": sum(worker.memory_full_info().pss for worker in workers) / 2**20,
        "stage_kib": _kib_taken(lake / "_stage"),
        "ledger_kib_a_million": sum(map(_kib_taken, lake.glob("_*"))) / max(landed, 1) * 1e6,
        "lag": float(produced - landed),
    }


def _kib_taken(folder: Path) -> float:
    """What the files below a folder take of the disk: of a small one that is a whole block."""
    return sum(path.stat().st_blocks for path in folder.rglob("*") if path.is_file()) / 2


class Load:
    """Records at a steady rate, until told to stop; `produced` counts those that were acknowledged."""

    def __init__(self, servers: str, rate: int) -> None:
        self.produced = 0
        self._producer = Producer({"bootstrap.servers": servers, "acks": "all", "linger.ms": 20, "log_level": 0})
        self._rate = rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for every acknowledgement."""
        self._stop.set()
        self._thread.join()
        self._producer.flush(120)

    def _go(self) -> None:
        sequence, began = 0, time.monotonic()
        while not self._stop.wait(0.1):
            while sequence < (time.monotonic() - began) * self._rate:
                broken = sequence % 250 == 0
                value = b"{" if broken else record("soak", sequence, b"." * 150)
                self._producer.produce(TOPIC, value, partition=sequence % PARTITIONS, callback=self._acknowledged)
                sequence += 1
            self._producer.poll(0)

    def _acknowledged(self, error: object, _message: object) -> None:
        self.produced += error is None


def soak(hours: float, rate: int, folder: Path, say: Callable[[str], None]) -> tuple[dict[str, Watched], list[str]]:
    """The figures, and the sentences that make it a failure."""
    figures, faults, seconds = watched(), list[str](), hours * 3600
    luck = random.Random(1)
    with LocalKafka(quick_start=False, say=say) as kafka:
        config = {"retention.ms": str(RETENTION_MS), "segment.ms": "60000"}
        news = [NewTopic(TOPIC, PARTITIONS, 1, config=config), NewTopic(f"{TOPIC}.dlq", 1, 1, config=config)]
        with AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0}) as admin:
            for future in admin.create_topics(news).values():
                future.result(30)
        changes = {"batch": {"seconds_max": 1}, "workers": {"restarts_max": 1_000_000}, "sink__format": "parquet"}
        pipeline = pipeline_yaml(folder, kafka.bootstrap_servers, TOPIC, sink__compression="zstd", **changes)
        steady, killed = (Host(name, pipeline, folder, {}, threading.Lock()) for name in ("steady", "killed"))
        load = Load(kafka.bootstrap_servers, rate)
        steady.start()
        killed.start()
        try:
            faults += _watch(steady, killed, folder / "lake", load, figures, seconds, luck)
        finally:
            load.stop()
            for host in (killed, steady):
                host.leave_and_wait(60)
                host.close()
        done = streamlake("prove", str(pipeline), seconds=3600)
        say(done.stdout.strip())
        if done.returncode:
            faults.append(f"prove failed: {done.stdout[-2000:]}")
        faults += lies_in([steady.log, killed.log], folder / "lake", layout.ENTRIES_PER_FOLDER)
    return figures, faults


def _watch(
    steady: Host, killed: Host, lake: Path, load: Load, figures: dict[str, Watched], seconds: float, luck: random.Random
) -> list[str]:
    """Kill and look for `seconds`; the sentences about what was not as it has to be."""
    began, tried, kills, most, waiting = time.monotonic(), 0, 0, 0, threading.Event()
    while (at := time.monotonic() - began) < seconds:
        if at > KILL_SECONDS * (tried + 1):
            tried += 1
            kills += _kill(killed, luck, supervisor=tried % (KILLS_OF_WORKERS + 1) == 0)
        waiting.wait(SAMPLE_SECONDS)
        try:
            most = max([most, *(len(list(ledger.rglob("*.*"))) for ledger in lake.glob(f"_ledger/*/{TOPIC}/*"))])
            found = sample(steady, killed, lake, load.produced)
        except (psutil.Error, OSError, IndexError, ValueError):
            continue  # somebody was killed just now, or a folder folded
        for name, value in found.items():
            figures[name].values.append((time.monotonic() - began, value))
    said = [f"only {kills} kills of {tried}: there was nobody to kill"] if kills < 0.9 * tried else []
    if most > SLOTS_MAX:
        said.append(f"a partition's ledger has had {most} files: old entries are not folded")
    return said


def _kill(host: Host, luck: random.Random, *, supervisor: bool) -> bool:
    """SIGKILL a worker or the supervisor; whether there was one."""
    if supervisor:
        return host.signal(signal.SIGKILL)
    worker = host.some_worker(luck)
    if worker is None:
        return False
    with suppress(psutil.NoSuchProcess):
        worker.kill()
    return True


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="make soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--rate", type=int, default=2000, help="records a second (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing of a run outlives it
    say = lambda text: print(f"soak: {text}", file=sys.stderr, flush=True)  # noqa: E731
    with tempfile.TemporaryDirectory(prefix="streamlake-soak-") as folder:
        figures, faults = soak(asked.hours, asked.rate, Path(folder), say)
    print(f"{'':40} {'mean':>10} {'most':>10} {'growth':>10} {'allowed':>10}")
    for figure in figures.values():
        line, flat = figure.row(asked.hours * 3600)
        print(line)
        if not flat:
            faults.append(f"{figure.name} grows")
    if asked.json:
        asked.json.write_text(json.dumps({name: figure.values for name, figure in figures.items()}))
    samples = min(len(figure.values) for figure in figures.values())
    if samples < asked.hours * 3600 / SAMPLE_SECONDS / 2:
        faults.append(f"only {samples} samples: most looks failed")
    for fault in faults:
        print(fault)
    end = "FAILED" if faults else "flat"
    print(f"{asked.hours:g} hours at {asked.rate} records a second, a kill a minute, {samples} samples: {end}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
