"""docs/commands.md, made from the commands: `python -m streamlake.engine.cli.page` prints it.

The committed page is its output; a test compares the two.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping

import click

from streamlake.engine.cli.examples import EXAMPLES
from streamlake.engine.cli.main import COMMANDS, streamlake
from streamlake.engine.errors import Exit

HEAD = """\
# Commands and exit codes

Each command with its options, as `--help` prints them. What they are for, with their answers: the pages of
[operations](operations.md). `PIPELINE.yaml...` is one file or several, which are merged left to right.

This page is made from `engine/cli/` by `make docs`.
"""

MEANINGS: Mapping[Exit, str] = {
    Exit.DONE: "done; also after SIGTERM",
    Exit.FAILED: "the run or the check failed",
    Exit.USAGE: "wrong usage",
    Exit.FENCED: "another worker has taken the partition; started again once the group's coordinator has answered",
    Exit.STORAGE: "the storage refused, timed out or lied; what was staged is collected by the next claim",
    Exit.SOURCE: "Kafka can't give what comes next: expired, truncated, made anew, forbidden",
    Exit.DEAD_LETTERS: "a dead letter could not be sent to its topic",
    Exit.LEDGER: "the ledger, or a file that it names, is damaged",
    Exit.BREAKER: "too many records were refused: parked, until a restart or SIGHUP",
    Exit.ORPHANED: "its supervisor is gone",
    Exit.CRASHED: "an error that nobody foresaw: a bug of StreamLake or of a plugin",
    Exit.VALIDATOR: "the validator can't be made or gives no verdict, or the process to try it in died before that",
    Exit.SUPERSEDED: "a later generation of the live run has taken over",
    Exit.BAD_CONFIG: "bad configuration, or a root of somebody else",
    Exit.INTERRUPTED: "ended by Ctrl-C, after it drained or at once",
    Exit.NO_READER: "the reader of its output is gone, as of any program that SIGPIPE ends",
}
"""Each exit code in a phrase."""


def page() -> str:
    """The whole page."""
    found = dict(commands())
    shared = _shared(found)
    lines = [HEAD, "## Options of most commands\n", *_table(shared), ""]
    for name, command in found.items():
        lines += _section(name, command, shared)
    return "\n".join([*lines, *_exits()])


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its whole name: `replay run`."""
    context = click.Context(streamlake)
    for name in COMMANDS:
        command = streamlake.get_command(context, name)
        assert command is not None
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", one) for below, one in command.commands.items())


def _shared(found: Mapping[str, click.Command]) -> list[tuple[str, str]]:
    """The options that most commands have in the same words."""
    counted = Counter(record for command in found.values() for record in dict.fromkeys(_options(command)))
    return [record for record, commands_ in counted.most_common() if commands_ > len(found) / 2]


def _section(name: str, command: click.Command, shared: list[tuple[str, str]]) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(click.Context(command)))
    yield f"## streamlake {name}\n"
    yield f"`streamlake {name} {usage}`\n"
    for paragraph in (command.help or "").split("\n\n"):
        yield f"{_text(' '.join(paragraph.split()))}\n"
    own = [option for option in _options(command) if option not in shared]
    if own:
        yield from (*_table(own), "")
    if examples := EXAMPLES.get(name):
        yield from ("```text", *examples, "```\n")


def _options(command: click.Command) -> list[tuple[str, str]]:
    context = click.Context(command, help_option_names=["-h", "--help"])
    options = [one for one in command.params if isinstance(one, click.Option)]
    return [record for option in options if (record := option.get_help_record(context))]


def _table(options: list[tuple[str, str]]) -> Iterator[str]:
    yield from ("| option | |", "|---|---|")
    for option, told in options:
        yield f"| `{option.replace('|', chr(92) + '|')}` | {_text(' '.join(told.split()))} |"


def _text(told: str) -> str:
    """As Markdown: what looks like markup or a cell's end is written so that it is shown."""
    quoted = re.split(r"(`[^`]*`)", told)
    plain = [part if part.startswith("`") else _plain(part) for part in quoted]
    return "".join(plain).replace("|", r"\|")


def _plain(text: str) -> str:
    return re.sub(r"([*_\[\]])", r"\\\1", text.replace("<", "&lt;"))


def _exits() -> Iterator[str]:
    yield "## Exit codes\n"
    yield from ("| code | a command ends with it when |", "|---|---|")
    yield from (f"| {code.value} | {MEANINGS[code]} |" for code in Exit if code.of_command is code)
    yield "\nA worker process has codes of its own; a command ends with 1 in their place. Logs name them in `exit`,"
    yield "as `streamlake_worker_restarts_total` does.\n"
    yield from ("| code | name | why the worker ended |", "|---|---|---|")
    workers = (code for code in Exit if code.of_command is not code)
    yield from (f"| {code.value} | `{code.name.lower()}` | {MEANINGS[code]} |" for code in workers)
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
