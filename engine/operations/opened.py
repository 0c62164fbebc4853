"""What operations are called with, made from a pipeline's settings: its sink, its cluster, a reader of its topics."""

from typing import TYPE_CHECKING

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Ledger, Sink
from streamlake.engine.registry import add_python_path, sink_class

if TYPE_CHECKING:  # librdkafka takes a tenth of a second to import: only who talks to Kafka pays for it
    from streamlake.engine.kafka.admin import ClusterAdmin
    from streamlake.engine.kafka.reader import TopicRangeReader

BROKER_SECONDS = 5.0
"""How long a question to the broker may take: whoever asks is waiting."""


def open_sink(config: PipelineConfig) -> Sink:
    """The pipeline's sink; touches no storage yet. Raises ConfigError."""
    add_python_path(config.python_path)
    return sink_class(config.sink.type).from_options(config.sink.options, base_dir=config.base_dir)


def open_ledger(config: PipelineConfig) -> Ledger:
    """The reading side of the pipeline's sink; touches no storage yet. Raises ConfigError."""
    return open_sink(config).ledger()


def root_of(config: PipelineConfig) -> str:
    """Where the sink's root is, as the YAML has it, for people."""
    return str(config.sink.options.get("root", "")).rstrip("/")


def open_topic_reader(config: PipelineConfig) -> "TopicRangeReader":
    """A reader of the pipeline's topics; makes no connection yet."""
    from streamlake.engine.kafka.reader import TopicRangeReader  # noqa: PLC0415  # heavy
    from streamlake.engine.kafka.settings import admin_properties, range_reader_properties  # noqa: PLC0415
    from streamlake.engine.kafka.topic_admin import TopicAdmin  # noqa: PLC0415

    client_id = f"streamlake-{config.pipeline}-reader"
    admin = TopicAdmin(admin_properties(config.kafka, client_id), timeout_seconds=BROKER_SECONDS)
    return TopicRangeReader(admin, range_reader_properties(config.kafka, client_id))


def open_broker(config: PipelineConfig) -> "ClusterAdmin":
    """The cluster, for questions; makes no connection yet."""
    from streamlake.engine.kafka.admin import ClusterAdmin  # noqa: PLC0415  # heavy
    from streamlake.engine.kafka.settings import admin_properties  # noqa: PLC0415

    properties = admin_properties(config.kafka, f"streamlake-{config.pipeline}-status")
    return ClusterAdmin(properties, timeout_seconds=BROKER_SECONDS)
