"""`streamlake offsets`: where the live run is, and how an operator moves it."""

import click

from streamlake.engine.cli import offsets_plan, offsets_reset, offsets_show


@click.group("offsets", short_help="Show and move the position of the live run.")
def command() -> None:
    """Show where the live run is in each partition, and move it: forwards, backwards, or onto a topic made anew."""


for part in (offsets_show, offsets_plan, offsets_reset):
    command.add_command(part.command)
