"""The bytes of objects: in memory, in files, or only counted."""

import base64
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Self

import google_crc32c
from support.gcs.errors import GcsError

KEPT_BYTES_MAX = 256 * 1024
"""What a server that discards keeps nevertheless: ledger entries have to be readable."""


class Blob:
    """Bytes that grow while they are uploaded and do not change afterwards; this kind is in memory."""

    def __init__(self) -> None:
        self.size = 0
        self._crc32c = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._data = bytearray()

    @property
    def crc32c(self) -> str:
        """As Google writes it: base64 of the four bytes, the highest first."""
        return base64.b64encode(self._crc32c.to_bytes(4, "big")).decode()

    @property
    def md5(self) -> str:
        """In base64; empty where it is not known."""
        return base64.b64encode(self._md5.digest()).decode()

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._crc32c = google_crc32c.extend(self._crc32c, data)
        self._md5.update(data)
        self._keep(data)
        self.size += len(data)

    def read(self, first: int, after: int) -> bytes:
        """The bytes from `first` up to, not including, `after`."""
        return bytes(self._data[first:after])

    def copy(self) -> "Blob":
        """The same bytes for another object."""
        return self

    def remove(self) -> None:
        """Nobody needs them any more."""

    def _keep(self, data: bytes) -> None:
        self._data += data


class DiscardingBlob(Blob):
    """Knows its size and crc32c; has no md5, and its bytes only while they are few."""

    @property
    def md5(self) -> str:
        """Not known: it would cost more than all the rest."""
        return ""

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._crc32c = google_crc32c.extend(self._crc32c, data)
        self.size += len(data)
        if self.size <= KEPT_BYTES_MAX:
            self._data += data

    def read(self, first: int, after: int) -> bytes:
        """The bytes. Raises GcsError for an object that was discarded."""
        if self.size > KEPT_BYTES_MAX:
            message = f"this server discards objects of more than {KEPT_BYTES_MAX} bytes; this one has {self.size}"
            raise GcsError(501, "notImplemented", message)
        return super().read(first, after)


class FileBlob(Blob):
    """In a file of its own."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        path.touch()

    @classmethod
    def load(cls, path: Path) -> Self:
        """The one that a server before us has left."""
        data = path.read_bytes()
        blob = cls(path)
        blob.size = len(data)
        blob._crc32c = google_crc32c.value(data)
        blob._md5.update(data)
        return blob

    def read(self, first: int, after: int) -> bytes:
        """The bytes from `first` up to, not including, `after`."""
        with self.path.open("rb") as file:
            file.seek(first)
            return file.read(after - first)

    def copy(self) -> "Blob":
        """The same bytes under a second name."""
        path = self.path.with_name(os.urandom(8).hex())
        path.hardlink_to(self.path)
        other = FileBlob(path)
        other.size, other._crc32c, other._md5 = self.size, self._crc32c, self._md5
        return other

    def remove(self) -> None:
        """Nobody needs them any more."""
        self.path.unlink(missing_ok=True)

    def _keep(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)


def new_blobs(folder: Path | None, discard: bool) -> Callable[[], Blob]:
    """What makes an empty blob of the kind that is wanted; `folder` is for their files."""
    if discard:
        return DiscardingBlob
    if folder is None:
        return Blob
    return lambda: FileBlob(folder / os.urandom(8).hex())
