"""`streamlake replay promote`: what a replay landed becomes what readers see."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamlake.engine.cli.common import (
    confirm,
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    print_table,
    set_option,
    yes_option,
)
from streamlake.engine.cli.parts import known_topic_ids, open_sink

if TYPE_CHECKING:
    from streamlake.engine.operations.replay_promote import PromotedPartition, Promotion

COLUMNS = (
    *("partition", "first", "next", "landed before", "refused before"),
    *("landed now", "refused now", "given up now"),
)


@click.command("promote", short_help="Make a replay's rows those that readers see.")
@pipeline_argument
@click.argument("run")
@yes_option
@set_option
@log_format_option
@json_option
def command(pipeline: tuple[Path, ...], run: str, overrides: tuple[str, ...], *, yes: bool, as_json: bool) -> None:
    """Make the rows of the replay RUN the ones that readers of PIPELINE.yaml's root see for its range.

    The replay must be finished, must prove, and must cover whole files. What stood there moves to superseded/ and stays
    provable. Readers of files may for a moment miss rows of the range, and never see them twice. An engine that runs
    goes on as the new live generation. Said again after a kill it finishes what it began.
    """
    from streamlake.engine.operations.replay_promote import plan_promotion, promote  # noqa: PLC0415  # heavy

    config = load(pipeline, overrides)
    sink = open_sink(config)
    topic_ids = known_topic_ids(config)
    plan = plan_promotion(config, sink.ledger(), run, topic_ids)
    if plan.done_before:
        click.echo(f"nothing to do: {run} was promoted before, as {plan.generation}", err=as_json)
    elif not plan.finishes:
        click.echo(
            f"{config.pipeline}: promote {run}: {plan.generation} goes on in place of {plan.supersedes}", err=as_json
        )
        if not as_json:
            print_table(COLUMNS, [_row(one) for one in plan.partitions], right=COLUMNS[1:])
        confirm(f"Promote {run}?", yes=yes)
    done = promote(config, sink, run, topic_ids)
    if as_json:
        print_json(promotion_json(done))
    elif not done.done_before:
        click.echo(f"{run} is promoted: {done.generation} is the live run; `streamlake prove` follows it")


def promotion_json(promotion: "Promotion") -> dict[str, Any]:
    """A promotion as one JSON document."""
    return {
        "replay": promotion.replay,
        "generation": promotion.generation,
        "supersedes": promotion.supersedes,
        "done_before": promotion.done_before,
        "finishes": promotion.finishes,
        "partitions": [
            {
                "topic": one.source.topic,
                "partition": one.source.partition,
                **asdict(one.range),
                "before": asdict(one.before),
                "after": asdict(one.after),
            }
            for one in promotion.partitions
        ],
    }


def _row(one: "PromotedPartition") -> Sequence[str]:
    counts = (one.before.landed, one.before.refused, one.after.landed, one.after.refused, one.after.given_up)
    return (str(one.source), f"{one.range.first:,}", f"{one.range.next:,}", *(f"{count:,}" for count in counts))
