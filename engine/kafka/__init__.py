"""The only place that talks to Kafka: source, producer, admin, group membership."""
