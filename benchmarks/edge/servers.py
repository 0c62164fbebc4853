"""Who takes part: how each is started, on a topic of its own, and what the topic holds when it has ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType

import falcon_gthread
import fastapi_aiokafka
import fastapi_flush
import fastapi_polled
import psutil
import served
from bench import Bench
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from driving import Driver, Run
from environment import UnavailableError, python_with
from idle import free_port
from processes import cpu_of

HERE = Path(__file__).parent
PARTITIONS = 4
ASK_SECONDS = 30.0
STOP_SECONDS = 60.0
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Contender:
    """`command` makes its command line from the broker, topic, port, a folder of its own and the number of workers.

    `paths` are where one record and where lines are posted to.
    """

    name: str
    program: ModuleType
    command: Callable[[str, str, int, Path, int], list[str]]
    paths: Mapping[str, str] = field(default_factory=lambda: {"single": "/orders", "lines": "/orders/lines"})
    ours: bool = False
    fastapi: bool = False

    @property
    def settings(self) -> str:
        """What it is run with and why."""
        return str(self.program.__doc__)


@dataclass
class Serving:
    """A server that runs: what it was asked so far, and what it cost."""

    contender: Contender
    process: psutil.Process
    driver: Driver
    acknowledged: int = 0
    other_answers: int = 0
    in_topic: int = 0

    def drive(self, kind: str, records: int, *arguments: object) -> Run:
        """Post by the load client (`arguments` are its own), and count."""
        return self.begin(kind, records, *arguments)()

    def begin(self, kind: str, records: int, *arguments: object) -> Callable[[], Run]:
        """Begin to; what is returned waits for the end."""
        before = self.cpu_seconds()
        finish = self.driver.begin(kind, records, *arguments)

        def counted() -> Run:
            run = finish()
            run.server_cpu = self.cpu_seconds() - before
            self.acknowledged += run.acknowledged
            self.other_answers += run.other_answers
            return run

        return counted

    def cpu_seconds(self) -> float:
        """So far, of the server and everything below it; its workers live all the time."""
        return sum(cpu_of(process.pid) for process in [self.process, *self.process.children(recursive=True)])

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes that it has made."""
        return self.process.children(recursive=True)

    def connections(self) -> list[int]:
        """How many clients are connected to each worker now, the fewest first."""
        port = self.driver.port
        some = (worker.net_connections("tcp") for worker in self.workers)
        return sorted(sum(one.status == "ESTABLISHED" and one.laddr.port == port for one in each) for each in some)


@contextmanager
def serving(bench: Bench, contender: Contender, workers: int = 1) -> Iterator[Serving]:
    """A server that takes orders; when the block has ended and it too, `in_topic` says what it has stored.

    Raises UnavailableError where it can't be installed or does not serve.
    """
    topic, port, folder = bench.topic("edge"), free_port(), Path(mkdtemp(dir=bench.folder))
    make_topic(bench.servers, topic)
    environment = dict(os.environ) | {"BENCH_SERVERS": bench.servers, "BENCH_TOPIC": topic}
    environment["PYTHONPATH"] = os.pathsep.join((str(HERE), str(HERE.parent / "peers")))
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = contender.command(bench.servers, topic, port, folder, workers)
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
    driver = Driver(port, folder, contender.paths)
    found = Serving(contender, psutil.Process(process.pid), driver)
    try:
        if not driver.wait_until_taken(READY_SECONDS, lambda: process.poll() is None):
            end = (folder / "said").read_text(errors="replace")[-600:].strip()
            raise UnavailableError(f"{contender.name} takes no order within {READY_SECONDS:g} s: {end}")
        found.acknowledged = 1  # by which it was known to be ready
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    found.in_topic = records_in(bench.servers, topic)


def make_topic(servers: str, topic: str) -> None:
    """Make it and its dead letters'."""
    some = [NewTopic(topic, PARTITIONS, 1), NewTopic(f"{topic}.dlq", 1, 1)]
    with AdminClient({"bootstrap.servers": servers, "log_level": 2}) as admin:
        for future in admin.create_topics(some).values():
            future.result(ASK_SECONDS)


def records_in(servers: str, topic: str) -> int:
    """How many records a topic has: nobody deletes any, and there are no transactions, so its offsets say it."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench-count"})
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=ASK_SECONDS) for n in range(PARTITIONS)]
    consumer.close()
    return sum(high - low for low, high in ends)


def verdict(acknowledged: int, in_topic: int) -> str:
    """What the topic says of the answers."""
    if in_topic < acknowledged:
        return f"lost {acknowledged - in_topic:,}"
    return "each" if in_topic == acknowledged else f"each, and {in_topic - acknowledged:,} more"


def _fastapi(program: ModuleType) -> Callable[[str, str, int, Path, int], list[str]]:
    def command(_servers: str, _topic: str, port: int, _folder: Path, workers: int) -> list[str]:
        python = python_with(program.REQUIREMENTS, lambda text: print(f"bench-edge: {text}", file=sys.stderr))
        where = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
        quick = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        return [python, "-m", "uvicorn", "--factory", f"{program.__name__}:make_app", *where, *quick]

    return command


def _gthread(_servers: str, _topic: str, port: int, _folder: Path, _workers: int) -> list[str]:
    return [sys.executable, *falcon_gthread.command(port)]


INGEST = {"single": "/ingest/orders", "lines": "/ingest/orders"}
OURS = Contender("StreamLake", served, served.command, INGEST, ours=True)
FLUSH = Contender("FastAPI `def`, flush", fastapi_flush, _fastapi(fastapi_flush), fastapi=True)
AIOKAFKA = Contender("FastAPI, aiokafka", fastapi_aiokafka, _fastapi(fastapi_aiokafka), fastapi=True)
POLLED = Contender("FastAPI, poll thread", fastapi_polled, _fastapi(fastapi_polled), fastapi=True)
GTHREAD = Contender("Falcon, gthread", falcon_gthread, _gthread)
CONTENDERS = (OURS, AIOKAFKA, POLLED, GTHREAD, FLUSH)
