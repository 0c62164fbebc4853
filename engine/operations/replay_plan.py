"""`replay plan`: what a replay would read, what became of it the first time, and what it will cost.

It writes nothing. However many partitions there are, the cluster is asked the same few questions, and of a ledger of
any length the newest entries are read and those at the edges of the range.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ForeignRootError, UsageError
from streamlake.engine.generations import newest_generation
from streamlake.engine.names import REPLAYS
from streamlake.engine.operations.bounds import Bound, Bounds
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.operations.live_partition import Fates, LivePartition
from streamlake.engine.operations.replay_name import refuse_foreign, run_begun, run_name
from streamlake.engine.operations.replay_ranges import (
    Lives,
    ResolvedRange,
    chosen_partitions,
    chosen_topics,
    resolve,
)
from streamlake.engine.operations.replay_types import Cluster, Pace, PartitionPlan, ReplayPlan
from streamlake.engine.operations.run_of import range_of
from streamlake.engine.records import TopicPartition


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What is to be replayed: `bounds`, of some topic or partitions of it, or the range of `run_of` alone.

    `run_of` is a landed file or a ledger entry (`range_of`); `name` that of the run.
    """

    bounds: Bounds | None = None
    topic: str | None = None
    partitions: Sequence[int] | None = None
    name: str | None = None
    run_of: str | None = None

    @property
    def said(self) -> str:
        """All that was said of what is wanted, for a run file: by it the same wish is known again."""
        if self.run_of is not None:
            return f"the range of {self.run_of}"
        topic = "" if self.topic is None else f" of {self.topic}"
        partitions = "" if self.partitions is None else f", partitions {','.join(map(str, self.partitions))}"
        return f"{self.bounds}{topic}{partitions}"


def plan_replay(config: PipelineConfig, ledger: Ledger, cluster: Cluster, wanted: ReplayRequest) -> ReplayPlan:
    """What this replay would do, resolved now; reads only.

    Raises UsageError (bounds, topic, partitions or name can't be meant), ForeignRootError (the ledger is of another
    cluster or topic), ConfigError (no such topic there), LedgerDamagedError, and SourceError or StorageError where
    nobody answers.
    """
    bounds, topics, partitions = _selection(config, ledger, wanted)
    shapes = cluster.shapes(topics)
    sources = chosen_partitions(shapes, topics, partitions, config.kafka.bootstrap_servers)
    refuse_one_offset_for_many(bounds, partitions, sources)
    runs = ledger.runs()
    topic_ids = {topic: shapes[topic].topic_id for topic in topics}
    live, cluster_id = newest_generation(runs), cluster.cluster_id()
    refuse_foreign(config, [live] if live else runs, cluster_id, topic_ids)
    lives = lives_of(Lineage(ledger, runs), sources, topic_ids)
    resolved = resolve(bounds, sources, cluster, lives)
    ranges = {source: one.range for source, one in resolved.items()}
    name = run_name(wanted.name, ranges, topic_ids)
    standing = [run for run in runs if run.run == name]
    refuse_foreign(config, standing, cluster_id, topic_ids)
    planned = [partition_plan(source, one, lives) for source, one in resolved.items()]
    _refuse_what_is_nowhere(planned)
    pace, cpu_seconds = pace_of(planned, lives, config.workers.max), cpu_seconds_of(planned, lives)
    return ReplayPlan(
        pipeline=config.pipeline,
        run=name,
        bounds=str(bounds) if wanted.run_of is None else f"{bounds}, the range of {wanted.run_of}",
        topic_ids=topic_ids,
        output=f"{REPLAYS}/{name}",
        live_run=live.run if live else None,
        begun=run_begun(ledger, standing[0], ranges) if standing else None,
        pace=pace,
        cpu_seconds=cpu_seconds,
        partitions=planned,
        remarks=_remarks(planned, live, pace),
    )


def refuse_one_offset_for_many(
    bounds: Bounds, partitions: Sequence[int] | None, sources: Sequence[TopicPartition]
) -> None:
    """Raise UsageError where a bound is an offset, and nobody said of which partitions."""
    if bounds.by_offset and partitions is None and len(sources) > 1:
        raise UsageError(
            f"{bounds}: an offset means another record in each of the {len(sources)} partitions; name those that you "
            "mean by --topic and --partitions"
        )


def _selection(
    config: PipelineConfig, ledger: Ledger, wanted: ReplayRequest
) -> tuple[Bounds, Sequence[str], Sequence[int] | None]:
    """Bounds, topics and partitions (None: all), as said or as those of a landed file."""
    if wanted.run_of is None:
        if wanted.bounds is None:
            raise UsageError("say what to replay: --from and --to, or --run-of")
        return wanted.bounds, chosen_topics(config, wanted.topic), wanted.partitions
    if wanted.bounds is not None or wanted.topic is not None or wanted.partitions is not None:
        raise UsageError("--run-of has a range of its own: leave out --from, --to, --topic and --partitions")
    source, span = range_of(ledger, wanted.run_of)
    first, following = (Bound(str(offset), "offset", offset) for offset in (span.first, span.next))
    return Bounds(first, following), chosen_topics(config, source.topic), [source.partition]


