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


def open_ledger(config: PipelineConfig) -> Ledger:
    """The reading side of the pipeline's sink; touches no storage yet. Raises ConfigError."""
    add_python_path(config.python_path)
    return sink_class(config.sink.type).from_options(config.sink.options, base_dir=config.base_dir).ledger()


def open_topic_reader(config: PipelineConfig) -> "TopicRangeReader":
    """A reader of the pipeline's topics; makes no connection yet."""
    from streamlake.engine.kafka.reader import TopicRangeReader  # noqa: PLC0415  (see above)
    from streamlake.engine.kafka.settings import admin_properties, reader_properties  # noqa: PLC0415
    from streamlake.engine.kafka.topic_admin import TopicAdmin  # noqa: PLC0415

    client_id = f"streamlake-{config.pipeline}-reader"
    admin = TopicAdmin(admin_properties(config.kafka, client_id))
    return TopicRangeReader(admin, reader_properties(config.kafka, client_id))


def open_broker(config: PipelineConfig, timeout_seconds: float) -> "ClusterAdmin":
    """The cluster, for questions that take `timeout_seconds` at most; makes no connection yet."""
    from streamlake.engine.kafka.admin import ClusterAdmin  # noqa: PLC0415  (see above)
    from streamlake.engine.kafka.settings import admin_properties  # noqa: PLC0415

    properties = admin_properties(config.kafka, f"streamlake-{config.pipeline}-status")
    return ClusterAdmin(properties, timeout_seconds=timeout_seconds)


class PointInTime(click.ParamType[datetime]):
    """An option's value: a timestamp with its zone, or how long ago (`2h`). Gives an aware datetime."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The point in time that `value` names."""
        if isinstance(value, datetime):
            return value
        text = str(value)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return self._ago(text, param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{text!r} has no zone: write it too, as in 2026-01-31T06:00:00Z", param, ctx)
        return moment

    def _ago(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            ago = seconds(text)
        except ValueError:
            ago = None
        if not isinstance(ago, float):
            self.fail(
                f"{text!r} is neither a timestamp (2026-01-31T06:00:00Z) nor a time ago (90s, 30m, 2h, 7d)", param, ctx
            )
        return datetime.now(UTC) - timedelta(seconds=ago)


POINT_IN_TIME = PointInTime()
