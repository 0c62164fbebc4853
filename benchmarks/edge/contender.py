"""What the contenders' applications share: where to, the same promise of the producer, and the check of an order."""

import os

from orders import Order
from pydantic import ValidationError

TOPIC = os.environ["BENCH_TOPIC"]
LINGER_MS = 2


def producer_settings() -> dict[str, object]:
    """confluent-kafka's, with the promise and the linger of ours."""
    return {
        "bootstrap.servers": os.environ["BENCH_SERVERS"],
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": LINGER_MS,
    }


def checked(records: list[bytes]) -> list[bytes]:
    """The records, if the model takes all of them. Raises ValidationError, which no request of this benchmark meets."""
    for record in records:
        Order.model_validate_json(record)
    return records


__all__ = ["LINGER_MS", "TOPIC", "ValidationError", "checked", "producer_settings"]
