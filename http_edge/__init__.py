"""The HTTP edge: takes JSON over HTTP, and answers when Kafka has it."""
