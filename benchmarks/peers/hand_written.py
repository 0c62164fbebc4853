"""Hand-written Python: one loop with confluent-kafka, orjson and pydantic, as a team writes it on the first day.

Polls message by message, validates with the model of an order, writes JSON lines, and commits offsets after each
10,000 records once the file is flushed: at least once, and nothing is said about what was refused but a line in a file.
"""

import sys
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

GUARANTEE = "at least once"
REQUIREMENTS: tuple[str, ...] = ()  # what StreamLake itself is installed with
COMMIT_EVERY = 10_000


def run(servers: str, topic: str, folder: str, partitions: str, processes: str = "1") -> None:
    """Read every partition to its end, in so many processes."""
    shares = [list(range(int(partitions)))[number :: int(processes)] for number in range(int(processes))]
    workers = [get_context("spawn").Process(target=land, args=(servers, topic, folder, share)) for share in shares[1:]]
    for worker in workers:
        worker.start()
    land(servers, topic, folder, shares[0])
    for worker in workers:
        worker.join()
        if worker.exitcode:
            sys.exit(f"a worker ended with {worker.exitcode}")


def land(servers: str, topic: str, folder: str, partitions: list[int]) -> None:
    """Read these partitions from their first offset to the end they have now."""
    import orjson  # noqa: PLC0415  (the file is imported by what checks it, too)
    from confluent_kafka import Consumer, KafkaException, TopicPartition  # noqa: PLC0415
    from pydantic import ValidationError  # noqa: PLC0415

    from streamlake.plugins.validators.orders import Order  # noqa: PLC0415

    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"hand-written-{topic}-{Path(folder).name}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 50,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    ends = {n: consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=10)[1] for n in partitions}
    left, since_commit = {n for n in partitions if ends[n]}, 0
    name = f"{partitions[0]}.jsonl"
    with (Path(folder) / name).open("wb") as out, (Path(folder) / f"refused-{name}").open("wb") as refused:
        while left:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            try:
                order = Order.model_validate(orjson.loads(message.value() or b""))
            except (orjson.JSONDecodeError, ValidationError):
                refused.write(orjson.dumps([message.partition(), message.offset()]) + b"\n")
            else:
                out.write(orjson.dumps(order.model_dump()) + b"\n")
            since_commit += 1
            if message.offset() == ends[message.partition()] - 1:
                left.discard(message.partition())
            if since_commit == COMMIT_EVERY or not left:
                out.flush()
                refused.flush()
                consumer.commit(message=message, asynchronous=False)
                since_commit = 0
    consumer.close()


def landed(folder: Path) -> Iterator[bytes]:
    """The JSON text of each record that it landed."""
    for file in sorted(folder.glob("[0-9]*.jsonl")):
        yield from file.read_bytes().splitlines()


if __name__ == "__main__":
    run(*sys.argv[1:])
