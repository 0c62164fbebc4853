"""Pipelines on the shared Kafka: unique names for their topics, a client, and everything that is in a topic."""

import uuid
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message
from confluent_kafka import TopicPartition as Assignment

from streamlake.config.model import PipelineConfig
from streamlake.engine.kafka.settings import admin_properties
from streamlake.engine.kafka.topic_admin import TopicAdmin


def unique(name: str = "test") -> str:
    """A topic name that nobody else uses."""
    return f"{name}.{uuid.uuid4().hex[:12]}"


def pipeline_on(servers: str, topic: str | None = None, **changes: Any) -> PipelineConfig:
    """A pipeline in memory that reads `topic` and has the dead-letter topic `<topic>.dlq`; `changes` by section."""
    topic = topic or unique()
    tree: dict[str, Any] = {
        "pipeline": "tests",
        "kafka": {"bootstrap_servers": servers, "group_id": topic, "topics": [{"name": topic, "partitions": 2}]},
        "validator": {"type": "json"},
        "sink": {"type": "file", "root": "memory://tests"},
        "dead_letters": {"topic": {"name": f"{topic}.dlq", "partitions": 1}},
    }
    for section, values in changes.items():
        tree[section] = {**tree[section], **values}
    return PipelineConfig.model_validate(tree)


def admin_of(config: PipelineConfig) -> TopicAdmin:
    """A client for questions and orders to the pipeline's cluster."""
    return TopicAdmin(admin_properties(config.kafka, "tests"), timeout_seconds=20)


def everything_in(config: PipelineConfig, topic: str) -> list[Message]:
    """Every message of a topic, partition by partition, in the order of offsets."""
    consumer = Consumer(
        {
            "bootstrap.servers": config.kafka.bootstrap_servers,
            "group.id": "tests",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    partitions = range(admin_of(config).partitions([topic])[topic])
    consumer.assign([Assignment(topic, partition, 0) for partition in partitions])
    found: list[Message] = []
    ended = 0
    while ended < len(partitions):
        message = consumer.poll(20)
        assert message is not None, "neither a message nor an end within 20 seconds"
        error = message.error()
        if error is None:
            found.append(message)
        else:
            assert error.code() == KafkaError._PARTITION_EOF, error
            ended += 1
    consumer.close()
    return sorted(found, key=lambda message: (message.partition() or 0, message.offset() or 0))
