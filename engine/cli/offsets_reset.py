"""`streamlake offsets reset`: move the position of the live run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from streamlake.engine.cli.offsets_wanted import Wanted, lines_of_outcome, plan_json, print_plan, wanted_options
from streamlake.engine.cli.parts import open_group_admin

if TYPE_CHECKING:
    from streamlake.engine.operations.offsets_types import ResetOutcome, ResetPlan


@click.command("reset", short_help="Move the position, once all engines are stopped.")
@pipeline_argument
@wanted_options
@click.option("--reason", required=True, help="Why: it is kept in the ledger, or in the new generation's run file.")
@yes_option
@set_option
@log_format_option
@json_option
def command(
    pipeline: tuple[Path, ...], overrides: tuple[str, ...], *, reason: str, yes: bool, as_json: bool, **said: Any
) -> None:
    """Do what `offsets plan` shows, and set the group's offsets in Kafka to the new positions.

    Refused while an engine of the group runs. The same command goes on after a kill.
    """
    from streamlake.engine.operations.offsets_reset import reset_offsets  # noqa: PLC0415  # heavy: pyarrow

    wanted = Wanted(**said).request()
    config = load(pipeline, overrides)

    def agree(plan: "ResetPlan") -> None:
        if not as_json:
            print_plan(plan, dry=False)
        confirm("Move the position?", yes=yes)

    outcome = reset_offsets(config, open_group_admin(config), wanted, reason, agree=agree)
    if as_json:
        print_json(outcome_json(outcome))
        return
    if outcome.plan is not None and outcome.plan.nothing_to_do:
        print_plan(outcome.plan, dry=True)
        return
    if outcome.plan is None:
        click.echo(f"{outcome.generation} was begun by these words before: what was left of the change is finished")
    offsets = [(str(source), offset) for source, offset in outcome.group_offsets.items()]
    for line in lines_of_outcome(outcome.generation, offsets, left_alone=outcome.group_left_alone):
        click.echo(line)


def outcome_json(outcome: "ResetOutcome") -> dict[str, Any]:
    """What a reset came to, as one JSON document."""
    return {
        "generation": outcome.generation,
        "plan": outcome.plan and plan_json(outcome.plan),
        "group_left_alone": outcome.group_left_alone,
        "group_offsets": [
            {"topic": source.topic, "partition": source.partition, "next": offset}
            for source, offset in outcome.group_offsets.items()
        ],
    }
