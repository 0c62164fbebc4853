"""What a running engine says of itself: the shape behind /status, /readyz, the metrics and `streamlake status`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from streamlake.engine.records import TopicPartition
from streamlake.engine.timings import Timings

Phase = Literal[
    "waiting",
    "starting",
    "recovering",
    "reading",
    "idle",
    "draining",
    "backing off",
    "fenced",
    "parked",
    "done",
    "stopped",
    "elsewhere",
    "unknown",
]
"""The last three only `status` says: no engine runs it; not the engine that was asked; one that can't be asked."""


STORAGE_SECONDS = 8.0
"""A storage that answers again sooner has not kept the engine from being ready: that is an ordinary retry."""


STILL: frozenset[Phase | None] = frozenset({None, "parked", "stopped", "elsewhere", "unknown"})
"""Phases in which `next` is no newer than `end`: where nobody here commits after the end was asked for."""


def lag_of(next_offset: int | None, end: int | None, phase: str | None) -> int | None:
    """Offsets between the two; None while either is unknown.

    A worker that has just committed may be past an end that was asked for before. One that stands past it has nothing
    to do with this topic: it was made anew, or has lost its tail, and nobody knows what is unread.
    """
    if next_offset is None or end is None or (phase in STILL and next_offset > end):
        return None
    return max(0, end - next_offset)


@dataclass(frozen=True, slots=True)
class CommonRefusal:
    """For what records are refused: `message` without what differs from record to record, and the offset of one."""

    reason: str
    field: str
    message: str
    count: int
    offset: int


@dataclass(slots=True)
class PartitionState:
    """One partition as its supervisor sees it. Counters cover this supervisor's life and never go backwards.

    `next` is the next offset to read, `end` the last known end of the partition (last stable offset), both None
    until known; `end` also while the broker does not say it. `why` is a sentence for a person (parked, fenced,
    backing off). Times are ISO 8601, UTC.

    `lag_seconds`: how long the first record that has not landed has been waiting, at most: since the time of the newest
    landed record, or since nothing was unread, whichever is later; 0 when nothing is unread, None while unknown. What
    has a rate is of the last minute of commits, or of twice the time of the last batch where that is longer.
    """

    source: TopicPartition
    phase: Phase = "waiting"
    why: str = ""
    since: str = ""
    pid: int | None = None
    next: int | None = None
    end: int | None = None
    landed: int = 0
    refused: int = 0
    skipped: int = 0
    batches: int = 0
    bytes: int = 0  # of committed files
    restarts: dict[str, int] = field(default_factory=dict)  # by exit code name
    storage_waits: dict[str, int] = field(default_factory=dict)  # by reason
    storage_since: str | None = None  # the storage is waited for since then; None: it answers
    storage_why: str = ""  # what the last try ended in
    broker_since: str | None = None  # the broker is waited for since then, and the end is not known; None: it answers
    gone_since: str | None = None  # the cluster has no such topic since then, and nothing but a person mends that
    held: int = 0  # records that are read and not landed yet, as last told; 0 soon after a commit
    closes_at: str | None = None  # when their batch ends at the latest
    last_commit_at: str | None = None
    last_commit_rows: int = 0  # records of it, whatever became of them
    last_commit_bytes: int = 0
    last_commit_seconds: float = 0.0  # from its first record to the report
    last_commit_steps: dict[str, float] = field(default_factory=dict)  # seconds by step (`engine/steps.py`)
    lag_seconds: float | None = None
    records_per_second: float = 0.0
    bytes_per_second: float = 0.0
    rates: list[float] = field(default_factory=list)  # records a second, every five seconds, the newest last
    refused_share: float | None = None  # 0 to 1
    refused_reasons: dict[str, int] = field(default_factory=dict)  # by reason
    refused_most: CommonRefusal | None = None
    ledger_seq: int | None = None  # of the last entry with records that was committed here
    memory_bytes: int | None = None  # of the worker
    last_exit: str = ""  # how the last worker that died ended
    restart_at: str | None = None  # when the next one starts, while it is waited for
    retention_seconds_left: float | None = None  # until Kafka may delete what has not landed; None: no limit known

    @property
    def lag(self) -> int | None:
        """Offsets between `next` and `end`; None while either is unknown, and where it stands past the end."""
        return lag_of(self.next, self.end, self.phase)


