"""What a running engine says of itself: the shape behind /status, /readyz, the metrics and `streamlake status`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from streamlake.engine.records import TopicPartition

Phase = Literal[
    "waiting", "starting", "recovering", "reading", "idle", "draining", "backing off", "fenced", "parked", "done"
]


@dataclass(slots=True)
class PartitionState:
    """One partition as its supervisor sees it. Counters cover this supervisor's life and never go backwards.

    `next` is the next offset to read, `end` the last known end of the partition (last stable offset), both None
    until known. `why` is a sentence for a person (parked, fenced, backing off). Times are ISO 8601, UTC.
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
    last_commit_at: str | None = None

    @property
    def lag(self) -> int | None:
        """Offsets between `next` and `end`; None while either is unknown."""
        return None if self.next is None or self.end is None else max(0, self.end - self.next)


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

    def not_ready_because(self) -> Sequence[str]:
        """Why /readyz answers 503, one sentence each; empty when ready."""
        reasons = [f"{p.source} is parked: {p.why}" for p in self.partitions if p.phase == "parked"]
        reasons += [f"{p.source} waits: {p.why}" for p in self.partitions if p.phase == "waiting" and p.why]
        if self.draining:
            reasons.append("draining")
        return reasons
