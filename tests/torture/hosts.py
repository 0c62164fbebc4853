"""Hosts that run an engine each, as an init system does: one that ended is started again, until it is told to leave."""

import os
import random
import signal
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
from support.engine import Engine
from torture.program import STREAMLAKE

RESTART_SECONDS = 0.5


class Host:
    """One host. `counts` says how its engines ended; what they said lies in `log`."""

    def __init__(self, name: str, pipeline: Path, folder: Path, env: dict[str, str], power: threading.Lock) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self.lock = threading.Lock()
        """Held by a fault that meets this host, so that two don't meet at one."""
        self.log = folder / f"{name}.log"
        self._pipeline, self._env, self._power = pipeline, env, power
        self._wanted = threading.Event()
        self._over = threading.Event()
        self._engine: Engine | None = None
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    @property
    def runs(self) -> bool:
        """Whether it is meant to run an engine now."""
        return self._wanted.is_set()

    def start(self) -> None:
        """Run an engine from now on."""
        self._wanted.set()

    def leave(self) -> None:
        """Ask the engine to drain and leave, and start no other."""
        self._wanted.clear()
        self.signal(signal.SIGTERM)

    def leave_and_wait(self, seconds: float) -> None:
        """Leave. Raises subprocess.TimeoutExpired when it takes longer."""
        self.leave()
        if self._engine is not None:
            self._engine.process.wait(seconds)

    def signal(self, number: int) -> bool:
        """Send a signal to the supervisor; whether there was one."""
        engine = self._alive()
        if engine is not None:
            engine.signal(number)
        return engine is not None

    def signal_everything(self, number: int) -> bool:
        """Send a signal to the supervisor and all its workers at once; whether there was somebody."""
        engine = self._alive()
        if engine is not None:
            engine.signal_everything(number)
        return engine is not None

    def lose_power(self) -> bool:
        """SIGKILL all of it at once; whether there was somebody.

        Also what a supervisor has left behind that was killed just now.
        """
        engine, alive = self._engine, self._alive() is not None
        if engine is not None:
            engine.signal_everything(signal.SIGKILL)
        return alive

    def wait_until_dark(self) -> None:
        """Wait until all is gone that lost its power."""
        if self._engine is not None:
            self._engine.kill_everything()

    def some_worker(self, luck: random.Random) -> psutil.Process | None:
        """One of its workers."""
        engine = self._alive()
        workers = engine.workers() if engine is not None else []
        return luck.choice(workers) if workers else None

    def workers(self) -> list[psutil.Process]:
        """All of its workers."""
        engine = self._alive()
        return engine.workers() if engine is not None else []

    def family(self) -> list[psutil.Process]:
        """Everything of its engine, the supervisor first; nothing while none runs."""
        engine = self._alive()
        return sorted(engine.family(), key=lambda one: one.pid != engine.process.pid) if engine is not None else []

    def close(self) -> None:
        """End it with everything that is left of it."""
        self._wanted.clear()
        self._over.set()
        if self._engine is not None:
            self._engine.kill_everything()
        self._keeper.join(30)

    def _alive(self) -> Engine | None:
        engine = self._engine
        return engine if engine is not None and engine.process.poll() is None else None

    def _keep(self) -> None:
        while not self._over.is_set():
            if not self._wanted.wait(0.2):
                continue
            with self._power:
                # Not the plain command: its supervisor would try the YAML's validator elsewhere, and itself know of
                # neither the small ledger folders nor the faults.
                self._engine = Engine(self._pipeline, env={**os.environ, **self._env}, program=STREAMLAKE)
            # One that says what no user may see is told by `logs.py`, from the log; the host goes on.
            with suppress(AssertionError), self._engine as engine:
                while engine.process.poll() is None and not self._over.wait(0.1):
                    pass
                self.counts[f"ended with {engine.process.poll()}"] += 1
            with self.log.open("a") as log:
                log.write("".join(engine.text))
            self._over.wait(RESTART_SECONDS)
