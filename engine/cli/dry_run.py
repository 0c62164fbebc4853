"""`streamlake dry-run`: what would become of some records, without a trace."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamlake.config.columns import OWN_COLUMNS
from streamlake.engine.cli.common import (
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    set_option,
    try_model,
)
from streamlake.engine.cli.dead_text import printable
from streamlake.engine.cli.narrow import cut, narrow_table, width
from streamlake.engine.cli.parts import open_broker, open_topic_reader
from streamlake.engine.cli.replay_wanted import PARTITIONS, ZONE
from streamlake.engine.counted import counted

if TYPE_CHECKING:
    from streamlake.engine.operations.dry_run import DryRequest, DryRun, ModeTold
    from streamlake.engine.records import DeadLetter

REFUSED_SHOWN = 20
ROWS_SHOWN = 3
PLACE_CHARS = 28
OWN = {*OWN_COLUMNS, "_headers"}
"""Columns that are not the payload's."""


@click.command("dry-run", short_help="Show what would become of some records; write nothing.")
@pipeline_argument
@set_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="So many records in all.")
@click.option("--from", "first", default="earliest", show_default=True, metavar="BOUND", help="Where it begins.")
@click.option("--topic", help="Only this topic of the pipeline.")
@PARTITIONS
@ZONE
@json_option
@log_format_option
def command(
    pipeline: tuple[Path, ...], overrides: tuple[str, ...], *, limit: int, first: str, as_json: bool, **said: str | None
) -> None:
    """Decide some records as PIPELINE.yaml says, and show what would land and what would be refused, and why.

    A BOUND is earliest, latest (the newest records), an offset, a timestamp with its zone (2026-01-31T06:00:00Z) or how
    long ago (-2h, -7d). Reads without joining the group; claims, commits and writes nothing, and does not open the
    root. At most 20 of the refused and 3 rows are shown: --json has all.
    """
    from streamlake.engine.operations.dry_run import dry_run  # noqa: PLC0415  # heavy

    wanted = _request(first, limit, **said)
    config = load(pipeline, overrides)
    try_model(config, pipeline, overrides)
    reader = open_topic_reader(config)
    try:
        found = dry_run(config, open_broker(config), reader, wanted)
    finally:
        reader.close()
    if as_json:
        print_json(_json(found))
        return
    for line in _lines(found):
        click.echo(line)


def _request(first: str, limit: int, topic: str | None, partitions: str | None, zone: str | None) -> "DryRequest":
    from streamlake.engine.operations.bounds import parse_bound, parse_partitions, parse_zone  # noqa: PLC0415  # heavy
    from streamlake.engine.operations.dry_run import DryRequest  # noqa: PLC0415

    where = None if zone is None else parse_zone(zone)
    return DryRequest(
        first=parse_bound(first, option="--from", now=datetime.now(UTC), zone=where),
        limit=limit,
        topic=topic,
        partitions=None if partitions is None else parse_partitions(partitions),
    )


def _lines(found: "DryRun") -> Iterator[str]:
    """All of it for a person."""
    yield f"{found.pipeline}: dry run of {counted(found.read, 'record')} from {found.first}"
    yield "nothing was written, claimed or committed"
    yield f"accepted  {found.accepted:,}"
    yield f"skipped   {found.skipped:,}"
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in found.reasons.items())
    yield f"refused   {len(found.letters):,}{f': {reasons}' if reasons else ''}"
    yield from _wrapped("breaker   ", found.breaker)
    for remark in found.remarks:
        yield from _wrapped("", remark)
    yield "read"
    places = [(str(one.source), str(one.range), f"{one.read:,}") for one in found.partitions]
    yield from narrow_table([("partition", "offsets", "records"), *places], (40, 24))
    if found.letters:
        yield "refused"
        head = ("place", "reason", "field", "message")
        rows = [_refused(letter) for letter in found.letters[:REFUSED_SHOWN]]
        yield from narrow_table([head, *rows], (PLACE_CHARS, 9, 20), whole=True)
        if len(found.letters) > REFUSED_SHOWN:
            yield f"  and {len(found.letters) - REFUSED_SHOWN:,} more: --json has all"
    for mode, told in found.modes.items():
        yield from _mode_lines(found, mode, told)
    if found.columns == "value":
        yield "sink.columns value, as the YAML has it: of each row the value alone"


