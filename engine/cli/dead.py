"""`streamlake dead`: what was refused and why, from the dead-letter files or from the dead-letter topic."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import get_args

import click

from streamlake.config.model import PipelineConfig
from streamlake.engine.cli.common import (
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_table,
    set_option,
)
from streamlake.engine.cli.dead_text import ROW, letter_json, letter_lines, letter_row
from streamlake.engine.cli.parts import open_ledger, open_topic_reader, point_in_time
from streamlake.engine.errors import Exit, UsageError
from streamlake.engine.operations.dead import fate_of, find_letter, list_letters
from streamlake.engine.operations.dead_types import FoundLetter, LetterFilter
from streamlake.engine.records import OffsetRange, Reason, TopicPartition

source_option = click.option(
    "--source",
    type=click.Choice(["files", "topic"]),
    default="files",
    show_default=True,
    help="files: the authority. topic: the copy in Kafka, and what the HTTP edge refused.",
)


@click.group("dead", short_help="Look at refused records.")
def command() -> None:
    """Look at refused records: which, why, and the original bytes."""


@command.command("list", short_help="List refused records.")
@pipeline_argument
@set_option
@log_format_option
@click.option("--reason", type=click.Choice(get_args(Reason)), help="Only records refused for this.")
@click.option("--field", help="Only this field (a JSON pointer, /items/0/qty) and what is below; * for any.")
@click.option("--topic", help="Only records of this topic.")
@click.option("--partition", type=click.IntRange(min=0), help="Only records of this partition.")
@click.option(
    "--since", callback=point_in_time, help="Refused at that time or later: a timestamp, or how long ago (2h)."
)
@click.option("--until", callback=point_in_time, help="Refused before that time.")
@click.option("--offset", "offsets", help="Only this offset, or FIRST:NEXT (NEXT is not in it).")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="Records to print at most.")
@source_option
@json_option
def list_command(  # noqa: PLR0913  (one for each option)
    pipeline: Path,
    overrides: tuple[str, ...],
    *,
    reason: Reason | None,
    field: str | None,
    topic: str | None,
    partition: int | None,
    since: datetime | None,
    until: datetime | None,
    offsets: str | None,
    limit: int,
    source: str,
    as_json: bool,
) -> None:
    """List the dead letters of PIPELINE.yaml, partition by partition in offset order; --json: a document a line."""
    wanted = LetterFilter(reason, field, topic, partition, _offsets(offsets), since, until)
    with _letters(load(pipeline, overrides), wanted, source) as letters:
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
        click.echo(_summary(len(rows), more=more), err=True)


@command.command("show", short_help="Show one refused record with its bytes.")
@pipeline_argument
@click.argument("place", metavar="TOPIC/PARTITION/OFFSET")
@set_option
@log_format_option
@click.option("--raw", is_flag=True, help="Write the original bytes of the value, and nothing else.")
@source_option
@json_option
def show_command(
    pipeline: Path, place: str, overrides: tuple[str, ...], *, raw: bool, source: str, as_json: bool
) -> None:
    """Show everything about the dead letter of PIPELINE.yaml that came from TOPIC/PARTITION/OFFSET.

    Bytes that a terminal can't show are printed in hexadecimal. Exits 1 where nothing was refused at that place.
    """
    origin, offset = _place(place)
    config = load(pipeline, overrides)
    if source == "files":
        ledger = open_ledger(config)
        found = find_letter(ledger, origin, offset)
        if not found:
            click.echo(f"no dead letter: {fate_of(ledger, origin, offset)}", err=True)
    else:
        wanted = LetterFilter(topic=origin.topic, partition=origin.partition, offsets=OffsetRange(offset, offset + 1))
        with _letters(config, wanted, source) as letters:
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


@contextmanager
def _letters(config: PipelineConfig, wanted: LetterFilter, source: str) -> Iterator[Iterator[FoundLetter]]:
    """The letters that are wanted, from wherever they are wanted."""
    if source == "files":
        yield list_letters(open_ledger(config), wanted)
        return
    if config.dead_letters.topic is None:
        raise UsageError(f"{config.pipeline} has no dead-letter topic (dead_letters.topic): leave out --source topic")
    from streamlake.engine.operations.dead_topic import list_topic_letters  # noqa: PLC0415  # imports librdkafka

    reader = open_topic_reader(config)
    try:
        yield list_topic_letters(reader, config.dead_letters.topic.name, wanted)
    finally:
        reader.close()


def _offsets(text: str | None) -> OffsetRange | None:
    if text is None:
        return None
    first, colon, following = text.partition(":")
    try:
        return OffsetRange(int(first), int(following) if colon else int(first) + 1)
    except ValueError:
        raise UsageError(f"--offset {text}: must be an offset, or FIRST:NEXT with NEXT after FIRST") from None


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
    write: Callable[[bytes], int] = sys.stdout.buffer.write
    write(found.letter.value)
    sys.stdout.buffer.flush()


def _summary(shown: int, *, more: bool) -> str:
    if not shown:
        return "no dead letter"
    what = "1 dead letter" if shown == 1 else f"{shown:,} dead letters"
    return f"{what}, and there are more (--limit)" if more else what
