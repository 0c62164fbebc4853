"""The blocks of docs/operations/dead-letters.md, run as they stand there: in order, in one folder, on a real Kafka."""

import json
import re
from pathlib import Path

import click
import pyarrow.parquet as pq
from support.pages import Page
from support.shared import SharedKafka
from support.source import ROOT

from streamlake.engine.cli.dead import list_command
from streamlake.engine.cli.dead_redrive import redrive_command
from streamlake.engine.operations.dead_export import SCHEMA
from streamlake.engine.operations.dead_stats import DIMENSIONS

PAGE = ROOT / "docs" / "operations" / "dead-letters.md"
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:+]+")


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, kafka: SharedKafka) -> None:
    page = Page(PAGE, ["shop-orders"], TIME)
    page.follow(tmp_path, kafka.bootstrap_servers)
    lines = page.lines
    assert '{"order": 7, "items": [' in lines, "the bytes of the broken one"
    assert len((tmp_path / "broken-quantities.jsonl").read_text().splitlines()) == 3
    counted = json.loads((tmp_path / "stats.json").read_text())
    assert [(group["field"], group["letters"]) for group in counted["groups"]] == [
        ("/items/*/qty", 3),
        (None, 1),
        ("/order", 1),
    ], "the topic tells the same as the files"
    assert "5 dead letters in letters.parquet (" in page.said
    assert "4 dead letters in letters.jsonl (" in page.said
    assert page.said.count("redrive source-") == 2, "the plan, and what was done; the later one has a name"
    assert "1 record sent in" in page.said
    assert "redrive signs: 2 records sent in" in page.said
    rows = [json.loads(line) for file in (tmp_path / "lake" / "raw").rglob("*.parquet") for line in values(file)]
    mended = sorted(item["qty"] for row in rows if row["order"] in (2, 3, 4) for item in row["items"])
    assert mended == [0, 1, 1, 2, 4, 17], "the mended schema, and the function, each landed once"
    assert "{'offset': 6, 'reason': 'malformed', 'value': b'{\"order\": 7, \"items\": ['}" in lines


def values(file: Path) -> list[bytes]:
    """The payloads that a file has."""
    return [value for value in pq.read_table(file, columns=["value"])["value"].to_pylist() if value is not None]


def test_every_block_is_a_command_a_file_or_an_answer() -> None:
    Page(PAGE).check_blocks("yaml", "json", "python")


def test_every_column_dimension_and_filter_is_explained() -> None:
    text = PAGE.read_text()
    options = [*list_command.params, *redrive_command.params]
    general = {"--set", "--json", "--log-format", "--log-level", "--limit", "--yes", "--dry-run", "--source", "--to"}
    named = {option.opts[0] for option in options if isinstance(option, click.Option)} - general
    assert {"--reason", "--run", "--max-attempts"} <= named
    words = [*SCHEMA.names, *DIMENSIONS, *sorted(named)]
    assert [word for word in words if not re.search(f"`{re.escape(word)}[` ]", text)] == []
