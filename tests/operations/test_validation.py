"""The steps of `streamlake validate` behind the YAML: the cluster's answers, the storage, and the forecast."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.source import ROOT
from support.yaml_file import SMALL, YamlFile

from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import ConfigError, SourceError, StorageError
from streamlake.engine.kafka.admin import TopicSetting, TopicShape
from streamlake.engine.machine import memory_bytes
from streamlake.engine.operations.forecast import WORKER_BYTES, Forecast, forecast
from streamlake.engine.operations.validation_cluster import cluster_report, storage_problems
from streamlake.engine.records import TopicPartition
from streamlake.plugins.sinks.file.sink import FileSink

ALL = frozenset({"READ", "WRITE", "DESCRIBE"})
SECTIONS = frozenset(PipelineConfig.model_fields)


@dataclass
class Cluster:
    """What a cluster would answer; all is well unless it is told otherwise."""

    topics: dict[str, dict[str, str]] = field(
        default_factory=lambda: {
            name: {"max.message.bytes": "1048588"} for name in ("order.raw", "order.late", "orders.dlq")
        }
    )
    rights: Mapping[str, frozenset[str]] = field(default_factory=dict)
    group: frozenset[str] = ALL
    away: Exception | None = None

    def cluster_id(self) -> str:
        return "cluster-1"

    def topic_names(self) -> Collection[str]:
        if self.away is not None:
            raise self.away
        return list(self.topics)

    def shapes(self, topics: Sequence[str]) -> Mapping[str, TopicShape]:
        return {name: TopicShape(name, "id", 4, 1) for name in topics if name in self.topics}

    def settings(self, topics: Sequence[str]) -> Mapping[str, Mapping[str, TopicSetting]]:
        if "READ_CONFIGS" in self.rights.get(topics[0], {"READ_CONFIGS"}):
            return {
                name: {key: TopicSetting(value, own=True) for key, value in self.topics[name].items()}
                for name in topics
            }
        raise SourceError("Kafka says TOPIC_AUTHORIZATION_FAILED")

    def topic_rights(self, topic: str) -> frozenset[str]:
        return self.rights.get(topic, ALL)

    def group_rights(self, group: str) -> frozenset[str]:
        assert group == "streamlake.orders"
        return self.group


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    return YamlFile(tmp_path).load()


def problems(config: PipelineConfig, cluster: Cluster) -> list[str]:
    return cluster_report(config, cluster, SECTIONS).problems


def test_a_cluster_that_has_all_is_no_problem(config: PipelineConfig) -> None:
    report = cluster_report(config, Cluster(), SECTIONS)
    assert (report.problems, report.warnings, report.reached) == ([], [], True)
    assert report.partitions == {"order.raw": 4, "order.late": 4, "orders.dlq": 4}


def test_a_topic_that_is_not_there_is_told_with_the_nearest_and_the_command(config: PipelineConfig) -> None:
    cluster = Cluster()
    cluster.topics["order.raws"] = cluster.topics.pop("order.raw")
    del cluster.topics["orders.dlq"]
    source, dead = problems(config, cluster)
    assert source == (
        "kafka.topics[order.raw].name: the cluster at 127.0.0.1:9092 has no topic 'order.raw'; did you mean "
        f"order.raws? `streamlake topics apply {config.files}` makes it"
    )
    assert dead.startswith("dead_letters.topic.name: the cluster at 127.0.0.1:9092 has no topic 'orders.dlq'; ")


def test_a_topic_that_the_pipeline_reads_is_not_what_was_meant_for_its_dead_letters(tmp_path: Path) -> None:
    config = YamlFile(tmp_path).load(SMALL, "dead_letters.topic.name=order.raw.dlq")
    cluster = Cluster()
    del cluster.topics["orders.dlq"]
    cluster.topics["order.rawdata"] = {}  # nor is data of somebody else
    (dead,) = problems(config, cluster)
    assert dead == (
        "dead_letters.topic.name: the cluster at 127.0.0.1:9092 has no topic 'order.raw.dlq'; "
        f"`streamlake topics apply {config.files} --set dead_letters.topic.name=order.raw.dlq` makes it"
    )
    cluster.topics["order-raw-dlq"] = {}
    assert "has no topic 'order.raw.dlq'; did you mean order-raw-dlq? `" in problems(config, cluster)[0]


def test_the_command_that_makes_a_topic_has_the_sets_that_were_given(tmp_path: Path) -> None:
    config = YamlFile(tmp_path).load(SMALL, "kafka.topics[order.raw].config={retention.ms: 5}", "pipeline=x")
    cluster = Cluster()
    del cluster.topics["orders.dlq"]
    (dead,) = problems(config, cluster)
    sets = "--set 'kafka.topics[order.raw].config={retention.ms: 5}' --set pipeline=x"
    assert dead.endswith(f"`streamlake topics apply {config.files} {sets}` makes it")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [(4, None), (9, "`streamlake topics apply"), (3, "write partitions: 4, or leave it out")],
)
def test_partitions_that_are_not_those_of_the_yaml_are_a_warning(tmp_path: Path, wanted: int, said: str | None) -> None:
    config = YamlFile(tmp_path).load(SMALL, f"kafka.topics[order.late].partitions={wanted}")
    report = cluster_report(config, Cluster(), SECTIONS)
    assert report.problems == []
    if said is None:
        assert report.warnings == []
    else:
        (warning,) = report.warnings
        assert warning.startswith(f"order.late: has 4 partitions, and the YAML says {wanted}; ")
        assert said in warning


def test_each_right_that_is_missing_is_told_with_what_gives_it(config: PipelineConfig) -> None:
    read, write = frozenset({"DESCRIBE", "WRITE"}), frozenset({"READ", "READ_CONFIGS"})
    found = problems(config, Cluster(rights={"order.late": read, "orders.dlq": write}, group=frozenset({"DESCRIBE"})))
    assert [problem.partition("; ")[0] for problem in found] == [
        "kafka.topics[order.late].name: this user may not READ the topic 'order.late'",
        "dead_letters.topic.name: this user may not DESCRIBE and WRITE the topic 'orders.dlq'",
        "kafka.group_id: this user may not READ the group 'streamlake.orders'",
    ]
    assert "--operation Describe --operation Write --topic orders.dlq" in found[1]


def test_settings_that_may_not_be_asked_for_are_a_warning(config: PipelineConfig) -> None:
    report = cluster_report(config, Cluster(rights={"order.raw": ALL}), SECTIONS)
    assert report.problems == []
    assert report.warnings == [
        "order.raw: its retention and sizes are not known: Kafka says TOPIC_AUTHORIZATION_FAILED"
    ]


def test_a_dead_letter_topic_into_which_a_record_does_not_fit_is_told(config: PipelineConfig) -> None:
    cluster = Cluster()
    cluster.topics["orders.dlq"]["max.message.bytes"] = "1048575"
    (found,) = problems(config, cluster)
    assert found.startswith(
        "dead_letters.topic: orders.dlq has max.message.bytes 1,048,575, and a record of order.raw "
    )
    assert "set dead_letters.topic.config.max.message.bytes to 1114112" in found
    cluster.topics["orders.dlq"]["max.message.bytes"] = "1048576"
    assert problems(config, cluster) == []


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        (SourceError("no answer from k:1"), "kafka.bootstrap_servers"),
        (ConfigError("sign-in refused"), "kafka.security"),
    ],
)
def test_a_cluster_that_is_away_is_asked_nothing_more(config: PipelineConfig, error: Exception, setting: str) -> None:
    report = cluster_report(config, Cluster(away=error), SECTIONS)
    assert (report.problems, report.reached) == ([f"{setting}: {error}"], False)


def test_what_could_not_be_read_is_not_asked_about(config: PipelineConfig) -> None:
    cluster = Cluster()
    cluster.topics["orders.dlq"]["max.message.bytes"] = "5"
    assert len(problems(config, cluster)) == 1
    assert cluster_report(config, cluster, SECTIONS - {"policies"}).problems == []
    del cluster.topics["orders.dlq"]
    assert cluster_report(config, cluster, SECTIONS - {"dead_letters"}).problems == []


def test_a_root_that_can_not_be_written_to_is_told(tmp_path: Path) -> None:
    root = tmp_path / "lake"
    sink = FileSink.from_options({"root": str(root)}, base_dir=tmp_path)
    assert storage_problems(sink) == ()
    assert not root.exists(), "nothing was made"
    (found,) = storage_problems(FileSink.from_options({"root": "/proc/1/lake"}, base_dir=tmp_path))
    assert found.startswith("sink.root: /proc/1/lake can't be written to, a file in /proc/1: ")
    (tmp_path / "file").write_text("")
    (found,) = storage_problems(FileSink.from_options({"root": str(tmp_path / "file")}, base_dir=tmp_path))
    assert found.endswith("file is a file, not a folder")


def test_a_storage_that_does_not_answer_is_told(tmp_path: Path) -> None:
    class Away:
        def probe(self) -> Sequence[str]:
            raise StorageError("no answer")

    assert storage_problems(Away()) == ["sink.root: no answer"]  # type: ignore[arg-type]  # no more of it is used


# The forecast

ROOMY = (64 * 2**30, "the machine's memory")


def of(folder: Path, *overrides: str, landed: int | None = None, **settings: str) -> Forecast:
    """The forecast of SMALL with two topics of four partitions, each of which got `landed` records in the last day."""
    config = YamlFile(folder).load(SMALL, *overrides)
    counts = {"order.raw": 4, "order.late": 4}
    rows = None if landed is None else {TopicPartition(name, n): landed for name in counts for n in range(4)}
    given = {name.replace("_", "."): value for name, value in settings.items()}
    topic = {"order.raw": {"cleanup.policy": "delete", **given}} if given else {}
    return forecast(config, counts, topic, rows, ROOMY)


def test_files_follow_the_limit_that_closes_a_batch_first(tmp_path: Path) -> None:
    by_time = of(tmp_path, landed=1_440_000)
    assert (by_time.files_a_day, by_time.rows_a_file, by_time.records_a_day) == (8 * 1440, 1000, 8 * 1_440_000)
    by_rows = of(tmp_path, "batch.rows_max=100", landed=1_440_000)
    assert (by_rows.files_a_day, by_rows.rows_a_file) == (8 * 14_400, 100)
    few = of(tmp_path, landed=5)
    assert (few.files_a_day, few.rows_a_file) == (40, 1)
    assert (of(tmp_path, landed=0).files_a_day, of(tmp_path).files_a_day) == (0, 8 * 1440)


def test_without_partitions_nothing_is_made_up(tmp_path: Path) -> None:
    made = forecast(YamlFile(tmp_path).load(), {}, {}, None, ROOMY)
    assert (made.partitions, made.files_a_day, made.workers) == (None, None, 64)


def test_too_many_and_too_small_files_are_warned_of_with_the_limit(tmp_path: Path) -> None:
    (many,) = of(tmp_path, "batch.seconds_max=10").warnings
    assert many.startswith("up to 69,120 files a day are more than 50,000, ")
    (small,) = of(tmp_path, landed=14_400).warnings
    assert small == (
        "files of 10 rows are small, below 1,000: where records come evenly, a reader opens 11,520 of them a day; "
        "raise batch.seconds_max (60 s)"
    )
    assert of(tmp_path, landed=14_400_000).warnings == []


def test_small_files_of_a_slow_topic_are_warned_of_once_they_are_more_than_one_an_hour(tmp_path: Path) -> None:
    (slow,) = of(tmp_path, landed=100).warnings
    assert slow.startswith("files of 1 row are small, below 1,000: ")
    assert of(tmp_path, landed=24).warnings == []
    assert of(tmp_path, "batch.seconds_max=1h", landed=100).warnings == []


def test_memory_is_compared_with_the_machine_s(tmp_path: Path) -> None:
    config = YamlFile(tmp_path).load()
    most = 8 * (WORKER_BYTES + 3 * 128 * 2**20)
    counts = {"order.raw": 4, "order.late": 4}
    enough = forecast(config, counts, {}, None, (most, "the cgroup's limit"))
    assert (enough.memory_bytes, enough.memory_bytes_max, enough.warnings) == (8 * WORKER_BYTES, most, [])
    (warning,) = forecast(config, counts, {}, None, (most - 1, "the cgroup's limit")).warnings
    assert warning.startswith(
        "8 workers may take 3,976 MiB where a whole batch of each is refused, more than the cgroup's"
    )


def test_a_worker_s_memory_is_the_one_that_the_benchmark_has_measured() -> None:
    mib = f"{WORKER_BYTES // 2**20} MiB"
    measured = f"\n| largest worker, peak PSS (at the default batch) | {mib} |"
    for page, said in (("performance.md", measured), ("operations.md", f"measured for one ({mib},")):
        assert said in (ROOT / "docs" / page).read_text(), page


def test_fewer_workers_than_partitions_are_warned_of(tmp_path: Path) -> None:
    (warning,) = of(tmp_path, "workers.max=7").warnings
    assert warning.startswith("workers.max 7 is less than the 8 partitions")


def test_a_retention_that_is_short_beside_a_batch_or_the_alarm_is_warned_of(tmp_path: Path) -> None:
    batch, alarm = of(tmp_path, retention_ms="3599999").warnings
    assert "less than 60 batches of batch.seconds_max (60 s)" in batch
    assert "no longer than alarms.retention_seconds_left_min (3600 s)" in alarm
    assert of(tmp_path, retention_ms="3600001").warnings == []
    assert of(tmp_path, retention_ms="-1").warnings == []


def test_the_memory_of_a_container_is_its_own(tmp_path: Path) -> None:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (cgroups / "pod" / "box").mkdir(parents=True)
    whole, whose = memory_bytes(proc, cgroups)
    assert whose == "the machine's memory"
    (proc / "self" / "cgroup").write_text("0::/pod/box\n")
    (cgroups / "pod" / "box" / "memory.max").write_text("max\n")
    assert memory_bytes(proc, cgroups) == (whole, whose)
    (cgroups / "pod" / "memory.max").write_text("1048576\n")
    assert memory_bytes(proc, cgroups) == (1_048_576, "the cgroup's limit")
    (proc / "self" / "cgroup").write_text("9:cpu:/x\n4:memory:/pod\n")
    (cgroups / "memory" / "pod").mkdir(parents=True)
    (cgroups / "memory" / "pod" / "memory.limit_in_bytes").write_text("2097152\n")
    (cgroups / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert memory_bytes(proc, cgroups) == (2_097_152, "the cgroup's limit")
