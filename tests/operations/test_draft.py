"""What a look at a topic finds, and the YAML that is drafted of it: always one that `streamlake validate` takes."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.broker import pipeline_on
from support.memory_cluster import MemoryCluster

from streamlake.config.load import load_pipeline
from streamlake.engine.errors import UsageError
from streamlake.engine.operations.draft import TopicLook, look_at
from streamlake.engine.operations.draft_yaml import Places, draft_yaml, pipeline_name
from streamlake.engine.worker_main import make_sink, make_validator

JSON = [b'{"id": 1}', b'{"id": 2}', b'{"id": 3}']


def look(*partitions: Sequence[bytes | None], limit: int = 1000) -> TopicLook:
    cluster = MemoryCluster.of(*partitions)
    return look_at(pipeline_on("nowhere:1", "orders"), cluster, cluster.topics, limit)


def kinds(found: TopicLook) -> list[tuple[str, int, str]]:
    return [(seen.kind, seen.records, f"{seen.source}/{seen.offset}") for seen in found.others]


def test_records_are_told_apart_with_the_place_of_the_first_of_each_kind() -> None:
    found = look([*JSON, b"hello", None, b"world"], [b'{"id": 4}', b""])
    assert (found.records, found.offsets, found.objects, found.partitions) == (8, 8, 4, 2)
    assert kinds(found) == [
        ("plain text", 2, "orders/0/3"),
        ("tombstone", 1, "orders/0/4"),
        ("empty", 1, "orders/1/1"),
    ]
    assert found.validator == "jsonschema"
    assert found.dead_letter_topic is False


@pytest.mark.parametrize(
    ("values", "said"),
    [([None], "1 tombstone"), ([None] * 3, "3 tombstones"), ([b"a", b"b"], "2 plain text"), ([b""] * 2, "2 empty")],
)
def test_how_many_of_what_is_said_as_one_says_it(values: list[bytes | None], said: str) -> None:
    assert [seen.said for seen in look(values).others] == [said]


def test_the_oldest_and_the_newest_are_looked_at() -> None:
    values = [b'{"old": 1}'] * 5 + [b"not looked at"] * 90 + [b'{"new": 1}'] * 5
    found = look(values, limit=10)
    assert (found.records, found.offsets, found.objects) == (10, 100, 10)
    assert [(field.pointer, field.seen) for field in found.fields] == [("/old", 5), ("/new", 5)]


@pytest.mark.parametrize(
    ("values", "validator"),
    [
        (JSON, "jsonschema"),
        ([*JSON, *[None] * 9], "jsonschema"),
        ([*JSON, *[b"text"] * 4], "none"),
        ([b"\0\0\0\0\x07\x02\x04ab"] * 3, "none"),
        ([b"[1]", b"2"], "json"),
        ([b'{"id": 1'], "none"),
        ([], "none"),
    ],
)
def test_the_validator_is_the_one_for_most_of_the_records(values: list[bytes | None], validator: str) -> None:
    found = look(values)
    assert found.validator == validator
    assert (found.schema is not None) == (validator == "jsonschema")


@pytest.mark.parametrize(
    ("topic", "hint"),
    [("ordres", "did you mean orders?"), ("zzz", "there are: orders, payments")],
)
def test_a_topic_that_is_not_there_is_named_with_the_nearest(topic: str, hint: str) -> None:
    cluster = MemoryCluster.of(JSON)
    cluster.empty = ("payments",)
    with pytest.raises(UsageError, match=f"--topic {topic}: the cluster at nowhere:1 has no such topic; {hint}"):
        look_at(pipeline_on("nowhere:1", topic), cluster, cluster.topics)


@pytest.mark.parametrize("looked", [[*JSON], [b"text"], [b"[1]"], None])
def test_what_is_drafted_is_valid_and_means_what_was_said(tmp_path: Path, looked: list[bytes] | None) -> None:
    found = None if looked is None else look(looked, [])
    file, schema = tmp_path / "orders.yaml", tmp_path / "orders.schema.json"
    file.write_text(
        draft_yaml(Places("orders.yaml", "orders", "shop.orders", "b:9092", "group", "gs"), found, schema.name)
    )
    schema.write_text("{}")
    config = load_pipeline(file, environ={})
    make_sink(config)
    verdict = make_validator(config)
    assert verdict.payload == ("bytes" if found and found.validator == "none" else "json")
    assert (config.pipeline, config.kafka.bootstrap_servers, config.kafka.group_id) == ("orders", "b:9092", "group")
    assert [(topic.name, topic.partitions) for topic in config.all_topics] == [
        ("shop.orders", None if found is None else 2),
        ("shop.orders.dlq", 1),
    ]


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


@example("it's", "'s: #1", "null")
@given(
    NAMES, NAMES, st.from_regex(r"[A-Za-z0-9._-]{1,30}", fullmatch=True).filter(lambda name: name not in {".", ".."})
)
@settings(max_examples=60, deadline=None)
def test_any_name_stands_in_the_yaml_as_it_was_said(
    tmp_path_factory: pytest.TempPathFactory, stem: str, group: str, topic: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "named.yaml"
    name = pipeline_name(stem)
    group = group.replace("$", "S")  # a variable would be filled in, as anywhere in a YAML
    file.write_text(draft_yaml(Places("named.yaml", name, topic, None, group, group), None, f"{stem}.schema.json"))
    config = load_pipeline(file, environ={})
    assert (config.pipeline, config.kafka.group_id, config.kafka.topic_names) == (name, group, (topic,))
    assert config.sink.options["root"] == group
    assert config.kafka.bootstrap_servers == "127.0.0.1:9092"


def test_each_setting_of_the_draft_has_its_comment() -> None:
    lines = draft_yaml(Places("a.yaml", "a", "a", None, "a", "a"), look(JSON), "a.schema.json").splitlines()
    for number, line in enumerate(lines):
        name = line.strip().partition(":")[0].removeprefix("- ")
        if name in {"pipeline", "bootstrap_servers", "group_id", "start", "partitions", "root", "format", "columns"}:
            assert lines[number - 1].strip().startswith("#"), line
        assert len(line) <= 120
