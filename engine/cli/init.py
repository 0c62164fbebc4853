"""`streamlake init`: drafts a pipeline's YAML, and a JSON Schema from what lies in the topic."""

import json
import os
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamlake.engine.cli.common import json_option, log_format_option, print_json
from streamlake.engine.cli.init_config import config_of
from streamlake.engine.cli.narrow import cut, narrow_table, width
from streamlake.engine.cli.parts import open_broker, open_topic_reader
from streamlake.engine.counted import counted
from streamlake.engine.errors import SourceError, UsageError

if TYPE_CHECKING:
    from streamlake.config.model import PipelineConfig
    from streamlake.engine.operations.draft import TopicLook
    from streamlake.engine.operations.draft_yaml import Places

FIELDS_SHOWN = 30
ENVIRONMENT = "KAFKA_BOOTSTRAP_SERVERS"


@click.command("init", short_help="Draft a pipeline's YAML, with a schema from the topic's records.")
@click.argument("pipeline", type=click.Path(path_type=Path), metavar="PIPELINE.yaml")
@click.option("--topic", help="The topic to land. Default: the file's name, and nobody looks at it.")
@click.option("--bootstrap", metavar="HOST:PORT", help=f"Brokers to ask. Default: ${ENVIRONMENT}.")
@click.option("--group", help="The consumer group. Default: streamlake. and the file's name.")
@click.option("--root", help="Where files land: a folder or gs://bucket/prefix. Default: lake/ and the file's name.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="How to sign in: kafka.security.… or kafka.properties.…, e.g. 'kafka.security.password=${KAFKA_PASSWORD}'. "
    "Written into the file, too. Repeatable.",
)
@click.option("--records", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="Look at so many.")
@click.option("--offline", is_flag=True, help="Ask no broker, also where one is named.")
@click.option("--force", is_flag=True, help="Replace the files that it writes.")
@json_option
@log_format_option
def command(  # noqa: PLR0913  # a command's options
    pipeline: Path,
    topic: str | None,
    bootstrap: str | None,
    group: str | None,
    root: str | None,
    overrides: tuple[str, ...],
    records: int,
    *,
    offline: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write PIPELINE.yaml, with a comment at each line that one may want to change.

    With --topic and a broker it looks at 1,000 records of the topic, the oldest and the newest of each partition, and
    drafts a JSON Schema beside it (orders.schema.json) that all of them fit. It joins no group and commits nothing.
    What is there already is never overwritten without --force.
    A cluster that wants a sign-in is asked with what --set says, which stands in the file then.
    """
    from streamlake.engine.operations.draft_yaml import Places, draft_yaml, pipeline_name  # noqa: PLC0415  # heavy
    from streamlake.engine.worker_main import make_sink  # noqa: PLC0415  # heavy

    _refuse_standing(pipeline, force=force)
    schema_file = pipeline.with_suffix(".schema.json")
    _refuse_standing(schema_file, force=force)
    name = pipeline_name(pipeline.stem)
    group = f"streamlake.{name}" if group is None else group
    root = f"lake/{name}" if root is None else root  # a root is one pipeline's, and two are drafted in one folder
    places = Places(pipeline.name, name, topic, bootstrap, group, root)
    config, connection = config_of(
        pipeline, places, bootstrap or os.environ.get(ENVIRONMENT) or "127.0.0.1:9092", overrides
    )
    make_sink(config)  # says what is wrong with the root; touches no storage
    asked = topic is not None and not offline and bool(bootstrap or os.environ.get(ENVIRONMENT))
    look = _look(config, records) if asked else None
    written = {pipeline: draft_yaml(places, look, schema_file.name, connection)}
    if look and look.schema:
        written = {schema_file: json.dumps(look.schema, indent=2, ensure_ascii=False) + "\n", **written}
    for file, text in written.items():
        _write(file, text, force=force)
    if as_json:
        print_json({"written": list(written), "look": look and _look_json(look)})
        return
    for line in _lines(pipeline, places, look, schema_file):
        click.echo(line)


def _refuse_standing(file: Path, *, force: bool) -> None:
    if file == Path("-"):
        raise UsageError("-: init writes a file, and a schema beside it; name it, e.g. orders.yaml")
    if file.is_dir():
        raise UsageError(f"{file}: is a folder; name the file to write, e.g. {file / 'pipeline.yaml'}")
    if not file.parent.is_dir():
        raise UsageError(f"{file}: there is no folder {file.parent}; make it first")
    if file.exists() and not force:
        raise UsageError(f"{file}: is there already, and nothing was written; name another file, or say --force")


def _write(file: Path, text: str, *, force: bool) -> None:
    try:
        with file.open("w" if force else "x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        _refuse_standing(file, force=False)
    except OSError as error:
        raise UsageError(f"{file}: can't be written: {error.strerror}") from None


def _look(config: "PipelineConfig", records: int) -> "TopicLook":
    from streamlake.engine.operations.draft import look_at  # noqa: PLC0415  # heavy

    reader = open_topic_reader(config)
    try:
        return look_at(config, open_broker(config), reader, records)
    except SourceError as error:
        end = "" if str(error).endswith("?") else "."
        said = f"{error}{end} Nothing was written; --offline drafts the YAML without a look"
        raise SourceError(said, code=error.code) from None
    finally:
        reader.close()


def _look_json(look: "TopicLook") -> dict[str, Any]:
    return {**asdict(look), "others": [{**asdict(seen), "source": str(seen.source)} for seen in look.others]}


def _lines(pipeline: Path, places: "Places", look: "TopicLook | None", schema_file: Path) -> Iterator[str]:
    """What was written, what was seen and what comes next, for a person."""
    if look is None:
        yield f"{pipeline}: written; nobody has looked at a topic (--topic and --bootstrap)"
    else:
        yield f"{pipeline}: written, validator {look.validator}"
        yield from _seen(look)
    if look and look.schema:
        yield f"{schema_file}: written, a draft that all of these {look.objects:,} JSON objects fit"
        rows = [(field.pointer, field.type, _often(field.seen, field.of), field.note) for field in look.fields]
        yield from narrow_table(rows[:FIELDS_SHOWN], (28, 16, 16))
        if len(rows) > FIELDS_SHOWN:
            yield f"  and {len(rows) - FIELDS_SHOWN:,} more in the file"
    yield "next"
    made = look is not None and look.dead_letter_topic
    yield from _next(pipeline, None if made else places.dead)


def _next(pipeline: Path, to_make: str | None) -> Iterator[str]:
    """The commands to say next, whole however long they are; what each does where that fits beside it."""
    steps = {
        # Before validate, which would not be content with a dead-letter topic that is missing.
        **({"topics apply": f"makes {to_make}"} if to_make else {}),
        "validate": "checks file, topics, rights and storage",
        "dry-run": "what would become of 100 records",
        "run": "lands the topic",
        "status": "how far it is",
        "prove": "holds every offset to account",
    }
    commands = [f"  streamlake {verb} {shlex.quote(str(pipeline))}" for verb in steps]
    for command, what in zip(commands, steps.values(), strict=True):
        line = f"{command.ljust(max(map(len, commands)))}  # {what}"
        yield line if len(line) <= width() else command


def _often(seen: int, of: int) -> str:
    return f"{seen:,} of {of:,}"


def _seen(look: "TopicLook") -> Iterator[str]:
    where = f"{look.topic}: {counted(look.partitions, 'partition')}, {counted(look.offsets, 'offset')}; "
    if not look.records:
        yield f"{where}no record is there to look at"
        return
    yield f"{where}{counted(look.records, 'record')} looked at, oldest and newest"
    if look.objects:
        yield f"  {counted(look.objects, 'JSON object')}"
    for seen in look.others:
        first = f"first {seen.source}/{seen.offset}: {seen.detail}"
        yield cut(f"  {seen.said} ({first})", width())
