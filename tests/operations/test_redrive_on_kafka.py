"""`dead redrive` on a real Kafka, through the engine and back: what was mended lands, what fails again is counted."""

import json
import os
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from support.edge import RunningEdge, edge_yaml
from support.engine import STREAMLAKE, pipeline_yaml, proof, run_until_end, streamlake
from support.lake import Lake
from support.redrives import lake_on, redelivered
from support.scene import PLUGINS
from support.shared import SharedKafka
from support.topics import fill, make_topic

from streamlake.engine.operations.dead import list_letters
from streamlake.engine.operations.dead_types import LetterFilter
from streamlake.engine.records import TopicPartition

STRICT: dict[str, Any] = {"type": "object", "properties": {"qty": {"type": "integer", "minimum": 1}}}
AT = 1_600_000_000_000
FIXES = '''"""Mends orders."""

import json


def positive(key, value, headers):
    """Leave out what has no quantity; raise for the order without any."""
    order = json.loads(value)
    if order["qty"] is None:
        return None
    return key, json.dumps({"qty": abs(order["qty"])}).encode(), headers
'''


class Shop:
    """A topic of three partitions, its pipeline with a schema that is too strict, and what was produced."""

    def __init__(self, kafka: SharedKafka, folder: Path) -> None:
        self.servers, self.folder = kafka.bootstrap_servers, folder
        self.topic = make_topic(self.servers, "orders", 3, retention_ms="-1")
        make_topic(self.servers, exactly=f"{self.topic}.dlq")
        self.schema = folder / "order.schema.json"
        self.schema.write_text(json.dumps(STRICT))
        validator = {"type": "jsonschema", "schema": str(self.schema)}
        self.pipeline = str(pipeline_yaml(folder, self.servers, self.topic, validator=validator))

    def produce(self, *quantities: Any, partition: int = 1) -> None:
        """Orders with a key, a header and a time of their own, on one partition."""
        producer = Producer({"bootstrap.servers": self.servers})
        for at, quantity in enumerate(quantities):
            value = json.dumps({"qty": quantity}).encode()
            headers: list[tuple[str, str | bytes | None]] = [("trace", b"\x00\xff"), ("trace", None)]
            producer.produce(self.topic, value, b"key-%d" % at, partition=partition, timestamp=AT + at, headers=headers)
        assert producer.flush(30) == 0

    def land(self) -> None:
        """Run to the end."""
        run_until_end(Path(self.pipeline))

    def allow(self, minimum: int) -> None:
        """Mend the schema."""
        self.schema.write_text(json.dumps({**STRICT, "properties": {"qty": {"type": "integer", "minimum": minimum}}}))

    def redrive(self, *arguments: str, code: int = 0) -> Any:
        """The command; its document, or what it said where it failed."""
        done = streamlake("dead", "redrive", self.pipeline, *arguments, "--yes", "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    def landed(self) -> list[tuple[int, str]]:
        """Partition and value of what landed."""
        rows = []
        for file in sorted((self.folder / "lake" / "raw").rglob("*.jsonl")):
            rows += [json.loads(line) for line in file.read_bytes().splitlines()]
        return sorted((row["_partition"], json.dumps(row["value"])) for row in rows)

    def attempts(self) -> Sequence[tuple[int, int]]:
        """Attempt and time of the first failure of every letter, in offset order."""
        ledger = Lake.open(self.folder / "lake").ledger()
        found = [one.letter for one in list_letters(ledger, LetterFilter())]
        return [(letter.attempt, letter.first_failed_at_ms) for letter in found]


@pytest.fixture
def shop(kafka: SharedKafka, tmp_path: Path) -> Shop:
    return Shop(kafka, tmp_path)


def test_what_the_mended_validator_accepts_lands_and_nothing_else_is_sent(shop: Shop) -> None:
    shop.produce(-1, 4, -7)
    shop.land()
    assert shop.redrive("--to", "source", "--only-now-valid")["left_out"] == {"not_valid": 2}
    shop.allow(-5)
    done = shop.redrive("--to", "source", "--only-now-valid")
    assert (done["state"], done["sent"], done["left_out"]) == ("finished", 1, {"not_valid": 1})
    assert next(iter(done["reasons"])).startswith("/qty breaks `minimum`")
    shop.land()
    assert shop.landed() == [(1, '{"qty": -1}'), (1, '{"qty": 4}')]
    (one,) = redelivered(shop.servers, shop.topic)
    assert (one.partition, one.key, one.value, one.timestamp_ms) == (1, b"key-0", b'{"qty": -1}', AT)
    assert list(one.headers)[:3] == [("trace", b"\x00\xff"), ("trace", None), ("streamlake.attempt", b"1")]
    assert proof(Path(shop.pipeline), "--kafka")["totals"]["dead_letters"] == 2


def test_what_fails_again_comes_back_with_a_higher_attempt_until_max_attempts(shop: Shop) -> None:
    shop.produce(-1)
    shop.land()
    sent = []
    for _ in range(4):
        done = shop.redrive("--to", "source")
        sent.append((done["state"], done["sent"]))
        shop.land()
    assert sent == [("finished", 1), ("finished", 1), ("nothing", 0), ("nothing", 0)]
    assert [attempt for attempt, _ in shop.attempts()] == [1, 2, 3]
    assert len({at for _, at in shop.attempts()}) == 1, "when the first attempt failed stays"
    assert done["left_out"] == {"attempts": 1, "sent_before": 2}
    listed = streamlake("dead", "list", shop.pipeline, "--source", "topic", "--json").stdout.splitlines()
    assert [json.loads(line)["attempt"] for line in listed] == [1, 2, 3]


def test_a_transform_sends_something_else_to_another_topic_by_its_key(shop: Shop) -> None:
    shop.produce(-1, -2, None, "many")
    shop.land()
    (shop.folder / "fixes.py").write_text(FIXES)
    repaired = make_topic(shop.servers, "repaired", 4, retention_ms="-1")
    options = ("--to", repaired, "--transform", "fixes:positive", "--rate", "100")
    done = shop.redrive(*options, code=1)  # for the one that could not be mended
    assert (done["sent"], done["left_out"]) == (2, {"transform_none": 1, "transform_failed": 1})
    assert list(done["reasons"]) == ["fixes:positive: TypeError: bad operand type for abs(): 'str'"]
    assert sorted(one.value or b"" for one in redelivered(shop.servers, repaired)) == [b'{"qty": 1}', b'{"qty": 2}']


def test_what_the_edge_refused_goes_from_the_topic_to_where_it_was_meant_to_be(
    kafka: SharedKafka, tmp_path: Path
) -> None:
    schema = tmp_path / "order.schema.json"
    schema.write_text(json.dumps(STRICT))
    validator = {"type": "jsonschema", "schema": str(schema)}
    pipeline = edge_yaml(tmp_path, kafka.bootstrap_servers, validator=validator)
    with RunningEdge(pipeline) as edge:
        assert edge.post(b'{"qty": -1}').status == 422
        assert edge.post(b'{"qty": -2}').status == 422
        topic = edge.topic
    fill(kafka.bootstrap_servers, topic, [b'{"qty": -3}'])
    run_until_end(pipeline)
    schema.write_text(json.dumps({**STRICT, "properties": {"qty": {"type": "integer", "minimum": -1}}}))
    command = ("dead", "redrive", str(pipeline), "--source", "topic", "--to", "source", "--yes", "--json")
    done = streamlake(*command, "--only-now-valid")
    told = json.loads(done.stdout)
    assert (told["letters"], told["sent"], told["left_out"]) == (2, 1, {"not_valid": 1})
    run_until_end(pipeline)
    (file,) = (tmp_path / "lake" / "raw").rglob("*.jsonl")
    assert json.loads(file.read_text())["value"] == {"qty": -1}
    assert json.loads(streamlake(*command).stdout)["left_out"] == {"sent_before": 1}


def test_a_record_that_kills_the_validator_does_not_kill_the_redrive(kafka: SharedKafka, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap_servers, "orders", retention_ms="-1")
    validator = {"type": "misbehaving:Misbehaving", "how": "exit", "notes": str(tmp_path / "notes")}
    changes: dict[str, Any] = {"validator": validator, "python_path": [str(PLUGINS)]}
    pipeline = str(pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic, **changes))
    lake = lake_on(kafka.bootstrap_servers, tmp_path, topic)
    poison = {2: b'"poison"', 5: b"no json"}
    lake.claim(TopicPartition(topic, 0)).land(8, refused=range(8), value=lambda at: poison.get(at, b"{}"))
    done = streamlake("dead", "redrive", pipeline, "--to", "source", "--only-now-valid", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["sent"], told["left_out"]) == (6, {"not_valid": 2})
    assert any("the process died (exit code 3)" in said for said in told["reasons"])


