"""A cluster's identity on disk: its id, how many nodes it has, and on which ports they listened last."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from streamlake.engine.errors import LocalError
from streamlake.engine.local.broker import Broker, kafka_uuid
from streamlake.engine.local.ports import LOOPBACK, free_ports, is_free

FILE_NAME = "cluster.json"
GUARDIAN_LOCK_NAME = ".in-use"
PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Cluster:
    """A folder's cluster: Kafka's cluster id and the brokers in the order of their node ids."""

    cluster_id: str
    brokers: tuple[Broker, ...]

    @classmethod
    def checked_folder(cls, data_dir: Path | None, nodes: int) -> Path | None:
        """`data_dir`, made when missing; None stays None. Raises LocalError when it can't hold `nodes` nodes' data."""
        if data_dir is None:
            return None
        with _told_as_local_error(data_dir):
            data_dir.mkdir(parents=True, exist_ok=True)
            foreign = {path.name for path in data_dir.iterdir()} - {GUARDIAN_LOCK_NAME}
        kept = _load(data_dir)
        if kept is None and foreign:
            raise LocalError(
                f"{data_dir} holds something that is not ours ({', '.join(sorted(foreign)[:3])}) and is left alone; "
                "name a folder that is empty or new"
            )
        if kept is not None and kept.nodes != nodes:
            raise LocalError(
                f"{data_dir} holds a cluster of {kept.nodes} nodes, not {nodes}: say --nodes {kept.nodes}, "
                "or name another folder"
            )
        return data_dir.resolve()

    @classmethod
    def load_or_make(cls, folder: Path, nodes: int, port: int | None) -> Self:
        """The cluster of `folder`, with ports to listen on now; written down for the next time."""
        kept = _load(folder) or _Kept(kafka_uuid(), nodes, [])
        ports = _ports(nodes, port, kept.ports)
        controller_ports = free_ports(nodes, taken=ports)
        with _told_as_local_error(folder):
            (folder / FILE_NAME).write_text(json.dumps(asdict(replace(kept, ports=ports))) + "\n")
            brokers = tuple(
                Broker(number + 1, ports[number], controller_ports[number], folder / f"node-{number + 1}")
                for number in range(nodes)
            )
            for broker in brokers:
                broker.folder.mkdir(exist_ok=True)
        return cls(kept.cluster_id, brokers)


def _ports(nodes: int, first: int | None, last_time: list[int]) -> list[int]:
    """The ports wanted, those of the last time if they are still free, or new ones."""
    if first is None:
        if last_time and all(is_free(port) for port in last_time):
            return last_time
        return free_ports(nodes)
    wanted = list(range(first, first + nodes))
    if not 1 <= first <= PORT_MAX - nodes + 1:
        raise LocalError(f"port {first} is none that {nodes} nodes can listen on: choose one from 1 to 65533")
    for port in wanted:
        if not is_free(port):
            raise LocalError(
                f"port {port} of {LOOPBACK} is taken (or needs more rights); stop what listens there, choose another "
                "--port, or leave it out for a free one"
            )
    return wanted


@dataclass(frozen=True, slots=True)
class _Kept:
    """What `cluster.json` holds."""

    cluster_id: str
    nodes: int
    ports: list[int]


def _load(folder: Path) -> _Kept | None:
    path = folder / FILE_NAME
    with _told_as_local_error(folder):
        if not path.exists():
            return None
        try:
            kept = json.loads(path.read_text())
            return _Kept(str(kept["cluster_id"]), int(kept["nodes"]), [int(port) for port in kept["ports"]])
        except (ValueError, KeyError, TypeError) as error:
            raise LocalError(f"{path} is damaged ({error}); name another folder, or remove {folder}") from error


@contextmanager
def _told_as_local_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalError(
            f"{folder} can't be used for Kafka's data ({error.strerror}); name a folder that you may write to"
        ) from error
