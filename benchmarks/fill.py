"""Fills a topic with sample orders without headers, as nearly any producer's records are.

    python benchmarks/fill.py TOPIC RECORDS BROKEN_RATIO [ITEMS]     prints {"records": …, "bytes": …}

ITEMS gives each good order so many items, for records of another size; a few orders are made then, over and over.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import cycle, islice

from streamlake.engine.kafka.producer import KeyValue, RecordProducer
from streamlake.engine.local.orders import orders

TOO_LARGE_BYTES = 2 * 1024
DIFFERENT = 500
ROWS_A_PORTION = 1000


def main(topic: str, records: int, broken_ratio: float, items: int | None) -> None:
    """Send them all; ends the program where one is not acknowledged."""
    producer = RecordProducer(
        {
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "queue.buffering.max.messages": 100_000,
        }
    )
    size = 0
    portions = orders(records, broken_ratio, oversize_bytes=TOO_LARGE_BYTES)
    for portion in portions if items is None else _of_items(records, items):
        producer.send(topic, portion)
        size += sum(len(value or b"") for _, value in portion)
    found = producer.flush()
    producer.close()
    if found.failed:
        sys.exit(f"{found.failed} of {found.sent} records were not acknowledged: {dict(found.reasons)}")
    print(json.dumps({"records": found.acked, "bytes": size}))


def _of_items(records: int, items: int) -> Iterator[Sequence[KeyValue]]:
    """Orders with so many items, all of them good."""
    some = [json.loads(value or b"") for portion in orders(DIFFERENT) for _, value in portion]
    supply = cycle([item for order in some for item in order["items"]])
    made = cycle(
        [
            (None, json.dumps({**order, "items": list(islice(supply, items))}, separators=(",", ":")).encode())
            for order in some
        ]
    )
    for first in range(0, records, ROWS_A_PORTION):
        yield list(islice(made, min(ROWS_A_PORTION, records - first)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else None)
