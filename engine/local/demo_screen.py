"""What the demo shows: headings, commands and their output, in colour on a terminal and as plain text in a pipe."""

import os
import shlex
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

WIDTH = 100
BOLD, DIM, GREEN, RED, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"


class Screen:
    """Tells a story in numbered steps. Every line is out at once, so that a pipe sees it when it happens."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._colours = self._out.isatty() and "NO_COLOR" not in os.environ  # https://no-color.org
        self._steps = 0
        self._began = time.monotonic()

    def step(self, title: str) -> None:
        """Begin the next step; the seconds since the start stand beside it."""
        self._steps += 1
        seconds = f"{time.monotonic() - self._began:5.1f} s"
        self._line(f"\n{self._in(BOLD, f'{self._steps}. {title}')}  {self._in(DIM, seconds)}")

    def say(self, text: str) -> None:
        """A sentence or some, wrapped."""
        for line in textwrap.wrap(" ".join(text.split()), WIDTH):
            self._line(line)

    def command(self, arguments: Sequence[str]) -> None:
        """A command as a user would type it."""
        self._line(self._in(BOLD, f"  $ {' '.join(map(_as_typed, arguments))}"))

    def output(self, lines: Iterable[str]) -> None:
        """What a command printed."""
        for line in lines:
            self._line(f"    {line}".rstrip())

    def event(self, text: str) -> None:
        """Something that happens while a command runs."""
        self._line(self._in(DIM, f"    {text}"))

    def checked(self, sentence: str, *, holds: bool) -> None:
        """A sentence that was checked, and whether it is true."""
        mark = self._in(GREEN, "   ok") if holds else self._in(RED, "WRONG")
        self._line(f"  {mark}  {sentence}")

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{PLAIN}" if self._colours else text

    def _line(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


def _as_typed(argument: str) -> str:
    """Quoted where a shell needs it; `0.4%` and `a=b` need it not."""
    return argument if argument.replace("%", "").replace("=", "").isalnum() else shlex.quote(argument)
