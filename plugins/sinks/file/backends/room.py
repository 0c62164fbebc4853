"""How long a local disk that is full is waited for: with back-off, until there is room or patience is at its end."""

import errno
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from streamlake.engine.contracts import Beat
from streamlake.plugins.sinks.file.backends.base import Told, waiting

T = TypeVar("T")

FULL = (errno.ENOSPC, errno.EDQUOT)
FIRST_SECONDS, LAST_SECONDS = 0.5, 15.0
PATIENCE_SECONDS = 300.0
"""As a bucket is waited for by default (`sink.gcs.retry_seconds_max`); then the worker ends, and the next one waits."""


class Room:
    """The room on the disk of a root, for one worker. Before `serve` nobody waits: a command says it at once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._beat: Beat | None = None
        self._told: Told = lambda _: None

    def serve(self, beat: Beat, told: Told) -> None:
        """Wait from now on: `beat` meanwhile, and tell of each wait."""
        self._beat, self._told = beat, told

    def have(self, call: Callable[[], T]) -> T:
        """What `call` returns, called again while the disk is full.

        It has to have done nothing where it fails for want of room: create, write, link and mkdir are so. An fsync
        that failed is never tried again: the kernel may have dropped the pages, and would say yes.
        """
        seconds, until, waited = FIRST_SECONDS, time.monotonic() + PATIENCE_SECONDS, False
        try:
            while True:
                try:
                    return call()
                except OSError as error:
                    if error.errno not in FULL or self._beat is None or time.monotonic() >= until:
                        raise
                    waited = True
                    self._told(f"disk full: {self._words(error)}")
                waiting(self._beat)(seconds)
                seconds = min(2 * seconds, LAST_SECONDS)
        finally:
            if waited:
                self._told(None)

    def _words(self, error: OSError) -> str:
        free = ""
        with suppress(OSError):
            disk = os.statvfs(self._root)
            free = f", {disk.f_bavail * disk.f_frsize} bytes are free"
        what = os.strerror(error.errno or 0)
        return f"{self._root}: {what}{free}; free space there, nothing that was committed needs it"
