"""Each command's help ends with examples whose words the command takes, and a shell completes them."""

import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support.engine import STREAMLAKE, streamlake

from streamlake.engine.cli import main
from streamlake.engine.cli.examples import EXAMPLES


def _commands(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    if not isinstance(command, click.Group):
        yield command, context
        return
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from _commands(below, click.Context(below, parent=context, info_name=name))


ROOT = click.Context(main.streamlake, info_name="streamlake")
COMMANDS = {one.command_path.removeprefix("streamlake "): command for command, one in _commands(ROOT.command, ROOT)}


@pytest.fixture(autouse=True)
def logs_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is only parsed sets no logs up."""
    monkeypatch.setattr("streamlake.engine.logs.configure_logs", lambda *_, **__: None)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_help_of_a_command_ends_with_examples_that_it_takes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "orders.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    assert name in EXAMPLES, "engine/cli/examples.py has those of all commands"
    command = COMMANDS[name]
    shown = command.get_help(click.Context(command, info_name=name))
    assert "\n  Example" in shown
    for example in EXAMPLES[name]:
        assert f"\n    {example}" in f"\n{shown}", "in one line, as it is typed"
        words = shlex.split(example.removeprefix('eval "$(').removesuffix(')"'))
        asked = ["streamlake", *name.split()]
        assert words[: len(asked)] == asked
        with command.make_context(name, words[len(asked) :], parent=ROOT):
            pass  # it is taken; what it opened is closed


@pytest.mark.parametrize("name", sorted({name.partition(" ")[0] for name in COMMANDS if " " in name}))
def test_the_help_of_a_group_shows_an_example_of_each_of_its_commands(name: str) -> None:
    group = main.streamlake.get_command(ROOT, name)
    assert group is not None
    shown = group.get_help(click.Context(group, info_name=name))
    below = [path for path in COMMANDS if path.startswith(f"{name} ")]
    assert all(f"\n    {EXAMPLES[path][0]}" in shown for path in below), shown


def test_an_option_that_there_is_not_is_seen() -> None:
    with pytest.raises(click.NoSuchOption):
        COMMANDS["status"].make_context("status", ["orders.yaml", "--frobnicate"], parent=ROOT)


def _completed(words: str, folder: Path) -> list[str]:
    """What bash offers behind `words`."""
    count = len(words.split(" ")) - 1
    program = (
        f'eval "$({shlex.quote(STREAMLAKE)} completion bash)"; COMP_WORDS=({words}{" " * words.endswith(" ")}); '
        f'COMP_CWORD={count}; _streamlake_completion {shlex.quote(STREAMLAKE)}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd=folder, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").touch()
    began = time.monotonic()
    assert _completed("streamlake sta", tmp_path) == ["status"]
    assert "--until-end" in _completed("streamlake run --u", tmp_path)
    assert _completed("streamlake replay pro", tmp_path) == ["promote"]
    assert time.monotonic() - began < 30


def test_the_environments_variable_is_clicks_own() -> None:
    found = streamlake("completion", "zsh")
    assert "_STREAMLAKE_COMPLETE=zsh_complete" in found.stdout
