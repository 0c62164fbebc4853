"""The `json` validator, whose import makes this process's disk fail now and then, as a file says (never a real one).

The ledger's folders are small, too, so that old entries are folded all the time and not once in a quarter of an hour.

`STREAMLAKE_TORTURE_DISK` names a JSON file: `{"ENOSPC": 0.02, "EIO": 0.01, "fsync": 0.05}` are probabilities of a write
without space, of a call that fails, and of an fsync that fails; each fault is noted in `<file>.log`, one line each.
"""

import errno
import json
import os
import random
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends import local
from streamlake.plugins.validators.json import JsonValidator

CONTROL = Path(os.environ["STREAMLAKE_TORTURE_DISK"])


class FaultyDisk(JsonValidator):
    """Decides as `json` does."""


def _fails(kind: str) -> bool:
    try:
        chances: dict[str, float] = json.loads(CONTROL.read_bytes() or b"{}")
    except (FileNotFoundError, ValueError):
        return False
    # The forkserver imports this module once: each process has to throw its own dice.
    if random.SystemRandom().random() >= chances.get(kind, 0.0):
        return False
    with CONTROL.with_suffix(".log").open("a", encoding="ascii") as log:
        log.write(f"{kind}\n")
    return True


def _failing(call: Callable[..., Any], kind: str, number: int) -> Callable[..., Any]:
    def failing(*arguments: Any, **named: Any) -> Any:
        if _fails(kind):
            raise OSError(number, os.strerror(number))
        return call(*arguments, **named)

    return failing


class FaultyFile:
    """A staged file that may find no space left, when a part of the data is written already."""

    def __init__(self, file: FileIO) -> None:
        self.fileno, self.close, self._file = file.fileno, file.close, file

    def write(self, data: memoryview) -> int:
        """Write all, or half and fail."""
        if not _fails("ENOSPC"):
            return self._file.write(data)
        self._file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FaultyOs:
    """The module `os` as the local backend sees it."""

    fsync = staticmethod(_failing(os.fsync, "fsync", errno.EIO))
    link = staticmethod(_failing(os.link, "EIO", errno.EIO))

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def _open_faultily(staging: local.LocalStaging, path: Path, file: FileIO) -> None:
    _init(staging, path, FaultyFile(file))  # type: ignore[arg-type]  # as much of a file as it needs


layout.ENTRIES_PER_FOLDER = 20
_init = local.LocalStaging.__init__
local.LocalStaging.__init__ = _open_faultily  # type: ignore[assignment,method-assign]  # `self` by another name
setattr(local, "os", FaultyOs())  # noqa: B010 - the module holds it for itself alone
