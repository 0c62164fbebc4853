"""`complete`: which hours of records' time have wholly landed, said once by a marker that downstream waits for.

An hour is complete when every partition of the topic has passed its end and the lateness (`complete_reach.py`):

- **by a record**: one has landed, accepted or refused, whose own time lies behind them; or
- **by the end**: asked when the clock was behind them, the broker has nothing that has not landed, no transaction that
  is not decided either. So a partition without traffic holds nothing up, and neither do holes: the ledger accounts for
  those, and for gaps.

The positions are decided once, and then the marker stands (`complete_marker.py`). What lands behind a position and
belongs to that hour is late, and is listed each time that the hour is asked for (`complete_late.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Protocol

from streamlake.engine.abilities import Notes
from streamlake.engine.contracts import Ledger, TopicFacts
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ForeignRootError, SourceError, UsageError
from streamlake.engine.generations import newest_generation
from streamlake.engine.operations.complete_late import late_rows
from streamlake.engine.operations.complete_marker import mark, marked, marker_path, read_positions, write_positions
from streamlake.engine.operations.complete_reach import Reach, reach_of
from streamlake.engine.operations.complete_types import Completeness, HourReport, Passed, Positions, Waiting
from streamlake.engine.operations.hours import Hour
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.records import TopicPartition

HOURS_MAX = 24 * 93
"""Of one call: three months of hours."""


class Broker(Protocol):
    """What is asked of the cluster. Raises SourceError."""

    def cluster_id(self) -> str:
        """The cluster's own id."""

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        """How many partitions each of the topics has that exists."""

    def facts(self, sources: Iterable[TopicPartition], group_id: str) -> Mapping[TopicPartition, TopicFacts]:
        """What the broker says of each partition; one that is gone is left out."""

    def ends(self, sources: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The end of what was written to each partition, of transactions that are not decided yet, too."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which hours of which topics of which pipeline; `lateness_seconds` is for those that are not decided yet."""

    pipeline: str
    group_id: str
    topics: Sequence[str]
    hours: Sequence[Hour]
    lateness_seconds: float


@dataclass(slots=True)
class _Cluster:
    """What the broker said, once for all hours; `away` is why it could not be asked."""

    counts: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[TopicPartition, TopicFacts] = field(default_factory=dict)
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)
    away: str = ""


def complete(
    ledger: Ledger, notes: Notes, broker: Broker, asked: Asked, *, now: datetime, dry_run: bool = False
) -> Completeness:
    """Mark each of the hours that is complete and not marked yet, and tell what holds up the others.

    `now` is aware, and taken before the call. `dry_run` writes nothing. Without the broker no hour is decided, and
    those that were are told. Raises UsageError for too many hours, ForeignRootError for another pipeline's or cluster's
    root, StorageError, LedgerDamagedError, FileDamagedError (of late rows).
    """
    hours = sorted(set(asked.hours))
    if len(hours) > HOURS_MAX:
        raise UsageError(f"{len(hours):,} hours are more than {HOURS_MAX:,}: ask for them part by part")
    lineage = Lineage(ledger)
    call = _Call(lineage, notes, asked, _ask(broker, asked, lineage.runs), now, dry_run)
    reports = [report for topic in asked.topics for report in _Topic(call, topic).reports(hours)]
    return Completeness(asked.pipeline, asked.lateness_seconds, reports)


def _ask(broker: Broker, asked: Asked, runs: Sequence[RunIdentity]) -> _Cluster:
    live = newest_generation(runs)
    if live is not None and live.pipeline != asked.pipeline:
        raise ForeignRootError(
            f"this root belongs to the pipeline {live.pipeline}, not to {asked.pipeline}. Nothing was written"
        )
    cluster = _Cluster()
    try:
        cluster_id = broker.cluster_id()
        cluster.counts = broker.partitions(asked.topics)
        sources = [TopicPartition(topic, number) for topic, count in cluster.counts.items() for number in range(count)]
        cluster.facts = broker.facts(sources, asked.group_id)
        cluster.ends = broker.ends(sources)
    except SourceError as away:
        cluster.away = f"the broker can't be asked: {away}"
        return cluster
    if live is not None and live.cluster_id != cluster_id:
        raise ForeignRootError(
            f"what landed here is of the cluster {live.cluster_id}, and this one is {cluster_id}. Nothing was written"
        )
    return cluster


