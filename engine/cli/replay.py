"""`streamlake replay`: read again what was read before, in a run of its own; as yet its plan."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from streamlake.engine.cli.parts import open_broker, open_ledger

if TYPE_CHECKING:
    from streamlake.engine.operations.bounds import Bounds
    from streamlake.engine.operations.replay_types import PartitionPlan, ReplayPlan

COLUMNS = (
    *("partition", "first", "next", "records", "bytes", "expired"),
    *("landed", "refused", "skipped", "holes", "given up", "not read"),
)


@click.group("replay", short_help="Plan to read again what was read before.")
def command() -> None:
    """Read again what was read before, in a run of its own that leaves the live one as it is."""


@command.command("plan", short_help="Show what a replay would do; write nothing.")
@pipeline_argument
@click.option("--from", "first", metavar="BOUND", help="Where it begins.")
@click.option("--to", "following", metavar="BOUND", help="Where it ends; what lies at it is not in it.")
@click.option("--topic", help="Only this topic of the pipeline.")
@click.option("--partitions", metavar="0,3-5", help="Only these partitions, of one topic.")
@click.option("--run-of", metavar="FILE|ENTRY", help="The range of a landed file, or of RUN/TOPIC/PARTITION/SEQ.")
@click.option("--name", help="The run's name. Default: one made from its offsets.")
@click.option("--timezone", "zone", metavar="NAME", help="Of timestamps that name no zone, as in Europe/Berlin.")
@set_option
@log_format_option
@json_option
def plan_command(  # noqa: PLR0913  (one for each option)
    pipeline: Path,
    overrides: tuple[str, ...],
    *,
    first: str | None,
    following: str | None,
    topic: str | None,
    partitions: str | None,
    run_of: str | None,
    name: str | None,
    zone: str | None,
    as_json: bool,
) -> None:
    """Show what a replay of PIPELINE.yaml would read, what became of that the first time, and what it would cost.

    A BOUND is earliest or latest (the ends of what Kafka still has), an offset, a timestamp with its zone
    (2026-01-31T06:00:00Z) or how long ago (-2h, -7d). Times are those of the records; each bound is resolved to one
    offset of each partition. Writes nothing.
    """
    from streamlake.engine.operations.bounds import parse_partitions  # noqa: PLC0415  # heavy, as what follows
    from streamlake.engine.operations.replay_plan import ReplayRequest, plan_replay  # noqa: PLC0415

    wanted = ReplayRequest(
        bounds=_bounds(first, following, zone),
        topic=topic,
        partitions=None if partitions is None else parse_partitions(partitions),
        name=name,
        run_of=run_of,
    )
    config = load(pipeline, overrides)
    plan = plan_replay(config, open_ledger(config), open_broker(config), wanted)
    root = str(config.sink.options.get("root", "")).rstrip("/")
    if as_json:
        print_json({"root": root, **plan_json(plan)})
        return
    for line in plan_lines(plan, root):
        click.echo(line)
    print_table(COLUMNS, [_row(one) for one in plan.partitions], right=COLUMNS[1:])
    for remark in plan.remarks:
        click.echo(remark)


def plan_json(plan: "ReplayPlan") -> dict[str, Any]:
    """The plan as one JSON document; ranges as `first` and `next`."""
    return {
        "pipeline": plan.pipeline,
        "run": plan.run,
        "bounds": plan.bounds,
        "output": plan.output,
        "live_run": plan.live_run,
        "begun": plan.begun and asdict(plan.begun),
        "offsets": plan.offsets,
        "records": plan.records,
        "file_bytes": plan.file_bytes,
        "before": asdict(plan.before),
        "pace": plan.pace and {**asdict(plan.pace), "seen_in": str(plan.pace.seen_in)},
        "partitions": [_partition_json(one) for one in plan.partitions],
        "remarks": list(plan.remarks),
    }


def plan_lines(plan: "ReplayPlan", root: str) -> Iterator[str]:
    """The plan for a person, without its partitions."""
    yield f"{plan.pipeline}: replay {plan.bounds}; nothing was written"
    yield f"run       {plan.run}, {_progress(plan)}"
    yield f"output    {root}/{plan.output}/"
    size = "" if plan.file_bytes is None else f", about {plan.file_bytes:,} bytes in files"
    yield f"reads     {plan.offsets:,} offsets, about {plan.records:,} records{size}"
    if plan.pace is not None:
        pace = f"{plan.pace.records_per_second:,.0f} records/s, as fast as {plan.pace.seen_in} was seen to land"
        yield f"takes     about {plan.pace.seconds:,.1f} s at {pace}"


def _bounds(first: str | None, following: str | None, zone: str | None) -> "Bounds | None":
    from streamlake.engine.operations.bounds import parse_bounds, parse_zone  # noqa: PLC0415  # heavy

    where = None if zone is None else parse_zone(zone)
    if first is None and following is None:
        return None
    if first is None or following is None:
        raise click.UsageError(f"say {'--from' if first is None else '--to'}, too (earliest and latest are the ends)")
    return parse_bounds(first, following, now=datetime.now(UTC), zone=where)


def _progress(plan: "ReplayPlan") -> str:
    if plan.begun is None:
        return "not begun"
    done = "finished" if plan.begun.accounted == plan.offsets else f"{plan.begun.accounted:,} of {plan.offsets:,} done"
    return f"begun {plan.begun.created_at}, {done}; with another --name it is another run"


def _partition_json(one: "PartitionPlan") -> dict[str, Any]:
    return {
        "topic": one.source.topic,
        "partition": one.source.partition,
        **asdict(one.range),
        "records": one.records,
        "file_bytes": one.file_bytes,
        "before": {**asdict(one.before), "exact": one.exact},
        "expired": {**asdict(one.expired), "before": asdict(one.expired_before)},
    }


def _row(one: "PartitionPlan") -> Sequence[str]:
    before, about = one.before, "" if one.exact else "~"
    size = "?" if one.file_bytes is None else f"{one.file_bytes:,}"
    edges = (f"{one.range.first:,}", f"{one.range.next:,}", f"{one.records:,}", size, f"{len(one.expired):,}")
    rows = (f"{about}{before.landed:,}", f"{about}{before.refused:,}")
    rest = (before.skipped, before.holes, before.given_up, before.not_read)
    return (str(one.source), *edges, *rows, *(f"{count:,}" for count in rest))
