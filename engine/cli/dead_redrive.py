"""`streamlake dead redrive`: refused records sent back to be tried again."""

import sys
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

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
from streamlake.engine.cli.dead_filter import filter_options, how_many, source_option
from streamlake.engine.cli.dead_text import printable
from streamlake.engine.cli.parts import SAID, open_sink, open_topic_reader
from streamlake.engine.cli.produce import Rate
from streamlake.engine.counted import counted
from streamlake.engine.errors import Exit, UsageError
from streamlake.engine.operations.dead_types import LetterFilter

if TYPE_CHECKING:
    from streamlake.engine.operations.redrive_types import Redriven, RedrivePlan

UNDELIVERED_SHOWN_MAX = 20
BATCH = 500


@click.command("redrive", short_help="Send refused records back to be tried again.")
@pipeline_argument
@click.option("--to", required=True, metavar="source|TOPIC", help="source: topic and partition where each came from.")
@filter_options
@click.option(
    "--max-attempts", default=3, show_default=True, type=click.IntRange(min=1), help="Not what failed so often."
)
@click.option("--only-now-valid", is_flag=True, help="Only what the YAML's validator would accept now.")
@click.option("--transform", "transform_name", metavar="MODULE:FUNC", help="Changes key, value and headers, or drops.")
@click.option("--timed-now", is_flag=True, help="With the time of sending as the records' time, instead of their own.")
@click.option("--again", is_flag=True, help="Also what an earlier redrive has sent to the same topic.")
@click.option("--rate", type=Rate(), help="Records a second at most. Default: as fast as it goes.")
@click.option(
    "--batch", default=BATCH, show_default=True, type=click.IntRange(1, 100_000), help="Records in doubt at most."
)
@click.option("--name", help="The redrive's name. Default: the one of this command that has not ended, or a new one.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent; write and send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@source_option
@set_option
@log_format_option
@json_option
@click.pass_context
def redrive_command(  # noqa: PLR0913  (one for each option)
    context: click.Context,
    pipeline: tuple[Path, ...],
    overrides: tuple[str, ...],
    *,
    wanted: LetterFilter,
    to: str,
    max_attempts: int,
    only_now_valid: bool,
    transform_name: str | None,
    timed_now: bool,
    again: bool,
    rate: float | None,
    batch: int,
    name: str | None,
    dry_run: bool,
    yes: bool,
    source: str,
    as_json: bool,
) -> None:
    """Send dead letters of PIPELINE.yaml back to where they came from, or to TOPIC, to be tried again.

    Keys, values, headers and times stay as they were; headers are added that say how often a record has failed and
    where it came from. A redrive that was killed goes on when the same command is given again. Exits 1 when Kafka did
    not take a record, or --transform failed.
    """
    from streamlake.engine.operations.redrive import plan_redrive, redrive  # noqa: PLC0415  # heavy, as what follows
    from streamlake.engine.operations.redrive_kafka import KafkaSender  # noqa: PLC0415
    from streamlake.engine.operations.redrive_letters import load_transform  # noqa: PLC0415
    from streamlake.engine.operations.redrive_types import RedriveRequest  # noqa: PLC0415
    from streamlake.engine.worker_main import isolated_decider  # noqa: PLC0415

    config = load(pipeline, overrides)
    sink = open_sink(config)
    reader = open_topic_reader(config) if source == "topic" else None
    request = RedriveRequest(
        to=to,
        wanted=wanted,
        max_attempts=max_attempts,
        transform=None if transform_name is None else load_transform(transform_name),
        decide=isolated_decider(config) if only_now_valid else None,
        from_topic=reader,
        timed_now=timed_now,
        again=again,
        said={key.removeprefix(SAID): value for key, value in context.meta.items() if key.startswith(SAID)},
    )
    with closing(KafkaSender(config)) as sender, nullcontext() if reader is None else closing(reader):
        if dry_run or not yes:
            plan = plan_redrive(config, sink, sender, request, name=name)
            if as_json and dry_run:
                print_json(plan)
            else:  # with --json the result alone is on standard output
                click.echo("\n".join(_plan_lines(plan, batch)), err=as_json)
            if dry_run:
                return
            _ask(plan)
        with progress("sent", None) as moved:
            done = redrive(config, sink, sender, request, name=name, batch_letters=batch, rate=rate, progress=moved)
    if as_json:
        print_json(done.json())
    else:
        _show_result(done)
    failed = done.left_out.get("transform_failed", 0)
    sys.exit(Exit.FAILED if done.state == "stopped" or failed else Exit.DONE)


def _ask(plan: "RedrivePlan") -> None:
    """Whether to go on. Raises Abort where the answer is no, UsageError where nobody is there to give it."""
    records = sum(plan.sending.values())
    if not records:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to be asked whether to send them: say --yes, or --dry-run to look only")
    click.confirm(f"Send {_records(records)}?", abort=True, err=True)


def _plan_lines(plan: "RedrivePlan", batch: int) -> Iterator[str]:
    if plan.finished:
        yield f"redrive {plan.name} is finished: it does nothing any more"
        return
    goes_on = f", which goes on ({_records(plan.sent_before)} sent before)" if plan.begun else ""
    yield f"redrive {plan.name}{goes_on}: {how_many(plan.letters)} looked at; nothing was sent yet"
    yield from (f"{count:,} to {topic}" for topic, count in sorted(plan.sending.items()))
    if plan.in_doubt:
        yield f"{plan.in_doubt:,} of them may be there already; they are marked by streamlake.redrive.in_doubt"
    if plan.sending:
        yield f"if it is killed, {batch:,} at most are in doubt, and sent again with that mark"
    else:
        yield "nothing to send"
    yield from _remarks(plan)


def _show_result(done: "Redriven") -> None:
    if done.state == "finished_before":
        click.echo(f"redrive {done.name} was finished before ({_records(done.sent_before)}): nothing was done")
        return
    before = f", {done.sent_before:,} before" if done.sent_before else ""
    click.echo(f"redrive {done.name}: {_records(done.sent)} sent{before} in {taken(done.sent, done.seconds)}")
    if done.in_doubt:
        click.echo(f"{done.in_doubt:,} of them may be there twice; they are marked by streamlake.redrive.in_doubt")
    if done.state == "nothing" and not done.left_out.get("transform_failed"):
        click.echo("nothing to send")
    for line in _remarks(done):
        click.echo(line)
    for one in done.undelivered[:UNDELIVERED_SHOWN_MAX]:
        doubt = "; it may be there, and is marked when it is sent again" if one.in_doubt else ""
        click.echo(f"{one.place} is not acknowledged: {one.why}{doubt}", err=True)
    if len(done.undelivered) > UNDELIVERED_SHOWN_MAX:
        click.echo(f"and {len(done.undelivered) - UNDELIVERED_SHOWN_MAX:,} more", err=True)
    if done.undelivered:
        advice = "the same command goes on from here; what Kafka never takes is left out by a filter or by --transform"
        click.echo(f"stopped: {_records(len(done.undelivered))} not acknowledged; {advice}", err=True)


def _remarks(told: "RedrivePlan | Redriven") -> Iterator[str]:
    from streamlake.engine.operations.redrive_types import LEFT_OUT  # noqa: PLC0415  # as above

    for why, sentence in LEFT_OUT.items():
        if count := told.left_out.get(why):
            yield f"{count:,} not sent: {sentence}"
    yield from (f"  {count:,} times: {printable(said)}" for said, count in told.reasons.items())
    yield from told.remarks


def _records(count: int) -> str:
    return counted(count, "record")
