"""Takes faults at random, several at a time, with quiet periods between, until told to stop.

Each seed enables a subset of the kinds of fault and gives each a rate of its own (swarm testing, Groce et al., ISSTA
2012): all kinds at once hide what two alone would show. What was enabled has to have happened in the end: where the
machine is so slow that a kind met nobody, the torment goes on with that kind alone until it has.
"""

import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

import psutil
from confluent_kafka import KafkaException
from torture.faults import ALL_FAULTS, FAULTS, KILLS, ON_A_DISK, UNPICKED
from torture.proxy import Wires

OWED_SECONDS_MAX = 600.0
"""How much longer than asked for the torment goes on for what has not happened yet."""


class Tormented(Protocol):
    """A world: what ends every wait of a fault, and the wires that are mended last."""

    over: threading.Event
    wires: Wires


W = TypeVar("W", bound=Tormented)


class Nemesis(Generic[W]):
    """Chooses and counts. `faults` are all kinds, `enabled` those of this seed and their weights, `kills` the kills."""

    def __init__(
        self,
        world: W,
        faults: Mapping[str, tuple[Callable[[W, random.Random], bool], float]],
        enabled: Mapping[str, float],
        kills: Collection[str],
        seed: int,
        *,
        per_minute: float,
        at_once: int,
    ) -> None:
        self.world = world
        self._faults, self._kills = faults, kills
        self._seed, self._begun = seed, 0
        self._luck = random.Random(seed)
        self.enabled = dict(enabled)
        self.happened: Counter[str] = Counter()
        self.errors: list[str] = []
        self._per_minute, self._at_once = per_minute, at_once
        self._pool = ThreadPoolExecutor(at_once)
        self._running: dict[Future[bool], str] = {}

    def torment(self, seconds: float, owed: Callable[[], Collection[str]] | None = None) -> None:
        """Break things for about `seconds`; returns when everything is mended again.

        It goes on for at most OWED_SECONDS_MAX more while there are kinds `owed`: what of `enabled` has not happened,
        unless another says what is.
        """
        luck, over, owed = self._luck, self.world.over, owed or self.missing
        until = time.monotonic() + seconds
        try:
            while not over.is_set():
                self._collect()
                left = until - time.monotonic()
                late = left <= 0
                if late and (not owed() or left < -OWED_SECONDS_MAX):
                    break
                if len(self._running) < self._at_once:
                    name = self._owed(owed()) if late else self._next()
                    if name is not None:
                        self._running[self._begin(name)] = name
                # A quiet period now and then, a volley at other times.
                pause = 60 / self._per_minute * luck.choice([0, 0.3, 1, 1, 1.5, 3])
                over.wait(pause if late else min(pause, left))
        finally:
            over.set()  # also for another who torments beside this one
        self._pool.shutdown(wait=True)
        self._collect()
        self.world.wires.mend()

    def _begin(self, name: str) -> Future[bool]:
        """Start a fault. Its luck hangs on the seed and its number alone, not on who else is lucky meanwhile."""
        self._begun += 1
        return self._pool.submit(self._faults[name][0], self.world, random.Random(f"{self._seed} {self._begun}"))

    def missing(self) -> list[str]:
        """The kinds that were promised and never happened."""
        return sorted(name for name in self.enabled if not self.happened[name])

    def _next(self) -> str:
        """What has not happened yet; then a third of the time each: a kill, what has happened least, any by weight."""
        luck, choices = self._luck, list(self.enabled)
        turn = 1 if set(self.missing()) - set(self._running.values()) else luck.randrange(3)
        if turn == 0:
            choices = [name for name in choices if name in self._kills] or choices
        elif turn == 1:
            idle = [name for name in choices if name not in self._running.values()] or choices
            least = min(self.happened[name] for name in idle)
            choices = [name for name in idle if self.happened[name] == least]
        return luck.choices(choices, [self.enabled[name] for name in choices])[0]

    def _owed(self, owed: Collection[str]) -> str | None:
        """One of those, unless it is under way."""
        idle = [name for name in self.enabled if name in owed and name not in self._running.values()]
        return self._luck.choice(idle) if idle else None

    def _collect(self) -> None:
        for future in [future for future in self._running if future.done()]:
            name = self._running.pop(future)
            try:
                self.happened[name] += bool(future.result())
            except (KafkaException, OSError, psutil.Error, subprocess.TimeoutExpired) as error:
                self.errors.append(f"{name}: {error}")  # the fault was cut short by another one


def swarm(luck: random.Random, *, everything: bool, backend: str = "file") -> dict[str, float]:
    """The kinds of a seed and their weights: each with a chance of two thirds, kills always."""
    kinds = FAULTS if backend == "file" else {name: ALL_FAULTS[name] for name in ALL_FAULTS if name not in ON_A_DISK}
    names = [name for name in kinds if everything or name not in UNPICKED]
    chosen = [name for name in names if everything or name in KILLS or luck.random() < 2 / 3]
    return {name: kinds[name][1] * luck.choice([0.3, 1, 1, 3]) for name in chosen}


def spared(name: str, words: Sequence[str]) -> bool:
    """Whether a kind of fault is left out by one of the words."""
    return any(word in name for word in words)
