"""What the commands share: the YAML argument, common options, and output for people and for programs."""

import dataclasses
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamlake.engine.cli.last_word import last_word_in_the_log
from streamlake.engine.errors import ConfigError

if TYPE_CHECKING:  # each child of a forkserver imports what stands here: nothing heavy
    from streamlake.config.model import PipelineConfig

ASK_SECONDS = 15.0
"""How long a command that a person waits for lets a cluster think."""


class _Files(click.Argument):
    """One YAML or more, beside a command's other arguments: those take the last words, so this one may find none."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """As in click, but what is missing may be any of them: all are named."""
        try:
            return super().process_value(ctx, value)
        except click.MissingParameter:
            arguments = [one for one in ctx.command.params if isinstance(one, click.Argument)]
            wanted = " ".join(one.make_metavar(ctx) for one in arguments)
            raise click.UsageError(f"Missing argument: it takes {wanted}", ctx) from None


pipeline_argument = click.argument(
    "pipeline", cls=_Files, nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PIPELINE.yaml..."
)
"""The YAML files, merged left to right, as `pipeline: tuple[Path, ...]`; never empty."""

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Another value for a setting, e.g. sink.root=file:///data or 'kafka.topics[orders].partitions=8'. Repeatable.",
)
"""`--set` as `overrides: tuple[str, ...]`."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
"""`--json` as `as_json: bool`."""


yes_option = click.option("--yes", is_flag=True, help="Do it without asking.")
"""`--yes` as `yes: bool`; see `confirm`."""


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is done that can't be undone; where nobody can answer, `--yes` has to be said."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody is there to ask: say --yes. Nothing was changed")
    click.confirm(question, abort=True, err=True)


_LOGS = "streamlake.logs"
_LOGGING = ("run", "serve", "replay run", "backfill run")
"""The commands whose standard error is a log: they run for long. The others say what failed as text, unless asked."""


def _configure_logs(context: click.Context, parameter: click.Parameter, chosen: str) -> None:
    """Set the logs up, when both options are known."""
    from streamlake.engine.logs import configure_logs  # noqa: PLC0415  # heavy; see above

    said = context.meta.setdefault(_LOGS, {})
    said[parameter.name] = chosen
    if len(said) == 2:
        on_terminal = sys.stderr is not None and sys.stderr.isatty()
        text = said["log_format"] == "text" or (said["log_format"] == "auto" and on_terminal)
        configure_logs("text" if text else "json", said["log_level"].upper())
        is_log = said["log_format"] == "json" or context.command_path.partition(" ")[2] in _LOGGING
        last_word_in_the_log(wanted=is_log and not text)


def log_format_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--log-format` and `--log-level`: set the logs up, and are no parameters of the command."""
    for name, choices, default, text in (
        ("--log-level", ["debug", "info", "warning", "error"], "info", "The least that is logged."),
        (
            "--log-format",
            ["auto", "json", "text"],
            "auto",
            "Log lines on standard error: text, JSON, or (auto) text on a terminal and JSON in a pipe.",
        ),
    ):
        option = click.option(
            name,
            type=click.Choice(choices),
            default=default,
            show_default=True,
            expose_value=False,
            callback=_configure_logs,
            help=text,
        )
        command = option(command)
    return command


def files_said(pipeline: Sequence[Path]) -> str:
    """The YAML files as the user would say them in another command."""
    return shlex.join(map(str, pipeline))


def load(pipeline: Path | Sequence[Path], overrides: Sequence[str] = ()) -> "PipelineConfig":
    """The pipeline in YAML files, merged left to right, with `--set` applied. Raises ConfigError with every problem.

    Where the command has not set logs up, warnings alone are shown, as text: standard output is for what was asked.
    """
    from streamlake.config.load import load_pipeline  # noqa: PLC0415  # heavy; see above
    from streamlake.engine.logs import bind_logs, configure_logs, configured_logs  # noqa: PLC0415  # heavy; see above

    if configured_logs() is None:
        configure_logs("text", level="WARNING")
    config = load_pipeline(pipeline, overrides)
    bind_logs(pipeline=config.pipeline)
    return config


def try_model(config: "PipelineConfig", pipeline: Sequence[Path], overrides: Sequence[str]) -> None:
    """Make the validator once, a user's in a process of its own: this one is about to make it, too.

    Raises ConfigError with the place in the YAML.
    """
    from streamlake.config.load import located  # noqa: PLC0415  # heavy; see above
    from streamlake.engine.validator_trial import try_validator  # noqa: PLC0415  # heavy; see above

    try:
        try_validator(config)
    except ConfigError as error:
        raise ConfigError(*located(error.problems, pipeline, overrides), code=error.code) from None


def taken(records: int, seconds: float) -> str:
    """How long that took, and how many it is a second: `1.7 s (11,838 a second)`."""
    return f"{seconds:.1f} s ({records / max(seconds, 0.001):,.0f} a second)"


def duration(seconds: float) -> str:
    """Seconds for a person, in two units: `6d 3h`, `2h 10m`, `45s`."""
    left, parts = round(seconds), list[str]()
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, left = divmod(left, unit)
        if parts or count or unit == 1:
            parts.append(f"{count}{name}")
    return " ".join(parts[:2])


def print_json(value: object) -> None:
    """Print a value (dataclasses and paths too) as JSON, indented on a terminal, in one line in a pipe."""
    indent = 2 if sys.stdout.isatty() else None
    click.echo(json.dumps(value, default=_jsonable, indent=indent, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print rows below their columns, those named in `right` flush right: with lines on a terminal, plain in a pipe."""
    cells = [[str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, cells, right)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in [list(columns), *cells]:
        padded = (
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yields a function that is told how much is done: it moves a bar on a terminal, and does nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415  # only a terminal pays for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def _print_rich(columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich.console import Console  # noqa: PLC0415  # only a terminal pays for it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))  # text, so that [brackets] are not taken for colours
    Console().print(table)


def _jsonable(value: Any) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
