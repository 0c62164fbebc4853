"""Processes that go on when the command that started them has ended, found again by their pid files."""

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from streamlake.engine.errors import LocalError

LOOK_SECONDS = 0.05
KILL_SECONDS_MAX = 10.0
TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class Identity:
    """A process as nobody after it will be: a pid comes again, the clock tick of its start at this boot does not."""

    pid: int
    started_ticks: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """That of a living process; None where there is none, or it has ended and nobody has asked how."""
        try:
            # The name may hold spaces and brackets: what comes after its last one is in order (proc_pid_stat(5)).
            state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return None
        return None if state in "ZX" else cls(pid, int(rest[18]), boot)


@dataclass(frozen=True, slots=True)
class Detached:
    """One process of a name; `folder` has its pid file and its log. All is looked up anew at each call."""

    name: str
    folder: Path

    @property
    def log_path(self) -> Path:
        """What it prints; that of the start before is beside it, with `.1`."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The pid of the process that was started here, if it still is that one and lives."""
        kept = self._kept()
        return kept.pid if kept is not None and Identity.of(kept.pid) == kept else None

    @property
    def was_started(self) -> bool:
        """Whether one was started and not stopped, living or not."""
        return self._pid_file.exists()

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it in a session of its own: it hears no Ctrl-C of this terminal. Raises LocalError where it can't."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        log = str(self.log_path)
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        # What Python ignores, a child would ignore, too; and what a shell puts in the background, SIGINT.
        heard = (signal.SIGPIPE, signal.SIGINT)
        try:
            pid = os.posix_spawnp(
                *(command[0], list(command), dict(environment)), file_actions=files, setsid=True, setsigdef=heard
            )
        except OSError as error:
            raise LocalError(f"{self.name}: {command[0]} can't be started: {error.strerror}") from error
        # Where it has ended already, a pid alone says that it was started.
        identity = Identity.of(pid) or Identity(pid, 0, "")
        self._pid_file.write_text(json.dumps(asdict(identity)) + "\n")

    def stop(self, seconds_max: float, *, whole_group: bool = False) -> bool:
        """End it: SIGTERM, to its process group with `whole_group`, and after `seconds_max` SIGKILL to the group.

        Returns when it is gone; whether it lived. Raises LocalError where the kernel does not let it end.
        """
        pid = self.pid
        if pid is not None:
            (os.killpg if whole_group else os.kill)(pid, signal.SIGTERM)
            self._wait(pid, seconds_max)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # also what it may have left behind
            if not self._wait(pid, KILL_SECONDS_MAX):
                raise LocalError(f"{self.name}: process {pid} does not end by kill -9: it waits for a disk or a device")
        self._pid_file.unlink(missing_ok=True)
        return pid is not None

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """The end of what it printed."""
        try:
            found = self.log_path.read_text(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return "(it has not been started)"
        return "\n".join(found) or "(it printed nothing)"

    @property
    def _pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def _wait(self, pid: int, seconds_max: float) -> bool:
        """Whether it is gone within that time."""
        deadline = time.monotonic() + seconds_max
        while self._lives(pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def _lives(self, pid: int) -> bool:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # where we are its parent, it stays a zombie until we ask
        return self.pid == pid

    def _kept(self) -> Identity | None:
        try:
            return Identity(**json.loads(self._pid_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None
