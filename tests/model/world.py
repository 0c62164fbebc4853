"""A world for the real commit protocol: a modelled storage, several writers, faults, and the promise checked.

The sink (`FilePartitionSink`, its ledger, stager and format), `engine/pipeline.py` and `engine/recovery.py` are the
real ones. Only what lies below the `Backend` Protocol, the clock, the ids and the broker are modelled. Every call to
the storage is a point at which the scheduler may let another writer go on, freeze this one, kill it, or spoil the
call. The promise is checked at each change of the storage, so at every state that a reader could ever see.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from io import BytesIO
from typing import Any, BinaryIO, Literal, NoReturn, Self, TypeVar

import google_crc32c
from greenlet import GreenletExit, getcurrent, greenlet

from streamlake.engine.contracts import (
    Batch,
    DeadLetter,
    Entry,
    FileEntry,
    OffsetRange,
    PartitionJob,
    Refusal,
    TopicFacts,
    TopicPartition,
    Verdict,
)
from streamlake.engine.errors import FencedError, PositionLostError, StorageError
from streamlake.engine.pipeline import Path, land
from streamlake.engine.recovery import Recovery, recover
from streamlake.plugins.sinks.file import layout, ledger
from streamlake.plugins.sinks.file.backends.base import OutcomeUnknownError, Staging, Stored
from streamlake.plugins.sinks.file.entry import decoded
from streamlake.plugins.sinks.file.options import FileSinkOptions
from streamlake.plugins.sinks.file.partition import FilePartitionSink

SOURCE = TopicPartition("t", 0)
RUN = "live-1"
T = TypeVar("T")

Fault = Literal["before", "after", "late", "twice"] | None
"""What becomes of a call: not done; done; done later, perhaps after its caller's death; done twice. Only the last
gives an answer, and it is the second one's."""


class ViolationError(Exception):
    """The promise does not hold. No StreamLakeError and no AssertionError, so that nothing on the way can catch it."""


def require(holds: bool, rule: str) -> None:
    if not holds:
        raise ViolationError(rule)


@dataclass
class Topic:
    """What the partition holds: the offsets below `end`, each delivered, refused, skipped, or a hole."""

    end: int
    holes: frozenset[int]
    refused: frozenset[int]
    skipped: frozenset[int]

    def batch(self, first: int, rows: int) -> Batch:
        following = min(first + rows, self.end)
        offsets = [offset for offset in range(first, following) if offset not in self.holes]
        count = len(offsets)
        return Batch(
            source=SOURCE,
            range=OffsetRange(first, following),
            leader_epoch=0,
            offsets=offsets,
            timestamps_ms=[1_000] * count,
            timestamp_types=[1] * count,
            keys=[None] * count,
            values=[b"%d" % offset for offset in offsets],
            headers=[None] * count,
        )

    def decide(self, batch: Batch) -> Verdict:
        return Verdict(
            refused=[Refusal(i, "invalid", "no") for i, offset in enumerate(batch.offsets) if offset in self.refused],
            skipped=[i for i, offset in enumerate(batch.offsets) if offset in self.skipped],
        )


