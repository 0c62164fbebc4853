"""The blocks of docs/operations/replay-diff.md, run as they stand there: in order, in one folder, on a real Kafka."""

from pathlib import Path

from support.pages import Page
from support.shared import SharedKafka
from support.source import ROOT

PAGE = ROOT / "docs" / "operations" / "replay-diff.md"


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, kafka: SharedKafka) -> None:
    Page(PAGE, ["shop-returns"]).follow(tmp_path, kafka.bootstrap_servers)


def test_every_block_is_a_command_a_file_or_an_answer() -> None:
    Page(PAGE).check_blocks("yaml", "json", "python")