def test_what_kafka_does_not_take_is_named_and_the_same_command_goes_on(kafka: SharedKafka, tmp_path: Path) -> None:
    small = make_topic(kafka.bootstrap_servers, "small", max_message_bytes="2000", retention_ms="-1")
    topic = make_topic(kafka.bootstrap_servers, "orders")
    pipeline = str(pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic))
    lake = lake_on(kafka.bootstrap_servers, tmp_path, topic)
    lake.claim(TopicPartition(topic, 0)).land(
        9, refused=range(9), value=lambda at: b"%d" % at * (5000 if at == 4 else 1)
    )
    command = ("dead", "redrive", pipeline, "--to", small, "--batch", "3", "--yes", "--set")
    incompressible = "kafka.properties={compression.type: none}"
    for sent in ("5 records sent in", "2 records sent, 5 before in"):
        done = streamlake(*command, incompressible)
        assert done.returncode == 1
        assert sent in done.stdout
        assert f"{topic}/0/4 is not acknowledged: sending {topic}/0/4 to {small}" in done.stderr
        assert "stopped: 1 record not acknowledged; the same command goes on from here" in done.stderr
        assert "may be there" not in done.stderr, "the broker has refused it: there is no doubt"
    done = streamlake(*command, "kafka.properties={compression.type: zstd}")  # or the topic gets a higher limit
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(one.origin for one in redelivered(kafka.bootstrap_servers, small)) == list(range(9))


