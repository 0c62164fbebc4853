"""`prove --kafka`, `dead --source topic` and `status` beside a real broker and a real engine."""

import json
import socket
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition
from support.engine import Engine, pipeline_yaml, streamlake
from support.lake import Lake
from support.shared import SharedKafka
from support.tamper import Fields, forge_file, forge_ledger
from support.topics import expire, fill, fill_in_transactions, make_topic

from streamlake.engine.records import TopicPartition

GOOD, BAD = b'{"a": 1}', b"{"


@pytest.fixture
def topic(kafka: SharedKafka) -> str:
    """0 1 2 with 1 broken, marker 3; aborted 4 5, marker 6; 7 8, marker 9."""
    topic = make_topic(kafka.bootstrap_servers)
    make_topic(kafka.bootstrap_servers, exactly=f"{topic}.dlq")
    transactions = ([GOOD, BAD, GOOD], True), ([GOOD, GOOD], False), ([GOOD, GOOD], True)
    fill_in_transactions(kafka.bootstrap_servers, topic, *transactions)
    return topic


@pytest.fixture
def pipeline(kafka: SharedKafka, topic: str, tmp_path: Path) -> str:
    file = pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic)
    return str(file)


def landed(pipeline: str) -> None:
    assert streamlake("run", pipeline, "--until-end").returncode == 0


def document(*arguments: str) -> Any:
    return json.loads(streamlake(*arguments, "--json").stdout)


def test_what_landed_is_compared_with_the_topic(pipeline: str) -> None:
    landed(pipeline)
    done = streamlake("prove", pipeline, "--kafka")
    assert done.returncode == 0, done.stdout
    assert "10 offsets = 4 rows + 1 dead letter + 0 skipped + 5 holes" in done.stdout
    assert "compared with Kafka: 10 offsets and 5 values, 0 offsets are no longer kept" in done.stdout


def test_what_has_not_landed_yet_is_counted(pipeline: str, topic: str, kafka: SharedKafka) -> None:
    landed(pipeline)
    assert document("prove", pipeline, "--kafka")["kafka"]["pending"] == 0
    fill(kafka.bootstrap_servers, topic, [GOOD] * 5)
    done = streamlake("prove", pipeline, "--kafka")
    assert done.returncode == 0
    assert "5 have not landed yet" in done.stdout


def test_an_empty_root_is_not_proven_and_nothing_is_called_damaged(pipeline: str) -> None:
    done = streamlake("prove", pipeline, "--kafka")
    assert done.returncode == 1
    assert "no run has landed anything here" in done.stdout
    assert "there is nothing here to prove" in done.stdout
    assert "10 have not landed yet" in done.stdout
    assert "damaged" not in done.stdout


def test_a_message_that_a_client_lost_shows_beside_the_topic_alone(pipeline: str, topic: str, tmp_path: Path) -> None:
    landed(pipeline)
    forget(Lake.open(tmp_path / "lake"), TopicPartition(topic, 0), offset=8)
    assert streamlake("prove", pipeline).returncode == 0
    proof = document("prove", pipeline, "--kafka")
    assert proof["counts"] == {"hole": 1}
    assert (proof["defects"][0]["first"], proof["defects"][0]["next"]) == (8, 9)


def forget(lake: Lake, source: TopicPartition, offset: int) -> None:
    """Leave a row out as if the client had never handed it over: file and ledger agree, and tile."""
    (path,) = [path for path in lake.files("raw") if b'"_offset":%d,' % offset in path.read_bytes()]
    lines = path.read_bytes().splitlines(keepends=True)
    forge_file(lake, source, path, b"".join(line for line in lines if b'"_offset":%d,' % offset not in line))

    def change(entries: list[Fields]) -> None:
        (entry,) = [entry for entry in entries if path.name in [Path(file["final"]).name for file in entry["files"]]]
        entry.update(landed=entry["landed"] - 1, read=entry["read"] - 1)
        entry["holes"] = sorted([*entry["holes"], [offset, offset + 1]])
        for file in entry["files"]:
            file["rows"] -= file["kind"] == "raw"

    forge_ledger(lake, source, change)


def test_what_the_topic_has_deleted_since_is_said(pipeline: str, topic: str, kafka: SharedKafka) -> None:
    landed(pipeline)
    expire(kafka.bootstrap_servers, topic, 7)
    proof = document("prove", pipeline, "--kafka")
    assert (proof["holds"], proof["kafka"]["compared"], proof["kafka"]["expired"]) == (True, 3, 7)
    assert len(proof["notes"]) == 1


def test_the_copies_in_the_topic_say_the_same_as_the_files(pipeline: str, topic: str) -> None:
    landed(pipeline)
    (file,) = lines(pipeline, "--source", "files")
    (copy,) = lines(pipeline, "--source", "topic")
    assert (file["topic"], file["partition"], file["offset"]) == (topic, 0, 1)
    for name in ("topic", "partition", "offset", "reason", "field", "value", "key", "headers", "attempt"):
        assert copy[name] == file[name], name
    assert copy["found_in"] == f"{topic}.dlq/0/0"
    assert lines(pipeline, "--source", "topic", "--reason", "crash") == []
    done = streamlake("dead", "show", pipeline, f"{topic}/0/1", "--source", "topic", "--raw")
    assert done.stdout.encode() == BAD


