"""`streamlake completion`: what a shell reads to complete commands, options and files."""

import click
from click.shell_completion import get_completion_class


@click.command("completion", short_help="Print what makes a shell complete streamlake's words.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print a script that makes SHELL complete commands and options: put the example's line into its start file.

    For fish: streamlake completion fish | source
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows those that may be asked for"
    click.echo(kind(context.find_root().command, {}, "streamlake", "_STREAMLAKE_COMPLETE").source())
