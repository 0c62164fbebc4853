"""`streamlake keys new | list | revoke`: who may post to the HTTP edge."""

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamlake.engine.cli.common import json_option, load, pipeline_argument, print_json, print_table, set_option
from streamlake.engine.errors import ConfigError, UsageError

if TYPE_CHECKING:  # heavy
    from streamlake.config.model import PipelineConfig


@click.group("keys", short_help="Make, list and revoke the HTTP edge's API keys.")
def command() -> None:
    """Make, list and revoke the API keys of the HTTP edge: the file http.keys_file of a pipeline.

    The file has no key, only each one's sha256. A running edge reads it again by itself.
    """


@command.command("new", short_help="Make a key and print it, this once.")
@pipeline_argument
@click.option("--name", required=True, help="Whose key it is, for people: in lists and logs.")
@click.option(
    "--stream", "streams", multiple=True, metavar="STREAM", help="A stream it is for. Default: all. Repeatable."
)
@set_option
def new_command(pipeline: tuple[Path, ...], name: str, streams: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Make a key for the streams of PIPELINE.yaml, and print it: this once, it is kept nowhere.

    Standard output has the key alone: KEY=$(streamlake keys new orders.yaml --name shop).
    """
    from streamlake.http_edge.keys_file import ALL_STREAMS, new_key  # noqa: PLC0415  # heavy

    config = load(pipeline, overrides)
    path = _keys_file(config)
    for stream in streams:
        if stream != ALL_STREAMS:
            _check_stream(stream, config)
    text, entry = new_key(path, name, streams or (ALL_STREAMS,))
    click.echo(text)
    whose = "all streams" if ALL_STREAMS in entry.streams else ", ".join(entry.streams)
    click.echo(f"made key {entry.id} ({entry.name}) for {whose}, in {path}; it is shown this once", err=True)
    click.echo('to post with it, send the header "Authorization: Bearer KEY" or "X-API-Key: KEY"', err=True)


@command.command("list", short_help="List the keys: id, name, streams.")
@pipeline_argument
@set_option
@json_option
def list_command(pipeline: tuple[Path, ...], overrides: tuple[str, ...], as_json: bool) -> None:
    """List the keys of PIPELINE.yaml: id, name, streams and when each was made. The keys themselves nobody can show."""
    from streamlake.http_edge.keys_file import list_keys  # noqa: PLC0415  # heavy

    config = load(pipeline, overrides)
    path = _keys_file(config)
    found = list_keys(path)
    if as_json:
        fields = ("id", "name", "streams", "created_at")
        print_json([{field: getattr(entry, field) for field in fields} for entry in found])
        return
    if found:
        rows = [(entry.id, entry.name, ", ".join(entry.streams), entry.created_at) for entry in found]
        print_table(("id", "name", "streams", "created"), rows)
    else:
        click.echo(f"no key in {path}; `streamlake keys new {config.files} --name NAME` makes one", err=True)


@command.command("revoke", short_help="Take a key away.")
@pipeline_argument
@click.argument("key_id", metavar="ID")
@set_option
def revoke_command(pipeline: tuple[Path, ...], key_id: str, overrides: tuple[str, ...]) -> None:
    """Take the key with this ID out of the keys of PIPELINE.yaml. The other keys stay as they are."""
    from streamlake.http_edge.keys_file import revoke_key  # noqa: PLC0415  # heavy

    entry = revoke_key(_keys_file(load(pipeline, overrides)), key_id)
    click.echo(f"revoked key {entry.id} ({entry.name})")


def _keys_file(config: "PipelineConfig") -> Path:
    if config.http is None:
        add = "http: {keys_file: keys.json, streams: {orders: {}}}"
        raise ConfigError(f"{config.files}: has no http section, so there is nothing to post to; add one: {add}")
    if config.http.keys_file is None:
        raise ConfigError(f"{config.files}: http.keys_file is missing; add to the http section: keys_file: keys.json")
    return config.http.keys_file


def _check_stream(stream: str, config: "PipelineConfig") -> None:
    known = list(config.http.streams) if config.http else []
    if stream not in known:
        near = get_close_matches(stream, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"--stream {stream}: there is no such stream; {hint}the pipeline has: {', '.join(known)}")
