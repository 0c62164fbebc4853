"""A root on a local disk: exclusive by `os.link`, durable by `fsync` of files and folders.

fsspec's own calls do neither: of 200 races for `pipe_file(mode="create")` 113 had two winners, and `mv` overwrites.
"""

import ctypes
import errno
import os
import struct
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Self

import google_crc32c

from streamlake.engine.codes.storage import ACCESS, BROKEN, DISK_FULL, OTHER_BYTES, ROOT_GONE
from streamlake.engine.contracts import Beat
from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import ConfigError, StorageError
from streamlake.engine.failpoints import failpoint
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import OneByOne, Staging, Stored, Told
from streamlake.plugins.sinks.file.backends.room import Room

READ_BYTES = 2**20

# `f_type` of statfs(2) where another host may write, too: there neither link nor fsync means what it means on a disk.
NETWORK_FILE_SYSTEMS = {
    0x6969: "NFS",
    0x517B: "SMB",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB2",
    0x00C36400: "Ceph",
    0x01021997: "9P",
    0x0BD00BD0: "Lustre",
    0x47504653: "GPFS",
    0x5346414F: "AFS",
    0x65735546: "FUSE",
}


WHAT_TO_DO = {
    errno.ENOSPC: "; free space there, nothing that was committed needs it",
    errno.EDQUOT: "; raise the quota of this user there, or free space",
    errno.EACCES: "; sink.root has to be writable for the user that runs the engine",
    errno.EPERM: "; sink.root has to be writable for the user that runs the engine",
    errno.EROFS: "; sink.root has to lie on a file system that can be written to",
    errno.EXDEV: "; a folder below sink.root lies on another device: mount that device at the root instead",
    errno.ENOTDIR: "; a part of that path is a file: name a folder in sink.root",
}
CODES = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.EACCES: ACCESS,
    errno.EPERM: ACCESS,
    errno.EROFS: ACCESS,
    errno.EIO: BROKEN,
}


