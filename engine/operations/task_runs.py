"""What tasks of replays and backfills share: a planned run as JSON, a plan in words, the landing of a partition."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import Exit, UsageError
from streamlake.engine.front import Tick
from streamlake.engine.operations.bounds import Bounds, parse_bounds, parse_partitions, parse_zone
from streamlake.engine.operations.opened import root_of
from streamlake.engine.operations.replay_plan import ReplayRequest
from streamlake.engine.operations.replay_run import ReplayOutcome
from streamlake.engine.operations.replay_types import ReplayPlan
from streamlake.engine.operations.task_types import Told, Verdict
from streamlake.engine.records import TopicPartition
from streamlake.engine.state import EngineState, PartitionState

TELL_SECONDS = 30.0
"""How often a landing says how far it is."""

_TEXTS = ("run", "pipeline", "group_id", "cluster_id", "created_at", "output", "bounds", "reads")


def request_of(form: Mapping[str, Any], *, both: bool = True) -> ReplayRequest:
    """What a form asks for: `from`, `to`, `topic`, `partitions`, `run_of`, `name`, `timezone`, each a text or None.

    `both` refuses one bound without the other. Raises UsageError for what can't be meant.
    """
    first, following, zone, partitions = (form.get(name) for name in ("from", "to", "timezone", "partitions"))
    if both and (first is None) != (following is None):
        raise UsageError(f"say {'from' if first is None else 'to'}, too (earliest and latest are the ends)")
    return ReplayRequest(
        bounds=_bounds(first, following, zone),
        topic=form.get("topic"),
        partitions=None if partitions is None else parse_partitions(partitions),
        name=form.get("name"),
        run_of=form.get("run_of"),
    )


def planned_json(run: RunIdentity) -> dict[str, Any]:
    """A planned run as JSON; `planned_run` reads it again."""
    ranges = [[source.topic, source.partition, first, run.ends[source]] for source, first in sorted(run.starts.items())]
    return {**{name: getattr(run, name) for name in _TEXTS}, "topic_ids": dict(run.topic_ids), "ranges": ranges}


def planned_run(said: Mapping[str, Any]) -> RunIdentity:
    """The run that `planned_json` has written."""
    sources = {TopicPartition(topic, number): (first, end) for topic, number, first, end in said["ranges"]}
    return RunIdentity(
        **{name: said[name] for name in _TEXTS},
        topic_ids=said["topic_ids"],
        starts={source: first for source, (first, _) in sources.items()},
        ends={source: end for source, (_, end) in sources.items()},
    )


def places(config: PipelineConfig, run: str, output: str) -> dict[str, str]:
    """Where the files and the ledger of a run lie, for whoever follows a task's links."""
    root = root_of(config)
    files = f"{root}/{output}/" if output else f"{root}/raw/"
    return {"root": root, "files": files, "ledger": f"{root}/_ledger/{run}/", "run_file": f"{root}/_runs/{run}.json"}


def plan_lines(plan: ReplayPlan) -> Iterator[str]:
    """A plan's partitions, and what else a person should read."""
    for one in plan.partitions:
        before = one.before
        was = f"before: {before.landed:,} landed, {before.refused:,} refused, {before.skipped:,} skipped"
        gone = f"; Kafka no longer has {len(one.expired):,}" if one.expired else ""
        yield f"{one.source}: offsets {one.range}, about {one.records:,} records; {was}{gone}"
    if plan.file_bytes is not None:
        yield f"about {plan.file_bytes:,} bytes in files"
    if plan.pace is not None:
        yield f"about {plan.pace.seconds:,.1f} s at {plan.pace.records_per_second:,.0f} records/s a worker"
    yield from plan.remarks


def standing_run(ledger: Ledger, name: str) -> RunIdentity:
    """The run of this name. Raises UsageError."""
    found = next((run for run in ledger.runs() if run.run == name), None)
    if found is None:
        raise UsageError(f"{name}: there is no such run here any more; was it deleted?")
    return found


def source_of(text: str) -> TopicPartition:
    """`orders/3`, as a task is told its partition."""
    topic, _, number = text.rpartition("/")
    return TopicPartition(topic, int(number))


class Seldom:
    """Hands on what is said every TELL_SECONDS, and leaves out the rest: a log is no progress bar."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._said_at = say, time.monotonic()

    def __call__(self, *lines: str) -> None:
        """Say them, where the last were said long ago."""
        if time.monotonic() - self._said_at >= TELL_SECONDS:
            self._said_at = time.monotonic()
            for line in lines:
                self._say(line)


class Watched:
    """Says now and then how far a landing is, and remembers how its partitions stood last."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._seldom = Seldom(say)
        self.partitions: Sequence[PartitionState] = ()

    @property
    def tick(self) -> Tick:
        """To be called with the engine's state."""
        return self._look

    def _look(self, state: EngineState) -> None:
        self.partitions = list(state.partitions)
        self._seldom(*map(_how_far, self.partitions))


def _how_far(one: PartitionState) -> str:
    counts = f"{one.landed:,} landed, {one.refused:,} refused"
    return f"{one.source}: {one.phase} at offset {one.next} of {one.end}; {counts}"


def landed(config: PipelineConfig, outcome: ReplayOutcome, partition: str, watched: Watched) -> Told:
    """What the landing of one partition came to."""
    run, progress, totals = outcome.run.run, outcome.progress, outcome.progress.totals
    where = places(config, run, outcome.output)
    counts = f"{totals.landed:,} landed, {totals.refused:,} refused, {totals.skipped:,} skipped, {totals.holes:,} holes"
    data = {
        "run": run,
        "partition": partition,
        "offsets": progress.offsets,
        "accounted": progress.accounted,
        "landed": totals.landed,
        "refused": totals.refused,
        "skipped": totals.skipped,
        "holes": totals.holes,
        "given_up": totals.gaps,
        **where,
    }
    if outcome.finished_before:
        return Told(f"{run}: {partition} had landed before, nothing was done: {counts}, in {where['files']}", (), data)
    if outcome.code is Exit.DONE and progress.accounted == progress.offsets:
        return Told(f"{run}: {partition} has landed: {counts}, in {where['files']}", (), data)
    done = (
        f"{run}: {partition} is not finished, {progress.accounted:,} of {progress.offsets:,} offsets are accounted for"
    )
    why, verdict = _why(watched.partitions)
    return Told(f"{done}; {why}. Nothing is lost, and what has landed is not landed again", (), data, verdict)


def _why(partitions: Sequence[PartitionState]) -> tuple[str, Verdict]:
    for one in partitions:
        if one.phase == "fenced":
            return "another start of this run has taken the partition over and lands it", "refused"
        if one.phase == "parked":
            return f"it is parked: {one.why}", "refused"
    told = "; ".join(one.why or f"{one.source} {one.phase} {one.last_exit}".strip() for one in partitions)
    return told or "it was asked to stop", "again"


def _bounds(first: str | None, following: str | None, zone: str | None) -> Bounds | None:
    where = None if zone is None else parse_zone(zone)
    if first is None and following is None:
        return None
    return parse_bounds(first, following, now=datetime.now(UTC), zone=where)
