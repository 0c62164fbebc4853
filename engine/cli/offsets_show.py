"""`streamlake offsets show`: the positions of ledger and group beside what Kafka has."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamlake.engine.cli.common import (
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    print_table,
    set_option,
)
from streamlake.engine.cli.parts import open_group_admin, open_ledger

if TYPE_CHECKING:
    from streamlake.engine.operations.offsets_types import OffsetsShown, PartitionOffsets

COLUMNS = ("partition", "generation", "next", "group", "low", "high", "lag")


@click.command("show", short_help="Show where each partition is.")
@pipeline_argument
@set_option
@log_format_option
@json_option
def command(pipeline: tuple[Path, ...], overrides: tuple[str, ...], *, as_json: bool) -> None:
    """Show where each partition of PIPELINE.yaml is.

    `next` is the next offset by the ledger, which decides; `group` what the consumer group has committed in Kafka,
    which follows; `low` and `high` are the first offset that Kafka still has, and the end. Works beside an engine.
    """
    from streamlake.engine.operations.offsets_show import offsets_of  # noqa: PLC0415  # heavy: pyarrow

    config = load(pipeline, overrides)
    shown = offsets_of(config, open_ledger(config), open_group_admin(config))
    if as_json:
        print_json(shown_json(shown))
        return
    click.echo(f"{shown.pipeline}: group {shown.group_id}, live generation {shown.generation or 'none yet'}")
    print_table(COLUMNS, [_row(one) for one in shown.partitions], right=COLUMNS[2:])
    for remark in shown.remarks:
        click.echo(remark)


def shown_json(shown: "OffsetsShown") -> dict[str, Any]:
    """Where each partition is, as one JSON document."""
    return {
        "pipeline": shown.pipeline,
        "group_id": shown.group_id,
        "generation": shown.generation,
        "partitions": [_partition_json(one) for one in shown.partitions],
        "remarks": list(shown.remarks),
    }


def _partition_json(one: "PartitionOffsets") -> dict[str, Any]:
    fields = asdict(one)
    return {**fields.pop("source"), **fields, "lag": one.lag, "made_anew": one.made_anew}


def _row(one: "PartitionOffsets") -> Sequence[str]:
    numbers = (one.next, one.group_offset, one.low, one.high, one.lag)
    return (str(one.source), one.generation or "-", *("-" if number is None else f"{number:,}" for number in numbers))
