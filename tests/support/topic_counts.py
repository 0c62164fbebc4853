"""How many records a topic has, by its offsets alone: cheap enough to be asked after each request."""

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Assignment

from streamlake.config.model import PipelineConfig


def records_in(config: PipelineConfig, topic: str) -> int:
    """The records of all partitions of a topic that nothing is ever deleted from."""
    consumer = Consumer({"bootstrap.servers": config.kafka.bootstrap_servers, "group.id": "tests"})
    try:
        partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        ends = [consumer.get_watermark_offsets(Assignment(topic, each), timeout=20) for each in partitions]
        return sum(high - low for low, high in ends)
    finally:
        consumer.close()
