"""A disk of a few megabytes that can be filled to the last byte: a tmpfs where one may be mounted, else a quota."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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


def used_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; one with two names counts once."""
    sizes: dict[int, int] = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            sizes[status.st_ino] = status.st_size if path.is_file() else 0
    return sum(sizes.values())
