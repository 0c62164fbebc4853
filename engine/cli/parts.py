"""What the commands that read are made of: a pipeline's ledger, a reader of its topics, and points in time."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from streamlake.config.model import PipelineConfig
from streamlake.config.values import seconds
from streamlake.engine.contracts import Ledger
from streamlake.engine.registry import add_python_path, sink_class

if TYPE_CHECKING:  # librdkafka takes a tenth of a second to import: only commands that talk to Kafka pay for it
    from streamlake.engine.kafka.admin import ClusterAdmin
    from streamlake.engine.kafka.reader import TopicRangeReader


BROKER_SECONDS = 5.0
"""How long a question to the broker may take: whoever asks is waiting."""


def open_ledger(config: PipelineConfig) -> Ledger:
    """The reading side of the pipeline's sink; touches no storage yet. Raises ConfigError."""
    add_python_path(config.python_path)
    return sink_class(config.sink.type).from_options(config.sink.options, base_dir=config.base_dir).ledger()


def open_topic_reader(config: PipelineConfig) -> "TopicRangeReader":
    """A reader of the pipeline's topics; makes no connection yet."""
    from streamlake.engine.kafka.reader import TopicRangeReader  # noqa: PLC0415  (see above)
    from streamlake.engine.kafka.settings import admin_properties, range_reader_properties  # noqa: PLC0415
    from streamlake.engine.kafka.topic_admin import TopicAdmin  # noqa: PLC0415

    client_id = f"streamlake-{config.pipeline}-reader"
    admin = TopicAdmin(admin_properties(config.kafka, client_id), timeout_seconds=BROKER_SECONDS)
    return TopicRangeReader(admin, range_reader_properties(config.kafka, client_id))


def open_broker(config: PipelineConfig) -> "ClusterAdmin":
    """The cluster, for questions; makes no connection yet."""
    from streamlake.engine.kafka.admin import ClusterAdmin  # noqa: PLC0415  (see above)
    from streamlake.engine.kafka.settings import admin_properties  # noqa: PLC0415

    properties = admin_properties(config.kafka, f"streamlake-{config.pipeline}-status")
    return ClusterAdmin(properties, timeout_seconds=BROKER_SECONDS)


def point_in_time(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """A callback for options: a timestamp with its zone, or how long ago (`2h`), as an aware datetime."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return datetime.now(UTC) - _ago(value)
    if moment.tzinfo is None:
        raise click.BadParameter(f"{value!r} has no zone: write it, too, as in 2026-01-31T06:00:00Z")
    return moment


def _ago(text: str) -> timedelta:
    try:
        ago = seconds(text)
        assert isinstance(ago, float)
        return timedelta(seconds=ago)
    except (ValueError, OverflowError):
        known = "neither a timestamp (2026-01-31T06:00:00Z) nor how long ago (90s, 30m, 2h, 7d)"
        raise click.BadParameter(f"{text!r} is {known}") from None
