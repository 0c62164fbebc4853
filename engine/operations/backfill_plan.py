"""`backfill plan`: the offsets that nobody has landed yet, and what it will cost to land them.

It writes nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ForeignRootError, UsageError
from streamlake.engine.generations import newest_generation
from streamlake.engine.operations.backfill_taken import Taken, live_first, missing, overlapping, taken
from streamlake.engine.operations.bounded_run import progress_of
from streamlake.engine.operations.bounds import FROM_WHAT_IS_MISSING, UP_TO_WHAT_LANDED, Bounds
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.operations.replay_name import Ranges, refuse_foreign
from streamlake.engine.operations.replay_plan import (
    ReplayRequest,
    cpu_seconds_of,
    lives_of,
    pace_of,
    partition_plan,
    refuse_one_offset_for_many,
)
from streamlake.engine.operations.replay_ranges import Lives, ResolvedRange, chosen_partitions, resolve
from streamlake.engine.operations.replay_types import Begun, Cluster, Pace, PartitionPlan, ReplayPlan
from streamlake.engine.records import OffsetRange, TopicPartition

ALL_BEFORE = Bounds(FROM_WHAT_IS_MISSING, UP_TO_WHAT_LANDED)
"""What is meant where nothing was said."""

_NAME = re.compile(r"backfill-(?P<number>[1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request is of, as the cluster knows it."""

    bounds: Bounds
    topic_ids: Mapping[str, str]
    sources: Sequence[TopicPartition]


def next_name(runs: Sequence[RunIdentity]) -> str:
    """The name of the next backfill of a root: whoever registers under it knew of all that were registered before."""
    numbers = [int(match["number"]) for run in runs if (match := _NAME.fullmatch(run.run))]
    return f"backfill-{max(numbers, default=0) + 1}"


def plan_backfill(config: PipelineConfig, ledger: Ledger, cluster: Cluster, request: ReplayRequest) -> ReplayPlan:
    """What this backfill would do, resolved now; reads only. Without offsets where nothing is missing.

    The same words as of one that is not finished mean that one, and so does its name. Raises UsageError (bounds, topic,
    partitions or name can't be meant, or some of the offsets are another run's), ForeignRootError (the root is of
    another cluster or topic), ConfigError, LedgerDamagedError, SourceError and StorageError.
    """
    lineage = Lineage(ledger)
    named = None if request.name is None else _named(lineage, request)
    request = replace(request, bounds=request.bounds or ALL_BEFORE)
    wanted = _of_run(named) if named else _looked_up(config, cluster, request)
    _refuse_foreign(config, lineage, cluster, wanted.topic_ids)
    begun = named or _same_words(lineage, request.said, wanted.topic_ids)
    others = {source: others_of(config, lineage, source, wanted.topic_ids) for source in wanted.sources}
    lives = lives_of(lineage, wanted.sources, wanted.topic_ids)
    if begun is None or (named is None and _may_mean_more(wanted.bounds) and progress_of(ledger, begun).finished):
        resolved = _resolved(wanted, cluster, lives, others)
        if any(one.range for one in resolved.values()):
            ranges = {source: one.range for source, one in resolved.items()}
            begun = same_ranges(lineage, ranges, wanted.topic_ids) or _which_has(begun, ranges)
    if begun is None:
        refuse_overlaps({source: one.range for source, one in resolved.items()}, others)
        _refuse_expired(config, resolved)
    else:
        resolved = _as_begun(begun, cluster)
    planned = [partition_plan(source, one, lives) for source, one in resolved.items()]
    pace, cpu_seconds = pace_of(planned, lives, config.workers.max), cpu_seconds_of(planned, lives)
    live = newest_generation(lineage.runs)
    return ReplayPlan(
        pipeline=config.pipeline,
        run=begun.run if begun else next_name(lineage.runs),
        bounds=begun.bounds if begun else request.said,
        topic_ids=wanted.topic_ids,
        output="",
        live_run=live.run if live else None,
        begun=Begun(begun.created_at, progress_of(ledger, begun).accounted) if begun else None,
        pace=pace,
        cpu_seconds=cpu_seconds,
        partitions=planned,
        remarks=_remarks(config, planned, live, pace),
    )