def test_what_has_no_outcome_in_time_is_sent_again_and_marked(kafka: SharedKafka, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap_servers, "orders", retention_ms="-1")
    pipeline = str(pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic))
    lake = lake_on(kafka.bootstrap_servers, tmp_path, topic)
    lake.claim(TopicPartition(topic, 0)).land(5, refused=range(5))
    command = ("dead", "redrive", pipeline, "--to", "source", "--batch", "3", "--yes")
    done = streamlake(*command, "--set", "kafka.properties={delivery.timeout.ms: 1}")  # no connection is that quick
    assert (done.returncode, done.stderr.count("it may be there, and is marked when it is sent again")) == (1, 3)
    done = streamlake(*command)
    assert "5 records sent in" in done.stdout
    assert "3 of them may be there twice; they are marked by streamlake.redrive.in_doubt" in done.stdout
    found = redelivered(kafka.bootstrap_servers, topic)
    assert sorted(one.origin for one in found if one.in_doubt) == [0, 1, 2]
    assert {one.origin for one in found} == set(range(5))


def test_when_the_brokers_are_gone_it_says_so_and_no_letter_is_lost_or_in_doubt_for_nothing(
    kafka: SharedKafka, tmp_path: Path
) -> None:
    topic = make_topic(kafka.bootstrap_servers, "orders")
    pipeline = str(pipeline_yaml(tmp_path, "127.0.0.1:1", topic))
    lake = lake_on(kafka.bootstrap_servers, tmp_path, topic)
    lake.claim(TopicPartition(topic, 0)).land(2, refused=[0])
    done = streamlake("dead", "redrive", pipeline, "--to", "source", "--yes")
    assert done.returncode == 1
    assert "no answer from" in done.stderr
    assert not (lake.root / "_redrives").exists()