@dataclass(slots=True)
class EngineState:
    """One supervisor: who it is and its partitions, ascending."""

    pipeline: str
    run: str
    host: str
    pid: int
    started_at: str
    draining: bool = False
    partitions: Sequence[PartitionState] = ()
    said_at: str = field(default="", compare=False)  # when this was said, by the engine's clock
    retention_seconds_left_min: float = 0.0  # below it a partition is not ready (`alarms:` of the YAML); 0: never
    broker_since: str | None = None  # the broker answers not at all, or not for all partitions, since then
    broker_why: str = ""  # what the last question to it ended in
    gone: Mapping[str, str] = field(default_factory=dict)  # topics that the cluster has no more, each with since when
    turned_at: float | None = field(
        default=None, compare=False
    )  # when the supervisor's loop last went round, monotonic
    silent_seconds_max: float = field(default=0.0, compare=False)  # how long it may take for a turn
    timings: Mapping[str, Timings] = field(default_factory=dict, compare=False)  # by topic; for /metrics alone
    reloading: bool = field(default=False, compare=False)  # the YAML was read again, its validator is being tried

    def not_alive_because(self, now: float) -> str | None:
        """Why /livez answers 503 at the moment `now` (monotonic seconds); None while the loop goes round."""
        if self.turned_at is None or now - self.turned_at <= self.silent_seconds_max:
            return None
        return (
            f"the supervisor's loop has stood still for {now - self.turned_at:,.0f} s "
            f"(workers.stuck_seconds and workers.drain_seconds allow {self.silent_seconds_max:,.0f} s)"
        )

    @property
    def broker_waits(self) -> str:
        """Who waits for the broker: `waiting for the broker`, where only some do `orders/3 waits for the broker`."""
        return self._wait_for("the broker", [one for one in self.partitions if one.broker_since is not None])

    def not_ready_because(self) -> Sequence[str]:
        """Why /readyz answers 503, one sentence each; empty when ready."""
        reasons = [f"{p.source} is parked: {p.why}" for p in self.partitions if p.phase == "parked"]
        places = (p for p in self.partitions if p.phase == "waiting" and p.why and p.broker_since is None)
        reasons += [f"{p.source} waits: {p.why}" for p in places]
        if not self.run and self.broker_since is None:
            reasons.append("starting: the broker has not said yet what there is to read")
        if self.broker_since is not None:
            reasons.append(f"{self.broker_waits} since {self.broker_since}: {self.broker_why or 'no answer yet'}")
        reasons += self._storage_waits(datetime.now(UTC))
        reasons += [f"the cluster has no topic {topic} any more, since {since}" for topic, since in self.gone.items()]
        limit = self.retention_seconds_left_min
        reasons += [
            f"{p.source}: Kafka may delete what has not landed in {p.retention_seconds_left:,.0f} s "
            f"(alarms.retention_seconds_left_min is {limit:,.0f} s)"
            for p in self.partitions
            if p.retention_seconds_left is not None and p.retention_seconds_left < limit
        ]
        if self.draining:
            reasons.append("draining")
        return reasons

    def _storage_waits(self, now: datetime) -> list[str]:
        """Who waits for the storage, and has done so for a while."""
        waiting = [one for one in self.partitions if one.storage_since is not None]
        since = min((one.storage_since or "" for one in waiting), default="")
        if not since or (now - datetime.fromisoformat(since)).total_seconds() < STORAGE_SECONDS:
            return []
        whys = ", ".join(sorted({one.storage_why for one in waiting if one.storage_why}))
        return [f"{self._wait_for('the storage', waiting)} since {since}: {whys or 'no answer yet'}"]

    def _wait_for(self, what: str, waiting: Sequence[PartitionState]) -> str:
        if len(waiting) in (0, len(self.partitions)):
            return f"waiting for {what}"
        return f"{', '.join(str(one.source) for one in waiting)} wait{'s' * (len(waiting) == 1)} for {what}"
