"""Asks a Kafka cluster whether it is ready."""

import logging
import time
from collections.abc import Callable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streamlake.engine.errors import LocalError

ASK_SECONDS = 1.0
BETWEEN_SECONDS = 0.05


def wait_until_ready(
    bootstrap_servers: str,
    nodes: int,
    timeout_seconds: float,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Returns once a broker at `bootstrap_servers` answers a metadata request that names `nodes` brokers or more.

    A broker answers only after it has caught up with the controller and is let in by it, so topics can be made from
    then on. `check` is called between two tries (about once a second) and may raise: to give up early when the broker's
    process has ended. Raises LocalError after `timeout_seconds`.
    """
    client = AdminClient(
        {
            "bootstrap.servers": bootstrap_servers,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 100,
            "socket.connection.setup.timeout.ms": 1000,
            "log_level": 0,  # refused connections are what we wait out
        },
        logger=_silent_logger(),
    )
    deadline = time.monotonic() + timeout_seconds
    seen = "no answer"
    while (left := deadline - time.monotonic()) > 0:
        check()
        asked_at = time.monotonic()
        try:
            found = len(client.list_topics(timeout=min(ASK_SECONDS, left)).brokers)
            seen = f"{found} of {nodes} brokers"
        except KafkaException as error:
            found = 0
            seen = str(error.args[0].str())
        if found >= nodes:
            return
        # An answer comes in a millisecond while the other brokers are not in yet: don't ask in a hot loop.
        time.sleep(max(0.0, BETWEEN_SECONDS - (time.monotonic() - asked_at)))
    raise LocalError(f"no Kafka of {nodes} nodes at {bootstrap_servers} after {timeout_seconds:.0f} s: {seen}")


def _silent_logger() -> logging.Logger:
    logger = logging.Logger("streamlake.probe")  # noqa: LOG001  not in the tree of loggers: nobody configures it
    logger.addHandler(logging.NullHandler())
    return logger
