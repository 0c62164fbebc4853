"""A pipeline's YAML run over given messages, as a user's unit test does: no Kafka, no disk, no thread, no leftovers."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import fsspec
import psutil
import pytest
import yaml

from streamlake.engine.errors import BreakerError, ConfigError, ValidatorError
from streamlake.engine.operations.prove import prove
from streamlake.engine.records import TopicPartition
from streamlake.engine.testing import Message, Place, RunPipeline, run_pipeline

MODEL = """
from pydantic import BaseModel, field_validator
class Payment(BaseModel):
    id: int
    amount: float
    @field_validator("id")
    @classmethod
    def breaks(cls, value):
        if value == 13:
            raise OSError("no such currency table")
        return value
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline as a user has it: its own model, a broker and a root that are not there."""
    (tmp_path / "testing_payments.py").write_text(MODEL)
    return written(tmp_path / "payments.yaml")


def written(path: Path, topics: tuple[str, ...] = ("payments",), **sections: Any) -> Path:
    """A pipeline's YAML with other sections."""
    tree = {
        "pipeline": "payments",
        "kafka": {
            "bootstrap_servers": "${KAFKA:-nowhere:1}",
            "group_id": "payments",
            "topics": [{"name": topic} for topic in topics],
        },
        "validator": {"type": "pydantic", "model": "testing_payments:Payment"},
        "sink": {"type": "file", "root": str(path.parent / "lake"), "format": "jsonl", "compression": "gzip"},
        "dead_letters": {"topic": {"name": "payments.dlq"}},
        **sections,
    }
    path.write_text(yaml.safe_dump(tree))
    return path


def test_every_message_is_a_row_a_dead_letter_or_skipped(pipeline: Path, streamlake_pipeline: RunPipeline) -> None:
    outcome = streamlake_pipeline(
        pipeline,
        [
            {"id": 1, "amount": 9.5},
            '{"id": 2, "amount": "a lot"}',
            None,
            Message(b'{"id":3,"amount":2}', key="k", headers=[("h", b"1"), ("h", None)], timestamp_ms=1_000),
            b"{",
        ],
    )
    assert [row["value"] for row in outcome.rows] == ['{"id":1,"amount":9.5}', '{"id":3,"amount":2}']
    last = outcome.rows[-1]
    assert (last["_offset"], last["_partition"], last["_key"]) == (3, 0, b"k")
    assert [tuple(header.values()) for header in last["_headers"]] == [("h", b"1"), ("h", None)]
    assert last["_timestamp"].timestamp() == 1
    assert [(letter.offset, letter.reason, letter.field) for letter in outcome.dead_letters] == [
        (1, "invalid", "/amount"),
        (4, "malformed", None),
    ]
    assert outcome.dead_letters[0].value == b'{"id": 2, "amount": "a lot"}'
    assert outcome.skipped == [Place(TopicPartition("payments", 0), 2)]
    assert [entry.kind for entry in outcome.entries] == ["claim", "data", "close"]
    assert prove(outcome.ledger).holds


def test_typed_columns_are_pythons_values(pipeline: Path) -> None:
    (row,) = run_pipeline(pipeline, [{"id": 1, "amount": 2}], overrides=["sink.columns=typed"]).rows
    assert (row["id"], row["amount"], row["_offset"]) == (1, 2.0, 0)
    (row,) = run_pipeline(pipeline, [{"id": 1, "amount": 2}], overrides=["sink.columns=value"]).rows
    assert row == {"value": '{"id":1,"amount":2}'}


