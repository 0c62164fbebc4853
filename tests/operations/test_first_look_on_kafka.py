"""`init` and `dry-run` on a real Kafka: what they see and say, and that they leave no trace."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from support.engine import pipeline_yaml, run_until_end, streamlake
from support.shared import SharedKafka
from support.topics import fill, fill_in_transactions, make_topic

from streamlake.config.load import load_pipeline
from streamlake.engine.cli.parts import open_broker
from streamlake.engine.records import TopicPartition

ORDERS = [b'{"id": %d, "state": "%s", "amount": 9.5}' % (at, [b"new", b"paid"][at % 2]) for at in range(300)]
NARROW = 80


def tree(folder: Path) -> list[tuple[str, int]]:
    """Everything below a folder, with the time of its last change."""
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def committed(pipeline: Path, topic: str) -> int | None:
    config = load_pipeline(pipeline)
    facts = open_broker(config).facts([TopicPartition(topic, 0)], config.kafka.group_id)
    return facts[TopicPartition(topic, 0)].group_offset


def test_init_drafts_a_schema_of_what_lies_in_the_topic_and_commits_nothing(kafka: SharedKafka, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap_servers, partitions=2)
    fill(kafka.bootstrap_servers, topic, [*ORDERS, b"broken", None])
    fill(kafka.bootstrap_servers, topic, [b'{"id": 1, "state": "new"}'], partition=1)
    file = tmp_path / "orders.yaml"
    done = streamlake("init", str(file), "--topic", topic, "--bootstrap", kafka.bootstrap_servers)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        f"{file}: written, validator jsonschema",
        f"{topic}: 2 partitions, 303 offsets; 303 records looked at, oldest and newest",
    ]
    assert lines[2:5] == [
        "  301 JSON objects",
        f"  1 plain text (first {topic}/0/300: broken)",
        f"  1 tombstone (first {topic}/0/301: no value at all)",
    ]
    assert "  /amount  number   300 of 301  always a number; from 9.5 to 9.5" in lines
    assert f"streamlake topics apply {file}" in done.stdout
    assert all(len(line) <= NARROW for line in lines[2:] if str(tmp_path) not in line)
    schema = json.loads((tmp_path / "orders.schema.json").read_text())
    assert schema["properties"]["state"]["enum"] == ["new", "paid"]
    assert schema["required"] == ["id", "state"]
    assert streamlake("topics", "apply", str(file)).returncode == 0
    assert streamlake("validate", str(file)).returncode == 0
    assert committed(file, topic) is None


def test_init_says_what_is_no_json_and_that_a_dead_letter_topic_is_there(kafka: SharedKafka, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    make_topic(kafka.bootstrap_servers, exactly=f"{topic}.dlq")
    fill(kafka.bootstrap_servers, topic, [b"\0\0\0\0\x07\x02\x04ab"] * 5)
    env = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers}
    done = streamlake("init", str(tmp_path / "orders.yaml"), "--topic", topic, env=env)
    assert done.returncode == 0, done.stderr
    assert "  5 Avro or Protobuf behind a schema registry's header (first " in done.stdout
    assert "topics apply" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["orders.yaml"]
    config = load_pipeline(tmp_path / "orders.yaml", environ=env)
    assert (config.validator.type, config.kafka.bootstrap_servers) == ("none", kafka.bootstrap_servers)
    done = streamlake("init", str(tmp_path / "orders.yaml"), "--topic", topic, "--force", "--json", env=env)
    found = json.loads(done.stdout)
    assert found["written"] == [str(tmp_path / "orders.yaml")]
    assert (found["look"]["records"], found["look"]["others"][0]["source"]) == (5, f"{topic}/0")
    done = streamlake("dry-run", str(tmp_path / "orders.yaml"), "--set", "sink.columns=value", env=env)
    assert "sink.columns value, as the YAML has it: of each row the value alone" in done.stdout.splitlines()


@pytest.mark.parametrize("there", [True, False])
def test_a_topic_that_is_empty_or_not_there_is_said(kafka: SharedKafka, tmp_path: Path, there: bool) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    name = topic if there else f"{topic}s"
    said = ["--topic", name, "--bootstrap", kafka.bootstrap_servers]
    done = streamlake("init", str(tmp_path / "orders.yaml"), *said)
    if there:
        assert done.returncode == 0, done.stderr
        assert f"{topic}: 1 partition, 0 offsets; no record is there to look at" in done.stdout
        assert streamlake("topics", "apply", str(tmp_path / "orders.yaml")).returncode == 0
        assert streamlake("validate", str(tmp_path / "orders.yaml")).returncode == 0
    else:
        assert done.returncode == 2
        assert f"--topic {name}: the cluster at {kafka.bootstrap_servers} has no such topic; did you mean {topic}" in (
            done.stderr
        )
        assert list(tmp_path.iterdir()) == []


def test_a_dry_run_shows_what_a_run_would_do_and_leaves_no_trace(kafka: SharedKafka, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    make_topic(kafka.bootstrap_servers, exactly=f"{topic}.dlq")
    fill(kafka.bootstrap_servers, topic, [*ORDERS[:20], b"broken", None])
    pipeline = pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic)
    before = tree(tmp_path)
    done = streamlake("dry-run", str(pipeline), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["read"], found["accepted"], found["skipped"], found["refused"]) == (22, 20, 1, {"malformed": 1})
    assert tree(tmp_path) == before, "not even a folder"
    assert committed(pipeline, topic) is None

    run_until_end(pipeline)
    landed = [
        json.loads(line) for file in (tmp_path / "lake/raw").rglob("*.jsonl") for line in file.read_text().splitlines()
    ]
    rows = [one["row"] for one in found["modes"]["envelope"]["rows"]]
    assert [(row["_offset"], row["value"]) for row in rows] == [
        (row["_offset"], ORDERS[row["_offset"]].decode()) for row in sorted(landed, key=lambda row: row["_offset"])
    ]

    fill(kafka.bootstrap_servers, topic, ORDERS[20:30])
    before, stood = tree(tmp_path), committed(pipeline, topic)
    assert stood == 22
    done = streamlake("dry-run", str(pipeline), "--from", "latest", "--limit", "10", "--json")
    assert json.loads(done.stdout)["partitions"][0]["first"] == 22
    assert (tree(tmp_path), committed(pipeline, topic)) == (before, stood)


def test_a_dry_run_for_a_person_fits_into_80_columns_but_for_why_a_record_is_refused(
    kafka: SharedKafka, tmp_path: Path
) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    long = b'{"id": "%s", "state": "new"}' % (b"x" * 500)
    fill(kafka.bootstrap_servers, topic, [*ORDERS[:20], *[long] * 30])
    schema = {"properties": {"id": {"type": "integer"}, "state": {"type": "string"}}}
    pipeline = pipeline_yaml(
        tmp_path, kafka.bootstrap_servers, topic, validator__type="jsonschema", validator__schema=schema
    )
    done = streamlake("dry-run", str(pipeline), "--from", "-1h")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    reasons = [line for line in lines if " breaks `type` with " in line]
    assert len(reasons) == 20
    assert all(line.endswith(' is not of type "integer"') for line in reasons), reasons[0]
    assert [line for line in lines if len(line) > NARROW] == reasons
    assert lines[:2] == ["orders: dry run of 50 records from -1h", "nothing was written, claimed or committed"]
    assert lines[2:5] == ["accepted  20", "skipped   0", "refused   30: 30 invalid"]
    assert "would park if it goes on like this: 30 of 50 refused" in done.stdout
    assert "  and 10 more: --json has all" in lines
    assert "sink.columns envelope, as the YAML has it: 20 rows" in lines
    assert "sink.columns typed: 20 rows" in lines


def test_neither_joins_the_group_whose_name_it_says(kafka: SharedKafka, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    fill(kafka.bootstrap_servers, topic, ORDERS[:5])
    rebalances: list[str] = []
    member = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": f"group.of.{topic}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "heartbeat.interval.ms": 200,
        }
    )
    member.subscribe(
        [topic],
        on_assign=lambda *_: rebalances.append("assigned"),
        on_revoke=lambda *_: rebalances.append("revoked"),
    )
    assert member.poll(30) is not None, "it is a member, and reads"
    file = tmp_path / "orders.yaml"
    said = ["--topic", topic, "--bootstrap", kafka.bootstrap_servers, "--group", f"group.of.{topic}"]
    assert streamlake("init", str(file), *said).returncode == 0
    assert streamlake("dry-run", str(file)).returncode == 0
    while member.poll(1) is not None:  # the others, and then at least five heartbeats
        pass
    assert rebalances == ["assigned"], "who joins, if only for a moment, makes the others begin anew"
    member.close()


def test_aborted_records_are_not_shown(kafka: SharedKafka, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    fill_in_transactions(kafka.bootstrap_servers, topic, (ORDERS[:3], True), (ORDERS[3:5], False), (ORDERS[5:7], True))
    pipeline = pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic)
    found = json.loads(streamlake("dry-run", str(pipeline), "--limit", "4", "--json").stdout)
    assert [one["row"]["_offset"] for one in found["modes"]["envelope"]["rows"]] == [0, 1, 2, 7]


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        (["--from", "soon"], 2, "--from soon: is no bound"),
        (["--from", "99"], 2, "lies in the future"),
        (["--topic", "ordres"], 2, "is none that the pipeline orders reads"),
        (["--partitions", "7"], 2, "has 1 partition"),
        (["--limit", "0"], 2, "--limit"),
        (["--set", "validator.type=jsonschem"], 78, "did you mean jsonschema?"),
    ],
)
def test_what_can_not_be_meant_is_said(
    kafka: SharedKafka, tmp_path: Path, said: list[str], code: int, why: str
) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    done = streamlake("dry-run", str(pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic)), *said)
    assert done.returncode == code
    assert why in done.stderr
