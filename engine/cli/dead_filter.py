"""Which dead letters a command is about: the options of `LetterFilter`, and where the letters come from."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, get_args

import click

from streamlake.config.model import PipelineConfig
from streamlake.engine.cli.parts import open_ledger, open_topic_reader, point_in_time
from streamlake.engine.errors import UsageError
from streamlake.engine.generations import newest_generation
from streamlake.engine.operations.dead import list_letters
from streamlake.engine.operations.dead_types import FoundLetter, LetterFilter
from streamlake.engine.records import OffsetRange, Reason

_FILTERS = (
    click.option("--reason", type=click.Choice(get_args(Reason)), help="Only records refused for this."),
    click.option("--field", help="Only this field (a JSON pointer, /items/0/qty) and what is below; * for any."),
    click.option("--topic", help="Only records of this topic."),
    click.option("--partition", type=click.IntRange(min=0), help="Only records of this partition."),
    click.option(
        "--since", callback=point_in_time, help="Refused at that time or later: a timestamp, or how long ago (2h)."
    ),
    click.option("--until", callback=point_in_time, help="Refused before that time."),
    click.option("--offset", "offsets", help="Only this offset, or FIRST:NEXT (NEXT is not in it)."),
    click.option("--validator", help="Only what this type of validator refused (json, pydantic, …)."),
    click.option("--run", help="Only what this run refused, a replay's too. Default: what readers see."),
    click.option(
        "--fingerprint", help="Only what this version of the validator refused; the first digits will do. Files only."
    ),
)

source_option = click.option(
    "--source",
    type=click.Choice(["files", "topic"]),
    default="files",
    show_default=True,
    help="files: the authority. topic: the copy in Kafka, and what the HTTP edge refused (redrive sends that alone).",
)
"""`--source` as `source: str`."""


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a filter, handed to the command as `wanted: LetterFilter`."""

    @functools.wraps(command)
    def with_filter(  # noqa: PLR0913  (one for each option)
        *arguments: Any,
        reason: Reason | None,
        field: str | None,
        topic: str | None,
        partition: int | None,
        since: datetime | None,
        until: datetime | None,
        offsets: str | None,
        validator: str | None,
        fingerprint: str | None,
        run: str | None,
        **others: Any,
    ) -> None:
        within = _offsets(offsets)
        wanted = LetterFilter(reason, field, topic, partition, within, since, until, validator, fingerprint, run)
        command(*arguments, wanted=wanted, **others)

    for option in reversed(_FILTERS):
        with_filter = option(with_filter)
    return with_filter


@contextmanager
def letters_of(config: PipelineConfig, wanted: LetterFilter, source: str) -> Iterator[Iterator[FoundLetter]]:
    """The letters that are wanted, from wherever they are wanted."""
    if source == "files":
        ledger = open_ledger(config)
        live = newest_generation(ledger.runs())
        if live is not None and live.pipeline != config.pipeline:
            whose = f"the root belongs to the pipeline {live.pipeline}, not to {config.pipeline}"
            click.echo(f"{whose}: these are its dead letters; `streamlake validate` says what to do", err=True)
        yield list_letters(ledger, wanted)
        return
    if config.dead_letters.topic is None:
        raise UsageError(f"{config.pipeline} has no dead-letter topic (dead_letters.topic): leave out --source topic")
    if wanted.fingerprint is not None:
        raise UsageError("--fingerprint: copies in the topic don't say it, files do: leave out --source topic")
    from streamlake.engine.operations.dead_topic import list_topic_letters  # noqa: PLC0415  # imports librdkafka

    reader = open_topic_reader(config)
    try:
        yield list_topic_letters(reader, config.dead_letters.topic.name, wanted)
    finally:
        reader.close()


def how_many(letters: int) -> str:
    """`no dead letter`, `1 dead letter`, `1,234 dead letters`."""
    if letters == 1:
        return "1 dead letter"
    return f"{letters:,} dead letters" if letters else "no dead letter"


def _offsets(text: str | None) -> OffsetRange | None:
    if text is None:
        return None
    first, colon, following = text.partition(":")
    try:
        return OffsetRange(int(first), int(following) if colon else int(first) + 1)
    except ValueError:
        raise UsageError(f"--offset {text}: must be an offset, or FIRST:NEXT with NEXT after FIRST") from None
