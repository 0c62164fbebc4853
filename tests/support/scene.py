"""Where a fault test takes place: topics and a root of its own, what was produced, and the check that ends it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from support.account import Account, check_copies, entries_of
from support.engine import Engine, pipeline_yaml, proof
from support.topics import fill, make_topic

PLUGINS = Path(__file__).parent.parent / "faults" / "plugins"
"""Validators that misbehave: the pipelines of scenes find them by `python_path`."""


@dataclass
class Scene:
    """One pipeline over one topic; a value's place in `produced` is its offset."""

    folder: Path
    servers: str
    topic: str
    pipeline: Path
    partitions: int
    fragile: bool = False  # its broker comes and goes
    bucket: Path | None = None  # where a storage server keeps the objects of the root's bucket, as a tree of files
    produced: dict[int, list[bytes | None]] = field(default_factory=dict)

    @property
    def lake(self) -> Path:
        """The root, or what a reader of the server's folder sees of it."""
        return (self.bucket or self.folder) / "lake"

    @property
    def dead_topic(self) -> str:
        """Where copies of refused records go."""
        return f"{self.topic}.dlq"

    def produce(self, values: Iterable[bytes | None], partition: int = 0) -> None:
        """Add values to a partition."""
        values = list(values)
        fill(self.servers, self.topic, values, partition, idempotent=self.fragile)
        self.produced.setdefault(partition, []).extend(values)

    def engine(self, *arguments: str, env: dict[str, str] | None = None) -> Engine:
        """Start `streamlake run`; to be left by `with`."""
        return Engine(self.pipeline, *arguments, env=env)

    def run(self, *arguments: str, env: dict[str, str] | None = None, code: int = 0) -> Engine:
        """A run to the end that has to end with `code`."""
        with self.engine("--until-end", *arguments, env=env) as engine:
            assert engine.wait() == code, engine.log()
        return engine

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The ledger's entries, read as plain JSON; of one kind or of all."""
        return [entry for entry in entries_of(self.lake, self.topic) if kind in (None, entry["kind"])]

    def landed(self) -> int:
        """How many offsets the ledger accounts for by now."""
        return sum(entry["next"] - entry["first"] for entry in self.entries())

    def staged(self) -> list[Path]:
        """What writers before the last claim left in the invisible folder; what the last one left has its epoch."""
        epochs = {entry["partition"]: entry["epoch"] for entry in self.entries()}
        files = [path for path in (self.lake / "_stage").rglob("*") if path.is_file()]
        return [path for path in files if int(path.parent.name) < epochs[int(path.parent.parent.name)]]

    def account(self) -> Account:
        """What stands where, read without our code."""
        return Account.of(self.lake, self.topic)

    def check(self, crashing: Sequence[bytes] = (), prove: Sequence[str] = ("--kafka",)) -> Account:
        """All is well: by our own proof, by an account taken without our code, and in the dead-letter topic."""
        account = self.account()
        account.check(self.produced, crashing)
        found = proof(self.pipeline, *prove)
        counts = tuple(found["totals"][name] for name in ("rows", "dead_letters", "skipped"))
        assert counts == (len(account.raw), len(account.dead), len(account.skipped)), json.dumps(found, indent=2)
        check_copies(self.servers, self.dead_topic, account)
        return account


def speaking(protocol: str) -> dict[str, Any]:
    """Changes for a group of one of the two protocols, `classic` or `consumer`.

    With KIP-848 it is the broker that sets the times (tests/conftest.py), and librdkafka refuses the client's.
    """
    properties = {"classic": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}, "consumer": {}}
    return {"kafka__group_protocol": protocol, "kafka__properties": properties[protocol]}


class MakeScene(Protocol):
    """The fixture `make_scene`; `changes` are those of `pipeline_yaml`, `dead_topic` its settings (None: no topic)."""

    def __call__(
        self,
        *,
        partitions: int = 1,
        servers: str | None = None,
        dead_topic: Mapping[str, str] | None = MappingProxyType({}),
        topic: Mapping[str, str] = MappingProxyType({}),
        **changes: Any,
    ) -> Scene: ...


def make_scene_in(folder: Path, default_servers: str, *, fragile: bool = False) -> MakeScene:
    """Makes scenes below `folder`: topics on the given cluster (`fragile`: its broker comes and goes), and the YAML."""

    def make(
        *,
        partitions: int = 1,
        servers: str | None = None,
        dead_topic: Mapping[str, str] | None = MappingProxyType({}),
        topic: Mapping[str, str] = MappingProxyType({}),
        **changes: Any,
    ) -> Scene:
        servers = servers or default_servers
        name = make_topic(servers, "orders", partitions, **topic)
        if dead_topic is not None:
            make_topic(servers, "orders", 1, exactly=f"{name}.dlq", **dead_topic)
        pipeline = pipeline_yaml(folder, servers, name, **{"python_path": [str(PLUGINS)], **changes})
        return Scene(folder, servers, name, pipeline, partitions, fragile)

    return make


def orders(count: int, first: int = 0) -> list[bytes | None]:
    """Small orders: of a hundred two are broken and one is a tombstone."""
    return [_order(number) for number in range(first, first + count)]


def _order(number: int) -> bytes | None:
    if number % 100 == 77:
        return None
    if number % 50 == 13:
        return b'{"order": %d, "items": [' % number
    return b'{"order": %d, "items": [{"sku": "A-%d", "quantity": 1}]}' % (number, number % 7)
