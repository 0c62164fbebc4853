"""`replay run`: what a plan says, as a bounded run with its own ledger and its own folder `replays/<run>/`.

Its bounds are resolved once and written to its run file. From then on the same command, on whatever host, goes on with
what is left of it, and does nothing when nothing is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from streamlake.config.model import PipelineConfig
from streamlake.engine.assembly import cluster_of, prepared
from streamlake.engine.contracts import Ledger, Sink
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import Exit, UsageError
from streamlake.engine.front import Tick
from streamlake.engine.operations.bounded_run import Landed, Partitions, RunProgress, progress_of, run_bounded
from streamlake.engine.operations.generation_change import run_keeper
from streamlake.engine.operations.lake_cluster import LakeCluster
from streamlake.engine.operations.replay_name import check_name, refuse_foreign, refuse_other_bounds
from streamlake.engine.operations.replay_plan import ReplayRequest, plan_replay
from streamlake.engine.operations.replay_types import Cluster, ReplayPlan
from streamlake.engine.records import OffsetRange

Reads = Literal["kafka", "lake"]


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """What a start of a replay or a backfill came to.

    `begun_before`: an earlier start has begun it, `finished_before`: and ended.
    `plan` is None for a run that was begun before. `code` is that of the engine: DONE when all of it has landed.
    """

    run: RunIdentity
    output: str
    begun_before: bool
    finished_before: bool
    progress: RunProgress
    plan: ReplayPlan | None
    code: Exit


def run_replay(
    config: PipelineConfig,
    wanted: ReplayRequest,
    *,
    reads: Reads = "kafka",
    tick: Tick = lambda _: None,
    say: Callable[[RunIdentity, ReplayPlan | None], None] = lambda _run, _plan: None,
) -> ReplayOutcome:
    """Begin a replay or go on with it; returns when it has landed, or when a signal has stopped it.

    A run that `wanted.name` names and that is there goes on; bounds must then be those that it was begun with, or left
    out. `say` is told, before anything is claimed, which run it is and what its plan was. Raises what `plan_replay`
    raises, and UsageError where the name is taken by other bounds.
    """
    sink = prepared(config)
    run_keeper(sink, "a replay")
    ledger = sink.ledger()
    planned, plan = planned_replay(config, ledger, wanted, reads)
    run = planned if plan is None else register_replay(sink, planned)
    say(run, plan)
    return land_replay(config, sink, run, plan, tick)


def planned_replay(
    config: PipelineConfig, ledger: Ledger, wanted: ReplayRequest, reads: Reads = "kafka"
) -> tuple[RunIdentity, ReplayPlan | None]:
    """The run that is meant, and its plan; without one the run is there already, and goes on. Reads only.

    Raises what `plan_replay` raises, and UsageError where nothing lies between the bounds or some of it is gone.
    """
    lake = LakeCluster(ledger) if reads == "lake" else None
    cluster: Cluster = lake or cluster_of(config)
    standing = _standing(ledger, wanted, reads)
    if standing is not None:
        refuse_foreign(config, [standing], cluster.cluster_id(), standing.topic_ids)
        return standing, None
    plan = plan_replay(config, ledger, cluster, wanted)
    if not plan.offsets:
        raise UsageError(f"{plan.bounds}: nothing lies between these bounds; nothing was written")
    if lake is None:
        _refuse_expired(config, plan)
    else:
        lake.refuse_missing({one.source: one.range for one in plan.partitions})
    return _identity(config, cluster.cluster_id(), plan, wanted.said, reads), plan


def register_replay(sink: Sink, planned: RunIdentity) -> RunIdentity:
    """Write down the run of a plan; the one that stands. Raises UsageError where that has other bounds."""
    standing = sink.register_run(planned)
    ranges = {source: OffsetRange(first, planned.ends[source]) for source, first in planned.starts.items()}
    refuse_other_bounds(standing, ranges)
    if standing.reads != planned.reads:
        raise UsageError(
            f"{planned.run}: was begun with --source {standing.reads or 'kafka'}; say the same, or another --name"
        )
    return standing


def land_replay(
    config: PipelineConfig,
    sink: Sink,
    run: RunIdentity,
    plan: ReplayPlan | None = None,
    tick: Tick = lambda _: None,
    *,
    only: Partitions = None,
) -> ReplayOutcome:
    """Land what is left of a replay that is written down, or of these partitions of it; `sink` is a `prepared` one.

    Without a `plan` an earlier start has begun it. Raises UsageError where it was deleted meanwhile.
    """
    cluster = cluster_of(config) if run.reads != "lake" else Landed(run)
    land = partial(run_bounded, config, run, sink, cluster, tick, only=only)
    outcome = land_rest(sink.ledger(), run, plan, land, begun_before=plan is None, only=only)
    if outcome.code is Exit.SUPERSEDED:
        raise UsageError(f"{run.run}: was deleted meanwhile (replay delete), and lands no more; choose another name")
    return outcome


def land_rest(
    ledger: Ledger,
    run: RunIdentity,
    plan: ReplayPlan | None,
    land: Callable[[], Exit],
    *,
    begun_before: bool,
    only: Partitions = None,
) -> ReplayOutcome:
    """Land what is left of a bounded run, or of these partitions of it, and say what became of that."""
    before = progress_of(ledger, run, only)
    code = Exit.DONE if before.finished else land()
    after = progress_of(ledger, run, only)
    return ReplayOutcome(
        run=run,
        output=run.output,
        begun_before=begun_before,
        finished_before=before.finished,
        progress=after,
        plan=plan,
        # Another start of it may have fenced ours, and landed what ours was to land.
        code=Exit.DONE if after.accounted == after.offsets and code is Exit.FAILED else code,
    )


def _refuse_expired(config: PipelineConfig, plan: ReplayPlan) -> None:
    """Raise UsageError where Kafka has not all of it any more, and a gap is not wanted."""
    gone = [one for one in plan.partitions if one.expired]
    if gone and config.policies.gap == "stop":
        told = "; ".join(f"{one.source}: Kafka no longer has {one.expired}" for one in gone)
        raise UsageError(
            f"{told} (retention or deletion). Read what the live run has landed of it (--source lake), begin with what "
            "is kept (--from earliest), or say --set policies.gap=record to leave out what is gone as a gap. Nothing "
            "was written"
        )


def _standing(ledger: Ledger, wanted: ReplayRequest, reads: Reads) -> RunIdentity | None:
    """The run that `wanted` names, if it is there and was begun with the same words. Raises UsageError."""
    if wanted.name is None:
        return None
    check_name(wanted.name)
    found = next((run for run in ledger.runs() if run.run == wanted.name), None)
    if found is None:
        if wanted.bounds is None and wanted.run_of is None:
            raise UsageError(
                f"--name {wanted.name}: there is no such run yet; say what to replay: --from and --to, or --run-of"
            )
        return None
    if not found.output:
        raise UsageError(f"--name {wanted.name}: is a run that lands in raw/, and no replay; choose another name")
    if (found.reads or "kafka") != reads:
        raise UsageError(
            f"--name {wanted.name}: was begun with --source {found.reads or 'kafka'}; say the same, or another name"
        )
    unsaid = wanted.bounds is None and wanted.run_of is None
    return found if unsaid or found.bounds == wanted.said else None


def _identity(config: PipelineConfig, cluster_id: str, plan: ReplayPlan, said: str, reads: Reads) -> RunIdentity:
    """The run of a plan, as it is to be written down."""
    return RunIdentity(
        run=plan.run,
        pipeline=config.pipeline,
        group_id=config.kafka.group_id,
        cluster_id=cluster_id,
        topic_ids=plan.topic_ids,
        starts={one.source: one.range.first for one in plan.partitions},
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        ends={one.source: one.range.next for one in plan.partitions},
        output=plan.output,
        bounds=said,
        reads="lake" if reads == "lake" else "",
    )
