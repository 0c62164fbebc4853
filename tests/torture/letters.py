"""Watches the dead-letter topic as any other system does, beside the engines: what is in it must be committed.

A copy that is there before its ledger entry could belong to a batch that is never committed; and in the end each
committed dead letter has a copy, unless somebody deleted the topic. Reads the ledger as JSON: no code of the engine's.
"""

import time
from collections import defaultdict
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition
from support.account import newest_entry
from torture.oracle import Place

FAULTS_KEPT = 20
LOOK_SECONDS = 0.5


class LettersWatcher:
    """Reads all copies from the topic's one partition, once. `copies` are the places that have one, by topic."""

    def __init__(self, servers: str, dead_topic: str, ledger: Path) -> None:
        self.copies: dict[str, set[Place]] = defaultdict(set)
        self.faults: list[str] = []
        self._ledger = ledger
        self._committed: dict[tuple[str, int], int] = {}  # how far each partition is known to be committed
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "letters",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        self._place = TopicPartition(dead_topic, 0, 0)
        self._consumer.assign([self._place])

    def look(self, seconds: float) -> None:
        """Read copies until none comes within `seconds`."""
        while (message := self._consumer.poll(seconds)) is not None:
            if message.error() is not None:
                continue  # a topic that is gone for a while, a leader that changes
            headers = message.headers() or []
            said = {str(header[0]): bytes(header[1] or b"").decode() for header in headers}  # type: ignore[arg-type]
            place = int(said["__connect.errors.partition"]), int(said["__connect.errors.offset"])
            self._meet(said["__connect.errors.topic"], place)

    def look_to_the_end(self, seconds: float) -> bool:
        """Read all there is now; False when that takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.look(LOOK_SECONDS)
            try:
                _, end = self._consumer.get_watermark_offsets(self._place, timeout=10)
            except KafkaException:  # a node that has just come back: nobody knows yet
                continue
            (at,) = self._consumer.position([self._place])
            if end == 0 or at.offset >= end:
                return True
        return False

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _meet(self, topic: str, place: Place) -> None:
        partition, offset = place
        if place not in self.copies[topic] and offset >= self._committed.get((topic, partition), 0):
            newest = newest_entry(self._ledger / topic / f"{partition:05d}")
            committed = self._committed[topic, partition] = newest["next"] if newest is not None else 0
            if offset >= committed and len(self.faults) < FAULTS_KEPT:
                self.faults.append(f"early: the letter of {topic} {place} is sent, and its entry is not committed")
        self.copies[topic].add(place)
