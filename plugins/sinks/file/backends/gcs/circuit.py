"""A circuit for each bucket and host: while a storage is down, one worker of all asks whether it is back.

The state is a file with the time of the last success, and a lock on it (flock(2)), which the kernel takes back from a
process that was killed.
"""

import asyncio
import fcntl
import hashlib
import os
import stat
import struct
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from streamlake.plugins.sinks.file.backends.gcs.errors import AnsweredError

LOOK_SECONDS = 0.25


class Circuit:
    """Used on one event loop. Where its file can't be had, every process asks by itself."""

    def __init__(self, place: str) -> None:
        """`place` says which storage: all processes of this user that name the same one share the circuit."""
        name = hashlib.sha256(place.encode()).hexdigest()[:16]
        self._name = f"streamlake-{os.getuid()}-{name}.circuit"
        self._file: int | None = None
        self._asking = False

    @asynccontextmanager
    async def turn(self, failed_at: float, patient: Callable[[], bool]) -> AsyncIterator[None]:
        """Wait for our turn to try again what failed at `failed_at` (monotonic seconds); a success is told the others.

        It is everybody's turn once somebody succeeded after that, and ours when nobody else asks just now, or when we
        are not `patient` any more.
        """
        holding = False
        while not self._succeeded_since(failed_at) and patient():
            holding = self._take()
            if holding:
                break
            await asyncio.sleep(LOOK_SECONDS)
        try:
            yield
            if holding:
                self._note_success()
        except AnsweredError:
            if holding:
                self._note_success()  # a no is an answer
            raise
        finally:
            if holding:
                self._give_back()

    def _succeeded_since(self, failed_at: float) -> bool:
        file = self._open()
        if file is None:
            return True
        try:
            noted = os.pread(file, 8, 0)
        except OSError:
            return True
        # A time in the future is one from before the machine was started anew.
        return len(noted) == 8 and failed_at < struct.unpack("=d", noted)[0] <= time.monotonic()

    def _note_success(self) -> None:
        file = self._open()
        if file is not None:
            with suppress(OSError):  # a full disk: then each finds out by itself
                os.pwrite(file, struct.pack("=d", time.monotonic()), 0)

    def _take(self) -> bool:
        file = self._open()
        if self._asking or file is None:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        self._asking = True
        return True

    def _give_back(self) -> None:
        self._asking = False
        if self._file is not None:
            with suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _open(self) -> int | None:
        """The file, if it is one, and ours: others may write to the folder, too."""
        if self._file is None:
            with suppress(OSError):
                path = Path(tempfile.gettempdir()) / self._name
                file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
                status = os.fstat(file)
                if stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid():
                    self._file = file
                else:
                    os.close(file)
        return self._file
