"""`streamlake replay run`: do what a plan says, or go on with a run that was begun."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamlake.engine.cli.common import (
    files_said,
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    set_option,
)
from streamlake.engine.cli.parts import root_of
from streamlake.engine.cli.replay_list import progress_json
from streamlake.engine.cli.replay_plan import folder, plan_lines, print_plan
from streamlake.engine.cli.replay_wanted import Wanted, reads_option, wanted_options

if TYPE_CHECKING:
    from streamlake.engine.entries import RunIdentity
    from streamlake.engine.operations.replay_run import ReplayOutcome
    from streamlake.engine.operations.replay_types import ReplayPlan


@click.command("run", short_help="Run a replay, or go on with one.")
@pipeline_argument
@wanted_options
@reads_option
@set_option
@log_format_option
@json_option
def command(
    pipeline: tuple[Path, ...], overrides: tuple[str, ...], *, reads: str, as_json: bool, **said: str | None
) -> None:
    """Land the records between two bounds again, by PIPELINE.yaml as it is now, below replays/RUN/ of its root.

    The live run and what it landed stay as they are. The bounds (see `replay plan`) are resolved once and written down:
    the same command, or --name RUN alone, goes on after a kill, on any host, and does nothing when all is landed. Exits
    1 if a partition could not be landed.
    """
    from streamlake.engine.cli.display import LiveTable  # noqa: PLC0415  # heavy, as what follows
    from streamlake.engine.operations.replay_run import run_replay  # noqa: PLC0415

    wanted = Wanted(**said).request()
    config = load(pipeline, overrides)
    root = root_of(config)

    def say(run: "RunIdentity", plan: "ReplayPlan | None") -> None:
        if as_json:
            return
        if plan is None:
            click.echo(f"{config.pipeline}: replay {run.bounds}; run {run.run} was begun {run.created_at}")
            return
        for line in plan_lines(plan, root, dry=False):
            click.echo(line)
        print_plan(plan)

    with LiveTable(files_said(pipeline), bounded=True) as display:
        outcome = run_replay(config, wanted, reads="lake" if reads == "lake" else "kafka", tick=display.show, say=say)
    if as_json:
        print_json({"root": root, **outcome_json(outcome)})
    else:
        click.echo(outcome_sentence(outcome, root))
    sys.exit(outcome.code)


def outcome_json(outcome: "ReplayOutcome") -> dict[str, Any]:
    """What a replay or a backfill came to, as one JSON document."""
    return {
        "run": outcome.run.run,
        "output": outcome.output,
        "bounds": outcome.run.bounds,
        "source": outcome.run.reads or "kafka",
        "begun_before": outcome.begun_before,
        "finished_before": outcome.finished_before,
        "finished": outcome.progress.finished,
        **progress_json(outcome.progress),
    }


def outcome_sentence(outcome: "ReplayOutcome", root: str) -> str:
    """The same for a person."""
    progress, totals = outcome.progress, outcome.progress.totals
    counts = f"{totals.landed:,} landed, {totals.refused:,} refused, {totals.skipped:,} skipped, {totals.holes:,} holes"
    counts += f", {totals.gaps:,} given up" if totals.gaps else ""
    where = f"in {folder(root, outcome.output)}"
    if outcome.finished_before:
        return f"nothing to do: run {outcome.run.run} has finished before ({counts}) {where}"
    if progress.finished:
        return f"run {outcome.run.run} has finished: {counts} {where}"
    if progress.accounted == progress.offsets:
        return f"run {outcome.run.run} has landed all, another start of it is about to finish: {counts} {where}"
    done = f"{progress.accounted:,} of {progress.offsets:,} offsets"
    return f"run {outcome.run.run} is not finished, {done}: {counts} {where}; the same command goes on"
