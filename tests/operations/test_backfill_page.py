"""The blocks of docs/operations/backfill.md, run as they stand there: in order, in one folder, on a real Kafka."""

import re
from pathlib import Path

from support.pages import Page
from support.shared import SharedKafka
from support.source import ROOT

from streamlake.engine.cli import backfill

PAGE = ROOT / "docs" / "operations" / "backfill.md"
CHANGES = re.compile(r"[\d,]+(?= +0$)|\d{4}-\d\d-\d\dT[\d:.+]+\d")  # bytes, which are another library's, and times


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, kafka: SharedKafka) -> None:
    Page(PAGE, ["shop-orders"], CHANGES).follow(tmp_path, kafka.bootstrap_servers)


def test_every_block_is_a_command_a_file_or_an_answer() -> None:
    Page(PAGE).check_blocks("yaml")


def test_every_option_of_its_own_is_explained() -> None:
    text = PAGE.read_text()
    options = {option for parameter in backfill.run.params for option in parameter.opts if option.startswith("--")}
    assert [
        option for option in options - {"--set", "--log-format", "--log-level", "--json"} if f"`{option}" not in text
    ] == []
