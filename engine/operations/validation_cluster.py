"""The third step of `streamlake validate`: the broker, the topics, the rights on them, and the storage."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streamlake.config.model import PipelineConfig
from streamlake.engine.absent import absent
from streamlake.engine.contracts import Sink
from streamlake.engine.errors import ConfigError, SourceError, StorageError, StreamLakeError
from streamlake.engine.kafka.admin import TopicSetting, TopicShape

READING = ("DESCRIBE", "READ")
WRITING = ("DESCRIBE", "WRITE")


class RightsBroker(Protocol):
    """What is asked of the cluster. Raises SourceError and, where the sign-in is refused, ConfigError."""

    def cluster_id(self) -> str:
        """The id of the cluster."""

    def topic_names(self) -> Collection[str]:
        """The topics that it shows."""

    def shapes(self, topics: Sequence[str]) -> Mapping[str, TopicShape]:
        """Those of `topics` that exist."""

    def settings(self, topics: Sequence[str]) -> Mapping[str, Mapping[str, TopicSetting]]:
        """Every setting of topics that exist."""

    def topic_rights(self, topic: str) -> frozenset[str]:
        """What may be done with a topic."""

    def group_rights(self, group: str) -> frozenset[str]:
        """What may be done with a group."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic, what has to be allowed on it, and where the YAML names it."""

    name: str
    rights: tuple[str, ...]
    setting: str


@dataclass(slots=True)
class ClusterReport:
    """What was found: problems that begin with the path of their setting, and what a forecast goes by."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reached: bool = False
    partitions: dict[str, int] = field(default_factory=dict)
    """Of the topics that exist."""
    topic_ids: dict[str, str] = field(default_factory=dict)
    cluster_id: str | None = None
    """None where nobody has said it."""
    settings: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Of the topics that may be asked for them (DESCRIBE_CONFIGS)."""


def cluster_report(config: PipelineConfig, broker: RightsBroker, sections: Collection[str]) -> ClusterReport:
    """Ask the cluster for all that the pipeline's readable sections need there; where nobody answers, for no more."""
    report = ClusterReport()
    try:
        shown = broker.topic_names()
        report.cluster_id = broker.cluster_id()
    except ConfigError as error:
        report.problems += [f"kafka.security: {problem}" for problem in error.problems]
        return report
    except SourceError as error:
        report.problems.append(f"kafka.bootstrap_servers: {error}")
        return report
    report.reached = True
    for topic in wanted_topics(config, sections):
        try:
            _ask_about(topic, config, broker, shown, report)
        except StreamLakeError as error:
            report.problems.append(f"{topic.setting}: {error}")
    report.problems += _group_problems(config.kafka.group_id, broker)
    report.warnings += _partition_warnings(config, report.partitions)
    if {"dead_letters", "policies"} <= set(sections):
        report.problems += _dead_letter_problems(config, report)
    return report


def wanted_topics(config: PipelineConfig, sections: Collection[str]) -> list[Wanted]:
    """The topics of those of the pipeline's sections that could be read, each once."""
    found = [Wanted(topic.name, READING, f"kafka.topics[{topic.name}].name") for topic in config.kafka.topics]
    dead = config.dead_letters.topic if "dead_letters" in sections else None
    if dead is not None:
        found.append(Wanted(dead.name, WRITING, "dead_letters.topic.name"))
    http = config.http if "http" in sections else None
    for name, stream in (http.streams if http else {}).items():
        found.append(Wanted(config.topic_of(stream), WRITING, f"http.streams.{name}.topic"))
        if stream.dead_letters is not None:
            found.append(Wanted(stream.dead_letters.topic.name, WRITING, f"http.streams.{name}.dead_letters"))
    return list({(one.name, one.rights): one for one in reversed(found)}.values())[::-1]


