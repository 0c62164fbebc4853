"""`streamlake plugins`: which validators and sinks are installed, and from where."""

import click

from streamlake.engine.cli.common import json_option, print_json, print_table


@click.command("plugins", short_help="List the installed validators and sinks.")
@json_option
def command(as_json: bool) -> None:
    """List the installed validators and sinks: what `type:` may be in a pipeline's YAML.

    Your own need not be installed: name a class by its import path, module:Class (see python_path).
    """
    from streamlake.engine.registry import GROUPS, installed  # noqa: PLC0415  # reads every installed package's names

    found = [
        {
            "kind": kind,
            "type": point.name,
            "class": point.value,
            "package": f"{point.dist.name} {point.dist.version}" if point.dist else "",
        }
        for kind in GROUPS
        for point in installed(kind)
    ]
    if as_json:
        print_json(found)
    else:
        columns = ("kind", "type", "class", "package")
        print_table(columns, [tuple(plugin.values()) for plugin in found])
