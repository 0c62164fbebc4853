"""What is said before anything is claimed: of topics that are missing, and of a root that somebody else has begun."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.yaml_file import SMALL, YamlFile

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import TopicFacts
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ConfigError, ForeignRootError, SourceError
from streamlake.engine.records import TopicPartition
from streamlake.engine.start import register_run, warn_of_missing_dead_letter_topic
from streamlake.engine.worker_main import make_sink


@dataclass
class Broker:
    """A cluster with these topics, empty ones."""

    topics: Collection[str] = ("order.raw", "order.late", "orders.dlq")
    refuses: bool = False

    def cluster_id(self) -> str:
        return "cluster-1"

    def topic_names(self) -> Collection[str]:
        return self.topics

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
        if self.refuses:
            raise SourceError("Kafka says TOPIC_AUTHORIZATION_FAILED")
        return {name: f"id-of-{name}" for name in topics if name in self.topics}

    def partitions(self, topics: Sequence[str]) -> Mapping[str, int]:
        return dict.fromkeys(topics, 1)

    def facts(self, sources: Sequence[TopicPartition], group_id: str) -> Mapping[TopicPartition, TopicFacts]:
        assert group_id
        return {source: TopicFacts(f"id-of-{source.topic}", 0, 0, None, 0) for source in sources}

    def offsets_for_time(self, sources: Sequence[TopicPartition], timestamp_ms: int) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(sources, timestamp_ms)


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    return YamlFile(tmp_path).load(SMALL, f"sink.root={tmp_path}/lake", "pipeline=orders")


def test_a_topic_that_is_missing_is_told_with_the_nearest_one_and_the_command(config: PipelineConfig) -> None:
    with pytest.raises(ConfigError) as caught:
        register_run(config, Broker(("order.raw", "order.latest")), make_sink(config))
    (said,) = caught.value.problems
    assert caught.value.code.number == "SL0102"
    assert said == (
        "kafka.topics[order.late].name: the cluster at 127.0.0.1:9092 has no topic 'order.late'; did you mean "
        f"order.latest? `streamlake topics apply {config.words}` makes it"
    )


def test_a_root_that_another_one_has_begun_by_a_backfill_is_refused(config: PipelineConfig) -> None:
    source = TopicPartition("order.raw", 0)
    mine = RunIdentity(
        "backfill-1", "orders", "x", "cluster-1", {"order.raw": "old"}, {source: 0}, "2026-01-31T06:00:00Z", {source: 5}
    )
    make_sink(config).register_run(replace(mine, run="backfill-2", pipeline="payments"))
    with pytest.raises(ForeignRootError, match="run backfill-2 says pipeline payments there, orders here"):
        register_run(config, Broker(), make_sink(config))
    assert make_sink(config).find_run("live-1") is None


def test_a_dead_letter_topic_that_is_missing_is_told_at_the_start(config: PipelineConfig) -> None:
    with capture_logs() as logs:
        warn_of_missing_dead_letter_topic(config, Broker(("order.raw", "order.late")))
    (line,) = logs
    assert (line["log_level"], line["topic"]) == ("warning", "orders.dlq")
    assert line["hint"] == f"`streamlake topics apply {config.words}` makes it"


def test_one_that_is_there_or_may_not_be_asked_for_is_not(config: PipelineConfig, tmp_path: Path) -> None:
    without = YamlFile(tmp_path).load(SMALL.replace("dead_letters", "# dead_letters"), "validator.type=none")
    with capture_logs() as logs:
        warn_of_missing_dead_letter_topic(config, Broker())
        warn_of_missing_dead_letter_topic(config, Broker(refuses=True))
        warn_of_missing_dead_letter_topic(without, Broker(()))
    assert logs == []
