"""Records through `streamlake run --until-end`, in every form: CPU as a multiple of librdkafka's drain, and memory."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from bench import PIPELINE, Bench, Metered, metered, program, streamlake
from figures import Figure
from processes import memory_of, workers_below

PARTITIONS = 4
MANY_PARTITIONS = 64
BROKEN_RATIO = 0.004
OFTEN_BROKEN_RATIO = 0.2
LOOK_SECONDS = 0.2

FORMS: Sequence[tuple[str, dict[str, str], Sequence[str], float]] = (
    ("Parquet, envelope, JSON Schema", {}, (), 6.5),
    ("Parquet, typed columns, JSON Schema", {"BENCH_COLUMNS": "typed"}, (), 7.5),
    ("JSON lines, envelope, JSON Schema", {"BENCH_FORMAT": "jsonl"}, (), 6.5),
    ("Parquet, envelope, a model that declares", {}, ("streamlake.plugins.validators.orders:Order",), 9.0),
    ("Parquet, envelope, a model with Python validators", {}, ("models:CheckedOrder",), 15.0),
)
"""What it is called, how the YAML is filled in, the model instead of the schema, and the aim."""


@dataclass
class Peaks:
    """The most memory (PSS) of any worker, over all the times it was looked at."""

    pss: float = 0.0
    looked_at: float = 0.0

    def look(self, pid: int) -> None:
        """Look at the workers below `pid`; not too often, for walking a process's pages holds it up."""
        if time.monotonic() - self.looked_at < LOOK_SECONDS:
            return
        self.looked_at = time.monotonic()
        for worker in workers_below(pid):
            memory = memory_of(worker.pid)
            if memory is not None:
                self.pss = max(self.pss, memory.pss)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that was filled for a measurement."""

    name: str
    partitions: int
    records: int
    bytes: int

    def drain(self, bench: Bench, way: str = "c") -> float:
        """CPU seconds that librdkafka alone takes for all of it."""
        arguments = (way, self.name, self.partitions, self.records)
        return float(program("drains.py", bench.environment(self.name), *arguments)["cpu"])

    def land(self, bench: Bench, *arguments: str, **environment: str) -> Metered:
        """Land all of it under a root of its own."""
        begun = bench.environment(self.name, BENCH_PARTITIONS=str(self.partitions), **environment)
        return metered(bench, begun, "run", PIPELINE, "--until-end", *arguments)

    def peaks(self, bench: Bench, *arguments: str, **environment: str) -> Peaks:
        """Land it once more, to look at the memory, which holds a process up."""
        peaks = Peaks()
        begun = bench.environment(self.name, BENCH_PARTITIONS=str(self.partitions), **environment)
        metered(bench, begun, "run", PIPELINE, "--until-end", *arguments, look=peaks.look)
        return peaks


def filled(
    bench: Bench,
    name: str,
    records: int,
    *,
    partitions: int = PARTITIONS,
    broken: float = 0,
    items: int | None = None,
) -> Topic:
    """A new topic with so many orders."""
    topic = bench.topic(name)
    bench.say(f"{name}: filling {partitions} partitions with {records:,} orders")
    environment = bench.environment(topic, BENCH_PARTITIONS=str(partitions))
    streamlake(environment, "topics", "apply", PIPELINE)
    sent = program("fill.py", environment, topic, records, broken, *([] if items is None else [items]))
    return Topic(topic, partitions, records, sent["bytes"])


def measure(bench: Bench) -> Iterator[Figure]:
    """All forms of landing the same records, and what they cost where many are refused or partitions are many."""
    million = bench.records / 1e6
    topic = filled(bench, "landing", bench.records, broken=BROKEN_RATIO)
    nothing = filled(bench, "nothing", 0)
    ratios: dict[str, list[float]] = {name: [] for name, *_ in FORMS}
    costs, rates, drains, by_python, starts, pure = [], [], [], [], [], []
    for number in range(bench.repeats):
        bench.say(f"landing them in {len(FORMS)} forms, {number + 1} of {bench.repeats}")
        drains.append(topic.drain(bench))
        starts.append(nothing.land(bench).cpu)
        for name, environment, models, _ in FORMS:
            arguments = [word for model in models for word in _by_model(model)]
            landed = topic.land(bench, *arguments, **environment)
            ratios[name].append(landed.cpu / drains[-1])
            if name == FORMS[0][0]:
                costs.append(landed.cpu / million)
                rates.append(bench.records / landed.wall)
        by_python.append(topic.drain(bench, "python"))
        pure.append(topic.land(bench, STREAMLAKE_NATIVE="0").cpu / drains[-1])
    for name, _, _, aim in FORMS:
        yield Figure(name, ratios[name], "drains", aim)
    yield Figure(f"{FORMS[0][0]}, without streamlake-native", pure, "drains")
    yield Figure("  the first of these: CPU a million records", costs, "s", remark="all processes, start and stop too")
    yield Figure("  … records a second", rates, "/s", remark="start and stop included")
    yield Figure("  … of its CPU to start and stop (a run over nothing)", starts, "s")
    yield Figure("librdkafka's drain in C: CPU a million records", [drain / million for drain in drains], "s")
    yield Figure("  … from Python, consume() and drop", [one / million for one in by_python], "s")
    yield from _memory(bench, topic)
    yield from _produced(bench)
    yield from _compared(bench, costs)


def _memory(bench: Bench, topic: Topic) -> Iterator[Figure]:
    bench.say("landing them again, to look at the memory")
    peaks = topic.peaks(bench)
    yield Figure("largest worker, peak PSS", [peaks.pss], "MiB", 250.0, remark="at the default batch")
    small = topic.peaks(bench, "--set", "batch.bytes_max=16MiB")
    yield Figure("  … with `batch.bytes_max: 16MiB`", [small.pss], "MiB", 120.0)
    large = filled(bench, "large", max(3, bench.records // 5000), partitions=1, items=22_000)
    more = large.peaks(bench, "--set", "batch.bytes_max=16MiB", BENCH_RECORD_BYTES_MAX="2MiB")
    size = large.bytes / large.records / 1e6
    yield Figure(f"  … and records of {size:.2g} MB", [more.pss], "MiB", 120.0)


def _produced(bench: Bench) -> Iterator[Figure]:
    """What `streamlake produce` costs, and what its three headers a record cost those who land them."""
    name = bench.topic("headers")
    environment = bench.environment(name)
    streamlake(environment, "topics", "apply", PIPELINE)
    wanted = ("--generate", "orders", "--records", str(bench.records), "--broken", f"{BROKEN_RATIO:%}")
    produced = metered(bench, environment, "produce", PIPELINE, *wanted, "--json")
    sent = json.loads(produced.said)
    topic = Topic(name, PARTITIONS, bench.records, 0)
    ratios = [topic.land(bench).cpu / topic.drain(bench) for _ in range(bench.repeats)]
    yield Figure("Parquet, envelope, three headers a record", ratios, "drains")
    yield Figure("`produce`: records a second", [sent["sent"] / sent["seconds"]], "/s", 100_000.0, at_most=False)


def _compared(bench: Bench, costs: Sequence[float]) -> Iterator[Figure]:
    """Many refused records, and many partitions, against the same number of records as they mostly are."""
    million = bench.records / 1e6
    often = filled(bench, "refused", bench.records, broken=OFTEN_BROKEN_RATIO)
    many = filled(bench, "many", bench.records, partitions=MANY_PARTITIONS, broken=BROKEN_RATIO)
    bench.say("landing topics with many refused ones and with many partitions")
    for name, topic, aim in (
        (f"{OFTEN_BROKEN_RATIO:.0%} refused instead of {BROKEN_RATIO:.1%}", often, 2.0),
        (f"{MANY_PARTITIONS} partitions instead of {PARTITIONS}", many, 1.2),
    ):
        times = [topic.land(bench).cpu / million / median(costs) for _ in range(bench.repeats)]
        yield Figure(name, times, "times the cost", aim)


def _by_model(model: str) -> list[str]:
    return ["--set", f"validator={{type: pydantic, model: '{model}'}}"]
