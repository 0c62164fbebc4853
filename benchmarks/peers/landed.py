"""What a contender landed, held against what was in the topic: missing, twice, garbled, or landed although broken."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import orjson
from confluent_kafka import Consumer, TopicPartition

from streamlake.engine.contracts import Validator
from streamlake.engine.kafka.batches import batch_of
from streamlake.engine.records import OffsetRange
from streamlake.engine.records import TopicPartition as Source

MESSAGES_MAX = 10_000
NUMBERS = ("total", "price")
"""Fields that are numbers: 5 and 5.0 mean the same in them."""


@dataclass(frozen=True, slots=True)
class Found:
    """Records: `missing` were right and are not there, `garbled` are nobody's, `broken` were to be refused."""

    landed: int
    missing: int
    twice: int
    garbled: int
    broken: int

    def document(self) -> dict[str, int]:
        """For JSON."""
        return asdict(self)

    def words(self, *, lands_everything: bool) -> str:
        """The finding for a reader."""
        wrong = {"missing": self.missing, "twice": self.twice, "garbled": self.garbled}
        said = [f"{number:,} {what}" for what, number in wrong.items() if number]
        if self.broken:
            said.append(f"{self.broken:,} broken ones {'too' if lands_everything else 'accepted'}")
        return ", ".join(said) or "each once"


class Expected:
    """Which payloads are to be landed, and which are not."""

    def __init__(self) -> None:
        self._right: Counter[int] = Counter()
        self._broken: Counter[int] = Counter()

    def add(self, payload: bytes, *, right: bool) -> None:
        """One more record."""
        (self._right if right else self._broken)[_meaning(payload)] += 1

    def of(self, landed: Iterable[bytes]) -> Found:
        """Compare."""
        found = Counter(map(_meaning, landed))
        right, broken = self._right, self._broken
        return Found(
            landed=found.total(),
            missing=sum((right - found).values()),
            twice=sum(found[key] - right[key] for key in found if found[key] > right[key] > 0),
            garbled=sum(count for key, count in found.items() if key not in right and key not in broken),
            broken=sum(count for key, count in found.items() if key in broken and key not in right),
        )


def expected_of(servers: str, topic: str, partitions: int, validator: Validator) -> Expected:
    """What a topic holds now."""
    expected = Expected()
    for number in range(partitions):
        consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench-check", "fetch.queue.backoff.ms": 50})
        source = TopicPartition(topic, number, 0)
        consumer.assign([source])
        _, end = consumer.get_watermark_offsets(source, timeout=30)
        done = 0
        while done < end:
            messages = consumer.consume(MESSAGES_MAX, timeout=0.5)
            if messages:
                batch = batch_of(Source(topic, number), OffsetRange(done, done + len(messages)), None, messages)
                refused = {refusal.index for refusal in validator.validate(batch).refused}
                for index, value in enumerate(batch.values):
                    expected.add(value or b"", right=index not in refused)
                done += len(messages)
        consumer.close()
    return expected


def _meaning(text: bytes) -> int:
    """A number that two texts share if they say the same."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _hash(text)
    return _hash(orjson.dumps(_plain(document.get("_value", document) if isinstance(document, dict) else document)))


def _plain(value: object) -> object:
    """Sorted keys, and one form for each number."""
    if isinstance(value, dict):
        return {key: float(value[key]) if _is_number(key, value[key]) else _plain(value[key]) for key in sorted(value)}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _is_number(key: str, value: object) -> bool:
    return key in NUMBERS and type(value) is int


def _hash(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