def test_what_can_not_be_meant_is_said_before_anything_is_written(shop: Shop) -> None:
    shop.produce(-1)
    shop.land()
    for arguments, code, said in (
        (("--to", f"{shop.topic}.dlq"), 2, "is a dead-letter topic of orders"),
        (("--to", "no-such-topic"), 2, "the topic no-such-topic does not exist"),
        (("--to", "source", "--transform", "nowhere:f"), 78, "nowhere can't be imported"),
        (("--to", "source", "--max-attempts", "0"), 2, "--max-attempts"),
        (("--to", "source", "--rate", "0"), 2, "--rate"),
        (("--to", "source", "--name", "a/b"), 2, "--name a/b"),
        ((), 2, "--to"),
    ):
        done = streamlake("dead", "redrive", shop.pipeline, *arguments, "--yes")
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    done = streamlake("dead", "redrive", shop.pipeline, "--to", "source")
    assert done.returncode == 2
    assert "1 to " in done.stdout
    assert "say --yes, or --dry-run" in done.stderr
    dry = streamlake("dead", "redrive", shop.pipeline, "--to", "source", "--dry-run")
    assert (dry.returncode, dry.stdout.splitlines()[1:]) == (
        0,
        [f"1 to {shop.topic}", "if it is killed, 500 at most are in doubt, and sent again with that mark"],
    )
    dry = streamlake("dead", "redrive", shop.pipeline, "--to", "source", "--dry-run", "--json")
    assert (json.loads(dry.stdout)["sending"], dry.stderr) == ({shop.topic: 1}, "")
    assert not (shop.folder / "lake" / "_redrives").exists()


@pytest.mark.parametrize(("answer", "code", "sent"), [(b"n\n", 130, 0), (b"y\n", 0, 3)])
def test_a_person_is_shown_the_plan_and_asked(
    kafka: SharedKafka, tmp_path: Path, answer: bytes, code: int, sent: int
) -> None:
    topic = make_topic(kafka.bootstrap_servers, "orders", retention_ms="-1")
    pipeline = str(pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic))
    lake = lake_on(kafka.bootstrap_servers, tmp_path, topic)
    lake.claim(TopicPartition(topic, 0)).land(3, refused=range(3))
    ours, theirs = os.openpty()
    try:
        os.write(ours, answer)
        command = [STREAMLAKE, "dead", "redrive", pipeline, "--to", "source"]
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=90, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, f"3 to {topic}" in done.stdout, "Send 3 records?" in done.stderr) == (code, True, True)
    assert len(redelivered(kafka.bootstrap_servers, topic)) == sent


def test_a_rate_bounds_the_records_a_second(kafka: SharedKafka, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap_servers, "orders", message_timestamp_type="LogAppendTime")
    pipeline = str(pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic))
    lake = lake_on(kafka.bootstrap_servers, tmp_path, topic)
    lake.claim(TopicPartition(topic, 0)).land(30, refused=range(30))
    done = streamlake("dead", "redrive", pipeline, "--to", "source", "--rate", "20", "--yes", "--json")
    assert json.loads(done.stdout)["sent"] == 30
    appended = [one.timestamp_ms for one in redelivered(kafka.bootstrap_servers, topic)]
    gaps = [after - before for before, after in pairwise(appended)]
    # Each is sent 50 ms after the one before; what a broker is late with it may take all at once.
    assert sum(gaps) >= 29 * 50 - 50
