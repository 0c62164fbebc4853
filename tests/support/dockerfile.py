"""Reads a Dockerfile into its instructions, and makes the context that a build would see."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from support.source import ROOT, source_files


@dataclass(frozen=True)
class Instruction:
    """One instruction: its word, and what follows on one line."""

    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        """What follows: a JSON list, or words without the options before them."""
        if self.rest.startswith("["):
            return [str(word) for word in json.loads(self.rest)]
        return [word for word in self.rest.split() if not word.startswith("--")]


def instructions(path: Path) -> Iterator[Instruction]:
    """In order, lines that go on with a backslash joined."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield Instruction(word, rest.strip())


def context(to: Path) -> None:
    """Copy what .dockerignore lets through of a clean checkout to the folder `to`."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    for path in source_files():
        if _is_sent(path, patterns):
            target = to / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, target)


def _is_sent(path: Path, patterns: list[str]) -> bool:
    """The last pattern that fits the path or a folder above it decides."""
    sent = True
    for pattern in patterns:
        name = pattern.removeprefix("!")
        parts = [str(one) for one in (path, *path.parents)]
        if any(fnmatch(part, name) or fnmatch(f"/{part}", name.replace("**/", "*/")) for part in parts):
            sent = pattern.startswith("!")
    return sent
