"""What the demo keeps of what it tells, for its report: everything by its time, in seconds since the start."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["step", "say", "command", "output", "event", "ok", "wrong"]


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the story, without colours and indentation; `ok` and `wrong` are counts that were compared."""

    seconds: float
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What an engine's /status said of all partitions together; `done` and `lag` in offsets, None while unknown.

    `done` is how far the ledger is, the sum over the partitions.
    """

    seconds: float
    done: int | None
    lag: int | None


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was done to the system, for the plots."""

    seconds: float
    what: str


@dataclass(frozen=True, slots=True)
class Hop:
    """How many records were counted at one place of their way, and by what."""

    place: str
    records: int
    by: str


@dataclass
class Chapter:
    """One story. `rows` and `letters` are a few of what landed and what was refused, `logs` whole texts by name."""

    name: str
    title: str
    began: float
    ended: float = 0.0
    told: list[Told] = field(default_factory=list)
    hops: list[Hop] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    rows: Sequence[Mapping[str, Any]] = ()
    letters: Sequence[Mapping[str, Any]] = ()
    logs: dict[str, str] = field(default_factory=dict)

    @property
    def checks(self) -> Sequence[Told]:
        """The counts that were compared."""
        return [line for line in self.told if line.kind in ("ok", "wrong")]


class Recording:
    """The chapters in their order. What is told before the first one is its opening."""

    def __init__(self) -> None:
        self.began_at = time.time()
        self._began = time.monotonic()
        self.chapters = [Chapter("start", "What it runs on", 0.0)]
        self.failure = ""  # what ended it before its end

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @property
    def chapter(self) -> Chapter:
        """The one that is being told."""
        return self.chapters[-1]

    @property
    def agrees(self) -> bool:
        """Whether every count that was compared agrees, and nothing broke off."""
        return not self.failure and all(line.kind != "wrong" for one in self.chapters for line in one.told)

    def begin(self, name: str, title: str) -> Chapter:
        """The next chapter."""
        self.chapter.ended = self.now
        self.chapters.append(Chapter(name, title, self.now))
        return self.chapter

    def tell(self, kind: Kind, text: str) -> None:
        """Keep a line."""
        self.chapter.told.append(Told(self.now, kind, text))

    def mark(self, what: str) -> None:
        """Keep that something was done now."""
        self.chapter.marks.append(Mark(self.now, what))
