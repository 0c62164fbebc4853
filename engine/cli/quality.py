"""`streamlake quality`: checks of what landed, by DuckDB over the files of a range."""

import sys
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
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
from streamlake.engine.cli.dead_text import printable
from streamlake.engine.cli.parts import open_ledger, open_sink, open_topic_reader, point_in_time, root_of
from streamlake.engine.counted import counted
from streamlake.engine.errors import Exit, UsageError
from streamlake.engine.operations.hours import Hour

if TYPE_CHECKING:
    from streamlake.engine.operations.quality_types import CheckResult, QualityReport, TimeRange

COLUMNS = ("status", "severity", "check", "rows", "failures", "seconds", "")


@click.group("quality", short_help="Check what landed.")
def command() -> None:
    """Check what landed, by the checks of the YAML's section `quality:`."""


def hour_begun(_: click.Context, __: click.Parameter, value: str | None) -> Hour | None:
    """A callback for `--hour`: an hour in UTC that has begun."""
    hour = None if value is None else Hour.parse(value)
    if hour is not None and hour.start > datetime.now(UTC):
        raise click.BadParameter(f"{value!r} has not begun yet")
    return hour


@command.command("run", short_help="Make the checks.")
@pipeline_argument
@set_option
@log_format_option
@click.option("--since", callback=point_in_time, help="What landed at that time or later: a timestamp, or 2h ago.")
@click.option("--until", callback=point_in_time, help="What landed before that time.")
@click.option("--hour", callback=hour_begun, metavar="2026-01-31T06", help="What landed in that hour (UTC).")
@click.option("--check", "only", multiple=True, metavar="NAME", help="Only this check. Repeatable.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write the results as JUnit XML, too.")
@click.option("--no-keep", is_flag=True, help="Don't keep the results below quality/ of the root.")
@json_option
def run_command(  # noqa: PLR0913  (one for each option)
    pipeline: tuple[Path, ...],
    overrides: tuple[str, ...],
    *,
    since: datetime | None,
    until: datetime | None,
    hour: Hour | None,
    only: tuple[str, ...],
    junit: Path | None,
    no_keep: bool,
    as_json: bool,
) -> None:
    """Make the checks of PIPELINE.yaml over what landed in a range of time; without one, over all that landed.

    Results are kept as Parquet below quality/ of the sink's root. Exits 1 when a check of severity error fails or one
    can't be made, 0 with warnings alone.
    """
    from streamlake.engine.operations.quality import (  # noqa: PLC0415  # heavy, as what follows
        Outside,
        needs_kafka,
        run_quality,
        wanted_checks,
    )
    from streamlake.engine.operations.quality_keep import keep_report  # noqa: PLC0415

    within = _range(since, until, hour)
    config = load(pipeline, overrides)
    sink = open_sink(config)
    compares = needs_kafka(wanted_checks(config, only))
    with closing(open_topic_reader(config)) if compares else nullcontext() as reader:
        report = run_quality(config, sink.ledger(), within, Outside(open_ledger, reader), only=only)
    if not no_keep:
        report = keep_report(sink, report, root_of(config))
    if junit is not None:
        _write_junit(junit, report)
    if as_json:
        print_json(report_json(report))
    else:
        _print_report(report)
    sys.exit(Exit.DONE if report.holds else Exit.FAILED)


def report_json(report: "QualityReport") -> dict[str, Any]:
    """The report as one JSON document."""
    return {
        "pipeline": report.pipeline,
        "holds": report.holds,
        "since": report.within.since and report.within.since.isoformat(),
        "until": report.within.until and report.within.until.isoformat(),
        "started_at": report.started_at.isoformat(),
        "seconds": round(report.seconds, 3),
        "files": report.files,
        "rows": report.rows,
        "results": [asdict(result) for result in report.results],
        "notes": list(report.notes),
        "kept": report.kept,
    }


def remarks(report: "QualityReport") -> Iterator[str]:
    """The examples, and what the run was about, a line each."""
    for result in report.results:
        if result.examples and result.status == "fail":
            yield f"{result.name}:"
            yield from (f"  {printable(str(example))}" for example in result.examples)
    yield from (f"note  {note}" for note in report.notes)
    if not report.rows:
        yield f"no rows: {report.pipeline} has nothing that {_what(report.within)}"
    if report.kept is not None:
        yield f"kept in {report.kept}"
    statuses = [result.status for result in report.results]
    counts = [f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses)]
    verdict = "holds" if report.holds else "does NOT hold"
    yield (
        f"{report.pipeline}: quality {verdict}: {', '.join(counts)}; {report.within}: {counted(report.rows, 'row')} in "
        f"{counted(report.files, 'file')}; {report.seconds:.1f} s"
    )


def _what(within: "TimeRange") -> str:
    return "landed at all" if within.since is None and within.until is None else str(within)


def _print_report(report: "QualityReport") -> None:
    print_table(COLUMNS, [_row(result) for result in report.results], right=("rows", "failures", "seconds"))
    for line in remarks(report):
        click.echo(line)


def _row(result: "CheckResult") -> tuple[str, ...]:
    counts = (f"{result.rows:,}", f"{result.failures:,}", f"{result.seconds:.3f}")
    return (result.status, result.severity, printable(result.name), *counts, printable(result.message))


def _range(since: datetime | None, until: datetime | None, hour: Hour | None) -> "TimeRange":
    from streamlake.engine.operations.quality_types import TimeRange  # noqa: PLC0415

    if hour is not None and (since or until):
        raise UsageError("--hour is a range of its own: leave out --since and --until")
    if since and until and since >= until:
        raise UsageError(f"--until {until.isoformat()} does not lie behind --since {since.isoformat()}")
    return TimeRange(since, until) if hour is None else TimeRange(hour.start, hour.end)


def _write_junit(path: Path, report: "QualityReport") -> None:
    from streamlake.engine.cli.quality_junit import junit_xml  # noqa: PLC0415

    try:
        path.write_bytes(junit_xml(report))
    except OSError as error:
        raise UsageError(f"--junit {path}: can't be written: {error.strerror}") from None
