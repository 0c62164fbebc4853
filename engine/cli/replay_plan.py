"""`streamlake replay plan`: what a replay would do."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
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
from streamlake.engine.cli.parts import open_broker, open_ledger, root_of
from streamlake.engine.cli.replay_wanted import Wanted, reads_option, wanted_options
from streamlake.engine.counted import counted

if TYPE_CHECKING:
    from streamlake.engine.operations.replay_types import PartitionPlan, ReplayPlan

SIZES = ("partition", "first", "next", "records", "bytes", "expired")
COLUMNS = (*SIZES, "landed", "refused", "skipped", "holes", "given up", "not read")


@click.command("plan", short_help="Show what a replay would do; write nothing.")
@pipeline_argument
@wanted_options
@reads_option
@set_option
@log_format_option
@json_option
def command(
    pipeline: tuple[Path, ...], overrides: tuple[str, ...], *, reads: str, as_json: bool, **said: str | None
) -> None:
    """Show what a replay of PIPELINE.yaml would read, what became of that the first time, and what it would cost.

    A BOUND is earliest or latest (the ends of what Kafka still has), an offset, a timestamp with its zone
    (2026-01-31T06:00:00Z) or how long ago (-2h, -7d). Times are those of the records; each bound is resolved to one
    offset of each partition. Writes nothing.
    """
    from streamlake.engine.operations.lake_cluster import LakeCluster  # noqa: PLC0415  # heavy, as what follows
    from streamlake.engine.operations.replay_plan import plan_replay  # noqa: PLC0415

    wanted = Wanted(**said).request()
    config = load(pipeline, overrides)
    ledger = open_ledger(config)
    lake = LakeCluster(ledger) if reads == "lake" else None
    plan = plan_replay(config, ledger, lake or open_broker(config), wanted)
    if lake is not None:
        lake.refuse_missing({one.source: one.range for one in plan.partitions})
    root = root_of(config)
    if as_json:
        print_json({"root": root, **plan_json(plan)})
        return
    for line in plan_lines(plan, root):
        click.echo(line)
    print_plan(plan)


def print_plan(plan: "ReplayPlan") -> None:
    """The partitions of a plan, and its remarks; of what nobody has landed there is no first time to tell."""
    columns = COLUMNS if plan.output else SIZES
    print_table(columns, [_row(one)[: len(columns)] for one in plan.partitions], right=columns[1:])
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
        "cpu_seconds": plan.cpu_seconds,
        "pace": plan.pace and {**asdict(plan.pace), "seen_in": str(plan.pace.seen_in)},
        "partitions": [_partition_json(one) for one in plan.partitions],
        "remarks": list(plan.remarks),
    }


def plan_lines(plan: "ReplayPlan", root: str, *, dry: bool = True) -> Iterator[str]:
    """The plan for a person, without its partitions."""
    what = "replay" if plan.output else "backfill"
    yield f"{plan.pipeline}: {what} {plan.bounds}{'; nothing was written' if dry else ''}"
    yield f"run       {plan.run}, {_progress(plan)}"
    yield f"output    {folder(root, plan.output)}"
    size = "" if plan.file_bytes is None else f", about {plan.file_bytes:,} bytes in files"
    yield f"reads     {counted(plan.offsets, 'offset')}, about {counted(plan.records, 'record')}{size}"
    if plan.pace is not None:
        pace = f"{plan.pace.records_per_second:,.0f} records/s, as fast as {plan.pace.seen_in} was seen to land"
        yield f"takes     about {plan.pace.seconds:,.1f} s at {pace}"
    if plan.cpu_seconds is not None:
        yield f"          about {plan.cpu_seconds:,.1f} s of CPU, as much as records took when they landed"


def folder(root: str, output: str) -> str:
    """Where the rows of a run lie, for a person."""
    return f"{root}/{output}/" if output else f"{root}/raw/ and dead/, beside those of the live run"


def _progress(plan: "ReplayPlan") -> str:
    if plan.begun is None:
        return "not begun"
    done = "finished" if plan.begun.accounted == plan.offsets else f"{plan.begun.accounted:,} of {plan.offsets:,} done"
    return f"begun {plan.begun.created_at}, {done}{'; with another --name it is another run' if plan.output else ''}"


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
