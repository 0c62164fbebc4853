"""What flows while things break: numbered, self-checking records of several producers, and what Kafka said to them."""

import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Producer
from torture.oracle import record

LARGEST_BYTES = 900_000
BURST = 30


class Workload:
    """Producers that write to `topic` until told to stop; a third of them in transactions, some of which are aborted.

    `keyed` gives every record one of a few keys, as a compacted topic wants it. `counts` says what was acknowledged.
    """

    def __init__(
        self,
        servers: str,
        topic: str,
        seed: int,
        *,
        producers: int,
        per_second: int,
        partitions: Callable[[], int],
        keyed: bool,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._servers, self._topic, self._keyed = servers, topic, keyed
        self._pause_seconds = producers / per_second
        self._partitions = partitions
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._broken: list[Exception] = []
        self._threads = [
            threading.Thread(
                target=self._produce, args=(number, random.Random(f"{seed} {topic} {number}")), daemon=True
            )
            for number in range(producers)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop, and wait until every record is acknowledged or given up."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._broken:
            raise self._broken[0]

    def _produce(self, number: int, luck: random.Random) -> None:
        name = f"p{number}-{uuid.uuid4().hex[:6]}"
        produce = self._in_transactions if number % 3 == 2 else self._plainly
        sequence = 0
        try:
            while not self._stop.is_set():
                sequence = produce(name, sequence, luck)
        except Exception as error:  # noqa: BLE001  (raised by `stop`: a producer that is gone shows nothing)
            self._broken.append(error)

    def _plainly(self, name: str, sequence: int, luck: random.Random) -> int:
        producer = Producer(self._settings({"enable.idempotence": True}))
        while not self._stop.wait(self._pause_seconds * luck.choice([0.1, 1, 1, 1, 1.9])):
            sequence = self._some(producer, name, sequence, luck)
            producer.poll(0)
        producer.flush(120)
        return sequence

    def _in_transactions(self, name: str, sequence: int, luck: random.Random) -> int:
        """Until told to stop, or until the producer is fenced or out of order: then the caller makes a new one."""
        producer = Producer(
            self._settings({"transactional.id": f"{name}-{sequence}", "transaction.timeout.ms": 10_000})
        )
        try:
            producer.init_transactions(60)
            while not self._stop.is_set():
                producer.begin_transaction()
                for _ in range(luck.randint(1, 40)):
                    sequence = self._some(producer, name, sequence, luck)
                    self._stop.wait(self._pause_seconds)
                kind = luck.choice(["committed", "committed", "aborted"])
                (producer.commit_transaction if kind == "committed" else producer.abort_transaction)(60)
                self._count(f"transactions {kind}")
        except KafkaException as error:
            # A broker that dies takes transactions with it; what became of their records the oracle reads from Kafka.
            self._count(f"transactions given up ({_name(error.args[0])})")
        return sequence

    def _some(self, producer: Producer, name: str, sequence: int, luck: random.Random) -> int:
        """One record, or a burst of refused ones; the next sequence number."""
        kind = luck.choices(["good", "tombstone", "empty", "large", "burst"], [960, 12, 8, 1, 2])[0]
        for _ in range(BURST if kind == "burst" else 1):
            value = self._value(kind, name, sequence, luck)
            key = f"k{luck.randint(0, 400)}".encode() if self._keyed or luck.random() < 0.5 else None
            try:
                producer.produce(
                    self._topic, value, key, partition=luck.randrange(self._partitions()), callback=self._acknowledge
                )
            except BufferError:
                producer.poll(1)
            except KafkaException as error:
                if error.args[0].code() != KafkaError._UNKNOWN_PARTITION:
                    raise
                self._count("too early for a new partition")
            sequence += 1
        return sequence

    def _value(self, kind: str, name: str, sequence: int, luck: random.Random) -> bytes | None:
        match kind:
            case "tombstone":
                return None
            case "empty":
                return b""
            case "burst":
                return record(name, sequence, b"x" * 20)[: luck.randint(1, 40)]
            case "large":
                return record(name, sequence, b"L" * luck.randint(100_000, LARGEST_BYTES))
        return record(name, sequence, b"." * min(2000, int(luck.expovariate(1 / 150))))

    def _acknowledge(self, error: KafkaError | None, _message: object) -> None:
        self._count("acknowledged" if error is None else f"failed ({_name(error)})")

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def _settings(self, more: dict[str, Any]) -> dict[str, Any]:
        return {
            "bootstrap.servers": self._servers,
            "acks": "all",
            "linger.ms": 5,
            "compression.type": "lz4",
            "log_level": 0,
            **more,
        }


def _name(error: KafkaError) -> str:
    return str(error.name())
