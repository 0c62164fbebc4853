"""Who a run is and where each partition starts: resolved once, written to `_runs/`, and never asked again.

Else a death before the first commit would lose what came between, with `start: latest`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog

from streamlake.config.model import PipelineConfig
from streamlake.engine.absent import absent
from streamlake.engine.codes.configuration import NO_TOPIC
from streamlake.engine.contracts import Sink, TopicFacts
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ConfigError, ForeignRootError, StreamLakeError
from streamlake.engine.generations import FIRST, backfilled, backfills, newest_generation
from streamlake.engine.records import TopicPartition

log = structlog.get_logger("streamlake.start")


class Broker(Protocol):
    """What resolving a start needs to know of the cluster."""

    def cluster_id(self) -> str:
        """The id of the Kafka cluster."""

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
        """The id of each topic; None where there is none."""

    def topic_names(self) -> Collection[str]:
        """The topics that this sign-in may see."""

    def partitions(self, topics: Sequence[str]) -> Mapping[str, int]:
        """How many partitions each topic has."""

    def facts(self, sources: Sequence[TopicPartition], group_id: str) -> Mapping[TopicPartition, TopicFacts]:
        """First offset, end and the group's offset of each partition."""

    def offsets_for_time(self, sources: Sequence[TopicPartition], timestamp_ms: int) -> Mapping[TopicPartition, int]:
        """The first offset at or after a time; the end where there is none."""


def register_run(config: PipelineConfig, broker: Broker, sink: Sink) -> RunIdentity:
    """Find or write who the live run is. Raises ForeignRootError (another's root) and ConfigError (no such topic).

    The first one begins behind what backfills have, or are to have: each of them waits for it (`operations/backfill`).
    """
    known = newest_generation(sink.ledger().runs()) if sink.find_run(FIRST) else None
    topic_ids = _topic_ids(config, broker)
    if not known:
        _refuse_strangers(config, sink)
    starts = {} if known else _behind(backfilled(sink.ledger().runs(), topic_ids), resolve_starts(config, broker))
    if not known:
        _ask_whether_the_root_is_new(config, broker, starts)
    return sink.register_run(
        RunIdentity(
            run=known.run if known else FIRST,
            pipeline=config.pipeline,
            group_id=config.kafka.group_id,
            cluster_id=broker.cluster_id(),
            topic_ids=topic_ids,
            starts=starts,
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
    )


def late_starts(config: PipelineConfig, broker: Broker, sink: Sink, run: RunIdentity) -> Mapping[TopicPartition, int]:
    """Of partitions that came after the run had begun: where it begins in those that have a backfill."""
    runs = sink.ledger().runs()
    late = {source for backfill in backfills(runs) for source in backfill.ends if run.start_of(source) is None}
    topics = sorted({source.topic for source in late} & set(config.kafka.topic_names))
    if not topics:
        return {}
    ids = {topic: topic_id for topic, topic_id in broker.topic_ids(topics).items() if topic_id is not None}
    return {source: end for source, end in backfilled(runs, ids).items() if source in late}


def all_partitions(config: PipelineConfig, broker: Broker) -> list[TopicPartition]:
    """Every partition of the pipeline's topics as the broker knows them now."""
    counts = broker.partitions(config.kafka.topic_names)
    return [TopicPartition(topic, number) for topic in sorted(counts) for number in range(counts[topic])]


def resolve_starts(config: PipelineConfig, broker: Broker) -> Mapping[TopicPartition, int]:
    """`kafka.start` as one offset for each partition."""
    sources = all_partitions(config, broker)
    facts = broker.facts(sources, config.kafka.group_id)
    start = config.kafka.start
    if start == "earliest":
        return {source: fact.low for source, fact in facts.items()}
    if start == "latest":
        return {source: fact.high for source, fact in facts.items()}
    if start == "committed":
        return {source: _committed(fact) for source, fact in facts.items()}
    timestamp_ms = config.kafka.start_timestamp_ms
    assert timestamp_ms is not None
    return broker.offsets_for_time(sources, timestamp_ms)


def _refuse_strangers(config: PipelineConfig, sink: Sink) -> None:
    """Raise ForeignRootError where another pipeline has begun a root that has no live run yet, by a backfill."""
    for run in sink.ledger().runs():
        if run.pipeline != config.pipeline:
            raise ForeignRootError(
                f"this root belongs to somebody else: run {run.run} says pipeline {run.pipeline} there, "
                f"{config.pipeline} here. Nothing was claimed. Give this pipeline a root of its own"
            )


def warn_of_missing_dead_letter_topic(config: PipelineConfig, broker: Broker) -> None:
    """Say so now: else nobody knows before the first refused record stops its partition."""
    topic = config.dead_letters.topic
    if topic is None:
        return
    try:
        there = broker.topic_ids([topic.name]).get(topic.name)
    except StreamLakeError:  # who may write to it need not be allowed to ask for it
        return
    if not there:
        log.warning(
            "the dead-letter topic does not exist, and the first refused record will stop its partition",
            topic=topic.name,
            hint=f"`streamlake topics apply {config.words}` makes it",
        )


def _behind(ends: Mapping[TopicPartition, int], starts: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
    """The starts, none before where the backfill of its partition ends."""
    moved = {source: ends[source] for source, start in starts.items() if ends.get(source, 0) > start}
    if moved:
        told = {str(source): offset for source, offset in sorted(moved.items())}
        log.info("the live run begins behind what backfills have", starts=told)
    return {**starts, **moved}


def _ask_whether_the_root_is_new(config: PipelineConfig, broker: Broker, starts: Mapping[TopicPartition, int]) -> None:
    """Say so where the group has come further than a new root begins: a disk that is not mounted looks new, too."""
    facts = broker.facts(sorted(starts), config.kafka.group_id)
    further = {source: fact.group_offset for source, fact in facts.items() if (fact.group_offset or 0) > starts[source]}
    if further:
        log.warning(
            "this root is new, and the group has come further in Kafka than the root begins",
            root=str(config.sink.options.get("root")),
            group_offsets={str(source): offset for source, offset in sorted(further.items())},
            hint="is its disk mounted? If it is meant to be new, all is well: what landed elsewhere lands here, too",
        )


def _committed(facts: TopicFacts) -> int:
    """The group's offset; a partition the group never committed starts at its first offset, so that none is lost."""
    return facts.low if facts.group_offset is None else facts.group_offset


def _topic_ids(config: PipelineConfig, broker: Broker) -> dict[str, str]:
    found = broker.topic_ids(config.kafka.topic_names)
    missing = [topic for topic in config.kafka.topic_names if not found.get(topic)]
    if missing:
        shown, servers = set(broker.topic_names()) - set(config.kafka.topic_names), config.kafka.bootstrap_servers
        said = (f"kafka.topics[{topic}].name: {absent(topic, servers, shown, config.words)}" for topic in missing)
        raise ConfigError(*said, code=NO_TOPIC)
    return {topic: str(found[topic]) for topic in config.kafka.topic_names}
