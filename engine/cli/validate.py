"""`streamlake validate`: check a pipeline's YAML and its plugins without starting anything."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamlake.engine.cli.common import json_option, load, pipeline_argument, print_json, set_option
from streamlake.engine.contracts import Sink
from streamlake.engine.errors import ConfigError

if TYPE_CHECKING:  # heavy
    from streamlake.config.model import PipelineConfig


@click.command("validate", short_help="Check a pipeline's YAML and its plugins.")
@pipeline_argument
@set_option
@click.option("--offline", is_flag=True, help="Ask no storage.")
@json_option
def command(pipeline: Path, overrides: tuple[str, ...], offline: bool, as_json: bool) -> None:
    """Check PIPELINE.yaml: every setting, the validator's and the sink's own options, and librdkafka's properties.

    Where the root is in a bucket, all that landing needs is tried there, under names of its own that are deleted again
    (--offline leaves that out). No broker is asked. Every problem is one line with its place in the file. Exits 78 on a
    problem.
    """
    try:
        summary = _checked(pipeline, overrides, offline=offline)
    except ConfigError as error:
        if not as_json:
            raise
        print_json({"valid": False, "problems": error.problems})
        sys.exit(error.exit_code)
    if as_json:
        print_json({"valid": True, "problems": []})
    else:
        click.echo(f"{pipeline}: valid: {summary}")


def _checked(pipeline: Path, overrides: tuple[str, ...], *, offline: bool) -> str:
    """A line on what was found. Raises ConfigError with the problems of all parts, not only of the first."""
    from streamlake.config.load import located  # noqa: PLC0415  # heavy
    from streamlake.engine.kafka.settings import check_properties  # noqa: PLC0415  # heavy
    from streamlake.engine.worker_main import make_sink, make_validator  # noqa: PLC0415  # heavy

    config = load(pipeline, overrides)
    checks: tuple[Callable[[], object], ...] = (
        lambda: check_properties(config.kafka),
        lambda: make_validator(config),
        lambda: make_sink(config),
        lambda: _edge_of(config),
    )
    problems: list[str] = []
    for check in checks:
        try:
            check()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*located(problems, pipeline, overrides))
    if not offline:
        missing = _probed(make_sink(config))
        if missing:
            raise ConfigError(*located(missing, pipeline, overrides))
    topics = ", ".join(config.kafka.topic_names)
    return f"pipeline {config.pipeline} reads {topics}; validator {config.validator.type}; sink {config.sink.type}"


def _edge_of(config: "PipelineConfig") -> None:
    """Make what the HTTP edge decides with, where there is one. Raises ConfigError."""
    if config.http is not None:
        from streamlake.http_edge.streams import make_streams  # noqa: PLC0415  # heavy

        make_streams(config)


def _probed(sink: Sink) -> Sequence[str]:
    """What does not work in the sink's storage, in sentences; a sink need not know how to try."""
    probe = getattr(sink, "probe", None)
    return probe() if probe is not None else ()
