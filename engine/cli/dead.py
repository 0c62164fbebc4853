"""`streamlake dead`: what was refused and why, from the dead-letter files or from the dead-letter topic, and back."""

import json
import sys
from itertools import islice
from pathlib import Path

import click

from streamlake.engine.cli.common import (
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_table,
    set_option,
)
from streamlake.engine.cli.dead_export import export_command
from streamlake.engine.cli.dead_filter import filter_options, how_many, letters_of, source_option
from streamlake.engine.cli.dead_redrive import redrive_command
from streamlake.engine.cli.dead_stats import stats_command
from streamlake.engine.cli.dead_text import ROW, letter_lines, letter_row
from streamlake.engine.cli.parts import open_ledger
from streamlake.engine.errors import Exit, UsageError
from streamlake.engine.operations.dead import fate_of, find_letter
from streamlake.engine.operations.dead_json import letter_json
from streamlake.engine.operations.dead_types import FoundLetter, LetterFilter
from streamlake.engine.records import OffsetRange, TopicPartition


@click.group("dead", short_help="Look at refused records, and send them back.")
def command() -> None:
    """Look at refused records: which, why, how many, and the original bytes; and send them back to be tried again."""


@command.command("list", short_help="List refused records.")
@pipeline_argument
@set_option
@log_format_option
@filter_options
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="Records to print at most.")
@source_option
@json_option
def list_command(
    pipeline: tuple[Path, ...],
    overrides: tuple[str, ...],
    *,
    wanted: LetterFilter,
    limit: int,
    source: str,
    as_json: bool,
) -> None:
    """List the dead letters of PIPELINE.yaml, partition by partition in offset order; --json: a document a line."""
    with letters_of(load(pipeline, overrides), wanted, source) as letters:
        rows = []
        for found in islice(letters, limit):
            if as_json:
                click.echo(json.dumps(letter_json(found)))
            else:
                rows.append(letter_row(found))
        more = next(letters, None) is not None
    if rows:
        print_table(ROW, rows)
    if not as_json:
        click.echo(f"{how_many(len(rows))}{', and there are more (--limit)' if more else ''}", err=True)


@command.command("show", short_help="Show one refused record with its bytes.")
@pipeline_argument
@click.argument("place", metavar="TOPIC/PARTITION/OFFSET")
@set_option
@log_format_option
@click.option("--raw", is_flag=True, help="Write the original bytes of the value, and nothing else.")
@click.option("--run", help="As this run refused it, a replay's too. Default: what readers see.")
@source_option
@json_option
def show_command(
    pipeline: tuple[Path, ...],
    place: str,
    overrides: tuple[str, ...],
    *,
    raw: bool,
    run: str | None,
    source: str,
    as_json: bool,
) -> None:
    """Show everything about the dead letter of PIPELINE.yaml that came from TOPIC/PARTITION/OFFSET.

    Bytes that a terminal can't show are printed in hexadecimal. Exits 1 where nothing was refused at that place.
    """
    origin, offset = _place(place)
    config = load(pipeline, overrides)
    if source == "files":
        ledger = open_ledger(config)
        found = find_letter(ledger, origin, offset, run)
        if not found:
            click.echo(f"no dead letter: {fate_of(ledger, origin, offset, run)}", err=True)
    else:
        offsets = OffsetRange(offset, offset + 1)
        wanted = LetterFilter(topic=origin.topic, partition=origin.partition, offsets=offsets, run=run)
        with letters_of(config, wanted, source) as letters:
            found = list(letters)
        if not found:
            click.echo(f"no dead letter of {place} in the dead-letter topic, as far as it is kept", err=True)
    if not found:
        sys.exit(Exit.FAILED)
    if raw:
        _write_raw(found[-1])
        return
    for one in found:
        click.echo(json.dumps(letter_json(one)) if as_json else "\n".join(letter_lines(one)))


command.add_command(stats_command)
command.add_command(export_command)
command.add_command(redrive_command)


def _place(text: str) -> tuple[TopicPartition, int]:
    topic, _, rest = text.partition("/")
    partition, _, offset = rest.partition("/")
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        raise UsageError(f"{text}: must be TOPIC/PARTITION/OFFSET, as in streamlake.order.raw/3/12345")
    return TopicPartition(topic, int(partition)), int(offset)


def _write_raw(found: FoundLetter) -> None:
    if found.letter.value is None:
        what = f"left out of the copy: {found.truncated}" if found.truncated else "none: the record is a tombstone"
        raise UsageError(f"--raw: its value is {what}")
    click.echo(found.letter.value, nl=False)
