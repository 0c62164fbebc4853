"""Questions to a Kafka cluster: ids, partitions and offsets of topics; every call is bounded in time."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, TopicCollection
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs forget to export them
    ConfigResource,
    ConfigSource,
    OffsetSpec,
    ResourceType,
)

from streamlake.engine.contracts import Beat, TopicFacts
from streamlake.engine.kafka.asking import ClusterClient
from streamlake.engine.kafka.explain import Properties, explain
from streamlake.engine.kafka.group_offsets import GroupOffsets
from streamlake.engine.records import TopicPartition
from streamlake.engine.retention import RetentionRules

_EARLIEST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]

_ASKING_OFFSETS = "asking for offsets"
_AGAIN_SECONDS = 0.1
_INCOMPLETE_SECONDS = 1.0
"""How long a partition without a leader holds the others up, where an incomplete answer will do."""
_AS_KAFKA_WRITES = str.maketrans("+/", "-_")
"""Kafka's tools show an id in the URL's base64, librdkafka in the other one."""
PROBE_SECONDS = 6.0
_LEADERLESS = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._NOENT,  # noqa: SLF001  # "No leaders found"
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001  # librdkafka's own
        KafkaError._TIMED_OUT,  # noqa: SLF001  # the leader is away, and nobody has taken over yet
    }
)
"""Of a partition that exists: its leader moves, or is so new that it does not know yet."""


@dataclass(frozen=True, slots=True)
class TopicShape:
    """A topic as the cluster has it."""

    name: str
    topic_id: str
    partitions: int
    replication_factor: int


@dataclass(frozen=True, slots=True)
class TopicSetting:
    """One setting of a topic: its value (None when secret), and whether it was set on the topic itself."""

    value: str | None
    own: bool


class ClusterAdmin(ClusterClient):
    """Questions to one cluster; it changes nothing. Not for use by several threads at once.

    Every method raises SourceError when the cluster does not answer within `timeout_seconds` or refuses, and
    ConfigError when the sign-in is refused.
    """

    def __init__(self, properties: Properties, *, timeout_seconds: float = 30.0, beat: Beat = lambda: None) -> None:
        super().__init__(properties, timeout_seconds=timeout_seconds, beat=beat)
        self._properties = properties
        self._groups: dict[str, GroupOffsets] = {}

    def cluster_id(self) -> str:
        """The cluster's own id."""
        doing = "asking for the cluster id"
        future = self._ask(doing, lambda: self._client.describe_cluster(**self._bounded()))
        return str(self._result(doing, future).cluster_id)

    def topic_names(self) -> list[str]:
        """The names of all topics that this sign-in may see, without Kafka's own."""
        doing = "asking for the names of all topics"
        found = self._ask(doing, lambda: self._client.list_topics(timeout=self._timeout))
        return sorted(name for name in found.topics if not name.startswith("__"))

    def shapes(self, topics: Iterable[str], seconds: float | None = None) -> dict[str, TopicShape]:
        """Id, partitions and replication factor of those of `topics` that exist; asked for so long, if not as usual."""
        names = sorted(set(topics))
        if not names:
            return {}
        doing = f"asking for the topic{'s' * (len(names) > 1)} {', '.join(names)}"
        bounded = {"request_timeout": seconds or self._timeout}
        futures = self._ask(doing, lambda: self._client.describe_topics(TopicCollection(names), **bounded))
        found: dict[str, TopicShape] = {}
        for name, description in self._known(doing, futures).items():
            replicas = max((len(partition.replicas) for partition in description.partitions), default=0)
            topic_id = str(description.topic_id).translate(_AS_KAFKA_WRITES)
            found[name] = TopicShape(name, topic_id, len(description.partitions), replicas)
        return found

    def settings(self, topics: Iterable[str]) -> dict[str, dict[str, TopicSetting]]:
        """Every setting of each of `topics`; all of them must exist."""
        names = sorted(set(topics))
        doing = f"asking for the settings of {', '.join(names)}"
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not names:
            return {}
        futures = self._ask(doing, lambda: self._client.describe_configs(resources, **self._bounded()))
        answers = {resource.name: self._result(doing, future) for resource, future in futures.items()}
        own = {ConfigSource.DYNAMIC_TOPIC_CONFIG, ConfigSource.DYNAMIC_TOPIC_CONFIG.value}  # enum or number, by version
        return {
            name: {key: TopicSetting(entry.value, entry.source in own) for key, entry in answers[name].items()}
            for name in names
        }

    def retention(self, topics: Collection[str]) -> dict[str, RetentionRules]:
        """By what the records of each topic that exists are deleted; asks for `DescribeConfigs` on it."""
        settings = self.settings(self.shapes(topics))
        return {
            name: RetentionRules.of({key: one.value or "" for key, one in found.items()})
            for name, found in settings.items()
        }

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """The id of each of `topics` that exists; a topic made anew has another one."""
        return {name: shape.topic_id for name, shape in self.shapes(topics).items()}

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """How many partitions each of `topics` has that exists."""
        return {name: shape.partitions for name, shape in self.shapes(topics).items()}

    def facts(
        self, sources: Iterable[TopicPartition], group_id: str | None, *, incomplete: bool = False
    ) -> dict[TopicPartition, TopicFacts]:
        """What the cluster says of each partition right now; partitions that it does not know are left out.

        A partition whose leader gives no answer in time is a SourceError; with `incomplete` a second is enough of
        waiting, and it is left out. `high`
        is the last stable offset: the end for a reader of committed records. `asked_at` is taken before the first
        question. With `incomplete` and without a group, when nobody waits for the answer, a broker that gives none is
        given up after PROBE_SECONDS.
        """
        wanted = sorted(set(sources))
        if not wanted:
            return {}
        asked_at = time.monotonic()
        shapes = self.shapes(
            (source.topic for source in wanted), PROBE_SECONDS if incomplete and group_id is None else None
        )
        seconds = min(_INCOMPLETE_SECONDS, self._timeout) if incomplete else self._timeout
        (low, high), unanswered = self._offsets(wanted, (_EARLIEST, _LATEST), seconds)
        if not incomplete:
            self._raise_first(unanswered, "asking for the first and last offset of")
        committed = self._committed(group_id, wanted) if group_id is not None else {}
        return {
            source: TopicFacts(
                shapes[source.topic].topic_id, low[source], high[source], committed.get(source), asked_at
            )
            for source in wanted
            if source.topic in shapes and source in low and source in high
        }

    def watermarks(self, sources: Iterable[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
        """First offset and end (last stable offset) of each partition that the cluster knows."""
        (low, high), unanswered = self._offsets(sorted(set(sources)), (_EARLIEST, _LATEST), self._timeout)
        self._raise_first(unanswered, "asking for the first and last offset of")
        return {source: (first, high[source]) for source, first in low.items()}

    def offsets_for_time(self, sources: Iterable[TopicPartition], timestamp_ms: int) -> dict[TopicPartition, int]:
        """The first offset of each partition whose record is of `timestamp_ms` or later; the end where none is.

        The end is asked for first, so that a record arriving in between is never passed over.
        """
        wanted = sorted(set(sources))
        (ends,), unanswered = self._offsets(wanted, (_LATEST,), self._timeout)
        (found,), unanswered_too = self._offsets(wanted, (OffsetSpec.for_timestamp(timestamp_ms),), self._timeout)
        self._raise_first(unanswered | unanswered_too, f"asking for the offset at {timestamp_ms} ms of")
        return {source: found[source] if found[source] >= 0 else end for source, end in ends.items()}

    def first_at(self, times_ms: Mapping[TopicPartition, int]) -> dict[TopicPartition, tuple[int, int]]:
        """Of each partition the first record of that time or later: offset and timestamp.

        Left out where there is none, and where no leader answers.
        """
        wanted = {KafkaPartition(s.topic, s.partition): OffsetSpec.for_timestamp(ms) for s, ms in times_ms.items()}
        found: dict[TopicPartition, tuple[int, int]] = {}
        for source, answer in self._answered(self._listed(wanted, self._timeout)):
            if answer.offset >= 0:
                found[source] = (answer.offset, answer.timestamp)
        return found

    def ends(self, sources: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The end of what was written to each partition, of transactions that are not decided yet, too.

        Left out where no leader answers.
        """
        wanted = {KafkaPartition(source.topic, source.partition): _LATEST for source in sources}
        asked = self._listed(wanted, self._timeout, IsolationLevel.READ_UNCOMMITTED)
        return {source: answer.offset for source, answer in self._answered(asked)}

    def _answered(self, asked: Mapping[Any, "Future[Any]"]) -> Iterator[tuple[TopicPartition, Any]]:
        for place, future in asked.items():
            answer = self._result_or_error(_ASKING_OFFSETS, future, _LEADERLESS)
            if not isinstance(answer, KafkaError):
                yield TopicPartition(place.topic, place.partition), answer

    def _offsets(
        self, sources: Sequence[TopicPartition], specs: Sequence[OffsetSpec], seconds: float
    ) -> tuple[list[dict[TopicPartition, int]], dict[TopicPartition, KafkaError]]:
        """For each of `specs` the offsets of the partitions that exist; and who was not answered in time, and why.

        A new topic has no leaders for a moment, and one that moves neither: they are asked again until the time-out.
        """
        found: list[dict[TopicPartition, int]] = [{} for _ in specs]
        deadline = time.monotonic() + seconds
        unanswered: dict[TopicPartition, KafkaError] = {}
        while True:
            counts = self.partitions(source.topic for source in sources)
            known = [source for source in sources if source.partition < counts.get(source.topic, 0)]
            unanswered = {}
            for spec, offsets in zip(specs, found, strict=True):
                asked = self._offsets_asked([source for source in known if source not in offsets], spec, seconds)
                for place, future in asked.items():
                    source = TopicPartition(place.topic, place.partition)
                    answer = self._result_or_error(_ASKING_OFFSETS, future, _LEADERLESS)
                    if isinstance(answer, KafkaError):
                        unanswered[source] = answer
                    else:
                        offsets[source] = answer.offset
            if not unanswered or time.monotonic() > deadline:
                return [
                    {source: offsets[source] for source in known if source in offsets} for offsets in found
                ], unanswered
            time.sleep(_AGAIN_SECONDS)

    def _offsets_asked(
        self, sources: Sequence[TopicPartition], spec: OffsetSpec, seconds: float
    ) -> dict[Any, "Future[Any]"]:
        return self._listed({KafkaPartition(source.topic, source.partition): spec for source in sources}, seconds)

    def _listed(
        self,
        wanted: Mapping[Any, OffsetSpec],
        seconds: float,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
    ) -> dict[Any, "Future[Any]"]:
        if not wanted:
            return {}
        return self._ask(
            _ASKING_OFFSETS,
            lambda: self._client.list_offsets(dict(wanted), isolation_level=isolation, request_timeout=seconds),
        )

    def _raise_first(self, unanswered: Mapping[TopicPartition, KafkaError], doing: str) -> None:
        for source, error in unanswered.items():
            raise explain(error, f"{doing} {source}", self._servers)

    def _committed(self, group_id: str, sources: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """What the group has committed; partitions without a committed offset are left out."""
        if group_id not in self._groups:
            self._groups[group_id] = GroupOffsets(self._properties, group_id)
        doing = f"asking for the offsets of the group {group_id}"
        return self._groups[group_id].committed(
            sources, self._timeout, lambda error: explain(error, doing, self._servers)
        )
