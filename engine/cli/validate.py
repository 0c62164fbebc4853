"""`streamlake validate`: everything that is wrong with a pipeline, at once, and what it will cost."""

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamlake.engine.cli.common import json_option, pipeline_argument, print_json, set_option
from streamlake.engine.counted import counted
from streamlake.engine.errors import ConfigError, Exit, StreamLakeError

if TYPE_CHECKING:  # heavy
    from streamlake.config.document import Document
    from streamlake.config.model import PipelineConfig
    from streamlake.config.partly import Readable
    from streamlake.engine.operations.forecast import Forecast
    from streamlake.engine.operations.validation import Check
    from streamlake.engine.operations.validation_cluster import ClusterReport

STEPS = ("YAML", "plugins, models and paths", "broker, topics, permissions and storage")
DAY_MS = 86_400_000


@dataclass(slots=True)
class Step:
    """What one step found. `not_checked` says why all or a part of it could not be looked at."""

    number: int
    problems: Sequence[str] = ()
    not_checked: str = ""


@dataclass(slots=True)
class Checked:
    """All that was found; `show` tells of each step when it is over."""

    quiet: bool
    steps: list[Step] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    forecast: "Forecast | None" = None

    def add(self, step: Step) -> None:
        """Keep what a step found, and print it."""
        self.steps.append(step)
        if self.quiet:
            return
        count = len(step.problems)
        said = f"{count} problem{'s' * (count > 1)}" if count else "ok"
        if step.not_checked:
            said = f"{said}; not checked: {step.not_checked}" if count else f"not checked: {step.not_checked}"
        click.echo(f"{step.number} {STEPS[step.number - 1]}: {said}")
        for problem in step.problems:
            click.echo(f"    {problem}")

    @property
    def valid(self) -> bool:
        """Whether no step has found anything."""
        return not any(step.problems for step in self.steps)


@click.command("validate", short_help="Check a pipeline: YAML, plugins, broker, storage; and what it will cost.")
@pipeline_argument
@set_option
@click.option("--offline", is_flag=True, help="Ask no broker and no storage: leave out the third step.")
@json_option
def command(pipeline: tuple[Path, ...], overrides: tuple[str, ...], *, offline: bool, as_json: bool) -> None:
    """Check PIPELINE.yaml in three steps, and tell every problem at once, each with its place in the file.

    1: every setting. 2: the validator's and the sink's own options, the model, librdkafka's properties, paths.
    3 (not with --offline): the broker, the topics, the rights on them, and the storage, where what landing needs is
    tried under names of its own that are deleted again. Then a forecast: files, memory, retention. Nothing is changed.

    Exits 78 on a problem; warnings don't count.
    """
    found = Checked(quiet=as_json)
    config = _check(found, pipeline, overrides, offline=offline)
    if as_json:
        print_json(_as_json(found, pipeline))
    else:
        _print_end(found, config)
    if not found.valid:
        sys.exit(Exit.BAD_CONFIG)


def _check(
    found: Checked, files: Sequence[Path], overrides: Sequence[str], *, offline: bool
) -> "PipelineConfig | None":
    """All steps; the pipeline, where its YAML is whole."""
    from streamlake.config.load import placed, read_documents  # noqa: PLC0415  # heavy
    from streamlake.config.partly import read_partly  # noqa: PLC0415  # heavy
    from streamlake.config.variables import fill_variables  # noqa: PLC0415  # heavy
    from streamlake.engine.operations.validation import plugin_problems, validator_warnings  # noqa: PLC0415  # heavy

    try:
        document = read_documents(files, overrides)
    except ConfigError as error:
        found.add(Step(1, error.problems))
        for number in (2, 3):
            found.add(Step(number, not_checked="the YAML can't be read"))
        return None
    fill_variables(document, os.environ)
    read = read_partly(document, files)
    found.add(Step(1, [str(problem) for problem in read.problems]))
    unread = sorted({"kafka", "validator", "sink"} - read.sections)
    part = f"{', '.join(unread)} (problems above)" if unread else ""
    found.add(Step(2, placed(plugin_problems(read, _edge_checks()), document), part))
    found.warnings += placed(validator_warnings(read), document)
    cluster = _check_cluster(found, read, document, offline=offline)
    if read.has("kafka", "batch", "workers", "alarms"):
        _forecast(found, read.config, cluster)
    return None if read.problems else read.config


def _edge_checks() -> "Sequence[Check]":
    """What the HTTP edge decides with, where there is one."""

    def streams(config: "PipelineConfig") -> None:
        if config.http is not None:
            from streamlake.engine.validator_trial import runs_foreign_code, try_apart  # noqa: PLC0415  # heavy
            from streamlake.http_edge.streams import make_streams  # noqa: PLC0415  # heavy

            streams = config.http.streams.values()
            if any(runs_foreign_code(config.validator_of(stream)) for stream in streams):
                try_apart(partial(make_streams, config), "http.streams")
            else:
                make_streams(config)

    return ((("kafka", "validator", "sink", "http", "dead_letters", "policies", "python_path"), streams),)


