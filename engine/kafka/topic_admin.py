"""Orders to a Kafka cluster: topics made, grown and set."""

from collections.abc import Mapping

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs forget to export them
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from streamlake.engine.kafka.admin import ClusterAdmin


class TopicAdmin(ClusterAdmin):
    """A ClusterAdmin that may also make and alter topics; same errors."""

    def create_topic(
        self, name: str, partitions: int | None, replication_factor: int | None, config: Mapping[str, str]
    ) -> None:
        """Make a topic; what is None is left to the broker's default. SourceError also where it exists already."""
        topic = NewTopic(name, partitions or -1, replication_factor or -1, config=dict(config))
        doing = f"making the topic {name}"
        self._all(doing, self._ask(doing, lambda: self._client.create_topics([topic], **self._bounded())))

    def grow_topic(self, name: str, partitions: int) -> None:
        """Give a topic more partitions, `partitions` in all."""
        doing = f"growing the topic {name} to {partitions} partitions"
        grown = NewPartitions(name, partitions)
        self._all(doing, self._ask(doing, lambda: self._client.create_partitions([grown], **self._bounded())))

    def alter_topic(self, name: str, config: Mapping[str, str]) -> None:
        """Set these settings of a topic; all others stay as they are."""
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        doing = f"setting {', '.join(config)} of the topic {name}"
        self._all(
            doing, self._ask(doing, lambda: self._client.incremental_alter_configs([resource], **self._bounded()))
        )

    def delete_topic(self, name: str) -> None:
        """Delete a topic with everything in it: for tests and the demo, no command does this."""
        doing = f"deleting the topic {name}"
        self._all(doing, self._ask(doing, lambda: self._client.delete_topics([name], **self._bounded())))
