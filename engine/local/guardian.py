"""A program that runs servers for another process and ends them when that process is gone, however it went.

It is the servers' parent: a server is never alive without somebody who knows its pid. It runs in a session of its own,
so that a Ctrl-C on the terminal reaches the starter alone. Standard library only: it is started as a plain file.

    starter ──requests, one JSON object a line──▶ guardian ──fork, signals──▶ servers
            ◀──────────── answers ─────────────

The starter's death is seen in two ways: its end of the pipe closes, and its pidfd becomes readable (a child that the
starter forked may hold the pipe open for longer). The guardian's own death by kill -9 takes the servers along, by
PR_SET_PDEATHSIG: that signal belongs to the thread that forked, and the guardian has only one.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CHILDREN = Path("/proc/thread-self/children")
WAIT_STEP_SECONDS = 0.02


class StarterGoneError(Exception):
    """The process that we work for has closed its pipe or died, or we were asked to end by a signal."""


class Guardian:
    """The servers by name, and the folder that goes with them when it is temporary."""

    def __init__(self, starter_pid: int, folder: Path, temporary: bool) -> None:
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = folder
        self._temporary = temporary
        self._starter = _open_pidfd(starter_pid)
        self._wakeup = _signals_to_pipe()
        self._buffer = b""

    def run(self) -> None:
        """Answers requests until the starter is gone; then nothing of it is left."""
        try:
            while True:
                request = json.loads(self._read_line())
                _say(self._answer(request))
        except (StarterGoneError, BrokenPipeError):
            pass  # the normal end
        finally:
            self._clean_up()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["name"]
        if request["do"] == "spawn":
            return self._spawn(name, request["command"], Path(request["output"]))
        server = self._servers[name]
        if request["do"] == "signal":
            # poll() first: after it has reaped the server, the pid may be somebody else's and nothing is sent.
            if server.poll() is None:
                server.send_signal(request["signal"])
                if request["signal"] == signal.SIGSTOP:
                    # Its threads go on until the one that hears of it has a processor: only then does all stand still.
                    with contextlib.suppress(ChildProcessError):  # it had ended, and `send_signal` has seen that
                        os.waitid(os.P_PID, server.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        elif request["do"] == "wait":
            self._wait(server, request["seconds"])
        return {"returncode": server.poll()}

    def _spawn(self, name: str, command: list[str], output: Path) -> dict[str, Any]:
        try:
            with output.open("ab") as file:
                server = subprocess.Popen(  # noqa: S603  the starter is this program's only user
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    preexec_fn=partial(_die_with_parent, os.getpid()),  # noqa: PLW1509  safe: this program has one thread
                )
        except (OSError, subprocess.SubprocessError) as error:
            return {"error": str(error)}
        self._servers[name] = server
        return {"pid": server.pid}

    def _wait(self, server: "subprocess.Popen[bytes]", seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while server.poll() is None and time.monotonic() < deadline:
            self._raise_when_gone(WAIT_STEP_SECONDS)

    def _read_line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._raise_when_gone(None)
            chunk = os.read(sys.stdin.fileno(), 65536)
            if not chunk:
                raise StarterGoneError
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _raise_when_gone(self, seconds: float | None) -> None:
        """Waits for a request (or for `seconds`), and raises when there is nobody left to work for."""
        watched = [fd for fd in (self._starter, self._wakeup) if fd is not None]
        # While a request is worked on, nothing is read; its pipe is left out, or the wait would spin on it.
        requests = [sys.stdin.fileno()] if seconds is None else []
        while True:
            ready, _, _ = select.select(watched + requests, [], [], seconds)
            if self._starter in ready:
                raise StarterGoneError
            if self._wakeup in ready and {signal.SIGTERM, signal.SIGHUP} & set(os.read(self._wakeup, 64)):
                raise StarterGoneError
            if seconds is not None or set(requests) & set(ready):
                return

    def _clean_up(self) -> None:
        for server in self._servers.values():
            if server.poll() is None:
                server.kill()  # ends a stopped (SIGSTOP) one, too
        for server in self._servers.values():
            server.wait()
        _end_orphans()
        if self._temporary:
            shutil.rmtree(self._folder, ignore_errors=True)


def main(starter_pid: int, folder: str) -> int:
    """`folder` empty: a temporary one. Says `{"folder": …}` when ready, or `{"error": …}` and ends."""
    if os.getppid() != starter_pid:  # it died before we could watch it
        return 1
    path = Path(folder or tempfile.mkdtemp(prefix="streamlake-local-"))
    if not _lock(path / ".in-use"):
        _say({"error": "in use"})
        return 1
    _adopt_orphans()
    guardian = Guardian(starter_pid, path, temporary=not folder)
    _say({"folder": str(path)})
    guardian.run()
    return 0


def _lock(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)  # held, unclosed, until this process ends
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open_pidfd(pid: int) -> int | None:
    # Linux 5.3; elsewhere the pipe alone tells.
    return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None


def _signals_to_pipe() -> int:
    """Signals end no wait half-way: they become bytes that select() sees. SIGINT is read and means nothing."""
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A handler, not SIG_IGN: the servers would inherit that.
        signal.signal(number, lambda _number, _frame: None)
    return reader


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), signal.SIGKILL)


def _adopt_orphans() -> None:
    """What a server leaves behind when it dies becomes our child (PR_SET_CHILD_SUBREAPER): Airflow has many."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _end_orphans() -> None:
    """End what servers that are gone have left behind: with each that ends, its own children come to us."""
    while CHILDREN.exists() and (pids := CHILDREN.read_text().split()):
        for pid in map(int, pids):
            os.kill(pid, signal.SIGKILL)  # it is ours, and so not somebody else's, until we have waited for it
            os.waitpid(pid, 0)


def _say(message: dict[str, Any]) -> None:
    os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
