"""Compares a replay with the live run, or with another one, offset by offset: what landed, what was refused, values."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, RunIdentity
from streamlake.engine.errors import UsageError
from streamlake.engine.lake.source import record_ledger
from streamlake.engine.operations.diff_join import aligned, compare
from streamlake.engine.operations.diff_sides import chunks
from streamlake.engine.operations.diff_tally import DifferenceFile, Tally
from streamlake.engine.operations.diff_types import Example, Outcome, OutcomePair, PartitionDiff, ReplayDiff
from streamlake.engine.operations.ledger_search import first_seq_where, reaches
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.records import OffsetRange, TopicPartition

LIVE = "live"
"""What readers see below `raw/` and `dead/`, whichever runs it came from."""

EXAMPLES_MAX = 10

Entries = Callable[[TopicPartition, OffsetRange], Iterator[Entry]]


@dataclass(frozen=True, slots=True)
class DiffRequest:
    """Which run is compared (`here`), with which other one or `live` (`there`); how many examples are wanted."""

    run: str
    against: str = LIVE
    examples_max: int = EXAMPLES_MAX


def diff_replay(ledger: Ledger, wanted: DiffRequest, file: DifferenceFile | None = None) -> ReplayDiff:
    """Compare over the range of `wanted.run`, or all that it has read; reads only. `file` gets every difference.

    Memory: a part of each file of the entries in hand. Raises UsageError (no such run, or both are the same),
    ConfigError (the sink does not give its rows back), LedgerDamagedError, FileDamagedError, StorageError.
    """
    rows, lineage = record_ledger(ledger), Lineage(ledger)
    here = _run(lineage, wanted.run, "RUN")
    there = None if wanted.against == LIVE else _run(lineage, wanted.against, "--against")
    if there is not None and there.run == here.run:
        raise UsageError(f"--against {there.run}: that is the run itself; compare it with live, or with another run")
    entries_here, entries_there = _entries_of(lineage, here), _entries_of(lineage, there or here, live=there is None)
    examples: list[Example] = []
    tallies: dict[TopicPartition, tuple[OffsetRange, Tally]] = {}
    for source, whole in _ranges(lineage, here).items():
        tally = Tally(source, examples, wanted.examples_max, file)
        tallies[source] = (whole, tally)
        ours = chunks(rows, entries_here(source, whole), whole)
        theirs = chunks(rows, entries_there(source, whole), whole)
        for one, other in aligned(ours, theirs):
            compare(one, other, tally)
    return _told(wanted, tallies, examples)


def _run(lineage: Lineage, name: str, where: str) -> RunIdentity:
    for run in lineage.runs:
        if run.run == name:
            return run
    known = ", ".join(run.run for run in lineage.runs) or "none"
    raise UsageError(f"{where} {name}: there is no such run here; known are {known}")


def _ranges(lineage: Lineage, run: RunIdentity) -> dict[TopicPartition, OffsetRange]:
    """What a run is over: its bounds, or of a run without an end all that it has read."""
    if run.ends:
        sources = sorted(run.ends)
        return {source: OffsetRange(run.starts.get(source, 0), run.ends[source]) for source in sources}
    found = {}
    for source in lineage.ledger.partitions(run.run):
        head = lineage.ledger.head(run.run, source)
        first = next((entry.first for entry in lineage.ledger.entries(run.run, source)), head.next)
        found[source] = OffsetRange(first, head.next)
    return found


def _entries_of(lineage: Lineage, run: RunIdentity, *, live: bool = False) -> Entries:
    """What a run has of a partition, or what is live of the topic that the run is of."""
    known = set(lineage.ledger.partitions(run.run))

    def of_run(source: TopicPartition, within: OffsetRange) -> Iterator[Entry]:
        if source not in known:
            return
        first_seq = first_seq_where(lineage.ledger, run.run, source, reaches(within.first))
        for entry in lineage.ledger.entries(run.run, source, first_seq):
            if entry.first >= within.next:
                return
            if entry.kind in ("data", "gap"):
                yield lineage.placed(run, entry)

    def of_live(source: TopicPartition, within: OffsetRange) -> Iterator[Entry]:
        topic_id = run.topic_ids.get(source.topic)
        return (entry for entry in lineage.entries(source, within) if entry.topic_id == topic_id)

    return of_live if live else of_run


def _told(
    wanted: DiffRequest,
    tallies: dict[TopicPartition, tuple[OffsetRange, Tally]],
    examples: list[Example],
) -> ReplayDiff:
    pairs = Counter[tuple[Outcome, Outcome]]()
    for _, tally in tallies.values():
        pairs.update(tally.pairs)
    found = [tally for _, tally in tallies.values()]
    diff = ReplayDiff(
        run=wanted.run,
        against=wanted.against,
        partitions=[_partition(whole, tally) for whole, tally in tallies.values()],
        pairs=[OutcomePair(here, there, offsets) for (here, there), offsets in pairs.most_common()],
        values_same=sum(tally.values_same for tally in found),
        values_differ=sum(tally.values_differ for tally in found),
        values_not_compared=sum(tally.values_not_compared for tally in found),
        columns_apart=sorted(set().union(*(tally.columns_apart for tally in found))),
        examples=examples,
    )
    return replace(diff, remarks=list(_remarks(diff)))


def _partition(whole: OffsetRange, tally: Tally) -> PartitionDiff:
    outcomes = sum(
        offsets for (here, there), offsets in tally.pairs.items() if OutcomePair(here, there, offsets).differs
    )
    same = len(whole) - outcomes - tally.values_differ - tally.values_not_compared
    return PartitionDiff(tally.source, whole, same, outcomes, tally.values_differ, tally.values_not_compared)


def _remarks(diff: ReplayDiff) -> Iterator[str]:
    unread = sum(pair.offsets for pair in diff.pairs if pair.here.fate == "not read")
    if unread:
        yield f"{diff.run} has not read {unread:,} offsets of its range: it is not finished"
    if diff.values_not_compared:
        yield (
            f"the values of {diff.values_not_compared:,} records that landed in both were not compared: the columns of "
            "the two are not of one kind (sink.columns, sink.format); what became of each offset was"
        )
    if diff.columns_apart:
        apart = ", ".join(diff.columns_apart)
        yield f"columns that only one side has, or has with another type, were left out: {apart}"