def _named(lineage: Lineage, request: ReplayRequest) -> RunIdentity:
    runs = {run.run: run for run in lineage.backfills}
    if request.name not in runs:
        there = f"there are {', '.join(sorted(runs))}" if runs else "there is none"
        raise UsageError(
            f"--name {request.name}: goes on with a backfill that is there, and {there}; a new one gets its number by "
            "itself, so that no two can have the same offsets: leave --name out"
        )
    run = runs[request.name]
    if request.bounds is not None and request.said != run.bounds:
        raise UsageError(f"--name {run.run}: was begun {run.bounds}; leave the bounds out to go on with it")
    return run


def _of_run(run: RunIdentity) -> Wanted:
    return Wanted(ALL_BEFORE, run.topic_ids, sorted(run.ends))


def _looked_up(config: PipelineConfig, cluster: Cluster, request: ReplayRequest) -> Wanted:
    """Topics and partitions of a request. Raises UsageError, ConfigError."""
    bounds = request.bounds or ALL_BEFORE
    topics = config.kafka.topic_names if request.topic is None else (request.topic,)
    dead = config.dead_letters.topic
    if dead is not None and dead.name in topics:
        raise UsageError(
            f"--topic {dead.name}: is where this pipeline sends its dead letters: what it refuses would come back to it"
        )
    shapes = cluster.shapes(topics)
    if request.topic is not None and request.topic not in shapes:
        near = get_close_matches(request.topic, config.kafka.topic_names, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"--topic {request.topic}: {config.kafka.bootstrap_servers} has no such topic{hint}")
    sources = chosen_partitions(shapes, topics, request.partitions, config.kafka.bootstrap_servers)
    refuse_one_offset_for_many(bounds, request.partitions, sources)
    return Wanted(bounds, {topic: shapes[topic].topic_id for topic in topics}, sources)


def _refuse_foreign(config: PipelineConfig, lineage: Lineage, cluster: Cluster, topic_ids: Mapping[str, str]) -> None:
    """Raise ForeignRootError where the root is of another cluster, or of topics that were made anew."""
    live = newest_generation(lineage.runs)
    try:
        refuse_foreign(config, [live] if live else lineage.runs, cluster.cluster_id(), topic_ids)
    except ForeignRootError as error:
        raise ForeignRootError(
            f"{error}. Another cluster's history, and that of a topic that was made anew, needs a root of its own: "
            "--set sink.root=…"
        ) from None


def _same_words(lineage: Lineage, said: str, topic_ids: Mapping[str, str]) -> RunIdentity | None:
    """The newest backfill that was begun with the same words, of the same topics, and can go on."""
    same = (run for run in reversed(lineage.backfills) if run.bounds == said and run.topic_ids == topic_ids)
    return next((run for run in same if not lineage.overtaken(run)), None)


def _may_mean_more(bounds: Bounds) -> bool:
    """Whether the same words may mean other offsets by now."""
    both = (bounds.first, bounds.next)
    return any(bound.place in ("missing", "landed", "latest") or bound.said.startswith("-") for bound in both)


def _resolved(
    wanted: Wanted, cluster: Cluster, lives: Lives, others: Mapping[TopicPartition, Sequence[Taken]]
) -> dict[TopicPartition, ResolvedRange]:
    """What the bounds mean now; where one of them was not said, without what others have."""
    resolved = resolve(wanted.bounds, wanted.sources, cluster, lives)
    for source, one in resolved.items():
        first, following = one.range.first, one.range.next
        if wanted.bounds.next.place == "landed":
            following = max(first, _first_landed(source, others[source]))
        if wanted.bounds.first.place == "missing" or wanted.bounds.next.place == "landed":
            resolved[source] = ResolvedRange(missing(OffsetRange(first, following), others[source]), one.kept_from)
    return resolved


