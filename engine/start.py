"""Who a run is and where each partition starts: resolved once, written to `_runs/`, and never asked again.

Else a death before the first commit would lose what came between, with `start: latest`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Sink, TopicFacts
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ConfigError
from streamlake.engine.records import TopicPartition

log = structlog.get_logger("streamlake.start")

LIVE_RUN = "live-1"


class Broker(Protocol):
    """What resolving a start needs to know of the cluster."""

    def cluster_id(self) -> str:
        """The id of the Kafka cluster."""

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
        """The id of each topic; None where there is none."""

    def partitions(self, topics: Sequence[str]) -> Mapping[str, int]:
        """How many partitions each topic has."""

    def facts(self, sources: Sequence[TopicPartition], group_id: str) -> Mapping[TopicPartition, TopicFacts]:
        """First offset, end and the group's offset of each partition."""

    def offsets_for_time(self, sources: Sequence[TopicPartition], timestamp_ms: int) -> Mapping[TopicPartition, int]:
        """The first offset at or after a time; the end where there is none."""


def register_run(config: PipelineConfig, broker: Broker, sink: Sink) -> RunIdentity:
    """Find or write who the live run is. Raises ForeignRootError (another's root) and ConfigError (no such topic)."""
    known = sink.find_run(LIVE_RUN)
    topic_ids = _topic_ids(config, broker)
    starts = {} if known else resolve_starts(config, broker)
    if not known:
        _ask_whether_the_root_is_new(config, broker, starts)
    return sink.register_run(
        RunIdentity(
            run=LIVE_RUN,
            pipeline=config.pipeline,
            group_id=config.kafka.group_id,
            cluster_id=broker.cluster_id(),
            topic_ids=topic_ids,
            starts=starts,
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
    )


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
        raise ConfigError(
            *(
                f"kafka.topics: the cluster at {config.kafka.bootstrap_servers} has no topic {topic!r}; "
                f"`streamlake topics apply {config.path or 'PIPELINE.yaml'}` makes it"
                for topic in missing
            )
        )
    return {topic: str(found[topic]) for topic in config.kafka.topic_names}