@dataclass
class World:
    """The storage's content, and what must be true of it."""

    topic: Topic
    atomic_move: bool
    objects: dict[str, bytes] = field(default_factory=dict)
    late: list[Callable[[], object]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    owners: dict[int, str] = field(default_factory=dict)
    sent: set[int] = field(default_factory=set)
    reported: int | None = None
    steps: int = 0
    ids: int = 0
    seen: dict[int, str] = field(default_factory=dict)
    finals: dict[str, FileEntry] = field(default_factory=dict)
    staged: dict[str, FileEntry] = field(default_factory=dict)

    # What changes the storage, with the rules that hold for it -----------------------------------------------

    def put(self, path: str, data: bytes) -> None:
        standing = self.objects.get(path)
        require(standing in (None, data), f"immutable: {path} was overwritten")
        if standing is not None:
            return
        self.objects[path] = data
        if path.startswith(layout.LEDGER):
            self._appended(decoded(data, path), path)
        elif not path.startswith(layout.STAGE):
            self._visible(path, data)

    def drop(self, path: str) -> None:
        if path not in self.objects:
            return
        require(path.startswith(layout.STAGE), f"deleted: {path}")
        file = self.staged.get(path)
        require(file is None or file.final in self.objects, f"lost: {path} is committed and not published")
        del self.objects[path]

    def _appended(self, entry: Entry, path: str) -> None:
        before = self.entries[-1] if self.entries else None
        require(entry.seq == len(self.entries), f"dense: {path} after {len(self.entries)} entries")
        require(path == layout.entry_path(RUN, SOURCE, entry.seq), f"slot: {path}")
        require(entry.first == (before.next if before else 0), f"tiling: {entry.first} in entry {entry.seq}")
        require(entry.previous_sha256 == (before.sha256 if before else ""), f"chain: entry {entry.seq}")
        epoch = before.epoch if before else 0
        if entry.kind == "claim":
            require(entry.epoch == epoch + 1, f"epoch: claim of {entry.epoch} after {epoch}")
        else:
            require(before is not None and before.kind != "close", f"order: {entry.kind} after a close or nothing")
            require((entry.epoch, entry.writer) == (epoch, before and before.writer), f"fencing: entry {entry.seq}")
            self._all_done(f"entry {entry.seq}")
        self.entries.append(entry)
        for file in entry.files:
            require(file.staged in self.objects, f"lost: entry {entry.seq} names {file.staged}, which is not there")
            require(file.final not in self.objects, f"early: {file.final} is visible before its entry")
            self.finals[file.final] = self.staged[file.staged] = file

    def _all_done(self, what: str) -> None:
        """Everything that was committed so far is published and sent."""
        for entry in reversed(self.entries):
            if entry.kind == "data":
                for file in entry.files:
                    done = file.final in self.objects and file.staged not in self.objects
                    require(done, f"order: {what} before {file.final} is published")
                unsent = self.topic.refused.intersection(range(entry.first, entry.next)) - self.topic.holes - self.sent
                require(not unsent, f"order: {what} before the dead letters {sorted(unsent)} are sent")
                return

    def _visible(self, path: str, data: bytes) -> None:
        file = self.finals.get(path)
        require(file is not None, f"uncommitted: {path} is visible")
        assert file is not None
        require(len(data) == file.bytes, f"content: {path}")
        for offset in _offsets(file, data):
            require(offset not in self.seen, f"duplicate: offset {offset} in {path} and {self.seen.get(offset)}")
            self.seen[offset] = path

    # What the writers are told -------------------------------------------------------------------------------

    def facts(self) -> TopicFacts:
        return TopicFacts("id", 0, self.topic.end, self.reported, 0.0)

    def report(self, entry: Entry) -> None:
        require(entry.next <= self.entries[-1].next, f"report: {entry.next} is beyond the ledger")
        self.reported = entry.next

    def new_id(self) -> str:
        self.ids += 1
        return f"{self.ids:06d}"

    def now(self) -> datetime:
        """Coarse, so that two writers often have the same time."""
        return datetime.fromtimestamp(1_700_000_000 + self.steps // 50, UTC)

    # The end -------------------------------------------------------------------------------------------------

    def check_complete(self) -> None:
        wanted = set(range(self.topic.end)) - self.topic.holes - self.topic.skipped
        require(set(self.seen) == wanted, f"complete: {sorted(self.seen)} is not {sorted(wanted)}")
        letters = {offset for offset, path in self.seen.items() if path.startswith("dead/")}
        require(letters == self.topic.refused - self.topic.holes, f"complete: dead letters {sorted(letters)}")
        require(letters <= self.sent, "complete: a dead letter was never sent")
        self._all_done("the end")
        orphans = [path for path in self.objects if path.startswith(layout.STAGE)]
        require(not orphans, f"orphans: {orphans}")


def _offsets(file: FileEntry, data: bytes) -> list[int]:
    if file.kind == "dead":
        return [int(line.partition(b'"_offset":')[2].partition(b",")[0]) for line in data.splitlines()]
    return [int(line) for line in data.split()]


class Writer:
    """A worker process: it lives in a greenlet and stops before every call that others could notice."""

    def __init__(self, world: World, rows: int) -> None:
        self.world = world
        self.name = world.new_id()
        self.rows = rows
        self.frozen_until = 0
        self.dead = False
        self.end: BaseException | None = None
        self._thread = greenlet(self._live)

    @property
    def over(self) -> bool:
        return self._thread.dead

    def resume(self, fault: Fault) -> None:
        """Let it make its next call, which meets `fault`, and run until the one after."""
        self._thread.switch(fault)

    def kill(self) -> None:
        """kill -9: not one instruction more."""
        self.dead = True
        if self._thread:
            self._thread.throw(GreenletExit)

    def pause(self) -> Fault:
        """Hand over to the scheduler; what becomes of the call that follows."""
        if self.dead:
            raise GreenletExit
        fault: Fault = getcurrent().parent.switch()
        return fault

    def _live(self, _: Fault) -> None:
        try:
            self._work()
        except (FencedError, StorageError, PositionLostError) as error:
            self.end = error

    def _work(self) -> None:
        world, topic = self.world, self.world.topic
        store = ModelBackend(self)
        job = PartitionJob(RUN, SOURCE, "id", 0, "json", "1", "json")
        sink = FilePartitionSink(store, job, OPTIONS, now=world.now, new_id=world.new_id, wait=self._wait)
        letters = Letters(self)
        recovered, _ = recover(Recovery(SOURCE, "id", sink, letters, world.facts, "stop"))
        self._took(store)
        path = Path(
            decide=topic.decide,
            look=lambda rows, refused: None,
            sink=sink,
            confirm_topic=lambda: None,
            dead_letters=letters,
            report=self._report,
            now_ms=lambda: 0,
        )
        position = recovered.next
        while position < topic.end:
            position = land(topic.batch(position, self.rows), position, path).next
        sink.close()

    def _took(self, store: "ModelBackend") -> None:
        claim = decoded(store.last_put, "claim")
        owner = self.world.owners.setdefault(claim.epoch, self.name)
        require(owner == self.name, f"epoch: {claim.epoch} is held by {owner} and {self.name}")

    def _report(self, entry: Entry) -> None:
        self.pause()
        self.world.report(entry)

    def _wait(self, seconds: float) -> None:
        self.pause()


class Letters:
    """The dead-letter topic."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def send(self, letters: Sequence[DeadLetter]) -> None:
        fault = self._writer.pause()
        if fault != "before":
            self._writer.world.sent.update(letter.offset for letter in letters)
        if fault in ("before", "after", "late"):
            raise StorageError("the broker did not answer")

    def close(self) -> None:
        pass


class ModelBackend:
    """The storage as one writer meets it."""

    one_process = True

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._world = writer.world
        self.last_put = b""

    def check(self) -> None:
        pass

    def put_if_absent(self, path: str, data: bytes, *, stage: str) -> bool:
        self.last_put = data

        def put() -> bool:
            if path in self._world.objects:
                return False
            self._world.put(path, data)
            return True

        return self._change(put)

    def create(self, path: str) -> Staging:
        return ModelStaging(self, path)

    def seal(self, path: str, data: bytes) -> None:
        self._change(lambda: self._world.put(path, data))

    def publish(self, file: FileEntry) -> bool:
        world = self._world

        def link() -> bool:
            if file.staged not in world.objects:
                return self._holds(file)
            if not self._holds(file):
                world.put(file.final, world.objects[file.staged])
            return True

        def move() -> bool:
            done = link()
            world.drop(file.staged)
            return done

        if world.atomic_move:
            return self._change(move)
        if not self._change(link):
            return False
        self._change(lambda: world.drop(file.staged))
        return True

    def read(self, path: str) -> bytes | None:
        return self._look(lambda: self._world.objects.get(path))

    def open(self, path: str) -> BinaryIO | None:
        content = self.read(path)
        return None if content is None else BytesIO(content)

    def stored(self, path: str) -> Stored | None:
        content = self.read(path)
        return None if content is None else Stored(len(content), f"{google_crc32c.value(content):08x}")

    def list(self, folder: str) -> list[str]:
        def names() -> list[str]:
            start = f"{folder}/"
            return sorted({path[len(start) :].partition("/")[0] for path in self._world.objects if path.startswith(start)})

        return self._look(names)

    def walk(self, folder: str) -> Iterator[str]:
        return iter([path for path in self._world.objects if path.startswith(f"{folder}/")])

    def delete(self, path: str) -> None:
        self._change(lambda: self._world.drop(path))

    def remove_folder(self, folder: str) -> None:
        pass

    def sync(self, path: str) -> None:
        pass

    def _holds(self, file: FileEntry) -> bool:
        content = self._world.objects.get(file.final)
        require(content is None or len(content) == file.bytes, f"content: {file.final}")
        return content is not None

    def _change(self, effect: Callable[[], T]) -> T:
        fault = self._writer.pause()
        if fault is None:
            return effect()
        if fault == "twice":
            effect()
            return effect()
        if fault == "after":
            effect()
        if fault == "late":
            self._world.late.append(effect)
        self._no_answer()

    def _look(self, effect: Callable[[], T]) -> T:
        if self._writer.pause() in ("before", "after", "late"):
            self._no_answer()
        return effect()

    def _no_answer(self) -> NoReturn:
        raise OutcomeUnknownError("no answer")


class ModelStaging:
    """A payload on its way to the storage."""

    def __init__(self, backend: ModelBackend, path: str) -> None:
        self._backend = backend
        self._path = path
        self._data = bytearray()

    def write(self, data: bytes | memoryview, /) -> int:
        self._data += data
        return len(data)

    def seal(self) -> None:
        self._backend.seal(self._path, bytes(self._data))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


# The ledger decodes the same bytes again and again; with memory a seed takes half the time.
ledger.decoded = lru_cache(maxsize=10_000)(decoded)

OPTIONS = FileSinkOptions(root="model", format="jsonl", columns="value", compression="none", partition_by="none")


class Run:
    """One seed: a random world, random writers, random luck; then luck ends, and all must come right."""

    WRITERS_MAX = 4
    STEPS = 160
    FAULTS: Sequence[Fault] = ("before", "after", "late", "twice")

    def __init__(self, seed: int) -> None:
        self.random = r = random.Random(seed)
        end = r.randint(4, 10)
        some = lambda share: frozenset(offset for offset in range(end) if r.random() < share)  # noqa: E731
        holes, skipped = some(0.15), some(0.1)
        self.world = World(Topic(end, holes, some(0.15) - holes - skipped, skipped - holes), r.random() < 0.5)
        # Swarm: each seed has its own mix, and some have almost no faults.
        self.share_of_faults = r.choice([0.0, 0.03, 0.15])
        self.share_of_deaths = r.choice([0.0, 0.01, 0.04])
        self.share_of_births = r.choice([0.01, 0.04, 0.1])
        self.share_of_freezes = r.choice([0.0, 0.02])
        self.writers: list[Writer] = []

    def go(self) -> None:
        """Raises ViolationError."""
        self._born()
        for _ in range(self.STEPS):
            self._step()
        # Luck ends: no more faults, but those who were frozen and what is under way are still there.
        self._alone(Writer(self.world, 3))
        while self.writers or self.world.late:
            if self.world.late and self.random.random() < 0.3:
                self._land()
            elif self.writers:
                self._resume(self.random.choice(self.writers), None)
        self._alone(Writer(self.world, 3))
        self.world.check_complete()

    def _step(self) -> None:
        r, world = self.random, self.world
        world.steps += 1
        x = r.random()
        if (x < self.share_of_births or not self.writers) and len(self.writers) < self.WRITERS_MAX:
            self._born()
            return
        x -= self.share_of_births
        if 0 <= x < self.share_of_deaths:
            self.writers.pop(r.randrange(len(self.writers))).kill()
            return
        if world.late and r.random() < 0.05:
            self._land()
            return
        awake = [writer for writer in self.writers if writer.frozen_until <= world.steps] or self.writers
        # The newest is the likely owner; the others are zombies that wake up now and then.
        writer = awake[-1] if r.random() < 0.6 else r.choice(awake)
        if r.random() < self.share_of_freezes:
            writer.frozen_until = world.steps + r.randint(5, 60)
            return
        self._resume(writer, r.choice(self.FAULTS) if r.random() < self.share_of_faults else None)

    def _born(self) -> None:
        self.writers.append(Writer(self.world, self.random.randint(1, 4)))

    def _land(self) -> None:
        self.world.late.pop(self.random.randrange(len(self.world.late)))()

    def _resume(self, writer: Writer, fault: Fault) -> None:
        writer.resume(fault)
        if writer.over:
            self.writers.remove(writer)
            require(not isinstance(writer.end, OutcomeUnknownError) or True, "")

    def _alone(self, writer: Writer) -> None:
        """With everybody else asleep and no faults, a writer must come to the end."""
        for _ in range(1_000):
            writer.resume(None)
            if writer.over:
                require(writer.end is None, f"liveness: {writer.end!r}")
                return
        raise ViolationError("liveness: no end in 1,000 steps")