def _first_landed(source: TopicPartition, others: Sequence[Taken]) -> int:
    first = live_first(others)
    if first is None:
        raise UsageError(
            f"{source}: no live run lands this partition under this root, so nothing says where the backfill ends: "
            "say --to, too (latest is what is there now)"
        )
    return first


def _which_has(run: RunIdentity | None, ranges: Ranges) -> RunIdentity | None:
    """The run, if it has all of these offsets."""
    has_all = run is not None and all(
        source in run.ends and run.starts[source] <= span.first and span.next <= run.ends[source]
        for source, span in ranges.items()
        if span
    )
    return run if has_all else None


def _as_begun(run: RunIdentity, cluster: Cluster) -> dict[TopicPartition, ResolvedRange]:
    """The ranges of a run that is there."""
    marks = cluster.watermarks(sorted(run.ends))
    ranges = {source: OffsetRange(run.starts[source], run.ends[source]) for source in sorted(run.ends)}
    return {source: ResolvedRange(span, marks[source][0]) for source, span in ranges.items() if source in marks}


def others_of(
    config: PipelineConfig, lineage: Lineage, source: TopicPartition, topic_ids: Mapping[str, str]
) -> Sequence[Taken]:
    """What other runs have of a partition, or will have."""
    return taken(lineage, source, topic_ids[source.topic], read=source.topic in config.kafka.topic_names)


def same_ranges(lineage: Lineage, ranges: Ranges, topic_ids: Mapping[str, str]) -> RunIdentity | None:
    """The backfill of exactly these offsets, if there is one that can go on."""
    ours = {source: (span.first, span.next) for source, span in ranges.items()}
    for run in lineage.backfills:
        theirs = {source: (start, run.ends.get(source)) for source, start in run.starts.items()}
        if (theirs, dict(run.topic_ids)) == (ours, dict(topic_ids)) and not lineage.overtaken(run):
            return run
    return None


def refuse_overlaps(ranges: Ranges, others: Mapping[TopicPartition, Sequence[Taken]]) -> None:
    """Raise UsageError where some of the offsets are another run's."""
    for source, span in ranges.items():
        other = overlapping(span, others[source])
        if other is None:
            continue
        run, common = other.run.run, span.overlap(other.range)
        if other.by_live:
            first = other.range.first
            do = f"say --to {first}, or leave --to out" if first > span.first else "nothing before it is missing"
            raise UsageError(
                f"{source}: the live run {run} lands this partition from offset {first} on, so [{common.first}, "
                f"{common.next}) would come twice: {do}. Nothing was written"
            )
        # A replay that was promoted has landed them: unlike a backfill it is not gone on with here.
        or_else = "" if other.run.output else f", or --name {run} to go on with that one"
        raise UsageError(
            f"{source}: offsets [{common.first}, {common.next}) are those of {run}, since {other.run.created_at}: say "
            f"bounds that leave them out{or_else}. Nothing was written"
        )


def _refuse_expired(config: PipelineConfig, resolved: Mapping[TopicPartition, ResolvedRange]) -> None:
    """Raise UsageError where Kafka has not all of it any more, and a gap is not wanted."""
    for source, one in resolved.items():
        if one.expired and config.policies.gap == "stop":
            raise UsageError(
                f"{source}: Kafka's first offset is {one.kept_from}, so {one.expired} is gone (retention or deletion): "
                "say --from earliest, or --set policies.gap=record to write down what is gone as a gap. Nothing was "
                "written"
            )


def _remarks(
    config: PipelineConfig, planned: Sequence[PartitionPlan], live: RunIdentity | None, pace: Pace | None
) -> list[str]:
    said = []
    if live is None:
        said.append("no run has landed anything here yet: records are counted as offsets, and bytes can't be estimated")
        if any(one.source.topic in config.kafka.topic_names for one in planned):
            said.append(f"the live run will begin behind it (and not before kafka.start: {config.kafka.start})")
    gone = (one for one in planned if one.expired)
    said += [f"{one.source}: Kafka no longer has {one.expired}: it will be written down as a gap" for one in gone]
    if live is not None and pace is None:
        said.append("no time can be expected: nothing of these partitions has landed to measure it by")
    return said
