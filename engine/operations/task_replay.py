"""The tasks of a replay: plan, begin, land a partition, compare, prove, promote; each can be repeated after a kill."""

from collections.abc import Callable, Mapping
from typing import Any

from streamlake.config.load import Files, load_pipeline
from streamlake.engine.assembly import prepared
from streamlake.engine.operations.bounded_run import wanted
from streamlake.engine.operations.opened import open_broker, open_sink
from streamlake.engine.operations.replay_diff import DiffRequest, diff_replay
from streamlake.engine.operations.replay_promote import plan_promotion, promote
from streamlake.engine.operations.replay_run import Reads, land_replay, planned_replay, register_replay
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
def plan_replay(files: Files, form: Mapping[str, Any], reads: Reads = "kafka") -> Told:
    """What a replay by the pipeline's YAML `files` would do; writes nothing. `data["planned"]` is what `begin` takes.

    The form is that of `request_of`.
    """
    request = request_of(form)
    config = load_pipeline(files)
    run, plan = planned_replay(config, open_sink(config).ledger(), request, reads)
    sources = [str(source) for source in wanted(run)]
    offsets = sum(run.ends[source] - run.starts[source] for source in wanted(run))
    data = {
        "planned": planned_json(run),
        "run": run.run,
        "partitions": sources,
        "offsets": offsets,
        **places(config, run.run, run.output),
    }
    what = f"{config.pipeline}: replay {run.run}, {run.bounds}: {offsets:,} offsets of {len(sources)} partitions"
    if plan is None or plan.begun is not None:
        begun = run.created_at if plan is None or plan.begun is None else plan.begun.created_at
        what += f"; it was begun {begun}, and goes on"
    details = [] if plan is None else list(plan_lines(plan))
    return Told(f"{what}; they would land below {data['files']}. Nothing is written yet", details, data)


@task
def begin_replay(files: Files, planned: Mapping[str, Any]) -> Told:
    """Write down the run of a plan; `data["partitions"]` are those to land. Does nothing where it stands."""
    config = load_pipeline(files)
    run = register_replay(open_sink(config), planned_run(planned))
    data = {"run": run.run, "partitions": [str(one) for one in wanted(run)], **places(config, run.run, run.output)}
    return Told(f"{run.run} is begun: its bounds stand in {data['run_file']}", (), data)


@task
def land_replay_partition(files: Files, run: str, partition: str, say: Callable[[str], None] = lambda _: None) -> Told:
    """Land one partition of a run that is begun; main thread only. `say` is told every half minute how far it is."""
    config = load_pipeline(files)
    sink, watched = prepared(config), Watched(say)
    standing = standing_run(sink.ledger(), run)
    outcome = land_replay(config, sink, standing, tick=watched.tick, only=[source_of(partition)])
    return landed(config, outcome, partition, watched)


@task
def compare_replay(files: Files, run: str) -> Told:
    """Hold a replay against what readers see of the live run, offset by offset. Values are counted, and not shown."""
    config = load_pipeline(files)
    found = diff_replay(open_sink(config).ledger(), DiffRequest(run))
    changed = [pair for pair in found.pairs if pair.differs]
    details = [f"{pair.offsets:,} offsets: {pair.there} in the live run, {pair.here} here" for pair in changed]
    details += [f"{one.source} at {one.offset}: {one.there} in the live run, {one.here} here" for one in found.examples]
    details += found.remarks
    data = {
        "run": run,
        "rows": found.rows,
        "differences": found.differences,
        "values_same": found.values_same,
        "values_differ": found.values_differ,
        "values_not_compared": found.values_not_compared,
    }
    what = "nothing differs" if found.same else f"{found.differences:,} offsets differ"
    values = f"{found.values_same:,} values are the same, {found.values_differ:,} are not"
    return Told(f"{run} beside the live run: {what}; {values}", details, data)


@task
def plan_promote(files: Files, run: str) -> Told:
    """What promoting a replay would change for readers; writes nothing. Refused where it may not be promoted."""
    config = load_pipeline(files)
    plan = plan_promotion(
        config, open_sink(config).ledger(), run, open_broker(config).topic_ids(config.kafka.topic_names)
    )
    data = {"run": run, "generation": plan.generation, "done_before": plan.done_before}
    if plan.done_before:
        return Told(f"{run} was promoted before, as {plan.generation}: there is nothing to do", (), data)
    details = [
        f"{one.source} {one.range}: {one.before.landed:,} landed and {one.before.refused:,} refused become "
        f"{one.after.landed:,} and {one.after.refused:,}"
        for one in plan.partitions
    ]
    what = f"{plan.generation} would go on in place of {plan.supersedes}" if plan.supersedes else "it goes on"
    return Told(f"{run} can be promoted: {what}. Nothing is written yet", details, data)


@task
def promote_replay(files: Files, run: str) -> Told:
    """Make a replay's rows those that readers see; goes on with what a killed call began, and does nothing again."""
    config = load_pipeline(files)
    sink = open_sink(config)
    done = promote(config, sink, run, open_broker(config).topic_ids(config.kafka.topic_names))
    data = {"run": run, "generation": done.generation, "done_before": done.done_before}
    if done.done_before:
        return Told(f"{run} was promoted before, as {done.generation}: nothing was done", (), data)
    return Told(f"{run} is promoted: {done.generation} is the live run, and readers see its rows", (), data)
