"""The HTTP edge in front of Kafka: a later release; nothing is here yet."""
