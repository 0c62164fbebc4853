"""Topics as the YAML wants them and as the cluster has them: the difference, and what may be done about it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial

from streamlake.config.model import PipelineConfig, TopicSettings
from streamlake.engine.counted import counted
from streamlake.engine.errors import SourceError
from streamlake.engine.kafka.admin import TopicSetting
from streamlake.engine.kafka.topic_admin import TopicAdmin
from streamlake.engine.records import TopicPartition

VISIBLE_SECONDS_MAX = 30.0

_SHORTENS = {
    "retention.ms": "lowering it deletes what is older",
    "retention.bytes": "lowering it deletes what is beyond",
    "local.retention.ms": "lowering it deletes what is older from the brokers' own disks",
    "local.retention.bytes": "lowering it deletes what is beyond from the brokers' own disks",
}
_REWRITES = {
    "cleanup.policy": "changing it deletes or compacts what is there",
    "remote.storage.enable": "switching it off may delete what lies in the remote storage",
}
"""Settings by which the broker removes records that are there: never touched on a topic that holds any."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the YAML wants it. `refused` says why `apply` leaves it, and what to do by hand."""

    topic: str
    what: str  # "topic", "partitions", "replication_factor" or the name of a setting
    wanted: str
    found: str
    refused: str = ""


@dataclass(frozen=True, slots=True)
class TopicReport:
    """A topic as the cluster has it; all but `name` and `role` are empty where it does not exist."""

    name: str
    role: str  # "source" or "dead letters"
    exists: bool
    topic_id: str = ""
    partitions: int = 0
    replication_factor: int = 0
    offsets: int = 0  # between the first and the last one, all partitions together
    settings: Mapping[str, str] | None = None  # those that were set on the topic itself


def diff_topics(config: PipelineConfig, admin: TopicAdmin) -> list[Difference]:
    """What is not as the YAML wants it; what the YAML leaves out is not compared. Raises SourceError."""
    shapes = admin.shapes(topic.name for topic in config.all_topics)
    settings = admin.settings(shapes)
    found: list[Difference] = []
    for topic in config.all_topics:
        if topic.name not in shapes:
            found.append(Difference(topic.name, "topic", _summary(topic), "missing"))
            continue
        shape = shapes[topic.name]
        found += _partition_differences(topic, shape.partitions)
        found += _replication_differences(topic, shape.replication_factor)
        empty = partial(_is_empty, admin, topic.name, shape.partitions)
        found += _setting_differences(topic, settings[topic.name], empty)
    return found


def apply_topics(config: PipelineConfig, admin: TopicAdmin) -> tuple[list[Difference], list[Difference]]:
    """Make the topics as the YAML wants them: what was done, and what was left because it may not be done.

    Creates topics, adds partitions, changes settings. Never shrinks, deletes or rewrites data. Returns once the
    cluster shows the new topics. Raises SourceError at the first order that the cluster refuses.
    """
    topics = {topic.name: topic for topic in config.all_topics}
    done: list[Difference] = []
    left: list[Difference] = []
    for change in diff_topics(config, admin):
        if change.refused:
            left.append(change)
            continue
        topic = topics[change.topic]
        if change.what == "topic":
            admin.create_topic(topic.name, topic.partitions, topic.replication_factor, topic.config)
        elif change.what == "partitions":
            admin.grow_topic(topic.name, int(change.wanted))
        else:
            admin.alter_topic(topic.name, {change.what: change.wanted})
        done.append(change)
    _wait_until_visible([topics[change.topic] for change in done], admin)
    return done, left


