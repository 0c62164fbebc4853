"""Where the live run is to go: the options that `offsets plan` and `offsets reset` share, and how a plan is printed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streamlake.engine.cli.common import print_table

if TYPE_CHECKING:
    from streamlake.engine.operations.offsets_types import PartitionMove, ResetPlan, ResetRequest

F = TypeVar("F", bound=Callable[..., object])

COLUMNS = ("partition", "from", "to", "way", "offsets", "landed", "refused", "files", "bytes", "group")

OPTIONS = (
    click.option("--to", "bound", metavar="BOUND", help="Where to go on. Needed, but for --recreated: there earliest."),
    click.option("--topic", help="Only this topic of the pipeline."),
    click.option("--partitions", metavar="0,3-5", help="Only these partitions, of one topic."),
    click.option("--recreated", is_flag=True, help="The topic was deleted and made anew: go on with the new one."),
    click.option("--timezone", "zone", metavar="NAME", help="Of timestamps that name no zone, as in Europe/Berlin."),
)


def wanted_options(command: F) -> F:
    """The options of `Wanted`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was said on the command line."""

    bound: str | None = None
    topic: str | None = None
    partitions: str | None = None
    recreated: bool = False
    zone: str | None = None

    def request(self) -> "ResetRequest":
        """As a request. Raises UsageError for what can't be meant."""
        from streamlake.engine.operations.bounds import (  # noqa: PLC0415  # heavy, as what follows
            parse_bound,
            parse_partitions,
            parse_zone,
        )
        from streamlake.engine.operations.offsets_types import ResetRequest  # noqa: PLC0415

        if self.bound is None and not self.recreated:
            raise click.UsageError("say --to: earliest, latest, an offset, a timestamp with its zone, or how long ago")
        where = None if self.zone is None else parse_zone(self.zone)
        return ResetRequest(
            bound=parse_bound(self.bound or "earliest", option="--to", now=datetime.now(UTC), zone=where),
            topic=self.topic,
            partitions=None if self.partitions is None else parse_partitions(self.partitions),
            recreated=self.recreated,
            zone=self.zone,
        )


def print_plan(plan: "ResetPlan", *, dry: bool) -> None:
    """The plan for a person."""
    click.echo(f"{plan.pipeline}: offsets reset {plan.said}{'; nothing was written' if dry else ''}")
    print_table(COLUMNS, [_row(move) for move in plan.moves], right=(*COLUMNS[1:3], *COLUMNS[4:9]))
    for remark in plan.remarks:
        click.echo(remark)


def plan_json(plan: "ResetPlan") -> dict[str, Any]:
    """The plan as one JSON document."""
    return {
        "pipeline": plan.pipeline,
        "said": plan.said,
        "generation": plan.generation,
        "new_generation": bool(plan.backwards),
        "nothing_to_do": plan.nothing_to_do,
        "partitions": [_move_json(move) for move in plan.moves],
        "remarks": list(plan.remarks),
    }


def _move_json(move: "PartitionMove") -> dict[str, Any]:
    fields = asdict(move)
    return {**fields.pop("source"), **fields.pop("affected"), **fields}


def _row(move: "PartitionMove") -> Sequence[str]:
    lost = move.affected
    begins = "-" if move.position is None else f"{move.position:,}"
    counts = (lost.offsets, lost.landed, lost.refused, lost.files, lost.file_bytes)
    return (str(move.source), begins, f"{move.target:,}", move.way, *(f"{count:,}" for count in counts), _group(move))


def _group(move: "PartitionMove") -> str:
    now = "-" if move.group_offset is None else f"{move.group_offset:,}"
    return f"{now} -> {move.target:,}" if move.group_differs else now


def lines_of_outcome(generation: str, group_offsets: Sequence[tuple[str, int]], *, left_alone: bool) -> Iterator[str]:
    """What a reset came to, for a person."""
    yield f"done: the live generation is {generation}; `streamlake run` goes on from there"
    if group_offsets:
        yield f"group offsets in Kafka: {', '.join(f'{source} {offset:,}' for source, offset in group_offsets)}"
    if left_alone:
        yield (
            "the group has members again, and its offsets in Kafka are left to them: an engine that was started "
            f"meanwhile goes on as {generation} with the next records that come, or within a minute"
        )
