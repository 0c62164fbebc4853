"""`streamlake replay`: read again what was read before, in a run of its own."""

import click

from streamlake.engine.cli import replay_delete, replay_diff, replay_list, replay_plan, replay_promote, replay_run


@click.group("replay", short_help="Read again what was read before, in a run of its own.")
def command() -> None:
    """Read again what was read before, in a run of its own that leaves the live one as it is."""


for part in (
    *(replay_plan.command, replay_run.command, replay_diff.command),
    *(replay_list.list_command, replay_list.show_command),
    *(replay_promote.command, replay_delete.command),
):
    command.add_command(part)
