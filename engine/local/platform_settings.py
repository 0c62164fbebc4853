"""Where the platform of `make up` lies, and on which ports its parts listen: by variables, as in .env.example."""

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from streamlake.engine.errors import LocalError
from streamlake.engine.local.gcs import BUCKET
from streamlake.engine.local.ports import LOOPBACK, PORT_MAX

ORDERS = Path("config/examples/orders.yaml")
PLATFORM = Path("deploy/pipeline/platform.yaml")

PORTS: Mapping[str, int] = MappingProxyType(
    {
        "KAFKA_PORT": 9092,
        "GCS_PORT": 4443,
        "ENGINE_PORT": 9464,
        "EDGE_PORT": 8080,
        "PROMETHEUS_PORT": 9090,
        "GRAFANA_PORT": 3000,
        "AIRFLOW_PORT": 8081,
    }
)
"""Each variable with its default; docker-compose.yml publishes its services on the same ones."""


KEPT = "settings.json"
"""Holds the variables that `up` was given, so that `status` and `down` need not be given them again."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`folder` holds all that the platform writes; without `lake_root` the lake is a bucket of the fake server.

    `without` are the names of parts that are left out.
    """

    folder: Path
    ports: Mapping[str, int]
    lake_root: str | None
    without: frozenset[str] = frozenset()

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """From the variables, else as `up` had them last. Raises LocalError for a port that is none or is there twice.

        Also where there is no clone around us.
        """
        missing = [str(path) for path in (ORDERS, PLATFORM) if not path.exists()]
        if missing:
            raise LocalError(f"{missing[0]} is not here: the platform runs in a clone of the repository, by `make up`")
        folder = Path(environment.get("PLATFORM_FOLDER") or ".platform").absolute()
        said = {**_kept(folder), **{name: value for name, value in environment.items() if value}}
        ports = {name: _port(name, said.get(name, str(port))) for name, port in PORTS.items()}
        twice = [name for name, port in ports.items() if list(ports.values()).count(port) > 1]
        if twice:
            raise LocalError(f"{' and '.join(twice)} are the same port: give each part a port of its own")
        without = frozenset(filter(None, said.get("WITHOUT", "").split(",")))
        return cls(folder, MappingProxyType(ports), said.get("LAKE_ROOT"), without)

    def keep(self) -> None:
        """Write them down for the next command, and the variables for a shell into the file `env`."""
        kept = {name: str(port) for name, port in self.ports.items()}
        kept["WITHOUT"] = ",".join(sorted(self.without))
        if self.lake_root is not None:
            kept["LAKE_ROOT"] = self.lake_root
        self.folder.joinpath(KEPT).write_text(json.dumps(kept) + "\n")
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self.variables.items()]
        self.folder.joinpath("env").write_text("".join(lines))

    @property
    def streamlake(self) -> tuple[str, ...]:
        """The command, of the Python that we run with."""
        return (str(Path(sys.executable).with_name("streamlake")),)

    @property
    def pipeline(self) -> tuple[str, ...]:
        """The YAML files of every command."""
        return str(ORDERS), str(PLATFORM)

    def address(self, port: str) -> str:
        """`127.0.0.1:port` of the variable `port`."""
        return f"{LOOPBACK}:{self.ports[port]}"

    @property
    def variables(self) -> Mapping[str, str]:
        """What each command of the platform has in its environment."""
        fake = {"STORAGE_EMULATOR_HOST": f"http://{self.address('GCS_PORT')}"} if self.lake_root is None else {}
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.address("KAFKA_PORT"),
            "STREAMLAKE_ROOT": self.lake_root or f"gs://{BUCKET}/lake",
            "STREAMLAKE_METRICS_LISTEN": self.address("ENGINE_PORT"),
            "STREAMLAKE_HTTP_LISTEN": self.address("EDGE_PORT"),
            **fake,
        }


def _kept(folder: Path) -> dict[str, str]:
    try:
        kept: dict[str, str] = json.loads((folder / KEPT).read_text())
    except (OSError, ValueError):  # never up, or damaged: the defaults hold
        return {}
    return kept


def _port(name: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= PORT_MAX:
        raise LocalError(f"{name} is {text!r}: a port is a number from 1 to {PORT_MAX}")
    return int(text)
