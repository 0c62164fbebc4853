"""`streamlake dead stats`: how many records were refused, by what, since when, and whether it grows."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from streamlake.engine.cli.common import (
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    print_table,
    set_option,
)
from streamlake.engine.cli.dead_filter import filter_options, how_many, letters_of, source_option
from streamlake.engine.cli.dead_text import printable
from streamlake.engine.errors import UsageError
from streamlake.engine.operations.dead_stats import (
    DIMENSIONS,
    DeadStats,
    Dimension,
    Growth,
    Key,
    LetterCounts,
    dead_stats,
)
from streamlake.engine.operations.dead_types import LetterFilter

_COUNTS = ("letters", "share", "first seen", "last seen", "last hour", "growth", "last day", "growth", "example")
_RIGHT = ("letters", "share", "last hour", "growth", "last day", "partition")


def _dimensions(_: click.Context, __: click.Parameter, value: str) -> tuple[Dimension, ...]:
    known: dict[str, Dimension] = {name: name for name in DIMENSIONS}
    names = dict.fromkeys(name.strip() for name in value.split(","))  # each once, in their order
    for name in names:
        if name not in known:
            raise UsageError(f"--by {value}: {name!r} is none of {', '.join(known)}")
    return tuple(known[name] for name in names)


@click.command("stats", short_help="Count refused records.")
@pipeline_argument
@set_option
@log_format_option
@filter_options
@click.option(
    "--by",
    default="reason,field",
    show_default=True,
    callback=_dimensions,
    help=f"Count for each combination of these, of {', '.join(DIMENSIONS)}.",
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="Rows to print at most.")
@source_option
@json_option
def stats_command(
    pipeline: tuple[Path, ...],
    overrides: tuple[str, ...],
    *,
    wanted: LetterFilter,
    by: tuple[Dimension, ...],
    limit: int,
    source: str,
    as_json: bool,
) -> None:
    """Count the dead letters of PIPELINE.yaml, with their share, the first and the last, and how they grow.

    Growth compares the last hour and day with the ones before. Places in lists, numbers and quoted values are folded in
    fields and messages, so that one rule is one row.
    """
    with letters_of(load(pipeline, overrides), wanted, source) as letters:
        stats = dead_stats(letters, by, wanted=wanted)
    if as_json:
        print_json(stats_json(stats, limit))
        return
    if stats.groups:
        _print_counts(stats, stats.by, stats.groups[:limit])
    if stats.messages:
        click.echo()
        _print_counts(stats, ("message",), stats.messages[:limit])
    click.echo("\n".join(remarks(stats, limit)), err=True)


def stats_json(stats: DeadStats, limit: int) -> dict[str, Any]:
    """The counts as one JSON document, with so many groups and messages at most."""
    return {
        "by": list(stats.by),
        "ends_at": stats.ends_at.isoformat(),
        "total": _counts_json(stats.total, stats),
        "groups": [
            {**dict(zip(stats.by, key, strict=True)), **_counts_json(counts, stats)}
            for key, counts in stats.groups[:limit]
        ],
        "messages": [{"message": key[0], **_counts_json(counts, stats)} for key, counts in stats.messages[:limit]],
        "distinct": {"groups": len(stats.groups), "messages": len(stats.messages), "max": stats.keys_max},
        "others": {"groups": stats.others.letters, "messages": stats.other_messages.letters},
    }


def remarks(stats: DeadStats, limit: int) -> Iterator[str]:
    """The totals as a sentence, and one for each thing that the rows leave out."""
    total = stats.total
    if not total.letters:
        yield how_many(0)
        return
    hour, day = total.hour, total.day
    yield (
        f"{how_many(total.letters)}; in the last hour {hour.last:,} ({_growth(hour)}), "
        f"in the last day {day.last:,} ({_growth(day)})"
    )
    for what, found in (("rows", stats.groups), ("messages", stats.messages)):
        if len(found) > limit:
            yield f"{len(found) - limit:,} more {what} (--limit)"
    for what, others in (("rows", stats.others), ("messages", stats.other_messages)):
        if others.letters:
            yield (
                f"{how_many(others.letters)} in no row: there were {stats.keys_max:,} distinct {what} already; "
                "narrow it down by a filter, or count by less"
            )


def _print_counts(stats: DeadStats, by: Sequence[Dimension], groups: Sequence[tuple[Key, LetterCounts]]) -> None:
    """A row for each group: names, numbers, and the message, which is long, at its end."""
    names = [name for name in by if name != "message"]
    rows = []
    for key, counts in groups:
        said = {name: "-" if part in (None, "") else printable(str(part)) for name, part in zip(by, key, strict=True)}
        message = [said["message"]] if "message" in said else []
        rows.append([*(said[name] for name in names), *_cells(counts, stats), *message])
    columns = [*names, *_COUNTS, *(["message"] if "message" in by else [])]
    print_table(columns, rows, right=_RIGHT)


def _cells(counts: LetterCounts, stats: DeadStats) -> Sequence[str]:
    return (
        f"{counts.letters:,}",
        f"{_share(counts, stats):.1%}",
        _at(counts.first_seen),
        _at(counts.last_seen),
        f"{counts.hour.last:,}",
        _growth(counts.hour),
        f"{counts.day.last:,}",
        _growth(counts.day),
        printable(counts.example),
    )


def _counts_json(counts: LetterCounts, stats: DeadStats) -> dict[str, Any]:
    return {
        "letters": counts.letters,
        "share": round(_share(counts, stats), 6),
        "first_seen": counts.first_seen.isoformat() if counts.first_seen else None,
        "last_seen": counts.last_seen.isoformat() if counts.last_seen else None,
        "hour": _growth_json(counts.hour),
        "day": _growth_json(counts.day),
        "example": counts.example or None,
    }


def _growth_json(growth: Growth) -> dict[str, Any]:
    ratio = growth.ratio
    return {"last": growth.last, "before": growth.before, "growth": None if ratio is None else round(ratio, 4)}


def _share(counts: LetterCounts, stats: DeadStats) -> float:
    return counts.letters / stats.total.letters if stats.total.letters else 0.0


def _growth(growth: Growth) -> str:
    """`+50%`, `new` where nothing was before, `?` where the filter leaves out what was before."""
    if growth.before is None:
        return "?"
    if growth.ratio is None:
        return "new" if growth.last else "-"
    return f"{growth.ratio:+,.0%}"


def _at(moment: datetime | None) -> str:
    return "-" if moment is None else moment.isoformat(timespec="seconds")