def test_partitions_topics_and_offsets_are_as_the_messages_say(tmp_path: Path) -> None:
    path = written(tmp_path / "two.yaml", ("one", "two"), validator={"type": "json"})
    messages = [
        Message({}, topic="two", partition=1, offset=7),
        Message({}, topic="one"),
        Message({}, topic="two", partition=1, offset=9),
        Message({}, topic="one"),
    ]
    outcome = run_pipeline(path, messages)
    assert [(row["_partition"], row["_offset"]) for row in outcome.rows] == [(0, 0), (0, 1), (1, 7), (1, 9)]
    holes = [(str(entry.source), *map(str, entry.holes)) for entry in outcome.entries if entry.kind == "data"]
    assert holes == [("one/0",), ("two/1", "[8, 9)")]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([Message({}, offset=3, topic="one"), Message({}, offset=3, topic="one")], "one/0: offset 3 comes after 3"),
        ([{}], "a message of topic None: the pipeline reads one, two"),
        ([Message({}, topic="three")], "a message of topic 'three'"),
    ],
)
def test_messages_that_no_topic_could_hold_are_refused(tmp_path: Path, messages: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run_pipeline(written(tmp_path / "two.yaml", ("one", "two"), validator={"type": "json"}), messages)


def test_a_record_that_makes_the_validator_raise_is_refused_alone(pipeline: Path) -> None:
    outcome = run_pipeline(pipeline, [{"id": number, "amount": 1} for number in range(20)])
    (letter,) = outcome.dead_letters
    assert (letter.offset, letter.reason) == (13, "crash")
    assert "no such currency table" in letter.message
    assert len(outcome.rows) == 19


def test_many_messages_land_in_the_yamls_batches_and_in_order(pipeline: Path) -> None:
    messages = [{"id": 100 + number, "amount": 1} for number in range(2_345)]
    outcome = run_pipeline(pipeline, messages, overrides=["batch.rows_max=1000"])
    assert [entry.landed for entry in outcome.entries if entry.kind == "data"] == [1000, 1000, 345]
    assert [row["_offset"] for row in outcome.rows] == list(range(2_345))
    small = run_pipeline(pipeline, messages, overrides=["batch.bytes_max=1KiB"])
    assert [entry.landed for entry in small.entries if entry.kind == "data"] == [500, 500, 500, 500, 345]


def test_rows_that_lie_in_several_folders_of_one_entry_are_in_the_order_of_offsets(pipeline: Path) -> None:
    messages = [Message({"id": 1, "amount": 1}, timestamp_ms=number % 3 * 86_400_000) for number in range(9)]
    outcome = run_pipeline(pipeline, messages, overrides=["sink.partition_by=record_date"])
    assert [len(entry.files) for entry in outcome.entries if entry.kind == "data"] == [3]
    assert [row["_offset"] for row in outcome.rows] == list(range(9))


def test_no_messages_are_an_outcome_too_and_what_is_wrong_is_said_all_the_same(pipeline: Path) -> None:
    outcome = run_pipeline(pipeline, [])
    assert (list(outcome.rows), list(outcome.entries)) == ([], [])
    with pytest.raises(ConfigError, match="Payn"):
        run_pipeline(pipeline, [], overrides=["validator.model=testing_payments:Payn"])


def test_what_would_park_the_partition_is_raised(pipeline: Path) -> None:
    with pytest.raises(BreakerError):
        run_pipeline(pipeline, ["no"] * 30, overrides=["dead_letters.breaker.consecutive_max=20"])
    (pipeline.parent / "testing_wrong.py").write_text(
        "class Wrong:\n    payload, fingerprint = 'json', '1'\n"
        "    @classmethod\n    def from_options(cls, options, *, columns, base_dir): return cls()\n"
        "    def validate(self, batch): return 7\n"
    )
    with pytest.raises(ValidatorError, match="it answered with int"):
        run_pipeline(written(pipeline.parent / "w.yaml", validator={"type": "testing_wrong:Wrong"}), [{}])


def test_another_sink_of_the_yaml_is_stood_in_for_and_variables_may_be_given(tmp_path: Path) -> None:
    sink = {"type": "nobodys:Sink", "table": "x", "columns": "strange"}
    path = written(tmp_path / "p.yaml", validator={"type": "json"}, sink=sink, python_path=["${PLUGINS}"])
    outcome = run_pipeline(path, [{"a": 1}], environ={"PLUGINS": "."})
    assert [row["value"] for row in outcome.rows] == ['{"a":1}']
    with pytest.raises(ConfigError, match="PLUGINS"):
        run_pipeline(path, [], environ={})


def test_it_leaves_no_thread_no_process_no_file_and_no_memory_behind(pipeline: Path) -> None:
    def everything() -> tuple[set[str], int, int, list[Path]]:
        names = {thread.name for thread in threading.enumerate()}
        files = sorted(pipeline.parent.rglob("*.*"))
        return names, len(psutil.Process().children()), len(fsspec.filesystem("memory").find("/")), files

    run_pipeline(pipeline, [{"id": 1, "amount": 1}])
    before = everything()
    outcome = run_pipeline(pipeline, [{"id": 13, "amount": 1}, None, "x", *[{"id": 1, "amount": 1}] * 2_000])
    assert len(outcome.rows) == 2_000
    assert everything()[2] > before[2], "its root is there as long as its ledger"
    del outcome
    assert everything() == before


def test_a_pipelines_unit_test_takes_less_than_a_fifth_of_a_second(pipeline: Path) -> None:
    run_pipeline(pipeline, [{"id": 1, "amount": 1}])
    took = []
    for turn in range(1, 6):  # the least of several: what else this process does is none of it
        began = time.process_time()
        run_pipeline(pipeline, [{"id": number + 100 * turn, "amount": 1} for number in range(100)])
        took.append(time.process_time() - began)
    assert min(took) < 0.2


def test_the_fixture_is_found_by_a_users_pytest_and_costs_others_nothing(pipeline: Path) -> None:
    test = pipeline.parent / "test_payments.py"
    test.write_text(
        "import sys\n"
        "def test_others():\n"
        "    assert not {'pyarrow', 'pydantic', 'confluent_kafka', 'fsspec'} & set(sys.modules)\n"
        "def test_payments(streamlake_pipeline):\n"
        "    outcome = streamlake_pipeline('payments.yaml', [{'id': 1, 'amount': 2}])\n"
        "    assert len(outcome.rows) == 1\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:hypothesispytest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, f"--rootdir={test.parent}", str(test)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(sys.executable).parent,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
