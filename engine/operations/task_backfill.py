"""The tasks of a backfill: plan, begin, land a partition; each can be repeated after a kill."""

from collections.abc import Callable, Mapping
from typing import Any

from streamlake.config.load import Files, load_pipeline
from streamlake.engine.assembly import prepared
from streamlake.engine.errors import UsageError
from streamlake.engine.operations.backfill import land_backfill, planned_backfill, register_backfill
from streamlake.engine.operations.backfill_plan import plan_backfill as plan_of
from streamlake.engine.operations.bounded_run import wanted
from streamlake.engine.operations.opened import open_broker, open_sink
from streamlake.engine.operations.task_runs import (
    Watched,
    landed,
    places,
    plan_lines,
    planned_json,
    planned_run,
    request_of,
    source_of,
    standing_run,
)
from streamlake.engine.operations.task_types import Told, task


@task
def plan_backfill(files: Files, form: Mapping[str, Any]) -> Told:
    """Which offsets nobody has landed yet; writes nothing. `data["planned"]` is what `begin_backfill` takes.

    The form is that of `request_of`.
    """
    request = request_of(form, both=False)
    config = load_pipeline(files)
    broker = open_broker(config)
    plan = plan_of(config, open_sink(config).ledger(), broker, request)
    if not plan.offsets:
        raise UsageError(f"backfill {plan.bounds}: nothing is missing there; nothing was written")
    run = planned_backfill(config, broker.cluster_id(), plan)
    sources = [str(source) for source in wanted(run)]
    where = places(config, run.run, run.output)
    data = {"planned": planned_json(run), "run": run.run, "partitions": sources, "offsets": plan.offsets, **where}
    begun = "" if plan.begun is None else f"; it was begun {plan.begun.created_at}, and goes on"
    what = (
        f"{config.pipeline}: backfill {run.run}, {plan.bounds}: {plan.offsets:,} offsets of {len(sources)} partitions"
    )
    return Told(
        f"{what}{begun}; they would land in {where['files']}, beside those of the live run. Nothing is written yet",
        list(plan_lines(plan)),
        data,
    )


@task
def begin_backfill(files: Files, planned: Mapping[str, Any]) -> Told:
    """Write down the run of a plan; does nothing where it stands. `data["run"]` is its name, which others may push on.

    Refused where another run has some of the offsets by now.
    """
    config = load_pipeline(files)
    run = register_backfill(config, open_sink(config), planned_run(planned))
    data = {"run": run.run, "partitions": [str(one) for one in wanted(run)], **places(config, run.run, run.output)}
    return Told(f"{run.run} is begun: its bounds stand in {data['run_file']}", (), data)


@task
def land_backfill_partition(
    files: Files,
    run: str,
    partition: str,
    *,
    rate: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Told:
    """Land one partition of a backfill that is begun; main thread only. `rate`: records a second of the whole run.

    Each partition has its even share of the rate. `say` is told every half minute how far it is.
    """
    config = load_pipeline(files)
    sink, watched = prepared(config), Watched(say)
    standing = standing_run(sink.ledger(), run)
    share = None if rate is None else rate / len(wanted(standing))
    only = [source_of(partition)]
    outcome = land_backfill(config, sink, standing, tick=watched.tick, rate=share, only=only)
    return landed(config, outcome, partition, watched)
