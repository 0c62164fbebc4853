"""Starts servers through a guardian process, so that none of them outlives the process that wanted it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from streamlake.engine.errors import LocalError
from streamlake.engine.local import guardian

CLEAN_UP_SECONDS_MAX = 30.0


class GuardedProcesses:
    """Servers by name, in one folder: a given one, or a temporary one that goes with them.

    Made, it has a guardian running (`guardian.py` says what that promises). May be used from several threads; a forked
    child's copy does nothing. Raises LocalError when the folder is in use by another, or the guardian is gone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._owner_pid = os.getpid()
        self._temporary = False  # until it is made
        self._lock = Lock()
        # -I -S: nothing of the user's environment or site-packages is imported; it is up in 30 ms.
        self._guardian = subprocess.Popen(  # noqa: S603  our own file
            [sys.executable, "-I", "-S", guardian.__file__, str(os.getpid()), str(folder or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # inherited, it would keep a pipe of the starter's open after its death
            start_new_session=True,
        )
        answer = self._read_answer()
        if "error" in answer:
            self.close()
            raise LocalError(
                f"{folder} is in use by another server that still runs; stop that one, or name another folder"
            )
        self.folder = Path(answer["folder"])
        self._temporary = folder is None

    def spawn(self, name: str, command: Sequence[str], output: Path) -> int:
        """Starts `command` as `name`, its standard output and error appended to `output`; gives its pid."""
        answer = self._ask(do="spawn", name=name, command=list(command), output=str(output))
        if "error" in answer:
            raise LocalError(f"{command[0]} can't be started: {answer['error']}")
        return int(answer["pid"])

    def send_signal(self, name: str, number: signal.Signals) -> int | None:
        """Sends a signal unless the process has ended; gives its return code (negative: signal), None if it runs."""
        return self._returncode(do="signal", name=name, signal=int(number))

    def wait(self, name: str, seconds: float = 0.0) -> int | None:
        """Waits at most `seconds` for the end of the process; gives its return code, None if it runs."""
        return self._returncode(do="wait", name=name, seconds=seconds)

    def close(self) -> None:
        """Ends every process with SIGKILL and removes a temporary folder; all is gone on return. Twice is fine."""
        if os.getpid() != self._owner_pid:
            return
        with self._lock:
            assert self._guardian.stdin is not None
            assert self._guardian.stdout is not None
            self._guardian.stdin.close()
            self._guardian.wait(CLEAN_UP_SECONDS_MAX)
            self._guardian.stdout.close()
            if self._temporary:  # still there only if somebody killed the guardian
                shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _returncode(self, **request: object) -> int | None:
        returncode: int | None = self._ask(**request)["returncode"]
        return returncode

    def _ask(self, **request: object) -> dict[str, Any]:
        if os.getpid() != self._owner_pid:
            raise LocalError("a local server belongs to the process that started it, not to a forked child")
        with self._lock:
            assert self._guardian.stdin is not None
            try:
                self._guardian.stdin.write(json.dumps(request).encode() + b"\n")
                self._guardian.stdin.flush()
            except (OSError, ValueError) as error:  # ValueError: closed by us
                raise LocalError("the local server has been stopped") from error
            return self._read_answer()

    def _read_answer(self) -> dict[str, Any]:
        assert self._guardian.stdout is not None
        line = self._guardian.stdout.readline()
        if not line:
            raise LocalError("the guardian of the local server is gone; its servers went with it")
        answer: dict[str, Any] = json.loads(line)
        return answer
