"""The commands that the pages on alerts and platforms name exist, with their options."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from support.source import ROOT

from streamlake.engine.cli.main import streamlake

PAGES = ("runbooks.md", "platform.md", "kubernetes.md")
NAMED = re.compile(r"`(streamlake [^`]+)`|^(streamlake .*?)(?:\s+#.*)?$", re.MULTILINE)


def named(text: str) -> Iterator[list[str]]:
    for inline, line in NAMED.findall(text.replace("\\\n", " ")):
        yield shlex.split(inline or line)


def wrong(words: list[str]) -> str:
    """What of a command line there is not; empty where all of it is."""
    command: click.Command = streamlake
    rest = words[1:]
    while isinstance(command, click.Group):
        if not rest:
            return ""
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            return f"no {rest[0]}"
        command, rest = found, rest[1:]
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    return " ".join(word for word in rest if word.startswith("-") and word.partition("=")[0] not in options)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_names_is_there(page: str) -> None:
    lines = list(named((ROOT / "docs" / page).read_text()))
    assert lines
    assert {" ".join(words): wrong(words) for words in lines if wrong(words)} == {}


def test_a_command_or_an_option_that_there_is_not_is_seen() -> None:
    assert wrong(["streamlake", "dead", "lst", "orders.yaml"]) == "no lst"
    assert wrong(["streamlake", "dead", "list", "orders.yaml", "--limits=5"]) == "--limits=5"
