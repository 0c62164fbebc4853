"""Topics on a real Kafka: made, grown, set, compared; what would cost data is never done."""

import time

import pytest
from support.broker import admin_of, everything_in, pipeline_on, unique
from support.shared import SharedKafka
from support.topics import make_topic

from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import ConfigError, SourceError
from streamlake.engine.kafka.admin import ClusterAdmin
from streamlake.engine.kafka.producer import RecordProducer
from streamlake.engine.kafka.settings import admin_properties, producer_properties
from streamlake.engine.operations.topics import (
    Difference,
    apply_topics,
    describe_topics,
    diff_topics,
    same_setting,
)
from streamlake.engine.records import TopicPartition


def with_topic(pipeline: PipelineConfig, **settings: object) -> PipelineConfig:
    """The same pipeline with other settings of the topic it reads."""
    (topic,) = pipeline.kafka.topics
    tree = pipeline.model_dump()
    tree["kafka"]["topics"] = [{"name": topic.name, **settings}]
    return PipelineConfig.model_validate(tree)


def produce(config: PipelineConfig, *values: bytes) -> None:
    producer = RecordProducer(producer_properties(config.kafka, "tests"))
    producer.send(config.kafka.topic_names[0], [(None, value) for value in values])
    assert producer.flush(30).failed == 0
    producer.close()


def test_apply_makes_the_topics_as_the_yaml_wants_them_and_then_has_nothing_to_do(kafka: SharedKafka) -> None:
    config = pipeline_on(kafka.bootstrap_servers)
    config = with_topic(config, partitions=3, config={"retention.ms": "604800000", "cleanup.policy": "delete"})
    admin = admin_of(config)
    assert [(each.what, each.found) for each in diff_topics(config, admin)] == [("topic", "missing")] * 2
    done, left = apply_topics(config, admin)
    assert [each.topic for each in done] == [topic.name for topic in config.all_topics]
    assert left == []
    assert apply_topics(config, admin) == ([], [])
    source, dead = describe_topics(config, admin)
    assert (source.role, source.partitions, source.replication_factor, source.offsets) == ("source", 3, 1, 0)
    assert source.settings == {"cleanup.policy": "delete", "retention.ms": "604800000"}
    assert (dead.role, dead.exists, dead.partitions) == ("dead letters", True, 1)


def test_apply_adds_partitions_and_changes_settings(kafka: SharedKafka) -> None:
    config = pipeline_on(kafka.bootstrap_servers)
    admin = admin_of(config)
    apply_topics(config, admin)
    produce(config, b"x")
    more = with_topic(config, partitions=5, config={"retention.ms": "-1", "max.message.bytes": "2000000"})
    found = diff_topics(more, admin)
    assert {(each.what, each.wanted, each.found) for each in found} == {
        ("partitions", "5", "2"),
        ("retention.ms", "-1", "604800000"),
        ("max.message.bytes", "2000000", "1048588"),
    }
    assert apply_topics(more, admin) == (found, [])
    assert diff_topics(more, admin) == []
    assert len(everything_in(config, config.kafka.topic_names[0])) == 1


def test_apply_never_takes_partitions_away_and_says_so(kafka: SharedKafka) -> None:
    config = pipeline_on(kafka.bootstrap_servers)
    admin = admin_of(config)
    apply_topics(config, admin)
    (left,) = apply_topics(with_topic(config, partitions=1), admin)[1]
    assert (left.what, left.wanted, left.found) == ("partitions", "1", "2")
    assert left.refused == "Kafka can't take partitions away: write partitions: 2, or name a new topic"
    assert admin.partitions(config.kafka.topic_names) == {config.kafka.topic_names[0]: 2}


def test_apply_leaves_the_replication_factor_to_the_broker_s_own_tool(kafka: SharedKafka) -> None:
    config = pipeline_on(kafka.bootstrap_servers)
    admin = admin_of(config)
    apply_topics(config, admin)
    done, (left,) = apply_topics(with_topic(config, replication_factor=2), admin)
    assert done == []
    assert (left.what, left.wanted, left.found) == ("replication_factor", "2", "1")
    assert "kafka-reassign-partitions.sh" in left.refused


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("retention.ms", "1000"),
        ("retention.ms", "0"),
        ("retention.bytes", "1"),
        ("retention.bytes", "0"),
        ("cleanup.policy", "compact"),
    ],
)
def test_apply_never_makes_kafka_delete_records_that_are_there(kafka: SharedKafka, setting: str, value: str) -> None:
    config = pipeline_on(kafka.bootstrap_servers)
    admin = admin_of(config)
    apply_topics(config, admin)
    shorter = with_topic(config, config={setting: value})
    produce(config, b"still wanted")
    done, (left,) = apply_topics(shorter, admin)
    assert done == []
    assert left.what == setting
    assert f"--add-config {setting}={value}" in left.refused
    assert not admin.settings(config.kafka.topic_names)[config.kafka.topic_names[0]][setting].own


def test_an_empty_topic_may_get_any_setting(kafka: SharedKafka) -> None:
    config = pipeline_on(kafka.bootstrap_servers)
    admin = admin_of(config)
    apply_topics(config, admin)
    shorter = with_topic(config, config={"retention.ms": "1000"})
    assert apply_topics(shorter, admin)[1] == []
    assert diff_topics(shorter, admin) == []


