"""A reader of files who looks all the time, while operators move them: never may it see an offset twice.

It may for a moment miss some, and what it lists may be gone when it opens it; both are said in docs/operations/.
"""

import hashlib
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb
from torture.acknowledged import Acknowledged, acknowledged_beside
from torture.asking import proof
from torture.operations.lake import Named, named, overlaps, seen_at_once
from torture.operations.world import OperationsWorld
from torture.oracle import is_whole, rows_of
from torture.watching import beside

PROVE_SECONDS, PROVE_SECONDS_HURRIED = 15.0, 2.0
LOOK_SECONDS = 0.1
FAULTS_KEPT = 20
READ_AGAIN = 0.02


class Onlookers:
    """The reader, `prove`, and who holds the ledgers against what their writers were told."""

    def __init__(self, world: OperationsWorld) -> None:
        self._world = world
        self._reader = Reader(world.lake, world.topic)
        self._acknowledged = Acknowledged(acknowledged_beside(world.disk), world.lake)
        self._proven: list[str] = []

    @property
    def faults(self) -> list[str]:
        """What cannot be right, whatever follows."""
        return [*self._reader.faults, *self._acknowledged.faults, *self._proven]

    @property
    def looks(self) -> int:
        """How often the reader has looked."""
        return self._reader.looks

    @contextmanager
    def looking(self, *, until_fault: bool) -> Iterator[None]:
        """Let them look, each in a thread of its own; `until_fault` ends the round with the first that they find."""
        with ExitStack() as stack:
            stack.enter_context(beside(self._reader.look, LOOK_SECONDS))
            stack.enter_context(beside(self._acknowledged.look, LOOK_SECONDS))
            stack.enter_context(beside(self._prove, PROVE_SECONDS_HURRIED if until_fault else PROVE_SECONDS))
            if until_fault:
                stack.enter_context(beside(self._end_early, LOOK_SECONDS))
            yield
        self._acknowledged.look(thoroughly=True)

    def _prove(self) -> None:
        if (self._world.lake / "_ledger").exists():  # before that there is nothing to prove, and prove says so
            self._proven += proof(self._world)

    def _end_early(self) -> None:
        if self.faults or self._world.faults:
            self._world.over.set()


class Reader:
    """Looks at `raw/` and `dead/` of one topic; `faults` are sentences."""

    def __init__(self, lake: Path, topic: str) -> None:
        self.faults: list[str] = []
        self.looks = 0
        self._lake = lake
        self._folders = [lake / kind / topic for kind in ("raw", "dead")]
        self._read: dict[tuple[str, str], str] = {}

    def look(self) -> None:
        """Look once: at all names, and into the files that are new, or by chance again."""
        there = list(named(seen_at_once(self._folders)))
        self.looks += 1
        for one, other in overlaps(there):
            self._found(f"doubled: at one moment both {one.path.name} and {other.path.name} were there")
        for file in there:
            kind = file.path.relative_to(self._lake).parts[0]
            if (kind, file.path.name) not in self._read or random.random() < READ_AGAIN:
                self._open(kind, file)

    def _open(self, kind: str, file: Named) -> None:
        """Read a file, unless it is moved away meanwhile."""
        try:
            data = file.path.read_bytes()
            rows = rows_of(file.path)
        except (duckdb.Error, ValueError, OSError) as error:
            if file.path.exists():
                self._found(f"partial: {file.path.name} could be seen and not be read: {error}")
            return
        digest = hashlib.sha256(data).hexdigest()
        if self._read.setdefault((kind, file.path.name), digest) != digest:
            self._found(f"changed: {file.path.name} has other bytes than when it was first seen")
        offsets = [offset for (_, offset), _ in rows]
        if offsets != sorted(set(offsets)) or not all(file.first <= offset < file.next for offset in offsets):
            self._found(f"misplaced: {file.path.name} does not hold its offsets once each, in order")
        if kind == "raw" and not all(is_whole(value or b"") for _, value in rows):
            self._found(f"altered: {file.path.name} has a row that does not fit its own checksum")

    def _found(self, fault: str) -> None:
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(fault)
