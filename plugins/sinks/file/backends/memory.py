"""A root in this process's memory (`memory://`): for tests and for trying out; gone with the process."""

import io
import threading
from collections.abc import Iterator
from typing import BinaryIO, Self

import google_crc32c
from fsspec.implementations.memory import MemoryFileSystem

from streamlake.engine.codes.storage import OTHER_BYTES
from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import StorageError
from streamlake.plugins.sinks.file.backends.base import OneByOne, Staging, Stored

# fsspec keeps all memory files in one dictionary of the process, and checks before it creates without a lock.
_lock = threading.RLock()


class MemoryBackend(OneByOne):
    """fsspec's memory file system behind one lock; bytes are copied in and out, so that nobody shares a buffer."""

    one_process = True

    def __init__(self, root: str) -> None:
        self._fs = MemoryFileSystem(skip_instance_cache=True)
        self._root = "/" + root.strip("/")

    def __repr__(self) -> str:
        return f"MemoryBackend({self._root!r})"

    def check(self) -> None:
        """Nothing to refuse."""

    def put_if_absent(self, path: str, data: bytes, *, stage: str) -> bool:  # noqa: ARG002 - needs no temporary file
        """Look and create under the lock."""
        with _lock:
            if self._fs.isfile(self._path(path)):
                return False
            self._fs.pipe_file(self._path(path), bytes(data))
            return True

    def create(self, path: str) -> Staging:
        """A buffer of its own until `seal`."""
        return MemoryStaging(self, path)

    def publish(self, file: FileEntry) -> bool:
        """Move under the lock."""
        with _lock:
            content = self.read(file.staged)
            standing = self.stored(file.final)
            if standing is not None and standing != Stored(file.bytes, file.crc32c):
                raise StorageError(
                    f"{file.final} holds other bytes than its entry says; nothing was overwritten", code=OTHER_BYTES
                )
            if standing is None and content is None:
                return False
            if standing is None and content is not None:
                self._fs.pipe_file(self._path(file.final), content)
            self.delete(file.staged)
            return True

    def read(self, path: str) -> bytes | None:
        """A copy of the content."""
        with _lock:
            try:
                return bytes(self._fs.cat_file(self._path(path)))
            except FileNotFoundError:
                return None

    def open(self, path: str) -> BinaryIO | None:
        """A reader over a copy: fsspec's readers of one file share a position."""
        content = self.read(path)
        return None if content is None else io.BytesIO(content)

    def stored(self, path: str) -> Stored | None:
        """Size and checksum of the content."""
        content = self.read(path)
        return None if content is None else Stored(len(content), f"{google_crc32c.value(content):08x}")

    def list(self, folder: str) -> list[str]:
        """The names below a folder."""
        with _lock:
            try:
                found = self._fs.ls(self._path(folder), detail=False)
            except FileNotFoundError:
                return []
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def walk(self, folder: str) -> Iterator[str]:
        """The files below a folder, as they were when the walk began."""
        with _lock:
            found = self._fs.find(self._path(folder))
        return (name.removeprefix(self._root + "/") for name in found)

    def delete(self, path: str) -> None:
        """Drop a file; `rm_file`, for `rm` takes a name as a pattern."""
        with _lock:
            if self._fs.isfile(self._path(path)):
                self._fs.rm_file(self._path(path))

    def remove_folder(self, folder: str) -> None:
        """Forget an empty folder."""

    def sync(self, path: str) -> None:
        """Memory has nothing more durable to offer."""

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"


class MemoryStaging:
    """A payload in a buffer."""

    def __init__(self, backend: MemoryBackend, path: str) -> None:
        self._backend = backend
        self._path = path
        self._buffer = io.BytesIO()

    def write(self, data: bytes | memoryview, /) -> int:
        """Add to the buffer."""
        return self._buffer.write(data)

    def finish(self) -> None:
        """Nothing takes long here."""

    def seal(self) -> None:
        """Put the whole payload under its path."""
        if not self._backend.put_if_absent(self._path, self._buffer.getvalue(), stage=""):
            raise StorageError(f"{self._path} exists already: a staged name is never used twice")

    def stored(self) -> Stored | None:
        """Size and checksum of the content."""
        return self._backend.stored(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._buffer.close()
