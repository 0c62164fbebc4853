"""The blocks of docs/operations/completeness.md, run as they stand there: in order, in one folder, on a real Kafka."""

import re
from pathlib import Path

from support.pages import Page
from support.shared import SharedKafka
from support.source import ROOT

PAGE = ROOT / "docs" / "operations" / "completeness.md"
COMMITTED = re.compile(r"since \S+")
JSON_NAMES = ("complete", "state", "marker", "why", "positions", "waiting", "late_rows", "late")


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, kafka: SharedKafka) -> None:
    page = Page(PAGE, ["sales-orders"], COMMITTED)
    page.follow(tmp_path, kafka.bootstrap_servers)
    assert "[3, 4) 1" in " ".join(page.lines)
    assert (
        tmp_path / "lake/_complete" / page.ours("sales-orders") / "hour=2026-01-31T06/_COMPLETE"
    ).read_bytes() == b""
    # The one, and those of three hours, of which the last is not over before its lateness is.
    assert len(list((tmp_path / "lake/_complete").rglob("_COMPLETE"))) in (3, 4)


def test_every_block_is_a_command_a_file_or_an_answer() -> None:
    Page(PAGE).check_blocks("yaml", "python")


def test_every_field_of_the_json_is_explained() -> None:
    text = PAGE.read_text()
    assert [name for name in JSON_NAMES if f"`{name}`" not in text and f"hours[].{name}`" not in text] == []
