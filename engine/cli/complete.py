"""`streamlake complete`: mark the hours that have wholly landed, and tell what holds up the others."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamlake.engine.abilities import notes_of
from streamlake.engine.cli.common import (
    duration,
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    print_table,
    set_option,
)
from streamlake.engine.cli.parts import open_broker, open_sink, point_in_time
from streamlake.engine.errors import Exit

if TYPE_CHECKING:
    from streamlake.config.model import PipelineConfig
    from streamlake.engine.contracts import Ledger
    from streamlake.engine.operations.complete_types import Completeness, HourReport, LateRows, Waiting
    from streamlake.engine.operations.hours import Hour

COLUMNS = ("topic", "hour", "state", "late rows", "held up by", "why")
LATE_COLUMNS = ("file", "offsets", "rows", "late by")
LATE_SHOWN = 20
SINCE = timedelta(hours=24)


@click.command("complete", short_help="Mark the hours that have wholly landed.")
@pipeline_argument
@click.option("--topic", help="Only this topic of the pipeline.")
@click.option(
    "--hour", "hours", multiple=True, metavar="HOUR", help="This hour, as in 2026-01-31T06 (UTC). Repeatable."
)
@click.option(
    "--since",
    callback=point_in_time,
    metavar="TIME|AGO",
    help="Every hour from that time (with its zone) or from so long ago (24h) on that is over. Default: 24h.",
)
@click.option("--dry-run", is_flag=True, help="Tell, and write nothing.")
@set_option
@log_format_option
@json_option
def command(
    pipeline: tuple[Path, ...],
    overrides: tuple[str, ...],
    *,
    topic: str | None,
    hours: tuple[str, ...],
    since: datetime | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Mark each hour of PIPELINE.yaml's topics that has wholly landed, once, and tell what holds up the others.

    An hour is complete when every partition has landed a record that lies completeness.lateness behind its end, or has
    nothing left to land then. The marker is the empty file _complete/TOPIC/hour=HOUR/_COMPLETE below sink.root, with
    the ledgers' positions in positions.json beside it. Rows of the hour that land behind them are listed as late.

    Exit codes: 0 all these hours are complete, 1 not yet, or something failed.
    """
    from streamlake.engine.operations.complete import Asked, complete  # noqa: PLC0415  # heavy, as what follows
    from streamlake.engine.operations.replay_ranges import chosen_topics  # noqa: PLC0415

    now = datetime.now(UTC)
    if hours and since is not None:
        raise click.UsageError("--hour and --since: say one of them")
    config = load(pipeline, overrides)
    sink, lateness = open_sink(config), config.completeness.lateness
    ledger, notes = sink.ledger(), notes_of(sink, "the marker of an hour is one")
    asked = Asked(
        config.pipeline,
        config.kafka.group_id,
        chosen_topics(config, topic),
        _hours(hours, since, ledger, config, now),
        lateness,
    )
    found = complete(ledger, notes, open_broker(config), asked, now=now, dry_run=dry_run)
    if as_json:
        print_json(complete_json(found))
    else:
        _print(found)
    sys.exit(Exit.DONE if found.complete else Exit.FAILED)


def complete_json(found: "Completeness") -> dict[str, Any]:
    """What `complete` found as one JSON document."""
    return {
        "pipeline": found.pipeline,
        "complete": found.complete,
        "lateness_seconds": found.lateness_seconds,
        "hours": [_hour_json(one) for one in found.hours],
    }


def _hours(
    said: Sequence[str], since: datetime | None, ledger: "Ledger", config: "PipelineConfig", now: datetime
) -> "Sequence[Hour]":
    """Those that were said, or all that are over since then; by default none before the pipeline's first run."""
    from streamlake.engine.operations.hours import Hour, hours_over  # noqa: PLC0415  # heavy

    if said:
        return [Hour.parse(one) for one in said]
    if since is None:
        first = min((datetime.fromisoformat(run.created_at) for run in ledger.runs()), default=now)
        since = max(first, now - SINCE)
    return list(hours_over(since, now, config.completeness.lateness))


def _hour_json(one: "HourReport") -> dict[str, Any]:
    positions = one.positions
    return {
        "topic": one.topic,
        "hour": str(one.hour),
        "state": one.state,
        "marker": one.marker,
        "why": one.why or None,
        "written_at": positions.written_at if positions else None,
        "positions": {
            str(partition): {**asdict(passed.position), "passed_by": passed.by, "passed_at": passed.at}
            for partition, passed in (positions.partitions if positions else {}).items()
        },
        "waiting": [_without_source(waiting) for waiting in one.waiting],
        "late_rows": one.late_rows,
        "late": [_without_source(late) for late in one.late],
    }


def _without_source(one: "Waiting | LateRows") -> dict[str, Any]:
    """With topic and partition instead."""
    said = asdict(one)
    del said["source"]
    return {"topic": one.source.topic, "partition": one.source.partition, **said}


def _print(found: "Completeness") -> None:
    if not found.hours:
        click.echo(f"{found.pipeline}: no hour is over yet, with a lateness of {duration(found.lateness_seconds)}")
        return
    rows = [row for hour in found.hours for row in _rows(hour)]
    print_table(COLUMNS, rows, right=("late rows",))
    late = [(hour, late) for hour in found.hours for late in hour.late]
    if late:
        click.echo("\nlanded behind the marker's positions:")
        print_table(LATE_COLUMNS, [_late_row(*one) for one in late[:LATE_SHOWN]], right=LATE_COLUMNS[1:])
    if len(late) > LATE_SHOWN:
        click.echo(f"and {len(late) - LATE_SHOWN:,} files more: --json lists all")


def _rows(hour: "HourReport") -> Sequence[Sequence[str]]:
    """A line for each partition that holds an hour up, or one."""
    begin = (hour.topic, str(hour.hour), hour.state, f"{hour.late_rows:,}" if hour.complete else "-")
    if not hour.waiting:
        return [(*begin, "-", hour.why or "-")]
    return [(*begin, str(one.source), _why(one)) for one in hour.waiting]


def _why(one: "Waiting") -> str:
    if one.next is None:
        return one.why
    reached = f", its latest record is of {one.reached}" if one.reached else ""
    since = f", nothing was committed since {one.since}" if one.since else ""
    return f"{one.why}; at offset {one.next:,} of {'?' if one.end is None else f'{one.end:,}'}{reached}{since}"


def _late_row(hour: "HourReport", late: "LateRows") -> Sequence[str]:
    rows = f"{late.rows:,}" if late.exact else f"up to {late.rows:,}"
    return (
        late.path,
        f"[{late.first}, {late.next})",
        rows,
        f"{duration(late.seconds_late)} after {hour.hour.end:%H:%M}",
    )
