"""`docs/commands.md` is the commands' own: each command, each option, each exit code."""

from pathlib import Path

import click
import pytest

from streamlake.engine.cli.main import COMMANDS
from streamlake.engine.cli.page import MEANINGS, commands, page
from streamlake.engine.errors import Exit

DOCS = Path(__file__).parents[2] / "docs"
FOUND = dict(commands())


def test_the_committed_page_is_up_to_date() -> None:
    assert (DOCS / "commands.md").read_text() == page(), "run: make docs"


def test_every_command_is_there() -> None:
    assert {name.partition(" ")[0] for name in FOUND} == set(COMMANDS)
    assert {"replay run", "dead redrive", "local kafka"} <= set(FOUND)


@pytest.mark.parametrize("name", list(FOUND))
def test_every_option_of_a_command_is_told(name: str) -> None:
    text = page()
    section = text.partition(f"\n## streamlake {name}\n")[2].partition("\n## ")[0]
    shared = text.partition("\n## Options of most commands\n")[2].partition("\n## ")[0]
    longest = [max(one.opts, key=len) for one in FOUND[name].params if isinstance(one, click.Option) and not one.hidden]
    assert section
    assert [option for option in longest if option not in section and option not in shared] == []


def test_every_exit_code_has_its_reason() -> None:
    assert set(MEANINGS) == set(Exit)