def describe_topics(config: PipelineConfig, admin: TopicAdmin) -> list[TopicReport]:
    """The pipeline's topics as the cluster has them. Raises SourceError."""
    shapes = admin.shapes(topic.name for topic in config.all_topics)
    settings = admin.settings(shapes)
    reports: list[TopicReport] = []
    for topic in config.all_topics:
        role = "source" if topic.name in config.kafka.topic_names else "dead letters"
        shape = shapes.get(topic.name)
        if shape is None:
            reports.append(TopicReport(topic.name, role, exists=False))
            continue
        own = {key: each.value or "" for key, each in sorted(settings[topic.name].items()) if each.own}
        offsets = _offsets(admin, topic.name, shape.partitions)
        reports.append(
            TopicReport(
                topic.name, role, True, shape.topic_id, shape.partitions, shape.replication_factor, offsets, own
            )
        )
    return reports


def _partition_differences(topic: TopicSettings, found: int) -> Iterator[Difference]:
    wanted = topic.partitions
    if wanted is None or wanted == found:
        return
    refused = ""
    if wanted < found:
        refused = f"Kafka can't take partitions away: write partitions: {found}, or name a new topic"
    yield Difference(topic.name, "partitions", str(wanted), str(found), refused)


def _replication_differences(topic: TopicSettings, found: int) -> Iterator[Difference]:
    wanted = topic.replication_factor
    if wanted is not None and wanted != found:
        refused = "moving replicas is the brokers' work: kafka-reassign-partitions.sh does it"
        yield Difference(topic.name, "replication_factor", str(wanted), str(found), refused)


def _setting_differences(
    topic: TopicSettings, found: Mapping[str, TopicSetting], empty: Callable[[], bool]
) -> Iterator[Difference]:
    for name, wanted in topic.config.items():
        if name not in found:
            near = get_close_matches(name, found, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield Difference(topic.name, name, wanted, "unknown", f"the cluster knows no such setting{hint}")
            continue
        value = found[name].value or ""
        if not same_setting(wanted, value):
            refused = _why_refused(topic.name, name, wanted, value)
            yield Difference(topic.name, name, wanted, value, "" if refused and empty() else refused)


def _why_refused(topic: str, name: str, wanted: str, found: str) -> str:
    why = _REWRITES.get(name, "")
    if name in _SHORTENS and _endless(wanted) >= 0 and (_endless(found) < 0 or _endless(wanted) < _endless(found)):
        why = _SHORTENS[name]
    if not why:
        return ""
    by_hand = f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {name}={wanted}"
    return f"{why}, and apply never does; if that is what you want: {by_hand}"


def _endless(value: str) -> float:
    """A limit as a number, negative for none; what is no number counts as the smallest limit."""
    number = _number(value)
    return 0.0 if number is None else number


def same_setting(wanted: str, found: str) -> bool:
    """Whether two spellings mean the same: `0.50` and `0.5`, `compact, delete` and `delete,compact`."""
    if wanted == found:
        return True
    left, right = _number(wanted), _number(found)
    if left is not None and right is not None:
        return left == right
    return {part.strip() for part in wanted.split(",")} == {part.strip() for part in found.split(",")}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_empty(admin: TopicAdmin, topic: str, partitions: int) -> bool:
    return _offsets(admin, topic, partitions) == 0


def _offsets(admin: TopicAdmin, topic: str, partitions: int) -> int:
    marks = admin.watermarks(TopicPartition(topic, number) for number in range(partitions))
    return sum(high - low for low, high in marks.values())


def _wait_until_visible(topics: Sequence[TopicSettings], admin: TopicAdmin) -> None:
    """A topic is made before every broker knows of it: the next command shall find it."""
    deadline = time.monotonic() + VISIBLE_SECONDS_MAX
    while True:
        counts = admin.partitions(topic.name for topic in topics)
        absent = [topic.name for topic in topics if counts.get(topic.name, 0) < (topic.partitions or 1)]
        if not absent:
            return
        if time.monotonic() > deadline:
            names = ", ".join(absent)
            raise SourceError(f"made, but not shown by the cluster after {VISIBLE_SECONDS_MAX:g} s: {names}")
        time.sleep(0.1)


def _summary(topic: TopicSettings) -> str:
    return "the broker's default of partitions" if topic.partitions is None else counted(topic.partitions, "partition")
