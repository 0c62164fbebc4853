"""A million records through `streamlake run --until-end`: CPU, rate and memory, beside librdkafka's own drain."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench import PIPELINE, Bench, metered, program, streamlake
from figures import Figure
from processes import Memory, memory_of, workers_below

PARTITIONS = 4
BROKEN = "0.4%"
LOOK_SECONDS = 0.2


@dataclass
class Peaks:
    """The most memory of any worker, over all the times it was looked at."""

    resident: float = 0.0
    pss: float = 0.0
    looked_at: float = 0.0
    known: dict[int, Memory] = field(default_factory=dict)

    def look(self, pid: int) -> None:
        """Look at the workers below `pid`; not too often, for walking a process's pages holds it up."""
        if time.monotonic() - self.looked_at < LOOK_SECONDS:
            return
        self.looked_at = time.monotonic()
        for worker in workers_below(pid):
            memory = memory_of(worker.pid)
            if memory is not None:
                self.resident, self.pss = max(self.resident, memory.peak), max(self.pss, memory.pss)


def measure(bench: Bench) -> Iterator[Figure]:
    """Figures of the run, for records with the three headers that `streamlake produce` gives each."""
    topic = bench.topic("landing")
    environment = bench.environment(topic)
    bench.say(f"producing {bench.records:,} orders, {BROKEN} of them broken")
    streamlake(environment, "topics", "apply", PIPELINE)
    wanted = ("--generate", "orders", "--records", str(bench.records), "--broken", BROKEN)
    produced = metered(bench, environment, "produce", PIPELINE, *wanted, "--json")
    sent = json.loads(produced.said)

    nothing = bench.topic("nothing")
    streamlake(bench.environment(nothing), "topics", "apply", PIPELINE)
    starts: list[float] = []
    runs, by_c, by_python, peaks = [], [], [], Peaks()
    for number in range(bench.repeats):
        bench.say(f"landing them, {number + 1} of {bench.repeats}")
        by_c.append(program("drains.py", environment, "c", topic, PARTITIONS, bench.records)["cpu"])
        starts.append(metered(bench, bench.environment(nothing), "run", PIPELINE, "--until-end").cpu)
        # A root of its own each time: the run starts from the first offset again.
        again = bench.environment(topic)
        runs.append(metered(bench, again, "run", PIPELINE, "--until-end"))
        by_python.append(program("drains.py", environment, "python", topic, PARTITIONS, bench.records)["cpu"])
    bench.say("landing them once more, to look at the memory")  # which holds a process up: its time is not taken
    metered(bench, bench.environment(topic), "run", PIPELINE, "--until-end", look=peaks.look)

    million = bench.records / 1e6
    cpu = [run.cpu / million for run in runs]
    yield Figure("run: CPU a million records", cpu, "s", 10.0, remark="the whole process tree, start and stop included")
    yield Figure("  of it to start and stop (a run over nothing)", starts, "s")
    ratios = [run / (drain / million) for run, drain in zip(cpu, by_c, strict=True)]
    yield Figure("  … as a multiple of librdkafka's drain in C", ratios, "times")
    yield Figure("  librdkafka's drain in C: CPU a million", [drain / million for drain in by_c], "s")
    yield Figure("  … from Python, consume() and drop", [drain / million for drain in by_python], "s")
    yield Figure("run: records a second, start and stop included", [bench.records / run.wall for run in runs], "/s")
    yield Figure("run: largest worker, peak PSS", [peaks.pss], "MiB", 250.0, remark="at the default batch")
    yield Figure("run: largest worker, peak RSS", [peaks.resident], "MiB", remark="shared pages counted in full")
    rate = sent["sent"] / sent["seconds"]
    yield Figure("produce: records a second", [rate], "/s", 100_000.0, at_most=False, remark="one process")
    yield Figure("produce: CPU a million records", [produced.cpu / million], "s")
