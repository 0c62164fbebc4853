"""A disk of a few megabytes that can be filled to the last byte: a tmpfs where one may be mounted, else a quota."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PAGE_BYTES = 4096
QUOTA = "STREAMLAKE_TEST_QUOTA"
"""Environment of an engine whose workers refuse to write more below a folder: `<bytes>:<folder>`."""
NO_MOUNT = "STREAMLAKE_TEST_NO_MOUNT"
"""Set: take the quota also where mounting would be allowed."""


@dataclass
class SmallDisk:
    """A folder with room for so many bytes; `env` is what an engine needs to feel it."""

    folder: Path
    bytes_max: int
    env: dict[str, str]

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """Take all the room that is left."""
        with self._filler.open("ab", buffering=0) as filler:
            while not self.env or used_bytes(self.folder) < self.bytes_max:
                left = self.bytes_max - used_bytes(self.folder) if self.env else PAGE_BYTES
                try:
                    filler.write(bytes(min(left, PAGE_BYTES)))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    return

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()

    def allow_writes(self, allowed: bool) -> None:
        """Make it read-only, as a file system becomes on which the kernel has met an error; or as it was."""
        if self.env:
            mark = read_only_mark(self.folder)
            mark.unlink() if allowed else mark.touch()
        else:
            remount = ["mount", "-o", "remount," + ("rw" if allowed else "ro"), str(self.folder)]
            subprocess.run(remount, check=True)


@contextlib.contextmanager
def small_disk(folder: Path, bytes_max: int) -> Iterator[SmallDisk]:
    """A small disk at `folder`, which must not exist yet."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={bytes_max}", "tmpfs", str(folder)]
    mounted = NO_MOUNT not in os.environ and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield SmallDisk(folder, bytes_max, {} if mounted else {QUOTA: f"{bytes_max}:{folder}"})
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


class MountPoint:
    """A new folder that shows another one, and can be unmounted under whoever uses it.

    Where nothing may be mounted, what it shows is moved there and away again: an empty folder stays just the same.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._shown = folder, folder.with_name(f"{folder.name}.shown")
        folder.mkdir()
        self._shown.mkdir()
        self._mounts = NO_MOUNT not in os.environ and self._mount().returncode == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._mounts:  # os.path.ismount can't tell: it is the same device
            subprocess.run(["umount", "--lazy", str(self._folder)], check=False, capture_output=True)

    def unmount(self) -> None:
        """Take it away, also while it is in use."""
        if self._mounts:
            subprocess.run(["umount", "--lazy", str(self._folder)], check=True)
        else:
            self._folder.rename(self._shown)
            self._folder.mkdir()

    def mount(self) -> None:
        """Show it again."""
        if self._mounts:
            self._mount().check_returncode()
        else:
            self._folder.rmdir()
            self._shown.rename(self._folder)

    def _mount(self) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["mount", "--bind", str(self._shown), str(self._folder)], check=False, capture_output=True
        )


def read_only_mark(folder: Path) -> Path:
    """The file that says that a disk with a quota is read-only."""
    return folder.with_name(f"{folder.name}.read-only")


def used_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; one with two names counts once."""
    sizes: dict[int, int] = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            sizes[status.st_ino] = status.st_size if path.is_file() else 0
    return sum(sizes.values())
