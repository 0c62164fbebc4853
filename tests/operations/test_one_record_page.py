"""The blocks of docs/one-record.md, run as they stand there: the files that it shows are the files that there are."""

import re
from pathlib import Path

from support.pages import Page
from support.shared import SharedKafka
from support.source import ROOT

PAGE = ROOT / "docs" / "one-record.md"
VARIES = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{64}\b|\b[0-9a-f]{16}\b"  # writers, hashes, fingerprints
    r'|(?<=crc32c": ")[0-9a-f]{8}|(?<=")[\w-]{22}(?=")'  # checksums; Kafka's ids of clusters and topics
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:\+00:00|Z)|(?<=ingestion_date=)[\d-]{10}|\b\d{13}\b"  # times
    r'|(?<=cpu_seconds": )[\d.]+|\b[\d.]+ s\b(?: \(.*)?'
)


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, kafka: SharedKafka) -> None:
    page = Page(PAGE, ["tree-sales"], VARIES)
    page.follow(tmp_path, kafka.bootstrap_servers)
    assert (tmp_path / "killed-before").stat().st_size == (tmp_path / "killed-after").stat().st_size == 1
    entries = sorted((tmp_path / "lake/_ledger").rglob("*.json"))
    kinds = re.findall(r'"kind":"(claim|data|close)"', "".join(path.read_text() for path in entries))
    assert kinds == ["claim", "claim", "data", "claim", "close"]


def test_what_varies_leaves_the_facts() -> None:
    line = (
        '"first":0,"next":3,"landed":2,"sha256": "'
        + "a1" * 32
        + '", "final": "raw/t/ingestion_date=2026-11-30/t.jsonl"'
    )
    assert (
        VARIES.sub("…", line)
        == '"first":0,"next":3,"landed":2,"sha256": "…", "final": "raw/t/ingestion_date=…/t.jsonl"'
    )


def test_every_block_is_a_command_a_file_or_an_answer() -> None:
    Page(PAGE).check_blocks("yaml", "json")
