"""`topics` and `produce` from the command line, on a real Kafka."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.broker import everything_in, unique
from support.engine import STREAMLAKE, pipeline_yaml, streamlake
from support.shared import SharedKafka

from streamlake.config.load import load_pipeline


@pytest.fixture
def pipeline(tmp_path: Path, kafka: SharedKafka) -> Path:
    """A pipeline's YAML whose topics are not made yet."""
    topic = unique("orders")
    return pipeline_yaml(
        tmp_path,
        kafka.bootstrap_servers,
        topic,
        kafka__topics=[{"name": topic, "partitions": 2, "config": {"retention.ms": 604800000}}],
        dead_letters__topic={"name": f"{topic}.dlq", "partitions": 1},
    )


def topic_of(pipeline: Path) -> str:
    return load_pipeline(pipeline).kafka.topic_names[0]


def values_in(pipeline: Path) -> list[tuple[bytes | None, bytes | None]]:
    config = load_pipeline(pipeline)
    return [(message.key(), message.value()) for message in everything_in(config, config.kafka.topic_names[0])]


def produced(pipeline: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    found = streamlake("produce", str(pipeline), "--json", *arguments)
    assert found.returncode == code, found.stderr
    result: dict[str, Any] = json.loads(found.stdout)
    return result


def test_topics_are_compared_made_shown_and_then_as_they_should_be(pipeline: Path) -> None:
    topic = topic_of(pipeline)
    found = streamlake("topics", "diff", str(pipeline))
    assert found.returncode == 1
    assert found.stdout.splitlines() == [
        f"{topic}: is missing, wanted with 2 partitions",
        f"{topic}.dlq: is missing, wanted with 1 partition",
    ]
    found = streamlake("topics", "apply", str(pipeline))
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == [f"{topic}: made with 2 partitions", f"{topic}.dlq: made with 1 partition"]
    assert streamlake("topics", "diff", str(pipeline)).stdout == "no difference\n"
    assert streamlake("topics", "apply", str(pipeline)).stdout.startswith("nothing to do")
    shown = streamlake("topics", "describe", str(pipeline)).stdout.splitlines()
    assert shown[0].split() == ["topic", "role", "partitions", "replicas", "offsets", "settings"]
    assert shown[1].split() == [topic, "source", "2", "1", "0", "retention.ms=604800000"]
    assert shown[2].startswith(f"{topic}.dlq")


def test_what_apply_may_not_do_it_says_and_ends_in_1(pipeline: Path) -> None:
    topic = topic_of(pipeline)
    streamlake("topics", "apply", str(pipeline))
    fewer = ["--set", f"kafka.topics[{topic}].partitions=1"]
    found = streamlake("topics", "apply", str(pipeline), *fewer)
    assert found.returncode == 1
    assert found.stderr == (
        f"{topic}: partitions is 2, wanted 1: left as it is: "
        "Kafka can't take partitions away: write partitions: 2, or name a new topic\n"
    )
    assert streamlake("topics", "diff", str(pipeline), *fewer).returncode == 1


def test_topics_tell_programs_in_json(pipeline: Path) -> None:
    done = json.loads(streamlake("topics", "apply", str(pipeline), "--json").stdout)
    assert [change["what"] for change in done["done"]] == ["topic", "topic"]
    assert json.loads(streamlake("topics", "diff", str(pipeline), "--json").stdout) == []
    source, dead = json.loads(streamlake("topics", "describe", str(pipeline), "--json").stdout)
    assert (source["partitions"], source["role"], dead["role"]) == (2, "source", "dead letters")


def test_a_file_s_lines_are_produced_with_a_field_as_key(pipeline: Path, tmp_path: Path) -> None:
    streamlake("topics", "apply", str(pipeline))
    file = tmp_path / "orders.jsonl"
    file.write_bytes(b'{"customer_id": 1}\n{"customer_id": "x"}\nbroken\n')
    found = produced(pipeline, "--file", str(file), "--key-field", "/customer_id")
    assert (found["sent"], found["acked"], found["failed"]) == (3, 3, 0)
    expected = [(b"1", b'{"customer_id": 1}'), (b"x", b'{"customer_id": "x"}'), (None, b"broken")]
    assert sorted(values_in(pipeline), key=str) == sorted(expected, key=str)


def test_standard_input_is_produced(pipeline: Path) -> None:
    streamlake("topics", "apply", str(pipeline))
    done = subprocess.run(
        [STREAMLAKE, "produce", str(pipeline), "--topic", topic_of(pipeline), "--stdin"],
        input=b"a\nb",
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"2 of 2 records acknowledged by ")
    assert sorted(value or b"" for _, value in values_in(pipeline)) == [b"a", b"b"]


def test_generated_orders_are_produced_with_their_broken_ones_and_tombstones(pipeline: Path) -> None:
    streamlake("topics", "apply", str(pipeline))
    arguments = ["--generate", "orders", "--records", "1000", "--broken", "2%", "--tombstones", "0.5%"]
    found = produced(pipeline, *arguments)
    assert (found["sent"], found["acked"], found["failed"]) == (1000, 1000, 0)
    values = values_in(pipeline)
    assert sum(value is None for _, value in values) == 5
    good = [value for _, value in values if value is not None and _is_order(value)]
    assert 975 <= len(good) < 995  # some kinds of broken ones are JSON all the same
    assert all(key is not None and key.isdigit() for key, _ in values)


def _is_order(value: bytes) -> bool:
    try:
        return bool(json.loads(value)["items"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def test_records_that_can_not_be_delivered_end_in_1_with_their_number(pipeline: Path, tmp_path: Path) -> None:
    topic = topic_of(pipeline)
    small = ["--set", f"kafka.topics[{topic}].config.max.message.bytes=2000"]
    streamlake("topics", "apply", str(pipeline), *small)
    file = tmp_path / "large.jsonl"
    file.write_bytes(b"x\n" + b"y" * 50_000 + b"\nz\n")
    uncompressed = ["--set", "kafka.properties.compression.type=none"]
    found = produced(pipeline, "--file", str(file), *uncompressed, code=1)
    assert (found["sent"], found["acked"], found["failed"]) == (3, 2, 1)
    text = streamlake("produce", str(pipeline), "--file", str(file), *uncompressed)
    assert text.returncode == 1
    assert "1 failed: sending: Kafka says MSG_SIZE_TOO_LARGE" in text.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--stdin", "--topic", "no.such.topic"], 1, "the topic no.such.topic does not exist"),
        (["--generate", "orders", "--broken", "120%"], 2, "must be a ratio from 0 to 1"),
        (["--generate", "clicks"], 2, "'clicks' is not"),
        (["--rate", "0", "--stdin"], 2, "--rate"),
        (["--rate", "nan", "--stdin"], 2, "'nan' is no number of records a second"),
        (["--rate", "inf", "--stdin"], 2, "'inf' is no number of records a second"),
        (["--stdin", "--set", "kafka.bootstrap_servers=127.0.0.1:1"], 1, "no answer from 127.0.0.1:1"),
    ],
)
def test_a_wrong_order_to_produce_is_a_sentence(pipeline: Path, arguments: list[str], code: int, said: str) -> None:
    found = subprocess.run(
        [STREAMLAKE, "produce", str(pipeline), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert said in found.stderr
    assert "Traceback" not in found.stderr
    assert found.returncode == code


def test_a_pipeline_with_several_topics_wants_to_be_told_which(pipeline: Path) -> None:
    several = ["--set", "kafka.topics=[{name: a}, {name: b}]"]
    found = streamlake("produce", str(pipeline), "--generate", "orders", *several)
    assert found.returncode == 2
    assert found.stderr == "say which topic: --topic, one of a, b [SL0202]\n"