def storage_problems(sink: Sink) -> Sequence[str]:
    """What does not work in the sink's storage, in sentences; a sink need not know how to try."""
    probe = getattr(sink, "probe", None)
    try:
        return probe() if probe is not None else ()
    except ConfigError as error:
        return error.problems
    except StorageError as error:
        return [f"sink.root: {error}"]


def _ask_about(
    topic: Wanted, config: PipelineConfig, broker: RightsBroker, shown: Collection[str], report: ClusterReport
) -> None:
    shape = broker.shapes([topic.name]).get(topic.name)
    if shape is None:
        others = set(shown) - set(config.kafka.topic_names)
        dead = "dead_letters" in topic.setting
        said = absent(topic.name, config.kafka.bootstrap_servers, others, config.words, dead_letters=dead)
        report.problems.append(f"{topic.setting}: {said}")
        return
    report.partitions[topic.name] = shape.partitions
    report.topic_ids[topic.name] = shape.topic_id
    missing = [right for right in topic.rights if right not in broker.topic_rights(topic.name)]
    if missing:
        report.problems.append(
            f"{topic.setting}: this user may not {' and '.join(missing)} the topic {topic.name!r}; its owner allows "
            f"it: kafka-acls.sh --add --allow-principal User:… {_operations(missing)} --topic {topic.name}"
        )
    if topic.name in report.settings:
        return
    try:
        settings = broker.settings([topic.name])[topic.name]
    except SourceError as error:
        report.warnings.append(f"{topic.name}: its retention and sizes are not known: {error}")
        return
    report.settings[topic.name] = {name: one.value or "" for name, one in settings.items()}


def _group_problems(group: str, broker: RightsBroker) -> Iterator[str]:
    try:
        missing = [right for right in READING if right not in broker.group_rights(group)]
    except StreamLakeError as error:
        yield f"kafka.group_id: {error}"
        return
    if missing:
        yield (
            f"kafka.group_id: this user may not {' and '.join(missing)} the group {group!r}; its owner allows it: "
            f"kafka-acls.sh --add --allow-principal User:… {_operations(missing)} --group {group}"
        )


def _partition_warnings(config: PipelineConfig, partitions: Mapping[str, int]) -> Iterator[str]:
    """Topics that have not as many as the YAML says: no problem of `run`, which takes those that there are."""
    for topic in config.all_topics:
        found = partitions.get(topic.name)
        if found is None or topic.partitions is None or found == topic.partitions:
            continue
        cure = f"`streamlake topics apply {config.words}` makes the others"
        if topic.partitions < found:
            cure = f"Kafka can't take partitions away: write partitions: {found}, or leave it out"
        yield f"{topic.name}: has {found} partitions, and the YAML says {topic.partitions}; {cure}"


def _operations(rights: Sequence[str]) -> str:
    return " ".join(f"--operation {right.capitalize()}" for right in rights)


def _dead_letter_problems(config: PipelineConfig, report: ClusterReport) -> Iterator[str]:
    """A letter that passes the topic's limit is copied without its value: the largest that may come has to fit."""
    dead = config.dead_letters.topic
    if dead is None or dead.name not in report.settings:
        return
    limit = _size_of(report, dead.name)
    for topic in config.kafka.topic_names:
        largest = min(_size_of(report, topic), config.policies.record_bytes_max)
        if limit < largest:
            yield (
                f"dead_letters.topic: {dead.name} has max.message.bytes {limit:,}, and a record of {topic} may have "
                f"{largest:,}: a refused one would be copied without its value; set "
                f"dead_letters.topic.config.max.message.bytes to {largest + HEADER_ROOM_BYTES} and run "
                f"`streamlake topics apply {config.words}`"
            )
            return


HEADER_ROOM_BYTES = 65_536
"""Room for the error headers beside the record, as in config/examples/orders.yaml."""


def _size_of(report: ClusterReport, topic: str) -> int:
    return int(report.settings.get(topic, {}).get("max.message.bytes", "0") or 0)
