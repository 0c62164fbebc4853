"""The replays of a root: which there are, how far each is, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Head, RunIdentity
from streamlake.engine.errors import UsageError
from streamlake.engine.operations.bounded_run import RunProgress, progress_of, wanted
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.records import OffsetRange, TopicPartition

State = Literal["begun", "finished", "promoted"]


@dataclass(frozen=True, slots=True)
class Replay:
    """One replay. `promoted_as` is the live generation that took it over; None where none did."""

    run: RunIdentity
    progress: RunProgress
    promoted_as: str | None

    @property
    def state(self) -> State:
        """In a word."""
        if self.promoted_as is not None:
            return "promoted"
        return "finished" if self.progress.finished else "begun"


@dataclass(frozen=True, slots=True)
class ReplayPartition:
    """One partition of a replay: its bounds, and the newest entry of its ledger (None: it has none)."""

    source: TopicPartition
    range: OffsetRange
    head: Head | None


def list_replays(ledger: Ledger) -> Sequence[Replay]:
    """All replays of a root, oldest first. Raises LedgerDamagedError."""
    lineage = Lineage(ledger)
    return [_replay(lineage, run) for run in lineage.runs if run.output]


def show_replay(ledger: Ledger, name: str) -> tuple[Replay, Sequence[ReplayPartition]]:
    """One replay with its partitions. Raises UsageError where there is none of that name."""
    run, known = replay_named(ledger, name), set(ledger.partitions(name))
    partitions = [
        ReplayPartition(
            source,
            OffsetRange(run.starts[source], run.ends[source]),
            ledger.head(name, source) if source in known else None,
        )
        for source in wanted(run)
    ]
    return _replay(Lineage(ledger), run), partitions


def replay_named(ledger: Ledger, name: str) -> RunIdentity:
    """The replay of that name. Raises UsageError where there is none."""
    runs = {run.run: run for run in ledger.runs() if run.output}
    if name not in runs:
        known = f"there are {', '.join(sorted(runs))}" if runs else "there is none"
        raise UsageError(f"{name}: there is no such replay under this root; {known}")
    return runs[name]


def _replay(lineage: Lineage, run: RunIdentity) -> Replay:
    promoted = next((live.run for live in lineage.generations if live.adopts == run.run), None)
    return Replay(run, progress_of(lineage.ledger, run), promoted)
