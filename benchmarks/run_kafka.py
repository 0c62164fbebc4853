"""The Kafka that is measured against: the one that KAFKA_BOOTSTRAP_SERVERS names, or one of our own."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamlake.engine.local.kafka import LocalKafka


@contextmanager
def kafka(say: Callable[[str], None]) -> Iterator[str]:
    """Its bootstrap servers. Our own has the JVM's full compiler, for it works for minutes."""
    existing = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if existing:
        yield existing
        return
    own = LocalKafka(quick_start=False, say=say)
    own.start()
    try:
        yield own.bootstrap_servers
    finally:
        own.stop()
