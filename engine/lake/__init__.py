"""What has landed, read again in the place of Kafka."""
