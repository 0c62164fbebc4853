"""`streamlake offsets plan`: what a reset would do."""

from pathlib import Path
from typing import Any

import click

from streamlake.engine.cli.common import json_option, load, log_format_option, pipeline_argument, print_json, set_option
from streamlake.engine.cli.offsets_wanted import Wanted, plan_json, print_plan, wanted_options
from streamlake.engine.cli.parts import open_group_admin, open_ledger


@click.command("plan", short_help="Show what a reset would do; write nothing.")
@pipeline_argument
@wanted_options
@set_option
@log_format_option
@json_option
def command(pipeline: tuple[Path, ...], overrides: tuple[str, ...], *, as_json: bool, **said: Any) -> None:
    """Show where `offsets reset` would take each partition of PIPELINE.yaml, and what that gives up or supersedes.

    A BOUND is earliest or latest (the ends of what Kafka still has), an offset, a timestamp with its zone
    (2026-01-31T06:00:00Z) or how long ago (-2h, -7d). Forwards, the offsets between are given up: a gap in the ledger.
    Backwards, to the edge of a file, a new live generation lands them again, and the files that had them move to
    superseded/. Writes nothing.
    """
    from streamlake.engine.operations.offsets_plan import plan_reset  # noqa: PLC0415  # heavy: pyarrow

    wanted = Wanted(**said).request()
    config = load(pipeline, overrides)
    plan = plan_reset(config, open_ledger(config), open_group_admin(config), wanted)
    if as_json:
        print_json(plan_json(plan))
    else:
        print_plan(plan, dry=True)
