"""`streamlake produce`: send records from a file, a pipe or a generator, and say what became of each of them."""

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamlake.engine.cli.common import (
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    progress,
    set_option,
    taken,
)
from streamlake.engine.counted import counted
from streamlake.engine.errors import Exit, UsageError

if TYPE_CHECKING:
    from streamlake.config.model import PipelineConfig
    from streamlake.engine.operations.produce import Produced

KeyValue = tuple[bytes | None, bytes | None]


class Ratio(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on only
    """`0.4%` or `0.004`, from 0 to 1."""

    name = "ratio"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The ratio as a number."""
        text = str(value)
        try:
            ratio = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            ratio = -1.0
        if not 0 <= ratio <= 1:
            self.fail(f"{text!r} must be a ratio from 0 to 1, as in 0.4% or 0.004", param, ctx)
        return ratio


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of the command: exactly one of `file`, `stdin` and `generate` says where records come from."""

    topic: str | None
    file: Path | None
    stdin: bool
    generate: str | None
    records: int
    broken: float
    tombstones: float
    seed: int
    rate: float | None
    key_field: str | None
    source: str
    schema: str

    def __post_init__(self) -> None:
        if sum((self.file is not None, self.stdin, self.generate is not None)) != 1:
            raise UsageError("say where the records come from: one of --file PATH, --stdin and --generate orders")


class Rate(click.FloatRange):
    """A rate above nothing, with an end: `nan` and `inf` are numbers to Python and no rate to anybody."""

    name = "rate"

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, checked."""
        rate = float(super().convert(value, param, ctx))
        if not math.isfinite(rate):
            self.fail(f"{value!r} is no number of records a second", param, ctx)
        return rate


@click.command("produce", short_help="Send records from a file, a pipe or a generator.")
@pipeline_argument
@set_option
@click.option("--topic", help="The topic to send to. Default: the pipeline's topic, where it has one only.")
@click.option("--file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Send a file's lines.")
@click.option("--stdin", is_flag=True, help="Send the lines of standard input.")
@click.option("--generate", type=click.Choice(["orders"]), help="Send generated records: TPC-H orders as nested JSON.")
@click.option("--records", type=click.IntRange(0), default=10_000, show_default=True, help="How many to generate.")
@click.option("--broken", type=Ratio(), default="0", show_default=True, help="How many of them are broken, e.g. 0.4%.")
@click.option("--tombstones", type=Ratio(), default="0", show_default=True, help="How many are tombstones, e.g. 0.1%.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which orders are generated.")
@click.option("--rate", type=Rate(), help="Records a second. Default: as fast as it goes.")
@click.option("--key-field", help="JSON pointer to the value that becomes the record's key, e.g. /customer_id.")
@click.option("--source", default="streamlake produce", show_default=True, help="The header streamlake.source.")
@click.option("--schema", default="", help="The header streamlake.schema. Default: none; with --generate what it is.")
@json_option
@log_format_option
def command(pipeline: tuple[Path, ...], overrides: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Send records to a topic of the cluster in PIPELINE.yaml: one JSON value a line, or generated ones.

    Waits until every record is acknowledged by all replicas in sync. Exits 1 when some could not be delivered.
    """
    from streamlake.engine.operations.produce import Origin, produce  # noqa: PLC0415  # heavy

    wanted = Wanted(**options)
    config = load(pipeline, overrides)
    topic = wanted.topic or _only_topic(config)
    origin = Origin(wanted.source, wanted.schema or wanted.generate or "")
    with progress(f"to {topic}", wanted.records if wanted.generate else None) as moved:
        batches = _batches(wanted, config)
        produced = produce(config, topic, batches, origin=origin, rate=wanted.rate, progress=moved)
    _print(produced, as_json=as_json)
    sys.exit(Exit.FAILED if produced.failed else Exit.DONE)


def _batches(wanted: Wanted, config: "PipelineConfig") -> Iterable[Sequence[KeyValue]]:
    from streamlake.engine.operations.produce import json_lines  # noqa: PLC0415  # heavy

    if wanted.generate:
        return _generated(wanted, config)
    return json_lines(wanted.file.open("rb") if wanted.file else sys.stdin.buffer, wanted.key_field)


def _generated(wanted: Wanted, config: "PipelineConfig") -> Iterator[Sequence[KeyValue]]:
    """Orders with the customer as key, or with the key that `--key-field` names."""
    from streamlake.engine.kafka.key_field import KeyField  # noqa: PLC0415  # heavy
    from streamlake.engine.local.orders import orders  # noqa: PLC0415  # needs the extra `local`

    key_of = KeyField(wanted.key_field) if wanted.key_field else None
    too_large = config.policies.record_bytes_max
    batches = orders(wanted.records, wanted.broken, wanted.tombstones, seed=wanted.seed, oversize_bytes=too_large)
    if key_of is None:
        return batches
    return ([(key_of(value or b""), value) for _, value in batch] for batch in batches)


def _only_topic(config: "PipelineConfig") -> str:
    names = config.kafka.topic_names
    if len(names) != 1:
        raise UsageError(f"say which topic: --topic, one of {', '.join(names)}")
    return names[0]


def _print(produced: "Produced", *, as_json: bool) -> None:
    if as_json:
        print_json(produced)
        return
    took = taken(produced.sent, produced.seconds)
    click.echo(f"{produced.acked:,} of {counted(produced.sent, 'record')} acknowledged by {produced.topic} in {took}")
    for reason, count in produced.reasons.items():
        click.echo(f"{count:,} failed: {reason}", err=True)