class LocalBackend(OneByOne):
    """A folder of this host. Errors are never unknown here: a call that raises ends the worker (DESIGN §5.5)."""

    one_process = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root_seen: tuple[int, int] | None = None  # device and inode
        self._durable_folders: set[Path] = set()
        self._room = Room(root)

    def __repr__(self) -> str:
        return f"LocalBackend({str(self.root)!r})"

    def serve(self, beat: Beat, told: Told) -> None:
        """Beat between the calls, and while the disk is full."""
        super().serve(beat, told)
        self._room.serve(beat, told)

    def check(self) -> None:
        """Refuse network file systems, and a root whose parts lie on different devices. Raises ConfigError."""
        standing = next(folder for folder in (self.root, *self.root.parents) if folder.exists())
        if not standing.is_dir():
            raise ConfigError(f"sink.root {self.root}: {standing} is a file, not a folder")
        kind = NETWORK_FILE_SYSTEMS.get(_file_system_magic(standing))
        if kind:
            raise ConfigError(
                f"sink.root: {self.root} lies on a {kind} file system, where creating a file is not exclusive between "
                "hosts: choose a folder on a disk of this host"
            )
        if self.root.is_dir():
            _refuse_several_devices(self.root)

    def probe(self) -> Sequence[str]:
        """Write a file where the root is, or where it would be made, and take it away again."""
        standing = next(folder for folder in (self.root, *self.root.parents) if folder.exists())
        try:
            with tempfile.TemporaryFile(dir=standing) as file:
                file.write(b"streamlake validate")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            advice = WHAT_TO_DO.get(error.errno or 0, "; choose a folder that can be written to")
            return [f"sink.root: {self.root} can't be written to, a file in {standing}: {error.strerror}{advice}"]
        return ()

    def put_if_absent(self, path: str, data: bytes, *, stage: str) -> bool:
        """Write a temporary file, make it durable, and link it to its name: only one of many can."""
        temporary = f"{stage}/{uuid.uuid4()}.tmp"  # always a new one: an earlier one may be the slot by now
        try:
            with self.create(temporary) as out:
                out.write(data)
                out.seal()
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError) and not self._path(temporary).exists():
                return False  # as below: collected, with the folder it lay in
            raise
        # The run file is the supervisor's; the tests' kills at these points are meant for workers.
        reached = failpoint if path.startswith(layout.LEDGER) else _no_failpoint
        with _storage_errors("link", self._path(path)):
            self._make_folders(self._path(path).parent)
            try:
                reached("before_entry_link")
                self._room.have(lambda: os.link(self._path(temporary), self._path(path)))
                reached("after_entry_link")
                _fsync_folder(self._path(path).parent)
            except FileExistsError:
                return False
            except FileNotFoundError:
                if not self._path(temporary).exists():
                    return False  # a newer owner has claimed this slot, and then collected what our epoch had staged
                self._durable_folders.clear()  # the folder is gone: its entries were folded, and we come very late
                return self._link_anew(temporary, path)
            finally:
                self._path(temporary).unlink(missing_ok=True)
        return True

    def _link_anew(self, temporary: str, path: str) -> bool:
        """Link once more, into a folder that has to be made again."""
        target = self._path(path)
        self._make_folders(target.parent)
        try:
            self._room.have(lambda: os.link(self._path(temporary), target))
        except FileExistsError:
            return False
        _fsync_folder(target.parent)
        return True

    def create(self, path: str) -> Staging:
        """Open a new file; nobody looks at it before an entry names it."""
        target = self._path(path)
        with _storage_errors("create", self._path(path)):
            self._check_root()
            self._make_folders(target.parent)
            try:
                return self._staging(target, path)
            except FileNotFoundError:
                # A newer owner has collected our epoch's folder. The append will tell us that we are fenced.
                self._durable_folders.clear()
                self._make_folders(target.parent)
                return self._staging(target, path)

    def publish(self, file: FileEntry) -> bool:
        """Link the final name, make it durable, then drop the staged one (`os.rename` would overwrite in silence)."""
        source, target = self._path(file.staged), self._path(file.final)
        with _storage_errors("publish", self._path(file.final)):
            self._check_root()
            self._make_folders(target.parent)
            try:
                self._room.have(lambda: os.link(source, target))
            except FileNotFoundError:
                if source.exists():
                    raise
                return self._holds(file)  # whoever dropped the source had made the target durable before
            except FileExistsError:
                self._holds(file)
            _fsync_folder(target.parent)
            failpoint("before_publish_unlink")
            source.unlink(missing_ok=True)
        return True

    def read(self, path: str) -> bytes | None:
        """The whole file."""
        with _storage_errors("read", self._path(path)):
            try:
                return self._path(path).read_bytes()
            except FileNotFoundError:
                return None

    def open(self, path: str) -> BinaryIO | None:
        """The file, opened for reading."""
        with _storage_errors("open", self._path(path)):
            try:
                return self._path(path).open("rb")
            except FileNotFoundError:
                return None

    def stored(self, path: str) -> Stored | None:
        """Size and checksum of what reading the file gives."""
        file = self.open(path)
        if file is None:
            return None
        size, crc = 0, 0
        with file, _storage_errors("read", self._path(path)):
            while chunk := file.read(READ_BYTES):
                size, crc = size + len(chunk), google_crc32c.extend(crc, chunk)
        return Stored(size, f"{crc:08x}")

    def list(self, folder: str) -> list[str]:
        """The names in a folder."""
        with _storage_errors("list", self._path(folder)):
            try:
                return sorted(entry.name for entry in self._path(folder).iterdir())
            except FileNotFoundError:
                return []

    def walk(self, folder: str) -> Iterator[str]:
        """The files below a folder."""
        for parent, _folders, names in os.walk(self._path(folder), onerror=_walk_error):
            for name in names:
                yield str((Path(parent) / name).relative_to(self.root))

    def delete(self, path: str) -> None:
        """Unlink a file."""
        with _storage_errors("delete", self._path(path)):
            self._path(path).unlink(missing_ok=True)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder; one that has something in it stays."""
        with _storage_errors("remove", self._path(folder)):
            try:
                self._path(folder).rmdir()
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.ENOENT}:
                    raise

    def sync(self, path: str) -> None:
        """Sync the folder of `path` and all folders up to the root: another process may have made them.

        One that is gone was folded, and `path` with it: whoever acts on it comes too late, and finds out.
        """
        with _storage_errors("sync", self._path(path)):
            for folder in self._path(path).parents:
                if folder == self.root:
                    _fsync_folder(folder)
                    break
                with suppress(FileNotFoundError):
                    _fsync_folder(folder)

    def _staging(self, target: Path, path: str) -> "LocalStaging":
        file = self._room.have(lambda: target.open("xb", buffering=0))
        return LocalStaging(target, file, lambda: self.stored(path), self._room)

    def _path(self, path: str) -> Path:
        return self.root / path

    def _holds(self, file: FileEntry) -> bool:
        """Whether the final name holds what `file` describes; False when there is none. Raises StorageError."""
        stored = self.stored(file.final)
        if stored is not None and stored != Stored(file.bytes, file.crc32c):
            raise StorageError(
                f"{self._path(file.final)} holds other bytes than its ledger entry says "
                f"({stored.bytes} bytes, crc32c {stored.crc32c}; expected {file.bytes}, {file.crc32c}): "
                "find out who wrote it and move it away; nothing was overwritten",
                code=OTHER_BYTES,
            )
        return stored is not None

    def _check_root(self) -> None:
        """Raise StorageError when the root is not the folder any more that it was at the first change made here.

        A disk that was unmounted leaves an empty folder behind: we would begin a second ledger in it.
        """
        try:
            status = self.root.stat()
        except FileNotFoundError:
            seen = None
        else:
            seen = (status.st_dev, status.st_ino)
        if self._root_seen is None:
            self._root_seen = seen
        elif seen != self._root_seen:
            now = "is gone" if seen is None else "is another folder than before"
            raise StorageError(
                f"{self.root} {now}: it was deleted, replaced or unmounted while we were at work. Nothing was written "
                "to it since; mount it again or put it back, and all goes on",
                code=ROOT_GONE,
            )

    def _make_folders(self, folder: Path) -> None:
        """Make `folder` and its parents, each durable in its own parent; once a process.

        Those that stand already are synced, too: whoever made them may have died before.
        """
        if folder in self._durable_folders:
            return
        if folder.is_relative_to(self.root) or not folder.exists():
            self._make_folders(folder.parent)
            with suppress(FileExistsError):  # not `exist_ok`: it looks again, and a collector may have removed it then
                self._room.have(folder.mkdir)
            _fsync_folder(folder.parent)
        self._durable_folders.add(folder)


class LocalStaging:
    """A staged file being written, without a buffer of its own: its writers hand over large pieces."""

    def __init__(self, path: Path, file: FileIO, stored: Callable[[], Stored | None], room: Room) -> None:
        self._path, self._room = path, room
        self._file = file
        self.stored = stored  # by reading it again
        self._sealed = False

    def write(self, data: bytes | memoryview, /) -> int:
        """Add to the file, all of `data`."""
        left = memoryview(data)
        with _storage_errors("write", self._path):
            while left:
                left = left[self._room.have(partial(self._write_some, left)) :]
        return len(data)

    def _write_some(self, data: memoryview) -> int:
        return self._file.write(data)

    def finish(self) -> None:
        """All is with the kernel already."""

    def seal(self) -> None:
        """Sync the file and its folder. An error here is final: a second fsync would say yes to lost pages."""
        with _storage_errors("sync", self._path):
            os.fsync(self._file.fileno())
            self._file.close()
            _fsync_folder(self._path.parent)
        self._sealed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if not self._sealed:
            with _storage_errors("drop", self._path):
                self._file.close()
                self._path.unlink(missing_ok=True)


@contextmanager
def _storage_errors(verb: str, path: object) -> Iterator[None]:
    """An error of the operating system as StorageError, with the path and the system's own words."""
    try:
        yield
    except OSError as error:
        what_to_do = WHAT_TO_DO.get(error.errno or 0, "")
        raise StorageError(
            f"can't {verb} {path}: {error.strerror or error} (errno {error.errno}){what_to_do}",
            code=CODES.get(error.errno or 0),
        ) from error


def _no_failpoint(name: str) -> None:
    """Go on."""


def _walk_error(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise StorageError(f"can't list {error.filename}: {error.strerror}") from error


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_several_devices(root: Path) -> None:
    for part in root.iterdir():
        if part.is_dir() and _device(part) != _device(root):
            raise ConfigError(
                f"{part} lies on another device than {root}: files can't be renamed between them; "
                "mount the device at the root instead"
            )


def _device(path: Path) -> int:
    return path.stat().st_dev


def _file_system_magic(path: Path) -> int:
    """`f_type` of statfs(2), a C long at the start of the struct; os.statvfs does not have it."""
    buffer = ctypes.create_string_buffer(256)
    if ctypes.CDLL(None, use_errno=True).statfs(os.fsencode(path), buffer) != 0:
        raise StorageError(f"can't tell the file system of {path}: {os.strerror(ctypes.get_errno())}")
    magic: int = struct.unpack_from("@l", buffer)[0]
    return magic & 0xFFFFFFFF
