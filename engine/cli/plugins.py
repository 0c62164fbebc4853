"""`streamlake plugins`: which validators and sinks are installed, from where, and what each can be told."""

import sys
from typing import TYPE_CHECKING, Any

import click

from streamlake.engine.cli.common import json_option, print_json, print_table
from streamlake.engine.errors import Exit, UsageError

if TYPE_CHECKING:  # looks through the names of every installed package
    from streamlake.engine.plugin_list import Loaded, Plugin


@click.command("plugins", short_help="List the installed validators and sinks.")
@click.argument("name", required=False, metavar="[TYPE]")
@click.option("--options", "with_options", is_flag=True, help="Load each one, and show its options.")
@json_option
def command(name: str | None, *, with_options: bool, as_json: bool) -> None:
    """List the installed validators and sinks: what `type:` may be in a pipeline's YAML.

    With TYPE, show that one: whether it can be loaded, and its options with types and defaults. Your own need not be
    installed: name a class by its import path, module:Class (see python_path). Exits 1 when one that was loaded, with
    TYPE or --options, can't be used.
    """
    from streamlake.engine.plugin_list import load, plugins  # noqa: PLC0415  # see above

    found = plugins(name)
    if name is not None and not found:
        raise UsageError(f"there is no validator and no sink {name!r}; `streamlake plugins` lists what is installed")
    if not (with_options or as_json or name):
        columns = ("kind", "type", "class", "package", "from")
        print_table(columns, [(one.kind, one.name, one.path, one.package, one.origin) for one in found])
        for clash in dict.fromkeys(f"{one.kind} {one.name}: {one.clash}" for one in found if one.clash):
            click.echo(clash, err=True)
        return
    loaded = [(one, load(one)) for one in found]
    if as_json:
        print_json([_json(one, details) for one, details in loaded])
        return
    for number, (one, details) in enumerate(loaded):
        _print(one, details, first=number == 0)
    sys.exit(Exit.FAILED if any(details.why_not for _, details in loaded) else Exit.DONE)


def _print(plugin: "Plugin", loaded: "Loaded", *, first: bool) -> None:
    """One plugin for a person: a line, where it comes from, and a table of its options."""
    if not first:
        click.echo()
    click.echo(f"{plugin.kind} {plugin.name}: {plugin.path}, {plugin.package} in {plugin.origin}")
    if loaded.why_not:
        click.echo(f"can't be used: {loaded.why_not}")
    elif loaded.options is None:
        click.echo("it does not tell its options")
    elif not loaded.options:
        click.echo("it has no options")
    if loaded.options:
        rows = [(one.name, one.type, _default(one.default), one.meaning) for one in loaded.options]
        print_table(("option", "type", "default", "meaning"), rows)


def _default(default: str | None) -> str:
    return "(must be given)" if default is None else default or "(none)"


def _json(plugin: "Plugin", loaded: "Loaded") -> dict[str, Any]:
    return {
        "kind": plugin.kind,
        "type": plugin.name,
        "class": plugin.path,
        "package": plugin.package,
        "from": plugin.origin,
        "loads": not loaded.why_not,
        "why_not": loaded.why_not,
        "contract_version": loaded.contract_version,
        "options": loaded.options,
    }
