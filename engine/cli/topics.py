"""`streamlake topics apply | describe | diff`: the pipeline's topics as the YAML wants them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamlake.engine.cli.common import (
    ASK_SECONDS,
    json_option,
    load,
    log_format_option,
    pipeline_argument,
    print_json,
    print_table,
    set_option,
)
from streamlake.engine.errors import Exit

if TYPE_CHECKING:
    from streamlake.config.model import PipelineConfig
    from streamlake.engine.kafka.topic_admin import TopicAdmin
    from streamlake.engine.operations.topics import Difference


@click.group("topics", short_help="Make, show and compare the pipeline's topics.")
def command() -> None:
    """Make, show and compare the topics of a pipeline: those it reads, and its dead-letter topic."""


@command.command("apply")
@pipeline_argument
@set_option
@json_option
@log_format_option
def apply_command(pipeline: tuple[Path, ...], overrides: tuple[str, ...], as_json: bool) -> None:
    """Make the topics as PIPELINE.yaml wants them.

    Creates topics, adds partitions and changes settings. Never deletes, shrinks or rewrites data: what it leaves
    undone it says, with what to do by hand, and exits 1.
    """
    from streamlake.engine.operations.topics import apply_topics  # noqa: PLC0415  # heavy

    config = load(pipeline, overrides)
    done, left = apply_topics(config, _admin(config))
    if as_json:
        print_json({"done": done, "left": left})
    else:
        for change in done:
            click.echo(f"{change.topic}: {_done(change)}")
        for change in left:
            click.echo(f"{_sentence(change)}: left as it is: {change.refused}", err=True)
        if not done and not left:
            click.echo("nothing to do: all topics are as the YAML wants them")
    sys.exit(Exit.FAILED if left else Exit.DONE)


@command.command("diff")
@pipeline_argument
@set_option
@json_option
@log_format_option
def diff_command(pipeline: tuple[Path, ...], overrides: tuple[str, ...], as_json: bool) -> None:
    """Compare the topics with PIPELINE.yaml; exits 1 on a difference. What the YAML leaves out is not compared."""
    from streamlake.engine.operations.topics import diff_topics  # noqa: PLC0415  # heavy

    config = load(pipeline, overrides)
    found = diff_topics(config, _admin(config))
    if as_json:
        print_json(found)
    else:
        for change in found:
            click.echo(_sentence(change) + (f" ({change.refused})" if change.refused else ""))
        if not found:
            click.echo("no difference")
    sys.exit(Exit.FAILED if found else Exit.DONE)


@command.command("describe")
@pipeline_argument
@set_option
@json_option
@log_format_option
def describe_command(pipeline: tuple[Path, ...], overrides: tuple[str, ...], as_json: bool) -> None:
    """Show the topics of PIPELINE.yaml as the cluster has them."""
    from streamlake.engine.operations.topics import describe_topics  # noqa: PLC0415  # heavy

    config = load(pipeline, overrides)
    reports = describe_topics(config, _admin(config))
    if as_json:
        print_json(reports)
        return
    rows = [
        (
            report.name,
            report.role,
            *((report.partitions, report.replication_factor, f"{report.offsets:,}") if report.exists else ("", "", "")),
            " ".join(f"{key}={value}" for key, value in (report.settings or {}).items())
            if report.exists
            else "does not exist",
        )
        for report in reports
    ]
    columns = ("topic", "role", "partitions", "replicas", "offsets", "settings")
    print_table(columns, rows, right=("partitions", "replicas", "offsets"))


def _admin(config: "PipelineConfig") -> "TopicAdmin":
    from streamlake.engine.kafka.settings import admin_properties  # noqa: PLC0415  # heavy
    from streamlake.engine.kafka.topic_admin import TopicAdmin  # noqa: PLC0415  # heavy

    return TopicAdmin(
        admin_properties(config.kafka, f"streamlake-{config.pipeline}-topics"), timeout_seconds=ASK_SECONDS
    )


def _sentence(change: "Difference") -> str:
    if change.what == "topic":
        return f"{change.topic}: is missing, wanted with {change.wanted}"
    return f"{change.topic}: {change.what} is {change.found}, wanted {change.wanted}"


def _done(change: "Difference") -> str:
    if change.what == "topic":
        return f"made with {change.wanted}"
    return f"{change.what} set from {change.found} to {change.wanted}"
