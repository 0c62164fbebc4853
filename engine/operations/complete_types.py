"""What `complete` says: of each hour whether it is complete, what holds it up, and what came too late."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from streamlake.engine.entries import FileKind
from streamlake.engine.operations.hours import Hour
from streamlake.engine.records import TopicPartition

PassedBy = Literal["record", "end"]

State = Literal["complete", "written", "would be written", "not yet"]


@dataclass(frozen=True, slots=True)
class Position:
    """How far a partition's ledger was: everything before `next` is accounted for, and what landed of it is published.

    `seq` and `sha256` are those of the last entry before `next` (-1 and "" in a run that has none yet); `gaps` is how
    many offsets this run had given up by then.
    """

    run: str
    seq: int
    sha256: str
    next: int
    gaps: int


@dataclass(frozen=True, slots=True)
class Passed:
    """How a partition passed the end of an hour, and where it was.

    By `record`: one landed whose time lies behind the end and the lateness. By `end`: all had landed that the broker
    had, asked at such a time. `at` is that time, ISO 8601.
    """

    position: Position
    by: PassedBy
    at: str


@dataclass(frozen=True, slots=True)
class Positions:
    """What stands beside a marker, for ever: `_complete/<topic>/hour=<hour>/positions.json`."""

    pipeline: str
    topic: str
    topic_id: str
    hour: Hour
    lateness_seconds: float
    written_at: str  # ISO 8601, UTC
    partitions: Mapping[int, Passed]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A partition that has not passed the end of an hour: where it is, since when, and how far that is.

    `reached` is the time of the latest record of its newest entries, `since` when the last of them was committed; both
    ISO 8601 and None where there is none. `end` is the broker's, None where it could not be asked.
    """

    source: TopicPartition
    why: str
    next: int | None = None
    end: int | None = None
    reached: str | None = None
    since: str | None = None


@dataclass(frozen=True, slots=True)
class LateRows:
    """Rows of one file that belong to a complete hour and landed behind its positions.

    `first` and `next` enclose their offsets; `exact` is False where rows do not tell their times, so that `rows` is how
    many there are at most. `seconds_late` is from the end of the hour to the commit: a lateness that would have waited.
    """

    source: TopicPartition
    kind: FileKind
    path: str
    first: int
    next: int
    rows: int
    exact: bool
    committed_at: str
    seconds_late: float


@dataclass(frozen=True, slots=True)
class HourReport:
    """One hour of one topic. `why` is a sentence where the hour itself is not over, or the broker is away."""

    topic: str
    hour: Hour
    state: State
    marker: str
    positions: Positions | None = None
    why: str = ""
    waiting: Sequence[Waiting] = ()
    late: Sequence[LateRows] = ()

    @property
    def complete(self) -> bool:
        """Whether downstream may begin (with `dry_run`: might)."""
        return self.state != "not yet"

    @property
    def late_rows(self) -> int:
        """How many rows came too late; where rows do not tell their times, at most."""
        return sum(late.rows for late in self.late)


@dataclass(frozen=True, slots=True)
class Completeness:
    """Every hour that was asked for, by topic and time."""

    pipeline: str
    lateness_seconds: float
    hours: Sequence[HourReport]

    @property
    def complete(self) -> bool:
        """Whether all are."""
        return all(hour.complete for hour in self.hours)
