"""Sink, format and validator are one line of YAML each: every swap lands the same of one stream."""

import difflib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from examples import swapping
from support.shared import SharedKafka
from support.topics import fill, make_topic

YAML = """\
pipeline: swaps
kafka:
  bootstrap_servers: {servers}
  group_id: swaps.{topic}
  topics: [{{name: {topic}}}]
validator: {{type: jsonschema, schema: payment.schema.json}}
sink: {{type: file, root: lake, format: jsonl}}
dead_letters: {{topic: {{name: {topic}.dlq}}}}
batch: {{rows_max: 100}}
"""
SWAPS = {
    "file to memory": ("root: lake, format: jsonl", "root: 'memory://lake', format: jsonl"),
    "file to sqlite": ("type: file, root: lake, format: jsonl", "type: sqlite, root: lake.db"),
    "jsonl to parquet": ("format: jsonl", "format: parquet"),
    "jsonschema to pydantic": (
        "type: jsonschema, schema: payment.schema.json",
        "type: pydantic, model: 'payment:Payment'",
    ),
}
SCHEMA = {
    "type": "object",
    "required": ["id", "amount"],
    "properties": {"id": {"type": "integer"}, "amount": {"type": "number"}},
}
MODEL = "import pydantic\n\n\nclass Payment(pydantic.BaseModel, strict=True):\n    id: int\n    amount: float\n"


def payment(number: int) -> bytes | None:
    """Of a hundred two are broken in different ways, two do not fit, and one is a tombstone."""
    special = {
        7: b'{"id": %d, "amount": "a lot"}',
        23: b'{"id": %d, "amount": ',
        51: b"[%d]",
        64: b'{"amount": %d}',
    }
    if number % 100 == 77:
        return None
    return special.get(number % 100, b' {"id": %d,\t"amount": 1.50, "more": "\xc3\xbc"} ') % number


@pytest.fixture(scope="module")
def stream(kafka: SharedKafka) -> tuple[str, str]:
    """The address of Kafka and a topic of 350 payments."""
    topic = make_topic(kafka.bootstrap_servers, "payments")
    make_topic(kafka.bootstrap_servers, exactly=f"{topic}.dlq")
    fill(kafka.bootstrap_servers, topic, [payment(number) for number in range(350)])
    return kafka.bootstrap_servers, topic


def landed(folder: Path, stream: tuple[str, str], installed: Path, *swaps: str) -> dict[str, Any]:
    """What lands with these swaps; each changes one line."""
    base = text = YAML.format(servers=stream[0], topic=stream[1])
    for swap in swaps:
        old, new = SWAPS[swap]
        assert old in text, swap
        text = text.replace(old, new)
    changed = [line for line in difflib.ndiff(base.splitlines(), text.splitlines()) if line.startswith("+ ")]
    assert len(changed) == len(swaps)
    folder.mkdir()
    (folder / "pipeline.yaml").write_text(text)
    (folder / "payment.schema.json").write_text(json.dumps(SCHEMA))
    (folder / "payment.py").write_text(MODEL)
    done = subprocess.run(
        [str(installed / "bin" / "python"), swapping.__file__, "pipeline.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_swap_lands_the_same_of_one_stream(tmp_path: Path, stream: tuple[str, str], installed: Path) -> None:
    base = landed(tmp_path / "base", stream, installed)
    values = {offset: value for offset in range(350) if (value := payment(offset)) is not None}
    refused = [offset for offset in values if offset % 100 in (7, 23, 51, 64)]
    assert base["rows"] == [[0, at, value.decode()] for at, value in values.items() if at not in refused]
    assert [letter[0] for letter in base["letters"]] == refused
    assert base["skipped"] == ["[77, 78)", "[177, 178)", "[277, 278)"]
    for number, swap in enumerate(SWAPS):
        assert landed(tmp_path / str(number), stream, installed, swap) == base, swap
    assert landed(tmp_path / "two", stream, installed, "file to sqlite", "jsonschema to pydantic") == base
    files = [path for path in (tmp_path / "2" / "lake" / "raw").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".parquet"}
    assert not (tmp_path / "0" / "lake").exists(), "memory leaves nothing"
