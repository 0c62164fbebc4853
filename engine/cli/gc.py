"""`streamlake gc`: free what runs that have ended have left staged."""

from pathlib import Path

import click

from streamlake.engine.cli.common import (
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    set_option,
)
from streamlake.engine.cli.parts import open_sink


@click.command("gc", short_help="Free what ended runs have left staged.")
@pipeline_argument
@set_option
@log_format_option
@json_option
def command(pipeline: tuple[Path, ...], overrides: tuple[str, ...], *, as_json: bool) -> None:
    """Free what runs that have ended have left staged under the root of PIPELINE.yaml.

    These are finished replays and backfills, and superseded generations: no later claim of theirs collects it. What a
    live run has staged is left alone, and so is everything that has landed.
    """
    from streamlake.engine.operations.replay_delete import collect  # noqa: PLC0415  # heavy

    freed = collect(open_sink(load(pipeline, overrides)))
    if as_json:
        print_json(freed)
        return
    for one in freed:
        click.echo(f"{one.run}: {one.bytes:,} bytes")
    click.echo(f"{sum(one.bytes for one in freed):,} bytes freed")
