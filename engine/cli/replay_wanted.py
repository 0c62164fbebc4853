"""Which records a replay is of: the options that `replay plan`, `replay run` and `backfill` share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from streamlake.engine.operations.bounds import Bounds
    from streamlake.engine.operations.replay_plan import ReplayRequest

F = TypeVar("F", bound=Callable[..., object])

PARTITIONS = click.option("--partitions", metavar="0,3-5", help="Only these partitions, of one topic.")
ZONE = click.option("--timezone", "zone", metavar="NAME", help="Of timestamps that name no zone, as in Europe/Berlin.")
OPTIONS = (
    click.option("--from", "first", metavar="BOUND", help="Where it begins."),
    click.option("--to", "following", metavar="BOUND", help="Where it ends; what lies at it is not in it."),
    click.option("--topic", help="Only this topic of the pipeline."),
    PARTITIONS,
    click.option("--run-of", metavar="FILE|ENTRY", help="The range of a landed file, or of RUN/TOPIC/PARTITION/SEQ."),
    click.option("--name", help="The run's name. Default: one made from its offsets."),
    ZONE,
)
BACKFILL_OPTIONS = (
    click.option("--from", "first", metavar="BOUND", help="Where it begins. Default: at the first missing offset."),
    click.option("--to", "following", metavar="BOUND", help="Where it ends. Default: where the live run began."),
    click.option("--topic", help="This topic, read by the pipeline or not. Default: those that it reads."),
    PARTITIONS,
    click.option("--name", help="Go on with this backfill. A new one gets the next number: backfill-1, backfill-2."),
    ZONE,
)

reads_option = click.option(
    "--source",
    "reads",
    type=click.Choice(["kafka", "lake"]),
    default="kafka",
    show_default=True,
    help="What is read: Kafka, or the files that have landed (sink.columns: envelope), also after Kafka's retention.",
)
"""`--source` as `reads: str`."""


def wanted_options(command: F) -> F:
    """The options of `Wanted`."""
    return _with(OPTIONS, command)


def backfill_options(command: F) -> F:
    """Those that mean something for a backfill."""
    return _with(BACKFILL_OPTIONS, command)


def _with(options: Sequence[Callable[[F], F]], command: F) -> F:
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was said on the command line."""

    first: str | None = None
    following: str | None = None
    topic: str | None = None
    partitions: str | None = None
    run_of: str | None = None
    name: str | None = None
    zone: str | None = None

    def request(self, *, both: bool = True) -> "ReplayRequest":
        """As a request. Raises UsageError for what can't be meant; with `both` also for one bound without the other."""
        from streamlake.engine.operations.bounds import parse_partitions  # noqa: PLC0415  # heavy, as what follows
        from streamlake.engine.operations.replay_plan import ReplayRequest  # noqa: PLC0415

        if both and (self.first is None) != (self.following is None):
            unsaid = "--from" if self.first is None else "--to"
            raise click.UsageError(f"say {unsaid}, too (earliest and latest are the ends)")
        return ReplayRequest(
            bounds=_bounds(self.first, self.following, self.zone),
            topic=self.topic,
            partitions=None if self.partitions is None else parse_partitions(self.partitions),
            name=self.name,
            run_of=self.run_of,
        )


def _bounds(first: str | None, following: str | None, zone: str | None) -> "Bounds | None":
    from streamlake.engine.operations.bounds import parse_bounds, parse_zone  # noqa: PLC0415  # heavy

    where = None if zone is None else parse_zone(zone)
    if first is None and following is None:
        return None
    return parse_bounds(first, following, now=datetime.now(UTC), zone=where)
