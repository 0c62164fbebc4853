"""Which offsets of a partition are spoken for: a backfill may neither land them a second time nor claim them twice.

All of it follows from the run files, and for a partition that came to the live run later from where its ledger begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from streamlake.engine.entries import RunIdentity
from streamlake.engine.generations import backfilled
from streamlake.engine.operations.lineage import NO_END, Lineage
from streamlake.engine.operations.live_partition import LedgerPart
from streamlake.engine.operations.spans import merged, without
from streamlake.engine.records import OffsetRange, TopicPartition


@dataclass(frozen=True, slots=True)
class Taken:
    """Offsets that are another run's: landed, or to be landed."""

    run: RunIdentity
    range: OffsetRange

    @property
    def by_live(self) -> bool:
        """Whether a live run has them, and all that follow."""
        return self.range.next == NO_END


def taken(lineage: Lineage, source: TopicPartition, topic_id: str, *, read: bool) -> Sequence[Taken]:
    """What is spoken for of a partition; `read`: it is of a topic that the pipeline reads.

    Raises LedgerDamagedError.
    """
    found = [Taken(run, span) for run in lineage.visible_runs if (span := _bounded(lineage, run, source, topic_id))]
    live = [
        Taken(run, OffsetRange(first, NO_END))
        for run in lineage.generations
        if (first := lineage.begins(run, source, topic_id)) is not None
    ]
    if not live and read and lineage.generations:  # it begins where Kafka does, or behind the last backfill
        first = backfilled(lineage.runs, {source.topic: topic_id}).get(source, 0)
        live = [Taken(lineage.generations[-1], OffsetRange(first, NO_END))]
    return [*found, *live]


def missing(wanted: OffsetRange, others: Sequence[Taken]) -> OffsetRange:
    """The first offsets of `wanted` that nobody has; none where all of them are somebody's."""
    left = without(
        [(wanted.first, wanted.next)] if wanted else [], merged((one.range.first, one.range.next) for one in others)
    )
    return OffsetRange(*left[0]) if left else OffsetRange(wanted.first, wanted.first)


def overlapping(wanted: OffsetRange, others: Sequence[Taken]) -> Taken | None:
    """The first of the others that has some of `wanted`."""
    return next((one for one in others if wanted.overlap(one.range)), None)


def live_first(others: Sequence[Taken]) -> int | None:
    """The first offset of the live run; None where there is none that reads this partition."""
    return min((one.range.first for one in others if one.by_live), default=None)


def _bounded(lineage: Lineage, run: RunIdentity, source: TopicPartition, topic_id: str) -> OffsetRange | None:
    """The offsets of a backfill, or of a replay that a live run took over; of one that can't go on what it has."""
    if source not in run.ends or run.topic_ids.get(source.topic) != topic_id:
        return None
    if run.output or not lineage.overtaken(run):
        return OffsetRange(run.starts[source], run.ends[source])
    known = source in lineage.ledger.partitions(run.run)
    return LedgerPart(lineage.ledger, run.run, source).range if known else None
