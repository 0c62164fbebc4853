"""What the commands share: the YAML argument, common options, and output for people and for programs."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # each child of a forkserver imports what stands here: nothing heavy
    from streamlake.config.model import PipelineConfig

ASK_SECONDS = 15.0
"""How long a command that a person waits for lets a cluster think."""

pipeline_argument = click.argument("pipeline", type=click.Path(path_type=Path), metavar="PIPELINE.yaml")
"""The YAML file as `pipeline: Path`."""

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


def _configure_logs(_context: click.Context, _parameter: click.Parameter, chosen: str) -> None:
    from streamlake.engine.logs import configure_logs  # noqa: PLC0415  # heavy; see above

    text = chosen == "text" or (chosen == "auto" and sys.stderr.isatty())
    configure_logs("text" if text else "json")


log_format_option = click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    expose_value=False,
    callback=_configure_logs,
    help="Log lines on standard error: text, JSON, or (auto) text on a terminal and JSON in a pipe.",
)
"""`--log-format`: sets the logs up, and is no parameter of the command."""


def load(pipeline: Path, overrides: Sequence[str] = ()) -> "PipelineConfig":
    """The pipeline in a YAML file with `--set` applied. Raises ConfigError with every problem."""
    from streamlake.config.load import load_pipeline  # noqa: PLC0415  # heavy; see above

    return load_pipeline(pipeline, overrides)


def taken(records: int, seconds: float) -> str:
    """How long that took, and how many it is a second: `1.7 s (11,838 a second)`."""
    return f"{seconds:.1f} s ({records / max(seconds, 0.001):,.0f} a second)"


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
