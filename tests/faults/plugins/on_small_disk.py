"""The `json` validator, whose import puts a quota on what this process writes (tests/support/disk.py)."""

import errno
import os
from pathlib import Path

from support.disk import QUOTA, read_only_mark, used_bytes

from streamlake.plugins.sinks.file.backends.local import LocalStaging
from streamlake.plugins.validators.json import JsonValidator

_write = LocalStaging._write_some


class OnSmallDisk(JsonValidator):
    """Decides as `json` does."""


def _write_within_quota(staging: LocalStaging, data: memoryview) -> int:
    bytes_max, _, folder = os.environ[QUOTA].partition(":")
    wrong = errno.ENOSPC if used_bytes(Path(folder)) + len(data) > int(bytes_max) else 0
    if read_only_mark(Path(folder)).exists():
        wrong = errno.EROFS
    if wrong:
        raise OSError(wrong, os.strerror(wrong))
    return _write(staging, data)


if QUOTA in os.environ:
    LocalStaging._write_some = _write_within_quota  # type: ignore[assignment, method-assign]
