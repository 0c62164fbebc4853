"""Who looks on while things break: readers of files, dead letters and ledger, `prove`, and a look at the end."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from torture.acknowledged import Acknowledged, acknowledged_beside
from torture.asking import orphans, proof
from torture.letters import LettersWatcher
from torture.logs import lies_in
from torture.oracle import Watcher, lake_of
from torture.world import World

PROVE_SECONDS = 15.0
PROVE_SECONDS_HURRIED = 2.0
"""Where the first thing that can't be right is all that is asked for."""
LOOK_SECONDS = 0.5
LETTERS_END_SECONDS = 30.0


class Onlookers:
    """All of them; `faults` are what they have found so far."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lake = world.pipeline.parent / "lake"
        self._topics = (world.topic, f"{world.topic}.state")
        self._files = [Watcher(self._lake / "raw" / topic) for topic in self._topics]
        self._letters = LettersWatcher(world.servers, world.dead_topic, self._lake / "_ledger/live-1")
        self._acknowledged = Acknowledged(acknowledged_beside(world.disk), self._lake)
        self._found: list[str] = []

    @property
    def faults(self) -> list[str]:
        """What cannot be right, whatever follows."""
        files = [fault for watcher in self._files for fault in watcher.faults]
        return [*files, *self._letters.faults, *self._acknowledged.faults, *self._found]

    def seen(self) -> list[str]:
        """All that cannot be right, in the engines' logs, too."""
        return self.faults + lies_in([host.log for host in self._world.hosts], self._lake)

    @contextmanager
    def looking(self, *, until_fault: bool) -> Iterator[None]:
        """Let them look, each in a thread of its own; `until_fault` ends the torment with the first that they find."""
        with ExitStack() as stack:
            stack.enter_context(beside(self._look_at_files, LOOK_SECONDS))
            stack.enter_context(beside(lambda: self._letters.look(LOOK_SECONDS), LOOK_SECONDS))
            stack.enter_context(beside(self._acknowledged.look, LOOK_SECONDS))
            stack.enter_context(beside(self._prove, PROVE_SECONDS_HURRIED if until_fault else PROVE_SECONDS))
            if until_fault:
                stack.enter_context(beside(self._end_early, LOOK_SECONDS))
            yield

    def look_at_the_end(self, *, all_letters: bool) -> None:
        """When all have left: known files again, orphans, and, if nobody took the topic away, a copy of each letter."""
        for watcher in self._files:
            watcher.look(thoroughly=True)
        self._acknowledged.look(thoroughly=True)
        self._found += orphans(self._lake)
        if all_letters:
            if not self._letters.look_to_the_end(LETTERS_END_SECONDS):
                self._found.append("stuck: the dead-letter topic was not read to its end")
            for topic in self._topics:
                unsent = sorted(lake_of(self._lake, topic).dead.keys() - self._letters.copies[topic])
                self._found += [
                    f"unsent: {topic} {place} has no copy in the dead-letter topic" for place in unsent[:20]
                ]
        self._letters.close()

    def _look_at_files(self) -> None:
        for watcher in self._files:
            watcher.look(thoroughly=random.random() < 0.05)

    def _prove(self) -> None:
        if (self._lake / "_ledger").exists():  # before that there is nothing to prove, and prove says so
            with self._world.proving:
                self._found += proof(self._world)

    def _end_early(self) -> None:
        if self.seen():
            self._world.over.set()


@contextmanager
def beside(work: Callable[[], object], every_seconds: float) -> Iterator[None]:
    """Do `work` again and again in a thread; what it raises is raised at the end."""
    over, raised = threading.Event(), list[BaseException]()

    def again() -> None:
        try:
            while not over.wait(every_seconds):
                work()
        except BaseException as error:  # noqa: BLE001  (handed over to the main thread)
            raised.append(error)

    thread = threading.Thread(target=again, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if raised:
        raise raised[0]
