"""A program on a pseudo-terminal, and the screen it draws, as a terminal emulator has it."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import pyte

WAIT_SECONDS = 30.0
ALTERNATE = 1049 << 5
"""The mode of the alternate screen, as pyte numbers private ones."""


class Screen:
    """Runs `command` with a terminal of that size; `lines` is what a person would see now."""

    def __init__(
        self, command: Sequence[str], columns: int = 80, lines: int = 24, env: Mapping[str, str] | None = None
    ) -> None:
        self._main, child = pty.openpty()
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self._set_size(columns, lines)
        self.modes_before = termios.tcgetattr(child)
        environment = {**os.environ, "TERM": "xterm-256color", **(env or {})}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            command,
            stdin=child,
            stdout=child,
            stderr=child,
            env={**environment, **(env or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # one call, and no lock
        )
        self._child = child

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(WAIT_SECONDS)
        os.close(self._main)
        os.close(self._child)

    @property
    def lines(self) -> list[str]:
        """The rows of the screen without what is empty at their ends."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """The whole screen."""
        return "\n".join(self.lines)

    @property
    def buffer(self) -> Any:
        """The cells, row by row, with their colours: `buffer[row][column]`."""
        return self._screen.buffer

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        return self._screen.columns, self._screen.lines

    @property
    def modes(self) -> list[Any]:
        """How the terminal is set now (termios)."""
        return termios.tcgetattr(self._child)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._main, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Make the terminal another size, which the program is told by a signal."""
        self._screen.resize(lines, columns)
        self._set_size(columns, lines)

    def wait_for(self, what: str | Callable[[str], bool], seconds: float = WAIT_SECONDS) -> str:
        """Wait until the screen shows it, or until it is true of the screen's text; the text."""
        matches = (lambda text: what in text) if isinstance(what, str) else what
        until = time.monotonic() + seconds
        while not matches(self.text):
            if not self._read(until - time.monotonic()):
                raise AssertionError(f"not seen within {seconds:g} s: {what}; the screen:\n{self.text}")
        return self.text

    def end(self, seconds: float = WAIT_SECONDS) -> int:
        """Read on until the program has ended; its exit code."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < until, f"not ended within {seconds:g} s; the screen:\n{self.text}"
            self._read(0.05)
        while self._read(0.05):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        """Take in what was drawn; False where nothing came in that time."""
        if seconds <= 0 or not select.select([self._main], [], [], seconds)[0]:
            return False
        piece = os.read(self._main, 65536)
        self.raw += piece
        self._stream.feed(piece)
        return True

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
