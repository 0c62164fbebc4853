"""`streamlake validate`: check a pipeline's YAML and its plugins without starting anything."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from streamlake.engine.cli.common import json_option, load, pipeline_argument, print_json, set_option
from streamlake.engine.errors import ConfigError


@click.command("validate", short_help="Check a pipeline's YAML and its plugins.")
@pipeline_argument
@set_option
@json_option
def command(pipeline: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check PIPELINE.yaml: every setting, the validator's and the sink's own options, and librdkafka's properties.

    No broker and no storage is asked. Every problem is one line with its place in the file. Exits 78 on a problem.
    """
    try:
        summary = _checked(pipeline, overrides)
    except ConfigError as error:
        if not as_json:
            raise
        print_json({"valid": False, "problems": error.problems})
        sys.exit(error.exit_code)
    if as_json:
        print_json({"valid": True, "problems": []})
    else:
        click.echo(f"{pipeline}: valid: {summary}")


def _checked(pipeline: Path, overrides: tuple[str, ...]) -> str:
    """A line on what was found. Raises ConfigError with the problems of all parts, not only of the first."""
    from streamlake.config.load import located  # noqa: PLC0415  # heavy
    from streamlake.engine.kafka.settings import check_properties  # noqa: PLC0415  # heavy
    from streamlake.engine.worker_main import make_sink, make_validator  # noqa: PLC0415  # heavy

    config = load(pipeline, overrides)
    checks: tuple[Callable[[], object], ...] = (
        lambda: check_properties(config.kafka),
        lambda: make_validator(config),
        lambda: make_sink(config),
    )
    problems: list[str] = []
    for check in checks:
        try:
            check()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*located(problems, pipeline, overrides))
    topics = ", ".join(config.kafka.topic_names)
    return f"pipeline {config.pipeline} reads {topics}; validator {config.validator.type}; sink {config.sink.type}"
