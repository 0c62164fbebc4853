"""The tasks of data quality: which hours have wholly landed, and the checks of what landed in a range of time."""

from collections.abc import Sequence
from contextlib import closing, nullcontext
from datetime import UTC, datetime, timedelta

from streamlake.config.load import Files, load_pipeline
from streamlake.engine.abilities import notes_of
from streamlake.engine.contracts import Ledger
from streamlake.engine.errors import UsageError
from streamlake.engine.operations.complete import Asked, complete
from streamlake.engine.operations.complete_types import HourReport
from streamlake.engine.operations.hours import Hour, hours_over
from streamlake.engine.operations.opened import open_broker, open_ledger, open_sink, open_topic_reader, root_of
from streamlake.engine.operations.quality import Outside, needs_kafka, run_quality, wanted_checks
from streamlake.engine.operations.quality_keep import keep_report
from streamlake.engine.operations.quality_types import CheckResult, TimeRange
from streamlake.engine.operations.task_types import Told, moment_of, task

LOOKED_BACK = timedelta(hours=24)
"""How old an hour may be that is still looked for."""


@task
def complete_hours(files: Files, begun: str) -> Told:
    """Mark the hours that have wholly landed, of the last day at most.

    `data["hours"]` are those of which all topics are complete, the last one since `begun` (ISO 8601, aware); told again
    for the same `begun`, so that a kill between marker and tale loses none. `since` and `until` are when it began, and
    when it was complete: what landed then has all rows of it.
    """
    now = datetime.now(UTC)
    config = load_pipeline(files)
    sink, lateness = open_sink(config), config.completeness.lateness
    ledger, notes = sink.ledger(), notes_of(sink, "the marker of an hour is one")
    topics = config.kafka.topic_names
    hours = _hours(ledger, now, lateness)
    found = complete(
        ledger,
        notes,
        open_broker(config),
        Asked(config.pipeline, config.kafka.group_id, topics, hours, lateness),
        now=now,
    )
    by_hour = [[one for one in found.hours if one.hour == hour] for hour in hours]
    done = {reports[0].hour: _complete_at(reports) for reports in by_hour if all(one.complete for one in reports)}
    new = [
        {"hour": str(hour), "since": hour.start.isoformat(), "until": at.isoformat()}
        for hour, at in done.items()
        if at >= datetime.fromisoformat(begun)
    ]
    late = sum(one.late_rows for one in found.hours)
    details = [f"{one.topic} {one.hour}: {_state(one)}" for one in found.hours if not one.complete or one.late_rows]
    sentence = (
        f"{config.pipeline}: {len(done)} of the last {len(hours)} hours have wholly landed, {len(new)} of them now"
    )
    if late:
        sentence += f"; {late:,} rows came too late for theirs"
    data = {"hours": new, "complete": len(done), "late_rows": late, "markers": f"{root_of(config)}/_complete/"}
    return Told(f"{sentence}. Their markers are in {data['markers']}", details, data)


@task
def check_quality(files: Files, since: str | None, until: str | None, only: Sequence[str] = ()) -> Told:
    """Make the checks of the YAML over what landed in `[since, until)`: timestamps with a zone, or how long ago.

    Refused where a check of severity error fails, or one could not be made: trying again finds the same. Offending
    values are in the results that are kept, and in no sentence.
    """
    now = datetime.now(UTC)
    within = TimeRange(moment_of(since, "since", now), moment_of(until, "until", now))
    if within.since and within.until and within.since >= within.until:
        raise UsageError(f"until {until} does not lie behind since {since}")
    config = load_pipeline(files)
    if config.quality is None and not only:
        return Told(f"{config.pipeline}: its YAML has no section quality: with checks, so there is nothing to check")
    sink = open_sink(config)
    with closing(open_topic_reader(config)) if needs_kafka(wanted_checks(config, only)) else nullcontext() as reader:
        report = run_quality(config, sink.ledger(), within, Outside(open_ledger, reader), only=only)
    report = keep_report(sink, report, root_of(config))
    failing = [one for one in report.results if one.fails]
    data = {
        "holds": report.holds,
        "rows": report.rows,
        "files": report.files,
        "kept": report.kept,
        "checks": {one.name: one.status for one in report.results},
    }
    verdict = "holds" if report.holds else f"does NOT hold, {', '.join(one.name for one in failing)}"
    return Told(
        f"{config.pipeline}: quality {verdict}: {len(report.results)} checks of {report.rows:,} rows in "
        f"{report.files:,} files, {report.within}; results are in {report.kept or 'nobody keeps them'}",
        [_check(one) for one in report.results] + list(report.notes),
        data,
        "done" if report.holds else "refused",
    )


def _hours(ledger: Ledger, now: datetime, lateness: float) -> Sequence[Hour]:
    """Those that are over since the first run began, of the last day."""
    first = min((datetime.fromisoformat(run.created_at) for run in ledger.runs()), default=now)
    return list(hours_over(max(first, now - LOOKED_BACK), now, lateness))


def _complete_at(reports: Sequence[HourReport]) -> datetime:
    return max(datetime.fromisoformat(one.positions.written_at) for one in reports if one.positions is not None)


def _state(one: HourReport) -> str:
    if one.complete:
        return f"complete, and {one.late_rows:,} rows came too late"
    waiting = "; ".join(f"{each.source}: {each.why}" for each in one.waiting)
    return f"not yet: {one.why or waiting}"


def _check(one: CheckResult) -> str:
    return f"{one.status}: {one.name} ({one.severity}): {one.failures:,} of {one.rows:,} rows"
