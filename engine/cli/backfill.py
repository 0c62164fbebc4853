"""`streamlake backfill`: land what lies before the live run's first offset, or the history of another topic."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

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
from streamlake.engine.cli.parts import open_broker, open_ledger, root_of
from streamlake.engine.cli.replay_plan import plan_json, plan_lines, print_plan
from streamlake.engine.cli.replay_run import outcome_json, outcome_sentence
from streamlake.engine.cli.replay_wanted import Wanted, backfill_options

if TYPE_CHECKING:
    from streamlake.engine.entries import RunIdentity
    from streamlake.engine.operations.replay_types import ReplayPlan


@click.group("backfill", short_help="Land what lies before the live run, or beside it.")
def command() -> None:
    """Land what lies before the live run's first offset, or another topic's history, beside what the live run lands."""


@command.command("plan", short_help="Show what a backfill would do; write nothing.")
@pipeline_argument
@backfill_options
@set_option
@log_format_option
@json_option
def plan(pipeline: tuple[Path, ...], overrides: tuple[str, ...], *, as_json: bool, **said: str | None) -> None:
    """Show which offsets are missing from what PIPELINE.yaml has landed, and what it would cost to land them.

    Without bounds: all that Kafka still has before the first offset of the live run, and nobody has landed. A BOUND is
    as in `replay plan`. Writes nothing.
    """
    from streamlake.engine.operations.backfill_plan import plan_backfill  # noqa: PLC0415  # heavy

    request = Wanted(**said).request(both=False)
    config = load(pipeline, overrides)
    found = plan_backfill(config, open_ledger(config), open_broker(config), request)
    root = root_of(config)
    if as_json:
        print_json({"root": root, **plan_json(found)})
    elif not found.offsets:
        click.echo(f"{config.pipeline}: backfill {found.bounds}: nothing is missing there; nothing was written")
    else:
        _show(found, root, dry=True)


@command.command("run", short_help="Run a backfill, or go on with one.")
@pipeline_argument
@backfill_options
@click.option("--workers", "workers_max", type=click.IntRange(min=1), help="At most so many at once (workers.max).")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="At most so many records a second, of all.")
@set_option
@log_format_option
@json_option
def run(
    pipeline: tuple[Path, ...],
    overrides: tuple[str, ...],
    *,
    workers_max: int | None,
    rate: float | None,
    as_json: bool,
    **said: str | None,
) -> None:
    """Land the offsets that `backfill plan` shows, by PIPELINE.yaml as it is now, beside what the live run lands.

    No offset comes twice: a range of which another run has some is refused. The bounds are resolved once and written
    down: the same command goes on after a kill, on any host, and does nothing when all is landed. --rate and --workers
    are for this start alone. Exits 1 if a partition could not be landed.
    """
    from streamlake.engine.cli.display import LiveTable  # noqa: PLC0415  # heavy, as what follows
    from streamlake.engine.operations.backfill import run_backfill  # noqa: PLC0415

    request = Wanted(**said).request(both=False)
    config = load(pipeline, overrides)
    root = root_of(config)

    def say(_: "RunIdentity", plan: "ReplayPlan") -> None:
        if not as_json:
            _show(plan, root, dry=False)

    with LiveTable(files_said(pipeline), bounded=True) as display:
        outcome = run_backfill(config, request, workers_max=workers_max, rate=rate, tick=display.show, say=say)
    if as_json:
        print_json({"root": root, **outcome_json(outcome)})
    else:
        click.echo(outcome_sentence(outcome, root))
    sys.exit(outcome.code)


def _show(plan: "ReplayPlan", root: str, *, dry: bool) -> None:
    for line in plan_lines(plan, root, dry=dry):
        click.echo(line)
    print_plan(plan)
