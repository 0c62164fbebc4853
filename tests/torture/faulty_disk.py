"""The `json` validator, whose import makes this process's disk fail now and then, as a file says (never a real one).

The ledger's folders are small, too, so that old entries are folded all the time and not once in a quarter of an hour:
`STREAMLAKE_TORTURE_ENTRIES` says how many entries share one.

`STREAMLAKE_TORTURE_DISK` names a JSON file of probabilities, `{"EIO": 0.02, …}`: of a write without space (`ENOSPC`),
a link that fails (`EIO`), an fsync that fails (`fsync`), a call that takes up to SLOW_SECONDS (`slow`), one before
which the process is killed (`kill`), and of a change whose outcome is not answered, as object stores do it (`lost`).
Each is noted in `<file>.log`, one line each; in `<file>.acknowledged` each ledger entry whose append came back, for
`acknowledged.py`; and in `<file>.journal`, where there is one, each link that is about to be made and each folder that
was synced, from which `power.py` tells what a power cut may take.
"""

import errno
import json
import os
import random
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from streamlake.engine.entries import Entry
from streamlake.engine.errors import StorageError
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends import local
from streamlake.plugins.sinks.file.backends.base import OutcomeUnknownError, Stored, Wait
from streamlake.plugins.sinks.file.backends.room import Room
from streamlake.plugins.sinks.file.ledger import PartitionLedger
from streamlake.plugins.validators.json import JsonValidator

SLOW_SECONDS = 1.5
LATE_SECONDS = (0.1, 3.0)
"""Before the first retry, or long after all."""
CONTROL = Path(os.environ["STREAMLAKE_TORTURE_DISK"])
JOURNAL = CONTROL.with_suffix(".journal")
ACKNOWLEDGED = CONTROL.with_suffix(".acknowledged")
SEGMENTS_WAIT = 0.5
"""How many of them wait between link and sync where the power may go, so that another who folds the same comes by."""
SPARED: set[str] = set()
"""What never happens to this process."""


_answers = threading.local()
"""`lost` in a thread whose call is not answered: it stands for an object store, where what can be read is durable."""


class FaultyDisk(JsonValidator):
    """Decides as `json` does."""


def _fails(kind: str, times: int = 1) -> bool:
    """Whether this call is one of those; `times` makes it so much likelier."""
    if kind in SPARED:
        return False
    try:
        chances: dict[str, float] = json.loads(CONTROL.read_bytes() or b"{}")
    except (FileNotFoundError, ValueError):
        return False
    # The forkserver imports this module once: each process has to throw its own dice.
    if random.SystemRandom().random() >= times * chances.get(kind, 0.0):
        return False
    with CONTROL.with_suffix(".log").open("a", encoding="ascii") as log:
        log.write(f"{kind}\n")
    return True


