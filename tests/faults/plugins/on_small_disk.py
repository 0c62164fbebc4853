"""The `json` validator, whose import puts a quota on what this process writes (tests/support/disk.py)."""

import errno
import os
from pathlib import Path

from support.disk import QUOTA, read_only_mark, used_bytes

from streamlake.engine.errors import StorageError
from streamlake.plugins.sinks.file.backends.local import LocalStaging
from streamlake.plugins.validators.json import JsonValidator

_write = LocalStaging.write


class OnSmallDisk(JsonValidator):
    """Decides as `json` does."""


def _write_within_quota(staging: LocalStaging, data: bytes | memoryview, /) -> int:
    bytes_max, _, folder = os.environ[QUOTA].partition(":")
    wrong = errno.ENOSPC if used_bytes(Path(folder)) + len(data) > int(bytes_max) else 0
    if read_only_mark(Path(folder)).exists():
        wrong = errno.EROFS
    if wrong:
        raise StorageError(f"can't write {staging._path}: {os.strerror(wrong)} (errno {wrong})")
    return _write(staging, data)


if QUOTA in os.environ:
    LocalStaging.write = _write_within_quota  # type: ignore[method-assign]
