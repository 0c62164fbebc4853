"""The world of tortured operations: that of the engine's torture with one node, and the replays that were asked for."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import TopicPartition
from torture.world import World


@dataclass
class OperationsWorld(World):
    """What there is to break, and what operators have done. `counts` are kills and commands by what came of them."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """What operators were told and could not have been, as sentences."""
    replays: dict[str, bool] = field(default_factory=dict)
    """Each replay that somebody has begun, and whether it has finished and can still be promoted or deleted."""
    begins_at: int = 0
    """The first offset of the live run in each partition; what lies before was produced before it began."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held by who changes one of these."""

    @property
    def sources(self) -> Sequence[TopicPartition]:
        """All that the engines read."""
        return [TopicPartition(self.topic, number) for number in range(self.partitions)]

    @property
    def lake(self) -> Path:
        """The root."""
        return self.pipeline.parent / "lake"

    @property
    def log(self) -> Path:
        """What all commands said."""
        return self.pipeline.parent / "operations.log"

    def count(self, what: str) -> None:
        """Count something."""
        with self.lock:
            self.counts[what] += 1

    def found(self, fault: str) -> None:
        """Note a fault."""
        with self.lock:
            self.faults.append(fault)
