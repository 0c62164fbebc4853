"""`replay delete`, and `gc`: what nobody needs any more of runs that have ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamlake.engine.contracts import Ledger, Sink
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import UsageError
from streamlake.engine.generations import DELETED
from streamlake.engine.letters import NoCopies
from streamlake.engine.operations.bounded_run import progress_of
from streamlake.engine.operations.generation_change import close_for_good, run_keeper
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.operations.replays import Replay, show_replay


@dataclass(frozen=True, slots=True)
class Collected:
    """What was freed of a run."""

    run: str
    bytes: int


def deletable(ledger: Ledger, name: str) -> Replay | None:
    """The replay, if it may be deleted; None where there is none (any more). Raises UsageError where it is in use."""
    if name not in {run.run for run in ledger.runs()}:
        return None
    replay, _ = show_replay(ledger, name)
    if replay.promoted_as is not None:
        raise UsageError(f"{name}: was promoted, its files are those of {replay.promoted_as} now: it can't be deleted")
    return replay


def delete_replay(sink: Sink, name: str) -> bool:
    """Delete what a replay has landed, and who it was; its name is used up. False where there is none.

    A worker of it that is at work is fenced first. Said again after a kill it goes on. Raises UsageError where it is in
    use, StorageError.
    """
    keeper = run_keeper(sink, "deleting a replay")
    replay = deletable(sink.ledger(), name)
    if replay is not None:
        fate = keeper.settle(name, DELETED)
        if fate != DELETED:
            raise UsageError(
                f"{name}: is about to be promoted as {fate}, and can't be deleted. Where whoever promotes it has died, "
                f"`streamlake replay promote PIPELINE.yaml {name}` goes on with it"
            )
        close_for_good(keeper, Lineage(sink.ledger()), replay.run, lambda _run: NoCopies())
    return keeper.forget(name)


def collect(sink: Sink) -> Sequence[Collected]:
    """Free what runs that have ended have left staged: finished replays and backfills, and what was superseded.

    What a run that is at work has staged stays: its next claim collects it. Raises LedgerDamagedError, StorageError.
    """
    keeper = run_keeper(sink, "gc")
    lineage = Lineage(sink.ledger())
    ended = [run for run in lineage.runs if _has_ended(lineage, run)]
    freed = [Collected(run.run, keeper.collect(run.run)) for run in ended]
    return [one for one in freed if one.bytes]


def _has_ended(lineage: Lineage, run: RunIdentity) -> bool:
    """Whether no writer of the run can commit any more, and none of its files waits under a staged name."""
    ledger = lineage.ledger
    if run.ends and progress_of(ledger, run).finished:
        return True
    ended = run in lineage.generations[:-1] or (run in lineage.backfills and lineage.overtaken(run))
    return ended and all(ledger.head(run.run, source).final for source in ledger.partitions(run.run))
