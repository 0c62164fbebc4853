"""A worker as the model knows it: the real sink, recovery and pipeline in a greenlet that stops before every call."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from unittest.mock import patch

from greenlet import GreenletExit, getcurrent, greenlet
from model.storages import Fault, ObjectStore, Pause
from model.world import RUN, SOURCE, TOPIC_ID, World, require

from streamlake.engine.contracts import PartitionJob, TopicFacts
from streamlake.engine.entries import Entry
from streamlake.engine.errors import DeadLetterError, FencedError, PositionLostError, StorageError, StreamLakeError
from streamlake.engine.pipeline import Path, Report, land
from streamlake.engine.records import DeadLetter, TopicPartition
from streamlake.engine.recovery import Recovery, recover
from streamlake.plugins.sinks.file import layout, ledger, partition
from streamlake.plugins.sinks.file.backends.base import Wait
from streamlake.plugins.sinks.file.entry import decoded
from streamlake.plugins.sinks.file.ledger import PartitionLedger
from streamlake.plugins.sinks.file.options import FileSinkOptions
from streamlake.plugins.sinks.file.partition import FilePartitionSink

# The cheapest rows to encode, and each value is its own offset.
OPTIONS = FileSinkOptions(root="model", format="jsonl", columns="value", compression="none", partition_by="none")


@contextmanager
def small_ledgers() -> Iterator[None]:
    """What seeds change in the real code while they run, and nobody else in this process may meet.

    Folders are so small that seeds cross from one into the next, and fold those before: what is synced in one is not
    synced in the other, and zombies wake up behind a segment. The ledger decodes the same bytes again and again;
    remembering them halves the time of a seed.
    """
    remembering = lru_cache(maxsize=10_000)(decoded)
    with (
        patch.object(layout, "ENTRIES_PER_FOLDER", 3),
        patch.object(partition, "FOLDERS_UNFOLDED", 1),
        patch.object(ledger, "decoded", remembering),
    ):
        yield


class Writer:
    """One worker process. It can be stopped for as long as one likes, and killed at every stop."""

    def __init__(self, world: World, storage: Callable[[World, Pause], ObjectStore], rows: int) -> None:
        self.world = world
        self.name = world.new_id()
        self.frozen_until = 0
        self.end: StreamLakeError | None = None
        self._rows = rows
        self._store = storage(world, self._pause)
        self._ledger = WatchedLedger(self._store, RUN, SOURCE)
        self._killed = False
        self._thread = greenlet(self._live)

    @property
    def over(self) -> bool:
        """True when it has ended by itself; `end` says why, None for all done."""
        return bool(self._thread.dead)

    def resume(self, fault: Fault) -> None:
        """Let it make the call it stands before, which meets `fault`, and go on until the next one."""
        self._thread.switch(fault)

    def kill(self) -> None:
        """kill -9: it does nothing any more."""
        self._killed = True
        if self._thread:
            self._thread.throw(GreenletExit)

    def _pause(self) -> Fault:
        if self._killed:
            raise GreenletExit
        fault: Fault = getcurrent().parent.switch()
        return fault

    def _live(self, _: Fault) -> None:
        try:
            self._work()
        except FencedError as fenced:
            self.end = fenced
            known = {entry.seq for entry in self._ledger.told}
            ours = [entry for entry in self.world.entries if entry.writer in self._ledger.writers()]
            untold = [entry.seq for entry in ours if entry.seq not in known]
            require(not untold, f"fenced: the writer was told so, and its entry {untold} stands")
        except (StorageError, DeadLetterError, PositionLostError) as error:
            self.end = error

    def _work(self) -> None:
        world, topic = self.world, self.world.topic
        job = PartitionJob(RUN, SOURCE, TOPIC_ID, 0, "json", "1", "json")
        sink = FilePartitionSink(self._store, job, OPTIONS, now=world.now, new_id=world.new_id, wait=self._wait)
        sink._ledger = self._ledger
        letters = Letters(world, self._pause)
        recovered, _ = recover(Recovery(SOURCE, TOPIC_ID, sink, letters, self._facts, "record"))
        require(self._ledger.told, "claim: nothing was appended")
        world.owns(self._ledger.told[0].epoch, self.name)
        path = Path(
            decide=topic.decide,
            look=lambda _rows, _refused: None,
            sink=sink,
            confirm_topic=lambda: None,
            dead_letters=letters,
            report=self._report,
            now_ms=lambda: 0,
        )
        position = recovered.next
        while position < topic.end:
            landed = land(topic.slices(position, self._rows), position, path)
            assert landed is not None, "a topic that has not ended gives a batch"
            position = landed.entry.next
        sink.close()
        world.counts["done"] += 1

    def _facts(self) -> TopicFacts:
        self._pause()
        return self.world.facts()

    def _report(self, report: Report) -> None:
        self._pause()
        self.world.report(report.entry)

    def _wait(self, _: float) -> None:
        self._pause()


class WatchedLedger(PartitionLedger):
    """The real ledger; it notes what its writer tried to append, and what it was told that it has appended."""

    def __init__(self, store: ObjectStore, run: str, source: TopicPartition) -> None:
        super().__init__(store, run, source)
        self._world = store.world
        self.tried: list[Entry] = []
        self.told: list[Entry] = []

    def append(self, entry: Entry, wait: Wait) -> Entry:
        """As the real one."""
        self.tried.append(entry)
        self.told.append(super().append(entry, wait))
        self._world.told(self.told[-1])
        return self.told[-1]

    def writers(self) -> set[str]:
        """The name this writer signs with."""
        return {entry.writer for entry in self.tried}


class Letters:
    """The dead-letter topic; what was sent stays sent, whatever the sender is told."""

    def __init__(self, world: World, pause: Pause) -> None:
        self._world = world
        self._pause = pause

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """One call; without an answer the partition stops."""
        fault = self._pause()
        if fault != "before":
            for letter in letters:
                self._world.send(letter.offset)
        if fault not in (None, "twice"):
            raise DeadLetterError("no answer")

    def close(self) -> None:
        """Nothing is open."""