def _check_cluster(found: Checked, read: "Readable", document: "Document", *, offline: bool) -> "ClusterReport | None":
    """The third step: the storage where the sink can be made, the cluster where it can be reached."""
    if offline:
        found.add(Step(3, not_checked="--offline"))
        return None
    from streamlake.config.load import placed  # noqa: PLC0415  # heavy
    from streamlake.engine.cli.parts import open_rights  # noqa: PLC0415  # heavy
    from streamlake.engine.operations.validation_cluster import (  # noqa: PLC0415  # heavy
        cluster_report,
        storage_problems,
    )
    from streamlake.engine.operations.validation_root import root_problems  # noqa: PLC0415  # heavy
    from streamlake.engine.worker_main import make_sink  # noqa: PLC0415  # heavy

    problems: list[str] = []
    skipped: list[str] = []
    report = None
    try:
        broker = open_rights(read.config) if read.signs_in_as_meant else None
    except ConfigError:  # the second step has said it
        broker = None
    if broker is not None:
        report = cluster_report(read.config, broker, read.sections)
        problems += report.problems
        found.warnings += report.warnings
    if report is None or not report.reached:
        why = "" if read.signs_in_as_meant else " (kafka: problems above)"
        skipped.append(f"topics and permissions{why}")
    try:
        sink = make_sink(read.config) if read.has("sink") else None
    except ConfigError:  # the second step has said it
        sink = None
    if sink is None:
        skipped.append("storage")
    else:
        problems += storage_problems(sink)
        if read.has("pipeline", "kafka"):
            cluster_id, topic_ids = (report.cluster_id, report.topic_ids) if report else (None, {})
            problems += root_problems(read.config, sink, cluster_id, topic_ids)
    found.add(Step(3, placed(problems, document), ", ".join(skipped)))
    return report


def _forecast(found: Checked, config: "PipelineConfig", cluster: "ClusterReport | None") -> None:
    from streamlake.engine.machine import memory_bytes  # noqa: PLC0415  # only this command
    from streamlake.engine.operations.forecast import forecast  # noqa: PLC0415  # heavy

    partitions = cluster.partitions if cluster else {}
    settings = cluster.settings if cluster else {}
    landed = _last_day(config, partitions) if set(config.kafka.topic_names) <= partitions.keys() else None
    found.forecast = forecast(config, partitions, settings, landed, memory_bytes())
    found.warnings += found.forecast.warnings


def _last_day(config: "PipelineConfig", partitions: Mapping[str, int]) -> "Mapping[Any, int] | None":
    """How many records each partition got in the last day; None where its leader does not answer."""
    import time  # noqa: PLC0415  # only this command

    from streamlake.engine.cli.parts import open_broker  # noqa: PLC0415  # heavy
    from streamlake.engine.records import TopicPartition  # noqa: PLC0415  # heavy

    broker = open_broker(config)
    names = config.kafka.topic_names
    sources = [TopicPartition(name, number) for name in names for number in range(partitions[name])]
    try:
        ends = {source: high for source, (_, high) in broker.watermarks(sources).items()}
        before = broker.offsets_for_time(sources, round(time.time() * 1000) - DAY_MS)
    except StreamLakeError:
        return None
    return {source: max(0, ends[source] - first) for source, first in before.items() if source in ends}


def _print_end(found: Checked, config: "PipelineConfig | None") -> None:
    if found.forecast is not None:
        click.echo("forecast, for one host that runs all of it")
        for line in _forecast_lines(found.forecast):
            click.echo(f"    {line}")
    for warning in found.warnings:
        click.echo(f"warning: {warning}")
    if config is not None and found.valid:
        topics = ", ".join(config.kafka.topic_names)
        what = f"pipeline {config.pipeline} reads {topics}; validator {config.validator.type}; sink {config.sink.type}"
        click.echo(f"{config.files}: valid: {what}")


def _forecast_lines(made: "Forecast") -> Iterator[str]:
    from streamlake.engine.operations.forecast import mib  # noqa: PLC0415  # heavy

    if made.records_a_day is not None:
        yield f"records a day: {made.records_a_day:,}, as in the last 24 hours"
    else:
        yield "records a day: not known, no broker has said it: files are an upper limit, by batch.seconds_max"
    most = "" if made.records_a_day is not None else "up to "
    if made.files_a_day is not None:
        yield f"files a day: {most}{made.files_a_day:,}, and as many ledger entries"
    else:
        yield "files a day: not known, neither the YAML nor a broker says how many partitions there are"
    at_most = "" if made.partitions is not None else "up to "
    if made.rows_a_file is not None:
        yield f"rows a file: {made.rows_a_file:,}"
    yield (
        f"memory: {at_most}{counted(made.workers, 'worker')}, {mib(made.memory_bytes)} by what was measured, "
        f"{mib(made.memory_bytes_max)} where a whole batch of each is refused; {made.machine_limit}: "
        f"{mib(made.machine_bytes)}"
    )


def _as_json(found: Checked, files: Sequence[Path]) -> dict[str, Any]:
    """As docs/operations.md says."""
    return {
        "valid": found.valid,
        "steps": [
            {"step": step.number, "name": STEPS[step.number - 1], "not_checked": step.not_checked or None}
            for step in found.steps
        ],
        "problems": [_problem_json(step.number, problem, files) for step in found.steps for problem in step.problems],
        "warnings": found.warnings,
        "forecast": None
        if found.forecast is None
        else {name: value for name, value in asdict(found.forecast).items() if name != "warnings"},
    }


def _problem_json(step: int, problem: str, files: Sequence[Path]) -> dict[str, Any]:
    """A sentence with its place taken off: `x.yaml:9:3: …`, `x.yaml: …`, `--set sink.root: …`."""
    for name in map(str, files):
        match = re.match(rf"{re.escape(name)}(?::(\d+):(\d+))?: (.*)", problem, re.DOTALL)
        if match is not None:
            line, column = (int(number) if number else None for number in match.groups()[:2])
            return {"step": step, "file": name, "line": line, "column": column, "message": match[3]}
    return {"step": step, "file": None, "line": None, "column": None, "message": problem}
