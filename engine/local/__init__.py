"""Servers for trying out, demo, tests and benchmarks: a real Apache Kafka from pip alone, and orders to put in."""
