"""A disk whose calls fail by a rule, which is a file: which calls, on which paths, how, and for how long.

All processes of a life read the same rule, and note in it when it was met first.
"""

import errno
import json
import os
import re
import signal
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path, PosixPath
from typing import Any
from unittest.mock import patch

from streamlake.plugins.sinks.file.backends import local, registry, room

ROOM_SECONDS = 2.0
"""How long a worker waits for room here."""

ONCE, EVER = 0.0, float("inf")


@dataclass(frozen=True)
class DiskRule:
    """Calls of the kind `call` on paths that match `path` fail with `number`.

    `after`: the call is done first. `seconds`: how long from the first one on (ONCE, EVER). `stands_still`: it takes
    that many seconds and then succeeds. `kills`: the process ends there, the first time.
    """

    call: str
    path: str
    number: int = errno.EIO
    after: bool = False
    seconds: float = ONCE
    stands_still: float = 0.0
    kills: bool = False

    def write(self, file: Path) -> None:
        """Make it hold from now on."""
        file.write_text(json.dumps(asdict(self)))


class BrokenDisk:
    """The rule of this process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._met = file.with_suffix(".met")
        self._rule = DiskRule(**json.loads(file.read_text()))

    @contextmanager
    def call(self, kind: str, path: object) -> Iterator[None]:
        """Around each call. Raises OSError."""
        if not self._applies(kind, str(path)):
            yield
            return
        if self._rule.after:
            try:
                yield
            finally:
                self._fail(path)  # also where the call has failed by itself, for nothing is there
            return
        self._fail(path)
        yield

    def _applies(self, kind: str, path: str) -> bool:
        rule = self._rule
        if not self._file.exists() or kind != rule.call or not re.search(rule.path, path):
            return False
        if not self._met.exists():
            self._met.write_text(str(time.time()))
            return True
        return time.time() - float(self._met.read_text()) < rule.seconds

    def _fail(self, path: object) -> None:
        rule = self._rule
        if rule.kills and not self._met.with_suffix(".killed").exists():
            self._met.with_suffix(".killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if rule.stands_still:
            threading.Event().wait(rule.stands_still)
            return
        raise OSError(rule.number, os.strerror(rule.number), str(path))


class BrokenPath(PosixPath):
    """A path on it; all paths made from it are, too."""

    disk: BrokenDisk

    def open(self, mode: str = "r", buffering: int = -1, *_: Any, **__: Any) -> Any:
        """For reading, or a new file."""
        with self.disk.call("create" if "x" in mode else "read", self):
            file: Any = super().open(mode, buffering)
        return BrokenFile(file, self) if "x" in mode else file

    def read_bytes(self) -> bytes:
        """All of it."""
        with self.disk.call("read", self):
            return super().read_bytes()

    def iterdir(self) -> Generator["BrokenPath", None, None]:
        """A listing."""
        with self.disk.call("list", self):
            found = list(super().iterdir())
        yield from found

    def unlink(self, missing_ok: bool = False) -> None:
        """A name goes."""
        with self.disk.call("unlink", self):
            super().unlink(missing_ok)


class BrokenFile:
    """A file that is being written."""

    def __init__(self, file: FileIO, path: BrokenPath) -> None:
        self.fileno, self.close = file.fileno, file.close
        self._file, self._path = file, path

    def write(self, data: memoryview) -> int:
        """Half of it, where it fails; nothing for want of room, as of write(2), which says how much did fit."""
        try:
            with self._path.disk.call("write", self._path):
                return self._file.write(data)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                self._file.write(data[: len(data) // 2])
            raise


class BrokenOs:
    """The module `os` as the local backend sees it."""

    def __init__(self, disk: BrokenDisk) -> None:
        self._disk = disk

    def link(self, source: Path, target: Path) -> None:
        """A second name."""
        with self._disk.call("link", target):
            os.link(source, target)

    def fsync(self, descriptor: int) -> None:
        """Of a file or of a folder."""
        with self._disk.call("fsync", Path(f"/proc/self/fd/{descriptor}").readlink()):
            os.fsync(descriptor)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


@contextmanager
def broken_disk(file: Path) -> Iterator[None]:
    """The local backend on a disk that this rule breaks."""
    disk = BrokenDisk(file)

    class Path_(BrokenPath):  # noqa: N801  (a name that shows in no message)
        pass

    Path_.disk = disk
    patience = patch.multiple(room, FIRST_SECONDS=0.1, LAST_SECONDS=0.2, PATIENCE_SECONDS=ROOM_SECONDS)
    with patch.object(registry, "Path", Path_), patch.object(local, "os", BrokenOs(disk)), patience:
        yield
