"""Keeps a bucket's objects in a folder: one JSON file for each, whose rename is the moment at which it counts."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from support.gcs.blobs import Blob, FileBlob


class Written(Protocol):
    """What is written down of an object."""

    name: str
    generation: int
    metageneration: int
    blob: Blob
    created: datetime
    content_type: str
    metadata: Any


class Journal:
    """Of a bucket in memory: writes nothing."""

    def load(self) -> Iterator[dict[str, Any]]:
        """The objects that a server before us has left, as arguments of StoredObject."""
        yield from ()

    def write(self, made: Any, gone: Sequence[int]) -> None:
        """An object is there from now on, and the generations `gone` are not: both at once, also after a kill -9."""

    def erase(self, generation: int) -> None:
        """A generation is not there any more."""


class TreeJournal(Journal):
    """Shows a bucket in memory as a tree of files, which a reader that knows nothing of buckets can look at.

    A file appears whole, under its object's name, and goes with it; nothing of it is read again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making = folder / ".making"
        self._making.mkdir(parents=True, exist_ok=True)
        self._names: dict[int, str] = {}
        self._shown: dict[str, int] = {}

    def write(self, made: Written, gone: Sequence[int]) -> None:
        """Write beside, then rename."""
        path = self._folder / made.name
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._making / str(made.generation)
        beside.write_bytes(made.blob.read(0, made.blob.size))
        beside.replace(path)
        self._names[made.generation] = made.name
        self._shown[made.name] = made.generation
        for generation in gone:
            self.erase(generation)

    def erase(self, generation: int) -> None:
        """Remove its file, unless another generation is shown under the name by now."""
        name = self._names.pop(generation, None)  # told twice of what a move has taken
        if name is not None and self._shown[name] == generation:
            del self._shown[name]
            (self._folder / name).unlink()


class FolderJournal(Journal):
    """Of a bucket in `folder`: `objects/GENERATION.json`, and `blobs/`."""

    def __init__(self, folder: Path) -> None:
        self.blobs = folder / "blobs"
        self._objects = folder / "objects"
        for made in (self.blobs, self._objects):
            made.mkdir(parents=True, exist_ok=True)

    def load(self) -> Iterator[dict[str, Any]]:
        """Completes what a kill has interrupted; blobs of unfinished uploads are removed."""
        records = {int(path.stem): json.loads(path.read_bytes()) for path in self._objects.glob("*.json")}
        for generation in {gone for record in records.values() for gone in record.pop("gone")}:
            records.pop(generation, None)
            self.erase(generation)
        for path in self.blobs.iterdir():
            if path.name not in {record["blob"] for record in records.values()}:
                path.unlink()
        for generation, record in records.items():
            created = datetime.fromisoformat(record["created"])
            blob = FileBlob.load(self.blobs / record["blob"])
            yield {**record, "generation": generation, "created": created, "blob": blob}

    def write(self, made: Written, gone: Sequence[int]) -> None:
        """Write beside, then rename."""
        assert isinstance(made.blob, FileBlob)
        record = {
            "name": made.name,
            "metageneration": made.metageneration,
            "blob": made.blob.path.name,
            "created": made.created.isoformat(),
            "content_type": made.content_type,
            "metadata": dict(made.metadata),
            "gone": list(gone),
        }
        path = self._objects / f"{made.generation}.json"
        path.with_suffix(".new").write_text(json.dumps(record))
        path.with_suffix(".new").replace(path)

    def erase(self, generation: int) -> None:
        """Remove its file."""
        (self._objects / f"{generation}.json").unlink(missing_ok=True)