def _slowly(call: Callable[..., Any], times: int = 1) -> Callable[..., Any]:
    """Late, or never: kills at random moments seldom meet the few milliseconds between two steps of a commit."""

    def slowly(*arguments: Any, **named: Any) -> Any:
        if _fails("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if _fails("slow", times):
            threading.Event().wait(random.uniform(0, SLOW_SECONDS))
        return call(*arguments, **named)

    return slowly


def _unanswered(call: Callable[..., Any]) -> Callable[..., Any]:
    """Not made, made, or made later, perhaps never: in each case the caller is told that no answer came."""

    def unanswered(*arguments: Any, **named: Any) -> Any:
        if not _fails("lost"):
            return call(*arguments, **named)
        match random.randrange(3):
            case 0:
                _without_answer(call)(*arguments, **named)
            case 1:
                seconds = random.uniform(0, random.choice(LATE_SECONDS))
                late = threading.Timer(seconds, _without_answer(call), arguments, named)
                late.daemon = True
                late.start()
        raise OutcomeUnknownError("no answer came (torture)")

    return unanswered


def _without_answer(call: Callable[..., Any]) -> Callable[..., Any]:
    def quietly(*arguments: Any, **named: Any) -> None:
        _answers.lost = True
        try:
            with suppress(StorageError):
                call(*arguments, **named)
        finally:
            _answers.lost = False

    return quietly


def _failing(call: Callable[..., Any], kind: str, number: int) -> Callable[..., Any]:
    def failing(*arguments: Any, **named: Any) -> Any:
        if _fails(kind):
            raise OSError(number, os.strerror(number))
        return call(*arguments, **named)

    return failing


def _link(source: Path, target: Path) -> None:
    """Noted before: whoever syncs the folder in between has at worst done so for a name that was not there yet."""
    if not getattr(_answers, "lost", False) and not target.exists():  # where it stands, this link will fail
        _note(JOURNAL, f"link {os.path.realpath(target.parent)}/{target.name}")
    os.link(source, target)
    # Before its folder is synced: whoever comes next must not take the name for durable. Segments are made seldom.
    is_segment = target.suffix == ".xz"
    if _fails("kill", 30 if is_segment else 5):
        os.kill(os.getpid(), signal.SIGKILL)
    if is_segment and JOURNAL.exists() and random.SystemRandom().random() < SEGMENTS_WAIT:
        threading.Event().wait(random.uniform(0, SLOW_SECONDS))


def _fsync(descriptor: int) -> None:
    os.fsync(descriptor)
    _note(JOURNAL, f"sync {Path(f'/proc/self/fd/{descriptor}').readlink()}")


def _acknowledged(append: Callable[[PartitionLedger, Entry, Wait], Entry]) -> Callable[..., Entry]:
    """Written down before its writer goes on: whatever it does then stands on this entry."""

    def acknowledged(ledger: PartitionLedger, entry: Entry, wait: Wait) -> Entry:
        written = append(ledger, entry, wait)
        _note(ACKNOWLEDGED, f"{entry.run} {entry.topic} {entry.partition} {entry.seq} {entry.writer}")
        return written

    return acknowledged


def _note(file: Path, line: str) -> None:
    """Add a line to a file; not to one that isn't there."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError:
        return
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


class FaultyFile:
    """A staged file that may find no space left, when a part of the data is written already."""

    def __init__(self, file: FileIO) -> None:
        self.fileno, self.close, self._file, self._full = file.fileno, file.close, file, False

    def write(self, data: memoryview) -> int:
        """Write all; or half, and fail at the next call, as write(2) does."""
        if self._full:
            self._full = False
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._full = _fails("ENOSPC")
        return self._file.write(data[: len(data) // 2] if self._full else data)


class FaultyOs:
    """The module `os` as the local backend sees it."""

    fsync = staticmethod(_failing(_slowly(_fsync), "fsync", errno.EIO))
    link = staticmethod(_failing(_slowly(_link), "EIO", errno.EIO))

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def _open_faultily(
    staging: local.LocalStaging, path: Path, file: FileIO, stored: Callable[[], Stored | None], room: Room
) -> None:
    _init(staging, path, FaultyFile(file), stored, room)  # type: ignore[arg-type]  # as much of a file as it needs


layout.ENTRIES_PER_FOLDER = int(os.environ["STREAMLAKE_TORTURE_ENTRIES"])
for name in ("put_if_absent", "publish"):
    setattr(local.LocalBackend, name, _unanswered(getattr(local.LocalBackend, name)))
# Between what a batch has staged and its entry others come: there it waits most.
local.LocalBackend.put_if_absent = _slowly(local.LocalBackend.put_if_absent, 5)  # type: ignore[method-assign]
for name in ("create", "publish", "read", "open", "list", "delete", "sync"):
    setattr(local.LocalBackend, name, _slowly(getattr(local.LocalBackend, name)))
PartitionLedger.append = _acknowledged(PartitionLedger.append)  # type: ignore[method-assign]
_init = local.LocalStaging.__init__
local.LocalStaging.__init__ = _open_faultily  # type: ignore[assignment,method-assign]  # `self` by another name
setattr(local, "os", FaultyOs())  # noqa: B010 - the module holds it for itself alone
