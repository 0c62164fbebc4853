"""The example pipelines on a real Kafka, as their comments say: checked, topics made, records landed and proven."""

import gzip
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.engine import streamlake
from support.shared import SharedKafka

from streamlake.config.load import load_pipeline
from streamlake.config.schema import SCHEMA_FILE
from streamlake.engine.cli.main import run

FOLDER = SCHEMA_FILE.parent / "examples"
ELSEWHERE = {"secure.yaml"}
"""Run by tests/security, against a Kafka that asks who it is."""
ENVELOPE = ["_partition", "_offset", "_timestamp", "_timestamp_type", "_key", "_headers", "value"]
ORDER = {
    "order_id": 1,
    "customer_id": 2,
    "status": "O",
    "currency": "EUR",
    "total": 9.5,
    "ordered_at": "2026-01-31",
    "priority": "5-LOW",
    "items": [{"sku": 1, "qty": 1, "price": 9.5}],
}
PAYMENT = {"payment_id": "pay_a1b2c3d4", "amount": "9.50", "currency": "EUR", "method": "card", "card_last4": "1234"}
PAID = PAYMENT | {"paid_at": "2026-01-31T06:00:00Z"}
CLICK = {"event": "click", "at": "2026-01-31T06:00:00Z"}


@dataclass(frozen=True)
class Example:
    """Files of config/examples, records of which the second is refused, and what is to be seen in the lake."""

    files: tuple[str, ...]
    records: tuple[object, object]
    columns: Callable[[Path], list[str]]
    wanted: list[str]


def of_parquet(raw: Path) -> list[str]:
    (file,) = raw.rglob("*.parquet")
    return pq.read_schema(file).names


def of_lines(raw: Path) -> list[str]:
    (file,) = raw.rglob("*.jsonl.gz")
    return list(json.loads(gzip.decompress(file.read_bytes())))


EXAMPLES = {
    "orders": Example(("orders.yaml",), (ORDER, ORDER | {"total": -1}), of_parquet, ENVELOPE),
    "typed": Example(
        ("typed.yaml",),
        (ORDER, ORDER | {"status": "X"}),
        of_parquet,
        ["_partition", "_offset", "_timestamp", "_key", "_headers", *ORDER],
    ),
    "jsonl": Example(("jsonl.yaml",), (CLICK, ["no", "object"]), of_lines, ENVELOPE),
    "own model": Example(("own-model.yaml",), (PAID, PAID | {"method": "transfer"}), of_parquet, ENVELOPE),
    "many topics": Example(("many-topics.yaml",), (CLICK, {"event": ""}), of_parquet, ENVELOPE),
    "environments": Example(("environments/base.yaml", "environments/prod.yaml"), (CLICK, 7), of_parquet, ENVELOPE),
}


def test_every_example_is_run_here_or_where_it_says() -> None:
    files = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.yaml")}
    assert files - ELSEWHERE == {file for example in EXAMPLES.values() for file in example.files}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_lands_what_it_says(
    name: str,
    kafka: SharedKafka,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    example, root, unique = EXAMPLES[name], tmp_path / "lake", uuid.uuid4().hex[:8]
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("STREAMLAKE_ROOT", str(root))
    monkeypatch.setenv("METRICS_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("REPLICATION", "1")
    files = [str(FOLDER / file) for file in example.files]
    topics = load_pipeline([Path(file) for file in files]).kafka.topic_names
    lines = tmp_path / "records.jsonl"
    lines.write_text("".join(json.dumps(record) + "\n" for record in example.records))

    # The Kafka is not ours alone: each run has names of its own.
    own = [f"--set=kafka.topics[{topic}].name={topic}-{unique}" for topic in topics]
    own += [f"--set=dead_letters.topic.name=dead-{unique}", f"--set=kafka.group_id=group-{unique}"]

    def command(*words: str) -> str:
        assert run([*words, *own]) == 0, capsys.readouterr()
        return capsys.readouterr().out

    def process(*words: str) -> None:
        done = streamlake(*words, *own)
        assert done.returncode == 0, done.stdout + done.stderr

    command("validate", *files, "--offline")
    command("topics", "apply", *files)
    process("produce", *files, "--topic", f"{topics[0]}-{unique}", "--file", str(lines))
    process("run", *files, "--until-end")
    assert "proven: 2 offsets = 1 row + 1 dead letter" in command("prove", *files, "--kafka")

    assert example.columns(root / "raw") == example.wanted
    letter = json.loads(command("dead", "list", *files, "--json"))
    assert (letter["topic"], letter["reason"]) == (f"{topics[0]}-{unique}", "invalid")
