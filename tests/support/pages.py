"""A page's fenced blocks: commands that a test runs as they stand there, and files that the page tells to write."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run|file): (?P<what>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the mark above it: `file: NAME` or `not run: why`."""

    language: str
    text: str
    mark: str
    what: str


def blocks(text: str) -> Iterator[Block]:
    """Every fenced block of a page, in order."""
    for found in BLOCK.finditer(text):
        yield Block(found["language"], found["text"], found["mark"] or "", found["what"] or "")


def run(script: str, folder: Path, servers: str) -> "subprocess.CompletedProcess[str]":
    """Run a block as a shell does that stops at the first error."""
    tools = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "KAFKA_BOOTSTRAP_SERVERS": servers}
    command = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
