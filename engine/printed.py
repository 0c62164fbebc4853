"""What a plugin prints in a process of ours becomes log lines where the log is JSON: so each of its lines is."""

import contextlib
import io
import sys
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import structlog

from streamlake.engine.logs import LogFormat, LogLevel, bind_logs, bound_logs, configure_logs, configured_logs, log_to

log = structlog.get_logger("streamlake.printed")

Made = TypeVar("Made")

LINE_CHARS_MAX = 8192
"""What is printed without an end of line is said in pieces of this length."""


def log_what_is_printed() -> None:
    """From now on each line that Python code writes to standard output or standard error is a log line at `info`.

    What a C library writes by itself to the files 1 and 2 is not seen.
    """
    if sys.stderr is None:  # closed from the beginning: nobody reads a log either
        return
    log_to(sys.stderr)
    sys.stdout, sys.stderr = _Printed(), _Printed()


def flush_what_is_printed() -> None:
    """Say what has no end of line yet, before a process ends without an orderly end."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where it was closed from the beginning
        with contextlib.suppress(OSError, ValueError):  # its reader is gone
            stream.flush()


def apart(make: Callable[[], Made]) -> Callable[[], Made]:
    """As `make`, to be called in a child process, which logs as this one does; what it prints is no answer of ours.

    So it is logged where the log is JSON, and else it goes to standard error: standard output may be a command's JSON.
    """
    return partial(_made, make, configured_logs(), bound_logs())


def _made(make: Callable[[], Made], logs: tuple[LogFormat, LogLevel] | None, bound: dict[str, str]) -> Made:
    if logs is not None:
        configure_logs(*logs)
        bind_logs(**bound)
    if logs is not None and logs[0] == "json":
        log_what_is_printed()
    else:
        sys.stdout = sys.stderr
    try:
        return make()
    finally:  # whoever has its answer kills a child
        flush_what_is_printed()


class _Printed(io.TextIOBase):
    """A standard stream whose lines are logged; a flush says what there is of a line."""

    def __init__(self) -> None:
        self._begun = ""

    def write(self, text: str) -> int:
        """Log each whole line, and keep the rest for the next call."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            _say(line)
        if len(self._begun) > LINE_CHARS_MAX:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Log what was written since the last line's end."""
        rest, self._begun = self._begun, ""
        _say(rest)

    def writable(self) -> bool:
        """It is written to."""
        return True


def _say(line: str) -> None:
    if line.strip():
        log.info("output of a plugin", text=line)
