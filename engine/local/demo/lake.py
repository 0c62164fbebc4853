"""Where the demo lands, as a folder or as a bucket: what lies there, by readers that know nothing of StreamLake."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from streamlake.engine.local.demo.counts import Row
from streamlake.engine.local.demo.screen import Screen
from streamlake.engine.local.gcs import BUCKET

QUERY = """\
SELECT _partition, count(*), count(DISTINCT _offset), min(_offset), max(_offset)
FROM read_parquet('{glob}') GROUP BY 1 ORDER BY 1"""

READ_A_FILE = """\
pq.ParquetFile(file).read(columns=["_partition", "_offset"])"""

READ_AN_OBJECT = """\
fs = fsspec.filesystem("gs", token="anon")
for name in fs.find("{folder}"):
    pq.ParquetFile(pa.BufferReader(fs.cat_file(name))).read(columns=["_partition", "_offset"])"""

HNS_SUPPORT = "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What the landed Parquet files gave: by which reader, by what it was asked with, and a row for each partition."""

    reader: str
    asked: str
    rows: Sequence[Row]


class Lake(Protocol):
    """What the story asks of the place where it lands."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What commands have to be told before they come to it."""

    @property
    def root(self) -> str:
        """As `sink.root`."""

    def below(self, name: str) -> "Lake":
        """A lake of its own inside."""

    @property
    def place(self) -> str:
        """What it is and how it is looked at, in a sentence."""

    def files(self, name: str) -> Sequence[tuple[str, int]]:
        """The files below `name` of the root, in order: the path from the root, and the size in bytes."""

    def read_back(self) -> ReadBack:
        """Read the landed Parquet files."""

    def value_at(self, places: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], bytes]:
        """The payloads that lie in the landed files, of those of `places` (partition, offset) that are there."""

    def payloads(self) -> Iterator[bytes]:
        """Of all landed rows."""

    def some_rows(self, count: int) -> Sequence[Mapping[str, Any]]:
        """The first rows of the first landed files, whole, as a reader sees them."""

    def say_how_to_reach_it(self, screen: Screen) -> None:
        """What to do, after the demo, before a command finds it."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A lake on this machine's disk."""

    path: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """As `Lake` has it: nothing."""
        return {}

    @property
    def root(self) -> str:
        """As `Lake` has it."""
        return str(self.path)

    def below(self, name: str) -> "Folder":
        """As `Lake` has it."""
        return Folder(self.path / name)

    @property
    def place(self) -> str:
        """As `Lake` has it."""
        return f"A folder: {self.path}"

    def files(self, name: str) -> Sequence[tuple[str, int]]:
        """As `Lake` has it."""
        found = sorted(path for path in (self.path / name).rglob("*") if path.is_file())
        return [(str(path.relative_to(self.path)), path.stat().st_size) for path in found]

    def read_back(self) -> ReadBack:
        """As `Lake` has it; by DuckDB where it is installed, else by PyArrow."""
        raw = self.path / "raw"
        if find_spec("duckdb") is None:
            return ReadBack("PyArrow", READ_A_FILE, list(_counted(self._landed())))
        import duckdb  # noqa: PLC0415  (in the extra `local`)

        query = QUERY.format(glob=f"{raw}/**/*.parquet".replace("'", "''"))
        with duckdb.connect() as connection:
            return ReadBack("DuckDB", query, connection.sql(query).fetchall())

    def value_at(self, places: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], bytes]:
        """As `Lake` has it."""
        return _values_at(self._landed(), places)

    def payloads(self) -> Iterator[bytes]:
        """As `Lake` has it."""
        return (value for _, value in _values(self._landed()))

    def some_rows(self, count: int) -> Sequence[Mapping[str, Any]]:
        """As `Lake` has it."""
        return _first_rows(self._landed(), count)

    def _landed(self) -> Sequence[Path]:
        return sorted((self.path / "raw").rglob("*.parquet"))

    def say_how_to_reach_it(self, screen: Screen) -> None:
        """As `Lake` has it."""
        _say_exports(self, screen)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A lake in the bucket of a storage server at `endpoint`; `restart` brings that back, unless it runs on."""

    endpoint: str
    restart: Sequence[str] = ()
    folder: str = "lake"

    @property
    def environment(self) -> Mapping[str, str]:
        """As `Lake` has it: where the server is, and what fsspec needs."""
        return {"STORAGE_EMULATOR_HOST": self.endpoint, HNS_SUPPORT: "false"}

    @property
    def root(self) -> str:
        """As `Lake` has it."""
        return f"gs://{self._folder}"

    def below(self, name: str) -> "Bucket":
        """As `Lake` has it."""
        return replace(self, folder=f"{self.folder}/{name}")

    @property
    def place(self) -> str:
        """As `Lake` has it."""
        return f'Objects in a bucket, listed by fsspec.filesystem("gs", token="anon").find("{self._folder}")'

    def files(self, name: str) -> Sequence[tuple[str, int]]:
        """As `Lake` has it."""
        found = self._filesystem().find(f"{self._folder}/{name}", detail=True)
        return [(path.removeprefix(f"{self._folder}/"), found[path]["size"]) for path in sorted(found)]

    def read_back(self) -> ReadBack:
        """As `Lake` has it; by PyArrow, since DuckDB leaves fsspec's files open, and they complain at the end."""
        return ReadBack("PyArrow", READ_AN_OBJECT.format(folder=f"{self._folder}/raw"), list(_counted(self._objects())))

    def value_at(self, places: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], bytes]:
        """As `Lake` has it."""
        return _values_at(self._objects(), places)

    def payloads(self) -> Iterator[bytes]:
        """As `Lake` has it."""
        return (value for _, value in _values(self._objects()))

    def some_rows(self, count: int) -> Sequence[Mapping[str, Any]]:
        """As `Lake` has it."""
        return _first_rows(self._objects(), count)

    def _objects(self) -> Iterator[Any]:
        import pyarrow as pa  # noqa: PLC0415  (takes a fifth of a second to import)

        filesystem = self._filesystem()
        return (pa.BufferReader(filesystem.cat_file(name)) for name in filesystem.find(f"{self._folder}/raw"))

    def say_how_to_reach_it(self, screen: Screen) -> None:
        """As `Lake` has it."""
        if self.restart:
            screen.say("In a terminal of its own, since the storage server is stopped, too:")
            screen.command([".venv/bin/streamlake", *self.restart, "--port", self.endpoint.rpartition(":")[2]])
            screen.say("And then:")
        _say_exports(self, screen)

    @property
    def _folder(self) -> str:
        return f"{BUCKET}/{self.folder}"

    def _filesystem(self) -> Any:
        # Before the import: else it asks a gRPC service for the kind of the bucket, and hangs where there is none.
        os.environ[HNS_SUPPORT] = "false"
        import fsspec  # noqa: PLC0415  (takes a second to import, with gcsfs)

        # What fsspec takes from STORAGE_EMULATOR_HOST where somebody has exported it, as the commands are told.
        return fsspec.filesystem("gs", token="anon", endpoint_url=self.endpoint)  # noqa: S106  (none at all)


