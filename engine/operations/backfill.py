"""`backfill run`: what is missing before or beside the live run, as a bounded run that lands in `raw/` and `dead/`.

Its bounds are resolved once and written to its run file, in steps that can each be repeated after a kill:

1. `_runs/backfill-N.json`. N is one more than that of all backfills that were looked at, and can be taken once: so
   whoever gets it has seen everybody else's bounds, and of two that overlap one is refused before it writes anything.
2. `_runs/live-1.json`, where there is no live run yet: it begins behind the backfill. Where one that was started at the
   same moment was first, and begins before that, the backfill lands nothing (`Lineage.overtaken`).
3. The run itself.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from streamlake.config.model import PipelineConfig
from streamlake.engine.assembly import cluster_of, prepared
from streamlake.engine.contracts import Sink
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import Exit, ForeignRootError, StorageError, UsageError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.front import Tick
from streamlake.engine.kafka.admin import ClusterAdmin
from streamlake.engine.operations.backfill_plan import (
    next_name,
    others_of,
    plan_backfill,
    refuse_overlaps,
    same_ranges,
)
from streamlake.engine.operations.bounded_run import Partitions, run_bounded, wanted
from streamlake.engine.operations.generation_change import run_keeper
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.operations.replay_plan import ReplayRequest
from streamlake.engine.operations.replay_run import ReplayOutcome, land_rest
from streamlake.engine.operations.replay_types import ReplayPlan
from streamlake.engine.records import OffsetRange
from streamlake.engine.start import register_run

ATTEMPTS = 100
"""How many others may register a backfill between our look and our registration, one after the other."""


def run_backfill(
    config: PipelineConfig,
    request: ReplayRequest,
    *,
    workers_max: int | None = None,
    rate: float | None = None,
    tick: Tick = lambda _: None,
    say: Callable[[RunIdentity, ReplayPlan], None] = lambda _run, _plan: None,
) -> ReplayOutcome:
    """Begin a backfill or go on with it; returns when it has landed, or when a signal has stopped it.

    `request` without bounds is all that Kafka has and nobody landed, before the first offset of the live run; its name
    can only be that of a backfill that is there. Of this start at most `workers_max` workers run at once (as in the
    YAML), and read at most `rate` records a second together (no limit). `say` is told, before anything is claimed,
    which run it is and what its plan was. Raises what `plan_backfill` raises.
    """
    if workers_max is not None:
        config = config.model_copy(update={"workers": config.workers.model_copy(update={"max": workers_max})})
    sink = prepared(config)
    run_keeper(sink, "a backfill")
    broker, ledger = cluster_of(config), sink.ledger()
    plan = plan_backfill(config, ledger, broker, request)
    if not plan.offsets:
        raise UsageError(f"backfill {plan.bounds}: nothing is missing there; nothing was written")
    run = register_backfill(config, sink, planned_backfill(config, broker.cluster_id(), plan))
    say(run, plan)
    return land_backfill(config, sink, run, plan, tick, rate=rate)


def planned_backfill(config: PipelineConfig, cluster_id: str, plan: ReplayPlan) -> RunIdentity:
    """The run of a plan, to be registered: its name is that of the plan, and may become another one then."""
    return RunIdentity(
        run=plan.run,
        pipeline=config.pipeline,
        group_id=config.kafka.group_id,
        cluster_id=cluster_id,
        topic_ids=plan.topic_ids,
        starts={one.source: one.range.first for one in plan.partitions},
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        ends={one.source: one.range.next for one in plan.partitions},
        bounds=plan.bounds,
    )


def land_backfill(
    config: PipelineConfig,
    sink: Sink,
    run: RunIdentity,
    plan: ReplayPlan | None = None,
    tick: Tick = lambda _: None,
    *,
    rate: float | None = None,
    only: Partitions = None,
) -> ReplayOutcome:
    """Steps 2 and 3 of a backfill that is written down, or of these partitions of it; `sink` is a `prepared` one.

    Raises UsageError where a live run lands some of it itself by now.
    """
    broker = cluster_of(config)

    def land() -> Exit:
        _secure(config, sink, broker, run)
        code = run_bounded(config, run, sink, broker, tick, rate=rate, only=only)
        if code is Exit.SUPERSEDED:
            _refuse_superseded(Lineage(sink.ledger()), run)
        return code

    begun_before = plan is None or plan.begun is not None
    return land_rest(sink.ledger(), run, plan, land, begun_before=begun_before, only=only)


def register_backfill(config: PipelineConfig, sink: Sink, planned: RunIdentity) -> RunIdentity:
    """Step 1: the run of a plan, written down; the one that stands. Raises UsageError where some of it is taken now."""
    ranges = {source: OffsetRange(first, planned.ends[source]) for source, first in planned.starts.items()}
    for _ in range(ATTEMPTS):
        lineage = Lineage(sink.ledger())
        standing = same_ranges(lineage, ranges, planned.topic_ids)
        if standing is not None:
            return standing
        refuse_overlaps(ranges, {source: others_of(config, lineage, source, planned.topic_ids) for source in ranges})
        ours = replace(planned, run=next_name(lineage.runs))
        failpoint("before_backfill")
        if _took(sink, ours):
            failpoint("after_backfill")
            return ours
    raise StorageError(f"{ATTEMPTS} others began a backfill of this root just now: say the same command again")


def _took(sink: Sink, ours: RunIdentity) -> bool:
    """Whether the number is ours; False where another one was faster."""
    try:
        return sink.register_run(ours) == ours
    except ForeignRootError:
        standing = sink.find_run(ours.run)
        if standing is not None and standing.cluster_id == ours.cluster_id and standing.pipeline == ours.pipeline:
            return False  # of other topics
        raise


def _secure(config: PipelineConfig, sink: Sink, broker: ClusterAdmin, run: RunIdentity) -> None:
    """Step 2: there is a live run, and it leaves the offsets of this one alone. Raises UsageError where it does not."""
    lineage = Lineage(sink.ledger())
    if not lineage.generations and {source.topic for source in wanted(run)} & set(config.kafka.topic_names):
        register_run(config, broker, sink)
        failpoint("after_live_start")
        lineage = Lineage(sink.ledger())
    _refuse_superseded(lineage, run)


def _refuse_superseded(lineage: Lineage, run: RunIdentity) -> None:
    if lineage.overtaken(run):
        raise UsageError(
            f"{run.run}: {lineage.generations[-1].run} lands some of these offsets itself by now (it was begun at the "
            "same moment, or an operator has set it back), so this backfill lands no more. The same command again says "
            "what is missing, if anything"
        )
