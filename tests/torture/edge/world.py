"""The world of a tortured edge: one Kafka behind a proxy, and a `streamlake serve` that is started again and again."""

import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from support.edge import RunningEdge
from torture.proxy import Wires

from streamlake.engine.local.kafka import LocalKafka

END_SECONDS_MAX = 45.0
"""An edge that was told to end has answered everything by then, whatever Kafka does."""
GONE_SECONDS_MAX = 10.0
"""Who was killed is gone by then, also where it has to wait for a processor to be."""


@dataclass(frozen=True)
class Kill:
    """A SIGKILL: between these two times (CLOCK_MONOTONIC) it came."""

    began: float
    ended: float


@dataclass
class EdgeWorld:
    """What there is to break. `over` ends every wait of a fault; the locks keep two faults from breaking one thing."""

    kafka: LocalKafka
    wires: Wires
    edge: "EdgeHost"
    over: threading.Event = field(default_factory=threading.Event)
    cluster: threading.Lock = field(default_factory=threading.Lock)
    """Held by who takes Kafka away, in whatever way."""


class EdgeHost:
    """Where the edge runs, always on one address. `faults` are the sentences about ends that were none."""

    def __init__(self, pipeline: Path, log: Path, env: dict[str, str]) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.kills: list[Kill] = []
        self.asked: list[tuple[float, str]] = []
        """When which signal was sent to whom."""
        self.lock = threading.Lock()
        """Held by who ends the whole edge."""
        self.log = log
        self._pipeline, self._env = pipeline, env
        self.running = self._started()

    def signal_worker(self, luck: random.Random, number: int) -> bool:
        """Send a signal to a worker; whether there was one."""
        try:
            workers = psutil.Process(self.running.process.pid).children()
            worker = luck.choice(workers) if workers else None
            if worker is None:
                return False
            began = time.monotonic()
            self._note(number, worker.send_signal, "a worker")
            if number == signal.SIGKILL:
                psutil.wait_procs([worker], GONE_SECONDS_MAX)
                self.kills.append(Kill(began, time.monotonic()))
        except psutil.NoSuchProcess:
            return False
        return True

    def signal(self, number: int) -> bool:
        """Send a signal to the server; whether it is there."""
        if self.running.process.poll() is not None:
            return False
        self._note(number, self.running.process.send_signal, "the server")
        return True

    def end(self) -> None:
        """SIGTERM to the whole edge; returns when it has ended."""
        self._note(signal.SIGTERM, self.running.process.send_signal, "the server")
        try:
            code = self.running.process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.faults.append(f"stuck: the edge did not end within {END_SECONDS_MAX:g} s of a SIGTERM")
            self.kill()
            return
        if code:
            self.faults.append(f"end: the edge ended with {code} after a SIGTERM")
        left = self.running.family()
        if left:
            self.faults.append(f"end: {len(left)} processes outlived the edge")
        self._forget()

    def kill(self) -> None:
        """SIGKILL to the whole edge, at once."""
        began = time.monotonic()
        self.running.kill_everything()
        self.kills.append(Kill(began, time.monotonic()))
        self._forget()

    def start(self) -> None:
        """Start it again; returns when it listens."""
        self.running = self._started()

    def close(self) -> None:
        """End it with everything that is left of it."""
        self.running.kill_everything()
        self._forget()

    def _started(self) -> RunningEdge:
        self.counts["edges started"] += 1
        return RunningEdge(self._pipeline, ready=False, env=self._env)

    def _note(self, number: int, send: Callable[[int], None], whom: str) -> None:
        self.asked.append((time.monotonic(), f"{signal.Signals(number).name} to {whom}"))
        send(number)

    def _forget(self) -> None:
        """Keep what it has said, once."""
        text, self.running.text = self.running.text, []
        with self.log.open("a") as log:
            log.write("".join(text))
