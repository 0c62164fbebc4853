"""The blocks of docs/operations/dead-letters.md, run as they stand there: in order, in one folder, on a real Kafka."""

import json
import re
import uuid
from pathlib import Path

from support.pages import blocks, run
from support.shared import SharedKafka
from support.source import ROOT

from streamlake.engine.operations.dead_export import SCHEMA
from streamlake.engine.operations.dead_stats import DIMENSIONS

PAGE = ROOT / "docs" / "operations" / "dead-letters.md"
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:+]+")


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, kafka: SharedKafka) -> None:
    said, shown = "", ""
    unique = f"shop-{uuid.uuid4().hex[:8]}"  # the Kafka is not ours alone
    for block in blocks(PAGE.read_text()):
        text = block.text.replace("shop-orders", unique)
        if block.mark == "file":
            (tmp_path / block.what).write_text(text)
        elif block.language == "text":
            shown += block.text
        else:
            done = run(text, tmp_path, kafka.bootstrap_servers)
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            said += f"{done.stdout}\n{done.stderr}\n"
    said = said.replace(unique, "shop-orders")
    lines = plain(said)
    assert shown
    assert [line for line in plain(shown) if line not in lines] == [], said
    assert '{"order": 7, "items": [' in lines, "the bytes of the broken one"
    assert len((tmp_path / "broken-quantities.jsonl").read_text().splitlines()) == 3
    counted = json.loads((tmp_path / "stats.json").read_text())
    assert [(group["field"], group["letters"]) for group in counted["groups"]] == [
        ("/items/*/qty", 3),
        (None, 1),
        ("/order", 1),
    ], "the topic tells the same as the files"
    assert "5 dead letters in letters.parquet (" in said
    assert "4 dead letters in letters.jsonl (" in said
    assert "{'offset': 6, 'reason': 'malformed', 'value': b'{\"order\": 7, \"items\": ['}" in lines


def plain(text: str) -> list[str]:
    """Lines without what differs from day to day: times, and how wide a column is."""
    return [" ".join(TIME.sub("T", line).split()) for line in text.splitlines()]


def test_every_block_is_a_command_a_file_or_an_answer() -> None:
    text = PAGE.read_text()
    found = list(blocks(text))
    assert len(found) == text.count("```") / 2
    for block in found:
        assert (block.language, block.mark) in {("sh", ""), ("text", ""), ("yaml", "file"), ("json", "file")}, block


def test_every_column_dimension_and_filter_is_explained() -> None:
    text = PAGE.read_text()
    filters = ("reason", "field", "topic", "partition", "offset", "since", "until", "validator", "fingerprint")
    words = [*SCHEMA.names, *DIMENSIONS, *(f"--{name}" for name in filters)]
    assert [word for word in words if f"`{word}`" not in text] == []
