"""One seed: a random world, random writers, random luck; then luck ends, and all must come right."""

import random

from model.storages import Disk, Fault, ObjectStore
from model.world import Topic, ViolationError, World, require
from model.writers import Writer

STEPS = 170
WRITERS_MAX = 4
FAULTS: tuple[Fault, ...] = ("before", "after", "late", "twice")


class Run:
    """Everything is decided by the seed. Each has its own mix of misfortunes, and some have almost none."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = World(self._topic())
        self.storage = self.random.choice([ObjectStore, Disk])
        self.writers: list[Writer] = []
        share = self.random.choice
        self.births, self.deaths, self.freezes = share([0.01, 0.04, 0.1]), share([0, 0.01, 0.04]), share([0, 0.02])
        self.faults, self.landings = share([0, 0.03, 0.15]), share([0.02, 0.2])
        self.power_cuts = share([0, 0, 0.01]) if self.storage is Disk else 0
        self.expiries = share([0, 0, 0, 0.02])

    def go(self) -> World:
        """Run the seed to its end; the world as it is then. Raises ViolationError."""
        for self.world.moment in range(STEPS):
            self._step()
        # Luck ends: no more faults. Who was frozen, and what is under way, is still there.
        self._alone()
        while self.writers or self.world.late:
            if self.world.late and (not self.writers or self.random.random() < self.landings):
                self._land()
            elif self.random.random() < self.deaths:
                self._kill()
            else:
                self._resume(self.random.choice(self.writers), None)
        self._alone()
        self.world.check_complete()
        return self.world

    def _topic(self) -> Topic:
        end = self.random.randint(4, 12)
        fates = self.random.choices(["landed", "hole", "refused", "skipped"], [7, 1, 1, 1], k=end)
        holes, refused, skipped = (
            frozenset(offset for offset, fate in enumerate(fates) if fate == wanted)
            for wanted in ("hole", "refused", "skipped")
        )
        return Topic(end, holes, refused, skipped)

    def _step(self) -> None:
        chance, world = self.random.random, self.world
        if not self.writers or (len(self.writers) < WRITERS_MAX and chance() < self.births):
            self.writers.append(Writer(world, self.storage, self.random.randint(1, 4)))
        elif chance() < self.deaths:
            self._kill()
        elif chance() < self.power_cuts:
            self._cut_power()
        elif chance() < self.expiries and world.topic.low < world.topic.end:
            world.topic.low += 1
        elif world.late and chance() < self.landings:
            self._land()
        else:
            self._let_one_go_on()

    def _let_one_go_on(self) -> None:
        """The newest writer is the likely owner; the others are zombies that wake up now and then."""
        awake = [writer for writer in self.writers if writer.frozen_until <= self.world.moment] or self.writers
        writer = awake[-1] if self.random.random() < 0.6 else self.random.choice(awake)
        if self.random.random() < self.freezes:
            writer.frozen_until = self.world.moment + self.random.randint(5, 60)
            return
        self._resume(writer, self.random.choice(FAULTS) if self.random.random() < self.faults else None)

    def _resume(self, writer: Writer, fault: Fault) -> None:
        writer.resume(fault)
        if writer.over:
            self.writers.remove(writer)
            self.world.counts[f"end {type(writer.end).__name__}"] += 1

    def _kill(self) -> None:
        self.writers.pop(self.random.randrange(len(self.writers))).kill()

    def _land(self) -> None:
        self.world.counts["landed late"] += 1
        self.world.late.pop(self.random.randrange(len(self.world.late)))()

    def _cut_power(self) -> None:
        self.world.counts["power cut"] += 1
        for writer in self.writers:
            writer.kill()
        self.writers.clear()
        self.world.cut_power(lambda: self.random.random() < 0.5)

    def _alone(self) -> None:
        """With everybody else asleep and no faults, a new writer must come to the end."""
        writer = Writer(self.world, self.storage, 3)
        for _ in range(1_000):
            writer.resume(None)
            if writer.over:
                require(writer.end is None, f"liveness: {writer.end!r}")
                return
        raise ViolationError("liveness: no end in 1,000 steps")
