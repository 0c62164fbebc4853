"""`streamlake replay delete`: a replay that nobody needs, with all that it landed."""

from pathlib import Path

import click

from streamlake.engine.cli.common import (
    confirm,
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    set_option,
    yes_option,
)
from streamlake.engine.cli.parts import open_sink
from streamlake.engine.counted import counted
from streamlake.engine.errors import UsageError


@click.command("delete", short_help="Delete a replay and what it landed.")
@pipeline_argument
@click.argument("run")
@yes_option
@set_option
@log_format_option
@json_option
def command(pipeline: tuple[Path, ...], run: str, overrides: tuple[str, ...], *, yes: bool, as_json: bool) -> None:
    """Delete the replay RUN: all that it landed below replays/RUN/, and its name, which is then used up.

    Refused for a replay that was promoted: its rows are the live ones. Said again after a kill it goes on.
    """
    from streamlake.engine.operations.replay_delete import deletable, delete_replay  # noqa: PLC0415  # heavy

    sink = open_sink(load(pipeline, overrides))
    replay = deletable(sink.ledger(), run)
    if replay is not None:
        totals = replay.progress.totals
        click.echo(
            f"replay {run} ({replay.state}, {replay.run.bounds}): {counted(totals.landed, 'row')} and "
            f"{counted(totals.refused, 'dead letter')} in {counted(totals.files, 'file')}, {totals.bytes:,} bytes",
            err=as_json,
        )
        confirm(f"Delete {run}?", yes=yes)
    if not delete_replay(sink, run):
        raise UsageError(f"{run}: there is no such replay under this root")
    if as_json:
        print_json({"run": run, "deleted": True})
    else:
        click.echo(f"{run} is deleted")
