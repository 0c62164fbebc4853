"""What is measured: the race of all, and of ours alone the time under half the load, memory, and a second worker."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

from bench import Bench
from driving import Driver, Run
from environment import UnavailableError
from idle import free_port
from posts import requests
from processes import memory_of
from servers import OURS, Contender, Serving, serving, verdict

CONSTANT = Path(__file__).with_name("constant.py")


@dataclass(frozen=True, slots=True)
class Work:
    """Requests of one kind and size over so many connections, each of which waits for its answer."""

    kind: str
    records: int
    connections: int

    def by(self, server: "Serving | Driver", *arguments: object) -> Run:
        """Post them; `arguments` are the load client's."""
        return server.drive(self.kind, self.records, "--connections", self.connections, *arguments)


WORKS = {"single": Work("single", 1, 64), "crowd": Work("single", 1, 192), "lines": Work("lines", 100, 16)}
"""By name. 64 clients that wait can be too few to keep a server busy: they wait for Kafka, too; the crowd is enough."""
WIDE = ("crowd", "lines")
"""What a second worker is measured by."""
WARM_UP_SHARE = 0.2
MEMORY_LOOKS = 10
SPREAD_CONNECTIONS = 16
SPREAD_SECONDS = 1.0


@dataclass
class Result:
    """Of one contender over all rounds; `runs` by the name of the work."""

    contender: Contender
    runs: dict[str, list[Run]] = field(default_factory=lambda: {name: [] for name in WORKS})
    acknowledged: int = 0
    in_topic: int = 0
    other_answers: int = 0
    unavailable: str = ""

    def take(self, found: Serving) -> None:
        """Count what a server that has ended was asked and has stored."""
        self.acknowledged += found.acknowledged
        self.in_topic += found.in_topic
        self.other_answers += found.other_answers

    @property
    def stored(self) -> str:
        """What its topics say of its answers."""
        return verdict(self.acknowledged, self.in_topic)

    def rate(self, name: str) -> float:
        """Records a second, the median; 0 where nothing was measured."""
        return median(run.rate for run in self.runs[name]) if self.runs[name] else 0.0


def race(bench: Bench, some: Sequence[Contender]) -> list[Result]:
    """Every contender does every work, in turn, so that an hour of noise hits all of them."""
    results = [Result(contender) for contender in some]
    for number in range(bench.repeats):
        for result in results:
            if not result.unavailable:
                bench.say(f"{result.contender.name}, {number + 1} of {bench.repeats}")
                _run(bench, result)
    return results


def _run(bench: Bench, result: Result) -> None:
    try:
        with serving(bench, result.contender) as server:
            for name, work in WORKS.items():
                work.by(server, "--seconds", WARM_UP_SHARE * bench.seconds)
                result.runs[name].append(work.by(server, "--seconds", bench.seconds))
    except UnavailableError as error:
        result.unavailable = str(error)
        bench.say(str(error))
        return
    result.take(server)


def ceilings(bench: Bench) -> dict[str, Run]:
    """What the load client reaches against a server that does nothing, by the name of the work."""
    found = {}
    for name, work in WORKS.items():
        bench.say(f"the load client's own limit, {name}")
        length = len(requests("/", work.kind, 1, work.records)[0])
        with _constant(bench, length) as driver:
            found[name] = work.by(driver, "--seconds", bench.seconds)
    return found


@contextmanager
def _constant(bench: Bench, length: int) -> Iterator[Driver]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(CONSTANT), str(port), str(length)])
    try:
        driver = Driver(port, Path(mkdtemp(dir=bench.folder)), {"single": "/", "lines": "/"})
        while not driver.listens():
            if process.poll() is not None:
                sys.exit(f"constant.py: exit code {process.returncode}")
            time.sleep(0.02)
        yield driver
    finally:
        process.terminate()
        process.wait()


def half_load(bench: Bench, result: Result) -> list[Run]:
    """Ours, at half of what it was measured to take: single records, due at even times."""
    rate = result.rate("single") / 2
    bench.say(f"half of the load: {rate:,.0f} a second")
    with serving(bench, OURS) as server:
        work = WORKS["single"]
        work.by(server, "--seconds", WARM_UP_SHARE * bench.seconds, "--rate", rate)
        runs = [work.by(server, "--seconds", bench.seconds, "--rate", rate) for _ in range(bench.repeats)]
    result.take(server)
    return runs


@dataclass(frozen=True, slots=True)
class Look:
    """At the memory of a worker, in MiB, after so many records."""

    records: int
    rss: float
    pss: float
    peak: float


def memory(bench: Bench, result: Result) -> list[Look]:
    """Ours, while a worker takes all the records: a tenth of them alone, the others by the hundred."""
    bench.say(f"the memory of a worker over {bench.records:,} records")
    looks = []
    with serving(bench, OURS) as server:
        (worker,) = server.workers
        for _ in range(MEMORY_LOOKS):
            for work, share in ((WORKS["single"], 0.1), (WORKS["lines"], 0.9)):
                count = max(1, round(share * bench.records / MEMORY_LOOKS / work.records))
                work.by(server, "--seconds", 1e9, "--requests", count)
            found = memory_of(worker.pid)
            assert found is not None, "the worker has ended"
            looks.append(Look(server.acknowledged, worker.memory_info().rss / 2**20, found.pss, found.peak))
    result.take(server)
    return looks


@dataclass
class Wider:
    """Ours with two workers beside one: how many times as many records, and the connections of each worker."""

    times: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in WIDE})
    spread: list[list[int]] = field(default_factory=list)


def workers(bench: Bench, result: Result) -> Wider:
    """Each round measures one worker and two, one after the other."""
    found = Wider()
    for number in range(bench.repeats):
        bench.say(f"one worker and two, {number + 1} of {bench.repeats}")
        rates = [_rates(bench, result, count, found.spread) for count in (1, 2)]
        for name in WIDE:
            found.times[name].append(rates[1][name] / rates[0][name])
    return found


def _rates(bench: Bench, result: Result, count: int, spread: list[list[int]]) -> dict[str, float]:
    rates = {}
    with serving(bench, OURS, count) as server:
        for name in WIDE:
            WORKS[name].by(server, "--seconds", WARM_UP_SHARE * bench.seconds)
            rates[name] = WORKS[name].by(server, "--seconds", bench.seconds).rate
        if count > 1:
            spread.append(_spread(server))
    result.take(server)
    return rates


def _spread(server: Serving) -> list[int]:
    finish = server.begin("single", 1, "--seconds", SPREAD_SECONDS, "--connections", SPREAD_CONNECTIONS)
    connected = _until(server.connections, lambda found: sum(found) == SPREAD_CONNECTIONS)
    finish()
    return connected


def _until(look: Callable[[], list[int]], right: Callable[[list[int]], bool]) -> list[int]:
    """Look again and again, for as long as the load lasts."""
    until = time.monotonic() + SPREAD_SECONDS
    while not right(found := look()) and time.monotonic() < until:
        time.sleep(0.02)
    return found