def _wrapped(name: str, text: str) -> list[str]:
    """A sentence over as many lines as it needs, all behind its name."""
    whole = textwrap.TextWrapper(width(), name, " " * len(name), break_on_hyphens=False)
    return whole.wrap(printable(text))


def _refused(letter: "DeadLetter") -> tuple[str, ...]:
    place = f"{letter.source}/{letter.offset}"
    place = place if len(place) <= PLACE_CHARS else f"…{place[1 - PLACE_CHARS :]}"  # the offset is what one needs of it
    return (place, letter.reason, letter.field or "-", letter.message)


def _mode_lines(found: "DryRun", mode: str, told: "ModeTold") -> Iterator[str]:
    """The columns of a mode with what the first row has there, and the payloads of some rows."""
    own = ", as the YAML has it" if mode == found.columns else ""
    if told.landed is None:
        yield from _wrapped("", f"sink.columns {mode}: can't be had: {told.why_not}")
        return
    rows = told.landed.rows
    more = told.refused - len(found.letters)
    refused = f"; refuses {counted(more, 'record')} more" if more > 0 else ""
    yield f"sink.columns {mode}{own}: {counted(len(rows), 'row')}{refused}"
    first = rows[0] if rows else {}
    shapes = [(column.name, column.type, _shown(first.get(column.name))) for column in told.landed.columns]
    if shapes:
        yield from narrow_table([("column", "type", "the first row"), *shapes], (20, 26))
    for topic, row in list(zip(told.landed.topics, rows, strict=True))[:ROWS_SHOWN]:
        fields = {name: value for name, value in row.items() if name not in OWN}
        payload = fields["value"] if mode == "envelope" else fields
        yield cut(f"  {topic}/{row['_partition']}/{row['_offset']}  {_shown(payload)}", width())


def _json(found: "DryRun") -> dict[str, Any]:
    """All of it for a program."""
    return {
        "pipeline": found.pipeline,
        "from": found.first,
        "columns": found.columns,
        "validator": found.validator,
        "read": found.read,
        "accepted": found.accepted,
        "skipped": found.skipped,
        "refused": found.reasons,
        "breaker": found.breaker,
        "remarks": list(found.remarks),
        "partitions": [
            {
                "topic": one.source.topic,
                "partition": one.source.partition,
                "first": one.range.first,
                "next": one.range.next,
                "read": one.read,
                "accepted": one.accepted,
                "skipped": one.skipped,
                "refused": one.refused,
                "parks": one.parks,
            }
            for one in found.partitions
        ],
        "refusals": [_letter_json(letter) for letter in found.letters],
        "modes": {mode: _mode_json(told) for mode, told in found.modes.items()},
    }


def _letter_json(letter: "DeadLetter") -> dict[str, Any]:
    return {
        "topic": letter.source.topic,
        "partition": letter.source.partition,
        "offset": letter.offset,
        "timestamp_ms": letter.timestamp_ms,
        "reason": letter.reason,
        "field": letter.field,
        "message": letter.message,
        "key": _plain(letter.key),
        "value": _plain(letter.value),
    }


def _mode_json(told: "ModeTold") -> dict[str, Any]:
    if told.landed is None:
        return {"why_not": told.why_not}
    rows = zip(told.landed.topics, told.landed.rows, strict=True)
    return {
        "refused": told.refused,
        "columns": list(told.landed.columns),
        "rows": [{"topic": topic, "row": _plain(row)} for topic, row in rows],
    }


def _shown(value: object) -> str:
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, default=str)


def _plain(value: object) -> object:
    """What JSON can say: bytes as text where they are UTF-8, else in hexadecimal; times as ISO 8601."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return f"0x{value.hex()}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