@dataclass(frozen=True)
class _Call:
    """What one call of `complete` goes by."""

    lineage: Lineage
    notes: Notes
    asked: Asked
    cluster: _Cluster
    now: datetime
    dry_run: bool


@dataclass
class _Topic:
    """One topic's hours; what its partitions have reached is read once."""

    call: _Call
    topic: str

    def reports(self, hours: Sequence[Hour]) -> Sequence[HourReport]:
        """Of each hour, with its late rows."""
        reports = [self._report(hour) for hour in hours]
        decided = {report.hour: report.positions for report in reports if report.positions is not None}
        meant = {hour: positions for hour, positions in decided.items() if positions.topic_id == self._topic_id}
        late = late_rows(self.call.lineage, self._landed, meant)
        anew = "the topic was made anew since then: late rows are not looked for"
        return [
            replace(one, late=late.get(one.hour, ()), why=anew if one.hour in decided.keys() - meant else one.why)
            for one in reports
        ]

    def _report(self, hour: Hour) -> HourReport:
        call, path = self.call, marker_path(self.topic, hour)
        positions = read_positions(call.notes, self.topic, hour)
        if positions is None:
            decided = self._decided(hour)
            if isinstance(decided, HourReport):
                return decided
            positions = decided if call.dry_run else write_positions(call.notes, decided)
        elif marked(call.notes, self.topic, hour):
            return HourReport(self.topic, hour, "complete", path, positions)
        if call.dry_run:
            return HourReport(self.topic, hour, "would be written", path, positions)
        mark(call.notes, self.topic, hour)
        return HourReport(self.topic, hour, "written", path, positions)

    def _decided(self, hour: Hour) -> Positions | HourReport:
        """The positions of an hour that is complete by now, or what holds it up."""
        call = self.call
        why = self._why_not_yet(hour)
        found = [] if why else [self._partition(source, hour) for source in self._sources]
        waiting = [one for one in found if isinstance(one, Waiting)]
        passed = [one for one in found if isinstance(one, Passed)]
        if why or waiting or not passed:
            return HourReport(self.topic, hour, "not yet", marker_path(self.topic, hour), None, why, waiting)
        return Positions(
            pipeline=call.asked.pipeline,
            topic=self.topic,
            topic_id=self._topic_id or "",
            hour=hour,
            lateness_seconds=call.asked.lateness_seconds,
            written_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            partitions={source.partition: one for source, one in zip(self._sources, passed, strict=True)},
        )

    def _why_not_yet(self, hour: Hour) -> str:
        over = hour.end + timedelta(seconds=self.call.asked.lateness_seconds)
        if self.call.now < over:
            return f"it is over at {over.isoformat()}, with its lateness"
        if self.call.cluster.away:
            return self.call.cluster.away
        if self.call.lineage.changing:
            return f"{self.call.lineage.changing} is not finished: any `streamlake run` finishes it"
        return "" if self._sources else "the cluster has no such topic"

    def _partition(self, source: TopicPartition, hour: Hour) -> Passed | Waiting:
        cluster = self.call.cluster
        reach, facts = self._reaches[source], cluster.facts.get(source)
        if reach is None:
            return Waiting(source, "no run has begun with it", end=facts.high if facts else None)
        until_ms = hour.end_ms + round(self.call.asked.lateness_seconds * 1000)
        return reach.passes(until_ms, facts, cluster.ends.get(source), self.call.now)

    @cached_property
    def _landed(self) -> Sequence[TopicPartition]:
        return [source for source in self.call.lineage.sources() if source.topic == self.topic]

    @cached_property
    def _sources(self) -> Sequence[TopicPartition]:
        """Every partition, by the broker and by what has landed."""
        count = self.call.cluster.counts.get(self.topic, 0)
        return sorted({*self._landed, *(TopicPartition(self.topic, number) for number in range(count))})

    @cached_property
    def _reaches(self) -> Mapping[TopicPartition, Reach | None]:
        return {source: reach_of(self.call.lineage, source) for source in self._sources}

    @cached_property
    def _topic_id(self) -> str | None:
        """Of the topic that the live run reads."""
        live = newest_generation(self.call.lineage.runs)
        return live.topic_ids.get(self.topic) if live is not None else None
