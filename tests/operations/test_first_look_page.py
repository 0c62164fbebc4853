"""The blocks of docs/operations/first-look.md, run as they stand there: in order, in one folder, on a real Kafka."""

from pathlib import Path

import pytest
from click import Command
from support.pages import Page
from support.shared import SharedKafka
from support.source import ROOT

from streamlake.engine.cli import dry_run, init

PAGE = ROOT / "docs" / "operations" / "first-look.md"


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, kafka: SharedKafka) -> None:
    Page(PAGE, ["shop-orders"]).follow(tmp_path, kafka.bootstrap_servers)


def test_every_block_is_a_command_a_file_or_an_answer() -> None:
    Page(PAGE).check_blocks("python", not_run=1)


@pytest.mark.parametrize("command", [init.command, dry_run.command], ids=lambda command: command.name)
def test_every_option_is_explained(command: Command) -> None:
    text = PAGE.read_text()
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    assert [option for option in options - {"--log-format", "--log-level"} if f"`{option}" not in text] == []
