"""What the commands that read are made of: a pipeline's ledger, a reader of its topics, and points in time."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from streamlake.config.model import PipelineConfig
from streamlake.config.values import seconds
from streamlake.engine.cli.common import ASK_SECONDS
from streamlake.engine.errors import StreamLakeError
from streamlake.engine.operations.opened import (
    BROKER_SECONDS,
    open_broker,
    open_ledger,
    open_sink,
    open_topic_reader,
    root_of,
)

if TYPE_CHECKING:  # librdkafka takes a tenth of a second to import: only commands that talk to Kafka pay for it
    from streamlake.engine.kafka.group_admin import GroupAdmin
    from streamlake.engine.kafka.rights import RightsAdmin

__all__ = ["open_broker", "open_ledger", "open_sink", "open_topic_reader", "root_of"]

SAID = "streamlake.said."


def open_rights(config: PipelineConfig) -> "RightsAdmin":
    """The cluster, for questions about what may be done there; makes no connection yet. Raises ConfigError."""
    from streamlake.engine.kafka.rights import RightsAdmin  # noqa: PLC0415  (see above)
    from streamlake.engine.kafka.settings import admin_properties  # noqa: PLC0415

    properties = admin_properties(config.kafka, f"streamlake-{config.pipeline}-validate")
    return RightsAdmin(properties, timeout_seconds=BROKER_SECONDS)


def open_group_admin(config: PipelineConfig) -> "GroupAdmin":
    """The cluster, for questions about the group and for moving it; makes no connection yet."""
    from streamlake.engine.kafka.group_admin import GroupAdmin  # noqa: PLC0415  (see above)
    from streamlake.engine.kafka.settings import admin_properties  # noqa: PLC0415

    properties = admin_properties(config.kafka, f"streamlake-{config.pipeline}-offsets")
    return GroupAdmin(properties, timeout_seconds=ASK_SECONDS)


def known_topic_ids(config: PipelineConfig) -> Mapping[str, str]:
    """The ids of the pipeline's topics as the broker has them; none where it does not answer, for whom that will do."""
    try:
        return open_broker(config).topic_ids(config.kafka.topic_names)
    except StreamLakeError:
        return {}


def point_in_time(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """A callback for options: a timestamp with its zone, or how long ago (`2h`), as an aware datetime.

    As it was said, which is the same when the command is repeated, it is kept in the context's `meta`, below SAID.
    """
    if value is None:
        return None
    context.meta[f"{SAID}{parameter.name}"] = value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return datetime.now(UTC) - _ago(value)
    if moment.tzinfo is None:
        raise click.BadParameter(f"{value!r} has no zone: write it, too, as in 2026-01-31T06:00:00Z")
    now = datetime.now(UTC)
    if parameter.name == "since" and moment > now:
        raise click.BadParameter(f"{value!r} lies in the future (now is {now.isoformat(timespec='seconds')})")
    return moment


def _ago(text: str) -> timedelta:
    try:
        ago = seconds(text)
        assert isinstance(ago, float)
        return timedelta(seconds=ago)
    except (ValueError, OverflowError):
        known = "neither a timestamp (2026-01-31T06:00:00Z) nor how long ago (90s, 30m, 2h, 7d)"
        raise click.BadParameter(f"{text!r} is {known}") from None
