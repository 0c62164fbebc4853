"""The `streamlake` command: finds the subcommand, loads only that one, and ends without a traceback."""

import atexit
import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Sequence

import click

from streamlake.engine.cli.examples import show_examples
from streamlake.engine.cli.last_word import last_word_in_the_log, say_last
from streamlake.engine.errors import Exit

GARBAGE_THRESHOLD = 50_000
"""Objects between two looks for garbage. What a command imports stays; with Python's 700 the looks are a quarter of
starting."""

COMMANDS = {
    "init": ("streamlake.engine.cli.init:command", "Draft a pipeline's YAML, with a schema from the topic's records."),
    "run": ("streamlake.engine.cli.run:command", "Land the pipeline's topics."),
    "serve": ("streamlake.engine.cli.serve:command", "Take records over HTTP, in front of Kafka."),
    "validate": ("streamlake.engine.cli.validate:command", "Check a pipeline's YAML and its plugins."),
    "explain": ("streamlake.engine.cli.explain:command", "Say what a pipeline will do, or what a code means."),
    "dry-run": ("streamlake.engine.cli.dry_run:command", "Show what would become of some records; write nothing."),
    "topics": ("streamlake.engine.cli.topics:command", "Make, show and compare the pipeline's topics."),
    "produce": ("streamlake.engine.cli.produce:command", "Send records from a file, a pipe or a generator."),
    "post": ("streamlake.engine.cli.post:command", "Send a file's lines to the HTTP edge."),
    "status": ("streamlake.engine.cli.status:command", "Show how far each partition is."),
    "top": ("streamlake.engine.cli.top:command", "Watch an engine's partitions, full screen."),
    "prove": ("streamlake.engine.cli.prove:command", "Check that nothing is missing and nothing is twice."),
    "complete": ("streamlake.engine.cli.complete:command", "Mark the hours that have wholly landed."),
    "replay": ("streamlake.engine.cli.replay:command", "Read again what was read before, in a run of its own."),
    "backfill": ("streamlake.engine.cli.backfill:command", "Land what lies before the live run, or beside it."),
    "offsets": ("streamlake.engine.cli.offsets:command", "Show and move the position of the live run."),
    "dead": ("streamlake.engine.cli.dead:command", "List, show, count and export dead letters, and send them back."),
    "quality": ("streamlake.engine.cli.quality:command", "Check what landed."),
    "gc": ("streamlake.engine.cli.gc:command", "Free what ended runs have left staged."),
    "keys": ("streamlake.engine.cli.keys:command", "Make, list and revoke the HTTP edge's API keys."),
    "schema": ("streamlake.engine.cli.schema:command", "Print the JSON Schema of a pipeline's YAML, for editors."),
    "plugins": ("streamlake.engine.cli.plugins:command", "List the installed validators and sinks."),
    "completion": ("streamlake.engine.cli.completion:command", "Print what makes a shell complete streamlake's words."),
    "local": ("streamlake.engine.cli.local:command", "Start real servers on this machine for trying out."),
}
"""Where each command is, and its line in `streamlake --help`: the list is printed without loading any of them."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """The names in the order of a user's first day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, imported now; None where there is no such name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        show_examples(command, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click; an unknown name is answered with the nearest known one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415  # only an error needs it

            near = get_close_matches(args[0], COMMANDS, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(COMMANDS)}"
            ctx.fail(f"no such command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version  # noqa: PLC0415  # 20 ms that nothing else needs

        from streamlake.engine.compiled import compiled  # noqa: PLC0415  # the same

        native = "without streamlake-native"
        if compiled() is not None:
            native = f"with streamlake-native {version('streamlake-native')}"
        click.echo(f"streamlake {version('streamlake')}, {native}")
        ctx.exit()


@click.group("streamlake", cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def streamlake() -> None:
    """Land Kafka topics in a lakehouse raw zone, each offset exactly once, and prove it.

    A pipeline is one YAML file, the first argument of most commands: streamlake run orders.yaml. Several are merged
    left to right, a base and what an environment has different: streamlake run base.yaml prod.yaml.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 78 bad configuration, 130 interrupted, 141 nobody reads.
    """


def main() -> None:
    """Run the command line and end the process, without taking the interpreter down.

    What the threads of Arrow and of librdkafka do while an interpreter is taken down has been seen to abort it, after
    all was done.
    """
    code = run()
    atexit._run_exitfuncs()  # noqa: SLF001  (no public call does what an orderly end does: multiprocessing has a folder)
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where it was closed from the beginning
        with contextlib.suppress(OSError, ValueError):  # its reader is gone
            stream.flush()
    os._exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code. Errors are sentences on standard error, never a traceback.

    STREAMLAKE_DEBUG=1 shows the traceback of every error.
    """
    gc.set_threshold(GARBAGE_THRESHOLD)
    # Before pyarrow is imported, as in `engine/preload.py`, which says why: workers are forked from this process.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    last_word_in_the_log(wanted=False)
    printed_to = sys.stdout
    try:
        streamlake.main(arguments, prog_name="streamlake", standalone_mode=False)
    except SystemExit as end:
        # The reader is gone (`| head`): click puts another stdout there then, rich ends while it handles that error.
        if sys.stdout is not printed_to or isinstance(end.__context__, BrokenPipeError):
            return Exit.NO_READER
        return end.code if isinstance(end.code, int) else Exit.FAILED if end.code else Exit.DONE
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the last resort of a process
        return say_last(error)
    return Exit.DONE