def _say_exports(lake: Lake, screen: Screen) -> None:
    for name, value in lake.environment.items():
        screen.command(["export", f"{name}={value}"])


def _values_at(files: Iterable[Any], places: Collection[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    return {place: value for place, value in _values(files) if place in places}


def _values(files: Iterable[Any]) -> Iterator[tuple[tuple[int, int], bytes]]:
    """The places and payloads of Parquet files with columns `envelope`."""
    import pyarrow.parquet as pq  # noqa: PLC0415  (as above)

    for file in files:
        table = pq.ParquetFile(file).read(columns=["_partition", "_offset", "value"])
        for partition, offset, value in zip(*(column.to_pylist() for column in table.columns), strict=True):
            yield (partition, offset), value.encode() if isinstance(value, str) else value


def _first_rows(files: Iterable[Any], count: int) -> Sequence[Mapping[str, Any]]:
    import pyarrow.parquet as pq  # noqa: PLC0415  (as above)

    rows: list[Mapping[str, Any]] = []
    for file in files:
        if len(rows) >= count:
            break
        rows += next(pq.ParquetFile(file).iter_batches(batch_size=count - len(rows))).to_pylist()
    return rows


def _counted(files: Iterable[Any]) -> Iterator[Row]:
    """The rows of Parquet files, by partition: what QUERY asks for."""
    import pyarrow.parquet as pq  # noqa: PLC0415  (as above)

    offsets: dict[int, list[int]] = {}
    for file in files:
        table = pq.ParquetFile(file).read(columns=["_partition", "_offset"])
        for partition, offset in zip(*(column.to_pylist() for column in table.columns), strict=True):
            offsets.setdefault(partition, []).append(offset)
    for partition, found in sorted(offsets.items()):
        yield partition, len(found), len(set(found)), min(found), max(found)