def test_the_copies_in_the_topic_are_counted_and_exported_like_the_files(
    pipeline: str, topic: str, tmp_path: Path
) -> None:
    landed(pipeline)
    files, copies = (document("dead", "stats", pipeline, "--source", source) for source in ("files", "topic"))
    assert [(one["reason"], one["letters"], one["example"]) for one in copies["groups"]] == [
        ("malformed", 1, f"{topic}/0/1")
    ]
    assert copies["messages"][0]["message"] == files["messages"][0]["message"]
    out = tmp_path / "copies.jsonl"
    assert streamlake("dead", "export", pipeline, str(out), "--source", "topic").returncode == 0
    assert [json.loads(line) for line in out.read_text().splitlines()] == lines(pipeline, "--source", "topic")
    assert streamlake("dead", "export", pipeline, str(tmp_path / "copies.parquet"), "--source", "topic").returncode == 0


def lines(pipeline: str, *arguments: str) -> list[Any]:
    return [json.loads(line) for line in streamlake("dead", "list", pipeline, "--json", *arguments).stdout.splitlines()]


def test_status_of_a_stopped_pipeline_knows_its_lag_and_a_group_that_was_reset(
    pipeline: str, topic: str, kafka: SharedKafka
) -> None:
    landed(pipeline)
    fill(kafka.bootstrap_servers, topic, [GOOD] * 5)
    told = document("status", pipeline)
    (one,) = told["partitions"]
    assert (told["engine"], told["remarks"], one["remarks"]) == (None, [], [])
    assert (one["next"], one["end"], one["lag"], one["group_offset"]) == (10, 15, 5, 10)
    assert (one["landed"], one["refused"], one["skipped"], one["holes"]) == (4, 1, 0, 5)
    group = f"streamlake.{topic}"
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": group})
    consumer.commit(offsets=[KafkaPartition(topic, 0, 2)], asynchronous=False)
    consumer.close()
    (remark,) = document("status", pipeline)["partitions"][0]["remarks"]
    assert f"the group {group} has offset 2 in Kafka, the ledger says 10" in remark


def test_status_of_a_running_engine_is_its_own_word(tmp_path: Path, topic: str, kafka: SharedKafka) -> None:
    listen = f"127.0.0.1:{free_port()}"
    pipeline = pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic, metrics={"listen": listen})
    with Engine(pipeline) as engine:
        engine.wait_for("committed")
        fill(kafka.bootstrap_servers, topic, [GOOD] * 5)
        engine.wait_for("committed", lambda line: line.get("next") == 15)
        told = document("status", str(pipeline))
        (one,) = told["partitions"]
        assert (told["engine"]["pid"], told["engine"]["pipeline"]) == (engine.process.pid, "orders")
        assert (one["next"], one["lag"], one["landed"], one["remarks"]) == (15, 0, 9, [])
        assert one["phase"] in ("reading", "idle")
        assert one["pid"] in [worker.pid for worker in engine.workers()]
        assert streamlake("prove", str(pipeline), "--kafka").returncode == 0
        with urlopen(f"http://{listen}/metrics", timeout=5) as answer:
            metrics = answer.read().decode()
        assert f'streamlake_records_total{{outcome="landed",partition="0",topic="{topic}"}} 9.0' in metrics
        engine.stop()


def test_status_knows_what_is_parked_and_why_beside_an_engine_that_does_not_listen_and_after_its_end(
    tmp_path: Path, topic: str, kafka: SharedKafka
) -> None:
    dead = {"topic": {"name": f"{topic}.nowhere"}}
    workers = {"restarts_max": 0}
    pipeline = pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic, dead_letters=dead, workers=workers)
    with Engine(pipeline) as engine:
        engine.wait_for("parked")
        told = parked(pipeline, "runs, since")
        assert f"the dead-letter topic {topic}.nowhere does not exist" in told
        engine.stop()
    assert parked(pipeline, "has ended") == told
    assert streamlake("status", str(pipeline)).stdout.count(f"{topic}/0 is parked since ") == 1
    make_topic(kafka.bootstrap_servers, exactly=f"{topic}.nowhere")
    fill(kafka.bootstrap_servers, topic, [GOOD])
    with Engine(pipeline) as engine:
        engine.wait_for("committed")
        engine.process.kill()
        engine.process.wait(10)
    assert document("status", str(pipeline))["partitions"][0]["phase"] is None


def parked(pipeline: Path, engine_remark: str) -> str:
    told = document("status", str(pipeline))
    (one,) = told["partitions"]
    assert (told["engine"], one["phase"], one["pid"]) == (None, "parked", None)
    assert any(engine_remark in remark for remark in told["remarks"]), told["remarks"]
    return str(one["why"])


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
