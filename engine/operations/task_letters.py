"""The tasks of dead letters: count them, plan a redrive, send it; what was planned is what is sent, once."""

from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from streamlake.config.load import Files, load_pipeline
from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Sink
from streamlake.engine.operations.dead import list_letters
from streamlake.engine.operations.dead_stats import dead_stats
from streamlake.engine.operations.dead_types import LetterFilter
from streamlake.engine.operations.opened import open_sink, root_of
from streamlake.engine.operations.redrive import BATCH_LETTERS, plan_redrive, redrive
from streamlake.engine.operations.redrive_journal import FOLDER
from streamlake.engine.operations.redrive_kafka import KafkaSender
from streamlake.engine.operations.redrive_types import LEFT_OUT, MAX_ATTEMPTS, SOURCE, LeftOut, RedriveRequest
from streamlake.engine.operations.task_runs import Seldom
from streamlake.engine.operations.task_types import Told, moment_of, task
from streamlake.engine.worker_main import isolated_decider

SHOWN = 20


@task
def inspect_letters(files: Files, form: Mapping[str, Any]) -> Told:
    """Count the dead letters that the form's filter names, by reason and field, with an example's place of each.

    `form`: `reason`, `field`, `topic`, `partition`, `since`, `until`, each None where it is not said. Times are aware,
    ISO 8601, or how long ago (2h).
    """
    config = load_pipeline(files)
    wanted = _filter(form, now=datetime.now(UTC))
    stats = dead_stats(list_letters(open_sink(config).ledger(), wanted), wanted=wanted)
    details = [
        f"{counts.letters:,} times {' '.join(str(part) for part in key if part is not None)}, as at {counts.example}"
        for key, counts in stats.groups[:SHOWN]
    ]
    details += [f"{counts.letters:,} times: {key[0]}" for key, counts in stats.messages[:SHOWN]]
    data = {"letters": stats.total.letters, "files": f"{root_of(config)}/dead/"}
    return Told(f"{config.pipeline}: {stats.total.letters:,} dead letters fit, in {data['files']}", details, data)


@task
def plan_letters(files: Files, form: Mapping[str, Any]) -> Told:
    """What a redrive would send; writes and sends nothing. `data["planned"]` is what `redrive_letters` takes.

    `form` is that of `inspect_letters` with `to`, `name`, `max_attempts`, `only_now_valid`, `timed_now`, `again`,
    `rate`, `batch`. Its times are resolved here and now: letters that are refused from now on are not in it.
    """
    now = datetime.now(UTC)
    since, until = (moment_of(form.get(name), name, now) for name in ("since", "until"))
    form = {**form, "since": since and since.isoformat(), "until": (until or now).isoformat()}
    config, sink, request = _asked(files, form)
    with closing(KafkaSender(config)) as sender:
        plan = plan_redrive(config, sink, sender, request, name=form.get("name"))
    sending = ", ".join(f"{count:,} to {topic}" for topic, count in sorted(plan.sending.items())) or "nothing"
    data = {
        "planned": {"name": plan.name, "form": form},
        "name": plan.name,
        "records": sum(plan.sending.values()),
        "sending": dict(plan.sending),
        "letters": plan.letters,
        "sent_before": plan.sent_before,
        "journal": f"{root_of(config)}/{FOLDER}/{plan.name}/",
    }
    what = f"redrive {plan.name} would send {sending}, of {plan.letters:,} letters that fit"
    details = [*_left_out(plan.left_out), *plan.remarks]
    if plan.in_doubt:
        details.append(f"{plan.in_doubt:,} of them may be there already, and are marked streamlake.redrive.in_doubt")
    return Told(f"{config.pipeline}: {what}. Nothing is sent yet", details, data)


@task
def redrive_letters(files: Files, planned: Mapping[str, Any], say: Callable[[str], None] = lambda _: None) -> Told:
    """Send what `plan_letters` has planned; called again, it sends what is left of that alone."""
    name, form = planned["name"], planned["form"]
    config, sink, request = _asked(files, form)
    batch, rate, seldom = form.get("batch") or BATCH_LETTERS, form.get("rate"), Seldom(say)
    with closing(KafkaSender(config)) as sender:
        done = redrive(
            config,
            sink,
            sender,
            request,
            name=name,
            batch_letters=batch,
            rate=rate,
            progress=lambda sent: seldom(f"{sent:,} records are sent and acknowledged"),
        )
    data = {**done.json(), "journal": f"{root_of(config)}/{FOLDER}/{name}/"}
    del data["reasons"], data["undelivered"]  # they may quote records
    details = [*_left_out(done.left_out), *done.remarks]
    counts = f"{done.sent:,} sent now, {done.sent_before:,} before, {done.in_doubt:,} of them may be there twice"
    if done.state == "stopped":
        first = done.undelivered[0]
        why = f"{len(done.undelivered):,} were not acknowledged, the first is {first.place}: {first.why}"
        return Told(f"redrive {name} stopped: {why}; {counts}. It goes on from here", details, data, "again")
    words = {"finished_before": "was finished before, nothing was done", "nothing": "has nothing to send"}
    what = words.get(done.state, "is finished")
    return Told(f"redrive {name} {what}: {counts}; its journal is {data['journal']}", details, data)


def _asked(files: Files, form: Mapping[str, Any]) -> tuple[PipelineConfig, Sink, RedriveRequest]:
    config = load_pipeline(files)
    request = RedriveRequest(
        to=form.get("to") or SOURCE,
        wanted=_filter(form, now=datetime.now(UTC)),
        max_attempts=form.get("max_attempts") or MAX_ATTEMPTS,
        decide=isolated_decider(config) if form.get("only_now_valid") else None,
        timed_now=bool(form.get("timed_now")),
        again=bool(form.get("again")),
    )
    return config, open_sink(config), request


def _filter(form: Mapping[str, Any], *, now: datetime) -> LetterFilter:
    return LetterFilter(
        reason=form.get("reason"),
        field=form.get("field"),
        topic=form.get("topic"),
        partition=form.get("partition"),
        since=moment_of(form.get("since"), "since", now),
        until=moment_of(form.get("until"), "until", now),
    )


def _left_out(counts: Mapping[LeftOut, int]) -> list[str]:
    return [f"{count:,} not sent: {LEFT_OUT[why]}" for why, count in counts.items() if count]