def lives_of(lineage: Lineage, sources: Sequence[TopicPartition], topic_ids: Mapping[str, str]) -> Lives:
    """The partitions of which something has landed. Raises ForeignRootError where it is of another topic."""
    found = {source: LivePartition.of(lineage, source, topic_ids[source.topic]) for source in sources}
    for source in (source for source, one in found.items() if one is None):
        if others := [piece.topic_id for piece in lineage.pieces(source)]:
            raise ForeignRootError(
                f"{source}: the topic was deleted and made anew: what landed is of topic id {others[-1]}, the broker "
                f"says {topic_ids[source.topic]}. Its offsets mean other records now. Nothing was written"
            )
    return {source: one for source, one in found.items() if one is not None}


def partition_plan(source: TopicPartition, resolved: ResolvedRange, lives: Lives) -> PartitionPlan:
    """One partition of a plan: what became of its range the first time, and what that says of its size."""
    live, wanted = lives.get(source), resolved.range
    if live is None:
        nothing, expired = Fates(not_read=len(wanted)), Fates(not_read=len(resolved.expired))
        return PartitionPlan(source, wanted, len(wanted), None, resolved.expired, nothing, expired, exact=True)
    before = live.fates(wanted)
    records, file_bytes = _estimated(before, live)
    return PartitionPlan(
        source=source,
        range=wanted,
        records=records,
        file_bytes=file_bytes,
        expired=resolved.expired,
        before=before,
        expired_before=live.fates(resolved.expired) if resolved.expired else Fates(),
        exact=not live.cuts_an_entry(wanted),
    )


def _estimated(before: Fates, live: LivePartition) -> tuple[int, int | None]:
    """Records and bytes of a range: as counted where it has landed, and elsewhere as in all that has."""
    known = live.total
    delivered = known.records + known.holes
    if not delivered:
        return before.not_read, None
    records = before.records + round(before.not_read * known.records / delivered)
    return records, before.file_bytes + round(before.not_read * known.file_bytes / delivered)


def pace_of(planned: Sequence[PartitionPlan], lives: Lives, workers_max: int) -> Pace | None:
    """How long it takes at the pace at which the largest of these partitions landed; None where that was not seen."""
    for largest in sorted(planned, key=lambda one: one.records, reverse=True):
        live = lives.get(largest.source)
        pace = live.pace() if live is not None and largest.records else None
        if pace:
            records = [one.records for one in planned]
            longest = max(*records, sum(records) / workers_max)
            return Pace(pace, largest.source, longest / pace)
    return None


def cpu_seconds_of(planned: Sequence[PartitionPlan], lives: Lives) -> float | None:
    """The CPU seconds that these records took when they landed last; None where no entry says it."""
    told = [lives[one.source].cpu() for one in planned if one.source in lives]
    seconds, records = sum(seconds for seconds, _ in told), sum(records for _, records in told)
    return sum(one.records for one in planned) * seconds / records if records else None


def _refuse_what_is_nowhere(planned: Sequence[PartitionPlan]) -> None:
    """Raise UsageError where nothing of any range is left, neither in Kafka nor in files."""
    wanted = [one for one in planned if one.range]
    if wanted and all(one.expired == one.range and not _in_files(one.expired_before) for one in wanted):
        one = wanted[0]
        raise UsageError(
            f"{one.source}: offsets {one.range} lie before what Kafka still has (retention or deletion), and no live "
            "run has them in files: nothing is left to replay"
        )


def _remarks(planned: Sequence[PartitionPlan], live: RunIdentity | None, pace: Pace | None) -> list[str]:
    said = []
    if live is None:
        said.append("no run has landed anything here yet: records are counted as offsets, and bytes can't be estimated")
    gone = (one for one in planned if one.expired)
    said += [f"{one.source}: Kafka no longer has {one.expired}; {_where_it_is(one)}" for one in gone]
    if not any(one.range for one in planned):
        said.append("nothing lies between these bounds")
    elif pace is None:
        said.append("no time can be expected: the live run has not landed two batches in a row to measure it by")
    return said


def _where_it_is(one: PartitionPlan) -> str:
    kept, of = _in_files(one.expired_before), len(one.expired)
    if kept + one.expired_before.holes == of:
        return "the live run has all of it in files"
    if not kept:
        return "the live run has nothing of it in files"
    rest = {
        "skipped": one.expired_before.skipped,
        "given up": one.expired_before.given_up,
        "never read": one.expired_before.not_read,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in rest.items() if count)
    return f"the live run has {kept:,} of {of:,} offsets in files ({told})"


def _in_files(fates: Fates) -> int:
    return fates.landed + fates.refused
