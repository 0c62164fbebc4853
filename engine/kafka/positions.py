"""Partitions with a position, between our words and librdkafka's."""

from confluent_kafka import TopicPartition as KafkaPartition

from streamlake.engine.records import TopicPartition


def with_position(source: TopicPartition, next_offset: int, leader_epoch: int | None) -> KafkaPartition:
    """`source` at the next offset to read, with the epoch that belongs to it (None: not known)."""
    if leader_epoch is None:
        return KafkaPartition(source.topic, source.partition, next_offset)
    return KafkaPartition(source.topic, source.partition, next_offset, leader_epoch=leader_epoch)


def without_position(source: TopicPartition) -> KafkaPartition:
    """`source` alone: to ask for a position."""
    return KafkaPartition(source.topic, source.partition)
