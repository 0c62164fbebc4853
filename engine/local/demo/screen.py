"""What the demo shows: headings, commands and their output, in colour on a terminal and as plain text in a pipe."""

import os
import shlex
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO

from streamlake.engine.local.demo.recording import Chapter, Recording

WIDTH = 100
BOLD, DIM, GREEN, RED, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"


class Screen:
    """Tells stories in numbered steps, and keeps them. Every line is out at once: a pipe sees it when it happens."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._colours = self._out.isatty() and "NO_COLOR" not in os.environ  # https://no-color.org
        self._steps = 0
        self.recording = Recording()

    def chapter(self, name: str, title: str) -> Chapter:
        """Begin a story; its steps are counted from 1."""
        self._steps = 0
        bar = "═" * WIDTH
        self._line(f"\n{bar}\n{self._in(BOLD, title)}  {self._in(DIM, f'STORY={name}')}\n{bar}")
        return self.recording.begin(name, title)

    def step(self, title: str) -> None:
        """Begin the next step; the seconds since the start stand beside it."""
        self._steps += 1
        seconds = f"{self.recording.now:5.1f} s"
        self.recording.tell("step", title)
        self._line(f"\n{self._in(BOLD, f'{self._steps}. {title}')}  {self._in(DIM, seconds)}")

    def say(self, text: str) -> None:
        """A sentence or some, wrapped."""
        text = " ".join(text.split())
        self.recording.tell("say", text)
        for line in textwrap.wrap(text, WIDTH):
            self._line(line)

    def command(self, arguments: Sequence[str]) -> None:
        """A command as a user would type it."""
        typed = " ".join(map(_as_typed, arguments))
        self.recording.tell("command", typed)
        self._line(self._in(BOLD, f"  $ {typed}"))

    def output(self, lines: Iterable[str]) -> None:
        """What a command printed."""
        for line in lines:
            self.recording.tell("output", line.rstrip())
            self._line(f"    {line}".rstrip())

    def event(self, text: str) -> None:
        """Something that happens while a command runs."""
        self.recording.tell("event", text)
        self._line(self._in(DIM, f"    {text}"))

    def checked(self, sentence: str, *, holds: bool) -> None:
        """A sentence that was checked, and whether it is true."""
        self.recording.tell("ok" if holds else "wrong", sentence)
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
