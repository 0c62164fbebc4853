"""The world that is tortured: what there is to break, and what keeps two faults from breaking the same thing."""

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from torture.bucket import Bucket
from torture.hosts import Host
from torture.proxy import Wires

from streamlake.engine.local.kafka import LocalKafka

ENTRIES_USUAL = 20
ENTRIES_PER_FOLDER = int(os.environ.setdefault("STREAMLAKE_TORTURE_ENTRIES", str(ENTRIES_USUAL)))
"""Of the ledgers; engines and commands inherit the variable."""


@dataclass
class World:
    """What there is to break. `partitions` is how many the topic has by now; `over` ends every wait of a fault."""

    kafka: LocalKafka
    nodes: int
    servers: str
    topic: str
    dead_topic: str
    hosts: Sequence[Host]
    wires: Wires
    disk: Path
    pipeline: Path
    partitions: int
    engine_env: Mapping[str, str]
    power: threading.Lock
    """Held while an engine is started, and while there is no power."""
    bucket: Bucket | None = None
    """Where the root is in one; else it is a folder on the disk."""
    mild: bool = False
    """Whether a disk that fails does so seldom: engines that are held up write little, and show little."""
    over: threading.Event = field(default_factory=threading.Event)
    disk_chances: dict[str, float] = field(default_factory=dict)
    disk_lock: threading.Lock = field(default_factory=threading.Lock)
    thieves: set["subprocess.Popen[bytes]"] = field(default_factory=set)
    """Who claims partitions from outside just now; each leads a process group of its own."""
    proving: threading.Lock = field(default_factory=threading.Lock)
    """Held by who reads the ledger, and by a power cut: a reader would not survive it either."""
    wire: threading.Lock = field(default_factory=threading.Lock)
    """Held by the one fault that meets the wires: when it ends, it mends them all."""
    cluster: threading.Lock = field(default_factory=threading.Lock)
    """Held by a fault that takes a node away: with two of three gone nothing is acknowledged, and nothing shown."""

    @property
    def sources(self) -> Sequence[TopicPartition]:
        """All that the engines read."""
        main = [TopicPartition(self.topic, number) for number in range(self.partitions)]
        return [*main, TopicPartition(f"{self.topic}.state", 0)]

    @cached_property
    def admin(self) -> AdminClient:
        """A client that goes around the proxy; one for all, since it has to outlive its answers."""
        return AdminClient({"bootstrap.servers": self.servers, "log_level": 0})
