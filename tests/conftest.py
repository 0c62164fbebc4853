"""Fixtures that every part's tests may ask for: a real Kafka, started once for a test process."""

import os
from collections.abc import Iterator

import pytest
from support.shared import SharedKafka

from streamlake.engine.errors import LocalError
from streamlake.engine.local.artifacts import kafka_jars
from streamlake.engine.local.java import find_java
from streamlake.engine.local.kafka import LocalKafka


@pytest.fixture(scope="session")
def kafka_parts() -> None:
    """Java and Kafka's jars are here. Without them a test is skipped, and fails where CI=true."""
    try:
        find_java()
        kafka_jars()
    except LocalError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no Kafka to test with: {error}")


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[SharedKafka]:
    """A Kafka of one node for the whole session (with pytest-xdist: one for each worker).

    An existing cluster is used only by a name that says "test" (DESIGN §12): STREAMLAKE_TEST_BOOTSTRAP_SERVERS.
    """
    if existing := os.environ.get("STREAMLAKE_TEST_BOOTSTRAP_SERVERS"):
        yield SharedKafka(existing)
        return
    request.getfixturevalue("kafka_parts")
    # A KIP-848 member's death is noticed after the broker's time, not the client's; 45 s would be long for a test.
    properties = {"group.consumer.session.timeout.ms": "6000", "group.consumer.heartbeat.interval.ms": "1000"}
    with LocalKafka(properties=properties) as kafka:
        yield SharedKafka(kafka.bootstrap_servers)
