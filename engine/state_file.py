"""What an engine last said of its partitions, on this host's disk: for `status` where no engine answers at /status.

Under `$XDG_STATE_HOME/streamlake` (`~/.local/state/streamlake`), a folder for each pipeline and in it a file for each
engine. The engine holds a lock on its file (flock(2)) for as long as it lives, however it dies: so a reader knows
whether what it reads is of a living engine. Nothing that lands depends on these files.
"""

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from streamlake.engine.state import EngineState, PartitionState
from streamlake.engine.state_json import state_from_json, state_to_json

log = structlog.get_logger("streamlake.engine")

TROUBLED = frozenset({"parked", "fenced", "backing off"})
"""The phases that are written down; the others change with each batch, and the ledger knows more of them."""


@dataclass(frozen=True, slots=True)
class SaidBefore:
    """An engine's last word: its partitions as they were then, and whether the engine still runs."""

    state: EngineState
    running: bool


def state_folder(pipeline: str, bootstrap_servers: str, group_id: str) -> Path:
    """Where the engines of one pipeline on this host write."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    key = hashlib.sha256(json.dumps([pipeline, bootstrap_servers, group_id]).encode()).hexdigest()[:16]
    return Path(home) / "streamlake" / f"{pipeline}-{key}"


class StateFile:
    """The file of this engine. Shown the state again and again, it writes only when the troubled partitions change.

    Closing it leaves the file behind where something is in trouble, and removes it where nothing is. A host that has no
    place for it is told so once, and lands its topics all the same.
    """

    def __init__(self, folder: Path) -> None:
        self._file: int | None = None
        self._written: list[tuple[object, ...]] | None = None
        self.others: list[int] = []
        """The pids of the other engines of this pipeline that ran on this host when this one began, ascending."""
        try:
            self._file, self._path, self.others = _locked_file(folder)
        except OSError as error:
            self._give_up(error)

    def show(self, state: EngineState) -> None:
        """Write the state down if another partition is in trouble than before, or for another reason."""
        troubled: list[tuple[object, ...]] = [(one.source, one.phase, one.why) for one in _troubled(state)]
        if self._file is None or troubled == self._written:
            return
        text = json.dumps(state_to_json(state)).encode()
        try:
            os.pwrite(self._file, text, 0)
            os.truncate(self._file, len(text))
        except OSError as error:
            self._give_up(error)
        self._written = troubled

    def close(self) -> None:
        """Give the lock back; what is in trouble stays written."""
        if self._file is None:
            return
        if not self._written:
            self._path.unlink(missing_ok=True)
        os.close(self._file)

    def _give_up(self, error: OSError) -> None:
        self._file = None
        hint = "set XDG_STATE_HOME to a folder that can be written; without it `status` forgets what is parked"
        log.warning("the state of this engine can't be written down", why=str(error), hint=hint)


def _locked_file(folder: Path) -> tuple[int, Path, list[int]]:
    """A new file that we hold the lock of, and the pids of the engines that live and hold others.

    Those of engines that are gone are removed: we try their partitions anew. A file's name begins with the pid, since
    nothing may stand in it yet.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    others = []
    for path in folder.glob("*.json"):
        pid = path.name.partition("-")[0]
        if not _is_held(path):
            path.unlink(missing_ok=True)
        elif pid.isdecimal():  # one of an older version says none
            others.append(int(pid))
    file, name = tempfile.mkstemp(".new", f"{os.getpid()}-", folder)
    fcntl.flock(file, fcntl.LOCK_EX)
    # Seen by others when it is locked, not before.
    return file, Path(name).rename(Path(name).with_suffix(".json")), sorted(others)


def said_before(folder: Path) -> Sequence[SaidBefore]:
    """What the engines in `folder` last said, the earliest started first; nothing where nothing can be read."""
    return sorted(_read(folder), key=lambda said: (said.running, said.state.started_at))


def _read(folder: Path) -> Iterator[SaidBefore]:
    for path in folder.glob("*.json"):
        try:
            state = state_from_json(json.loads(path.read_bytes()))
        except (OSError, ValueError):
            continue  # gone, not ours to read, or just being written
        state.partitions = list(_troubled(state))
        yield SaidBefore(state, _is_held(path))


def _troubled(state: EngineState) -> Iterator[PartitionState]:
    return (one for one in state.partitions if one.phase in TROUBLED)


def _is_held(path: Path) -> bool:
    """Whether an engine holds the lock on its file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
