"""A cluster's identity on disk: its id, how many nodes it has, and on which ports they listened last."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from streamlake.engine.errors import LocalError
from streamlake.engine.local.broker import Broker, kafka_uuid
from streamlake.engine.local.data_dir import checked_data_dir, told_as_local_error
from streamlake.engine.local.ports import free_ports, ports_to_listen_on

FILE_NAME = "cluster.json"


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
        checked = checked_data_dir(data_dir, FILE_NAME)
        kept = _load(data_dir)
        if kept is not None and kept.nodes != nodes:
            raise LocalError(
                f"{data_dir} holds a cluster of {kept.nodes} nodes, not {nodes}: say --nodes {kept.nodes}, "
                "or name another folder"
            )
        return checked

    @classmethod
    def load_or_make(cls, folder: Path, nodes: int, port: int | None) -> Self:
        """The cluster of `folder`, with ports to listen on now; written down for the next time."""
        kept = _load(folder) or _Kept(kafka_uuid(), nodes, [])
        ports = ports_to_listen_on(nodes, port, kept.ports)
        controller_ports = free_ports(nodes, taken=ports)
        with told_as_local_error(folder):
            (folder / FILE_NAME).write_text(json.dumps(asdict(replace(kept, ports=ports))) + "\n")
            brokers = tuple(
                Broker(number + 1, ports[number], controller_ports[number], folder / f"node-{number + 1}")
                for number in range(nodes)
            )
            for broker in brokers:
                broker.folder.mkdir(exist_ok=True)
        return cls(kept.cluster_id, brokers)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What `cluster.json` holds."""

    cluster_id: str
    nodes: int
    ports: list[int]


def _load(folder: Path) -> _Kept | None:
    path = folder / FILE_NAME
    with told_as_local_error(folder):
        if not path.exists():
            return None
        try:
            kept = json.loads(path.read_text())
            return _Kept(str(kept["cluster_id"]), int(kept["nodes"]), [int(port) for port in kept["ports"]])
        except (ValueError, KeyError, TypeError) as error:
            raise LocalError(f"{path} is damaged ({error}); name another folder, or remove {folder}") from error