def test_a_misspelt_setting_is_a_difference_with_the_right_name(kafka: SharedKafka) -> None:
    config = pipeline_on(kafka.bootstrap_servers)
    admin = admin_of(config)
    apply_topics(config, admin)
    (found,) = diff_topics(with_topic(config, config={"retention.msec": "5"}), admin)
    expected = "the cluster knows no such setting; did you mean retention.ms?"
    assert found == Difference(config.kafka.topic_names[0], "retention.msec", "5", "unknown", expected)


def test_a_setting_that_the_broker_refuses_is_told_in_its_words(kafka: SharedKafka) -> None:
    config = with_topic(pipeline_on(kafka.bootstrap_servers), config={"retention.ms": "soon"})
    with pytest.raises(SourceError, match=r"making the topic .*INVALID_CONFIG: Invalid value soon"):
        apply_topics(config, admin_of(config))


def test_what_the_yaml_leaves_out_is_not_compared(kafka: SharedKafka) -> None:
    config = pipeline_on(kafka.bootstrap_servers)
    admin = admin_of(config)
    (topic,) = config.kafka.topic_names
    make_topic(kafka.bootstrap_servers, exactly=topic, partitions=7, retention_ms="77777777")
    make_topic(kafka.bootstrap_servers, exactly=f"{topic}.dlq")
    assert diff_topics(with_topic(config), admin) == []


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ("604800000", "604800000", True),
        ("0.50", "0.5", True),
        ("compact, delete", "delete,compact", True),
        ("compact", "delete,compact", False),
        ("1", "true", False),
        ("5", "6", False),
    ],
)
def test_two_spellings_of_one_setting_are_no_difference(wanted: str, found: str, same: bool) -> None:
    assert same_setting(wanted, found) is same


def test_facts_of_partitions_hold_what_a_reader_of_committed_records_sees(kafka: SharedKafka) -> None:
    config = pipeline_on(kafka.bootstrap_servers)
    admin = admin_of(config)
    apply_topics(config, admin)
    (topic,) = config.kafka.topic_names
    before = time.monotonic()
    produce(config, b"a", b"b", b"c")
    sources = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    facts = admin.facts([*sources, TopicPartition(topic, 9), TopicPartition(unique(), 0)], config.kafka.group_id)
    assert sorted(facts) == sources
    assert sum(each.high - each.low for each in facts.values()) == 3
    assert {each.group_offset for each in facts.values()} == {None}
    assert all(each.asked_at >= before for each in facts.values())
    assert {each.topic_id for each in facts.values()} == {admin.topic_ids([topic])[topic]}


def test_a_topic_made_anew_has_another_id(kafka: SharedKafka) -> None:
    config = pipeline_on(kafka.bootstrap_servers)
    admin = admin_of(config)
    apply_topics(config, admin)
    (topic,) = config.kafka.topic_names
    first = admin.topic_ids([topic])[topic]
    admin.delete_topic(topic)
    deadline = time.monotonic() + 20
    while admin.topic_ids([topic]):
        assert time.monotonic() < deadline
    apply_topics(config, admin)
    assert admin.topic_ids([topic])[topic] != first


def test_an_offset_is_found_by_time_and_is_the_end_where_nothing_is_that_young(kafka: SharedKafka) -> None:
    config = with_topic(pipeline_on(kafka.bootstrap_servers), partitions=1)
    admin = admin_of(config)
    apply_topics(config, admin)
    source = TopicPartition(config.kafka.topic_names[0], 0)
    produce(config, b"a", b"b")
    stamp = everything_in(config, source.topic)[1].timestamp()[1]
    assert admin.offsets_for_time([source], 0) == {source: 0}
    assert admin.offsets_for_time([source], stamp)[source] in {0, 1}  # both may be of one millisecond
    assert admin.offsets_for_time([source], stamp + 1) == {source: 2}


def test_a_cluster_that_does_not_answer_is_said_in_time_with_its_address() -> None:
    config = pipeline_on("127.0.0.1:1")
    beats: list[float] = []
    admin = ClusterAdmin(
        admin_properties(config.kafka, "tests"), timeout_seconds=2, beat=lambda: beats.append(time.monotonic())
    )
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"no answer from 127\.0\.0\.1:1 .*Connection refused"):
        admin.facts([TopicPartition("x", 0)], "g")
    assert time.monotonic() - began < 10
    assert len(beats) >= 2, "whoever waits shows that it is alive"


def test_a_refused_sign_in_is_a_matter_of_configuration(kafka: SharedKafka) -> None:
    security = {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": "u", "password": "canary-7f3a"}
    config = pipeline_on(
        kafka.bootstrap_servers,
        kafka={
            "security": security,
            "bootstrap_servers": kafka.bootstrap_servers,
            "group_id": "g",
            "topics": [{"name": "x"}],
        },
    )
    admin = ClusterAdmin(admin_properties(config.kafka, "tests"), timeout_seconds=3)
    with pytest.raises(ConfigError, match=r"kafka\.security\.protocol") as caught:
        admin.cluster_id()
    assert "canary" not in str(caught.value)
