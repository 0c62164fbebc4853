"""`streamlake replay list` and `show`: which replays there are, and how far they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamlake.engine.cli.common import json_option, load, pipeline_argument, print_json, print_table, set_option
from streamlake.engine.cli.parts import open_ledger

if TYPE_CHECKING:
    from streamlake.engine.operations.bounded_run import RunProgress
    from streamlake.engine.operations.replays import Replay, ReplayPartition

COLUMNS = ("run", "state", "bounds", "source", "created", "offsets", "done", "landed", "refused", "bytes")
NUMBERS = ("offsets", "done", "landed", "refused", "bytes")
PARTITIONS = ("partition", "first", "next", "at", "landed", "refused", "skipped", "holes", "given up", "bytes")


@click.command("list", short_help="List the replays of a root.")
@pipeline_argument
@set_option
@json_option
def list_command(pipeline: tuple[Path, ...], overrides: tuple[str, ...], *, as_json: bool) -> None:
    """List the replays under the root of PIPELINE.yaml, oldest first: bounds, state, and what they landed."""
    from streamlake.engine.operations.replays import list_replays  # noqa: PLC0415  # heavy

    replays = list_replays(open_ledger(load(pipeline, overrides)))
    if as_json:
        print_json([replay_json(one) for one in replays])
    elif not replays:
        click.echo("there is no replay under this root")
    else:
        print_table(COLUMNS, [_row(one) for one in replays], right=NUMBERS)


@click.command("show", short_help="Show one replay, partition by partition.")
@pipeline_argument
@click.argument("run")
@set_option
@json_option
def show_command(pipeline: tuple[Path, ...], run: str, overrides: tuple[str, ...], *, as_json: bool) -> None:
    """Show the replay RUN: its bounds, how far it is in each partition, and what became of it."""
    from streamlake.engine.operations.replays import show_replay  # noqa: PLC0415  # heavy

    replay, partitions = show_replay(open_ledger(load(pipeline, overrides)), run)
    if as_json:
        print_json({**replay_json(replay), "partitions": [_partition_json(one) for one in partitions]})
        return
    print_table(COLUMNS, [_row(replay)], right=NUMBERS)
    print_table(PARTITIONS, [_partition_row(one) for one in partitions], right=PARTITIONS[1:])


def replay_json(replay: "Replay") -> dict[str, Any]:
    """A replay as one JSON document."""
    run = replay.run
    return {
        "run": run.run,
        "state": replay.state,
        "promoted_as": replay.promoted_as,
        "bounds": run.bounds,
        "source": run.reads or "kafka",
        "output": run.output,
        "created_at": run.created_at,
        **progress_json(replay.progress),
    }


def progress_json(progress: "RunProgress") -> dict[str, int]:
    """How far a bounded run is, and what became of its offsets."""
    totals = progress.totals
    return {
        "offsets": progress.offsets,
        "accounted": progress.accounted,
        "landed": totals.landed,
        "refused": totals.refused,
        "skipped": totals.skipped,
        "holes": totals.holes,
        "gaps": totals.gaps,
        "files": totals.files,
        "bytes": totals.bytes,
    }


def _row(replay: "Replay") -> Sequence[str]:
    run, progress, totals = replay.run, replay.progress, replay.progress.totals
    state = replay.state if replay.promoted_as is None else f"promoted as {replay.promoted_as}"
    counts = (progress.offsets, progress.accounted, totals.landed, totals.refused, totals.bytes)
    return (run.run, state, run.bounds, run.reads or "kafka", run.created_at[:19], *(f"{one:,}" for one in counts))


def _partition_json(one: "ReplayPartition") -> dict[str, Any]:
    return {
        "topic": one.source.topic,
        "partition": one.source.partition,
        "first": one.range.first,
        "next": one.range.next,
        "at": one.head.next if one.head else one.range.first,
    }


def _partition_row(one: "ReplayPartition") -> Sequence[str]:
    at = one.head.next if one.head else one.range.first
    edges = (f"{one.range.first:,}", f"{one.range.next:,}", f"{at:,}")
    totals = one.head.last.totals if one.head and one.head.last else None
    names = ("landed", "refused", "skipped", "holes", "gaps", "bytes")
    return (str(one.source), *edges, *(f"{getattr(totals, name, 0):,}" for name in names))
