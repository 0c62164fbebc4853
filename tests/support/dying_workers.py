"""Processes of pytest-xdist that die at any moment, and the controller that hears of it, for tests of a scheduler."""

import random
from collections import Counter, deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from support.scheduling import OneAirflow
from xdist.remote import Producer

STEPS_MAX = 50_000
END = "end"


class DyingWorker:
    """As the controller knows one, and what it does by itself: collects, and runs a test once it knows of the next."""

    def __init__(self, number: int, tests: list[str]) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.tests = tests
        self.told: deque[int | str] = deque()
        self.dead = self.gone = self._shutdown_sent = False
        self._life = self._live()

    @property
    def shutting_down(self) -> bool:
        return self.gone or self._shutdown_sent

    def shutdown(self) -> None:
        self._shutdown_sent = True
        self.told.append(END)

    def send_runtest_some(self, indices: list[int]) -> None:
        if self.dead:
            raise OSError("cannot send (already closed?)")
        self.told.extend(indices)

    def step(self) -> tuple[Any, ...] | None:
        """Go on by one step; what is told to the controller, if anything is."""
        return next(self._life, None)

    def _live(self) -> Iterator[tuple[Any, ...] | None]:
        yield ("ready",)
        yield ("collected",)
        while not self.told:
            yield None
        following = self.told.popleft()
        while following != END:
            while not self.told:
                yield None
            current, following = following, self.told.popleft()
            yield ("begun", self.tests[int(current)])
            yield ("done", int(current))
        yield ("finished",)


class Controller:
    """pytest-xdist's own loop (`dsession.py`), as far as a scheduler meets it; one order of events for each seed."""

    def __init__(self, seed: int, *, differs: bool = False) -> None:
        """`differs`: who stands in for a process that died when work was given out finds other tests."""
        self._random = random.Random(seed)
        self._differs = differs
        self._first = self._random.choice([1, 2, 3])
        kinds = self._random.choices(["test", "airflow"], weights=[4, 1], k=self._random.randrange(1, 25))
        self.tests = [f"{kind}{number}" for number, kind in enumerate(kinds)]
        self.begun: Counter[str] = Counter()
        self.crashed: list[str] = []
        self.refused = 0
        self._deaths = self._random.choice([0, 1, 2, 3, 5])
        self._ending = False
        self._heard: deque[tuple[DyingWorker, tuple[Any, ...]]] = deque()
        self._workers: list[DyingWorker] = []
        hook = SimpleNamespace(pytest_collectreport=self._refuse)
        config = SimpleNamespace(
            getvalue=lambda _: [f"{self._first}*popen"], option=SimpleNamespace(loadscopereorder=False), hook=hook
        )
        self._scheduler = OneAirflow(config, Producer("tests", enabled=False))
        for _ in range(self._first):
            self._start()

    def run(self) -> bool:
        """Whether it comes to an end."""
        for _ in range(STEPS_MAX):
            if not self._heard and all(worker.gone for worker in self._workers):
                return True
            self._step()
        return False

    def _start(self) -> None:
        other = ["another"] if self._differs and self._scheduler.collection is not None else []
        self._workers.append(DyingWorker(len(self._workers), [*self.tests, *other]))

    def _step(self) -> None:
        alive = [worker for worker in self._workers if not worker.gone]
        if self._heard and (not alive or self._random.random() < 0.4):
            self._hear(*self._heard.popleft())
            return
        worker = self._random.choice(alive)
        if worker.dead:
            self._heard.append((worker, ("died",)))
            worker.gone = True
        elif self._deaths and self._random.random() < 0.03:
            self._deaths -= 1
            worker.dead = True
        elif (said := worker.step()) is not None:
            if said[0] == "begun":
                self.begun[said[1]] += 1
            else:
                self._heard.append((worker, said))

    def _hear(self, worker: DyingWorker, said: tuple[Any, ...]) -> None:
        scheduler = self._scheduler
        match said:
            case ("ready",) if self._ending:
                worker.shutdown()
            case ("ready",):
                scheduler.add_node(worker)
            case ("collected",) if not self._ending:
                scheduler.add_node_collection(worker, list(worker.tests))
                if scheduler.collection_is_completed:
                    scheduler.schedule()
            case ("done", int(index)):
                scheduler.mark_test_complete(worker, index)
            case ("finished",):
                assert worker not in scheduler.nodes or scheduler.remove_node(worker) is None
                worker.gone = True
            case ("died",):
                if worker in scheduler.nodes and (crashed := scheduler.remove_node(worker)):
                    self.crashed.append(crashed)
                self._ending = False
                self._start()
        if scheduler.tests_finished:
            self._end()

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            for worker in self._scheduler.nodes:
                worker.shutdown()

    def _refuse(self, **_: object) -> None:
        self.refused += 1
