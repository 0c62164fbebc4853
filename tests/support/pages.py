"""A page's fenced blocks: commands that a test runs as they stand there, and files that the page tells to write."""

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass
class Page:
    """A page that a test follows from top to bottom, in one folder.

    `names` are those of topics on it, which are others where it is run: the Kafka is not ours alone. `varies` is what
    differs from day to day in what commands say. `instead` has other words of it, as a port, and what is run for them.
    """

    path: Path
    names: Sequence[str] = ()
    varies: "re.Pattern[str] | None" = None
    instead: Mapping[str, str] = field(default_factory=dict)
    said: str = ""
    """All that commands have said so far, with the names of the page."""
    unique: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def ours(self, text: str) -> str:
        """The text with the names that are run."""
        for name in self.names:
            text = text.replace(name, f"{name}-{self.unique}")
        for word, ours in self.instead.items():
            text = text.replace(word, ours)
        return text

    def follow(
        self,
        folder: Path,
        servers: str,
        *,
        not_run: Callable[[], None] = lambda: None,
        after: Callable[[str, str], None] = lambda _command, _said: None,
    ) -> None:
        """Write its files and run its commands; each line that it shows must be the beginning of one that was said.

        `not_run` is called in the place of a block that is not run, `after` with each command and what it said.
        """
        shown = ""
        for block in blocks(self.path.read_text()):
            text = self.ours(block.text)
            if block.mark == "file":
                (folder / block.what).write_text(text)
            elif block.mark == "not run":
                not_run()
            elif block.language == "text":
                shown += block.text
            else:
                done = run(text, folder, servers)
                assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
                said = f"{done.stdout}\n{done.stderr}\n".replace(f"-{self.unique}", "")
                after(text, said)
                self.said += said
        assert shown
        lines = self.lines
        missing = [line for line in self._plain(shown) if not any(there.startswith(line) for there in lines)]
        assert missing == [], self.said

    @property
    def lines(self) -> list[str]:
        """What was said, line by line, without how wide a column is and without what varies."""
        return self._plain("\n".join(map(_as_on_a_terminal, self.said.splitlines())))

    def check_blocks(self, *files: str, not_run: int = 0) -> None:
        """Every block is a command, an answer, or a file in one of these languages; so many are not run."""
        text = self.path.read_text()
        found = list(blocks(text))
        assert len(found) == text.count("```") / 2
        allowed = {("sh", ""), ("text", ""), *((language, "file") for language in files)}
        others = [block for block in found if (block.language, block.mark) not in allowed]
        assert [(block.language, block.mark) for block in others] == [("sh", "not run")] * not_run, others

    def _plain(self, text: str) -> list[str]:
        return [" ".join((self.varies.sub("…", line) if self.varies else line).split()) for line in text.splitlines()]


def _as_on_a_terminal(line: str) -> str:
    """A page shows why a command failed as a terminal does; in a pipe that is a line of the log."""
    if not line.startswith("{"):
        return line
    try:
        told = json.loads(line)
    except ValueError:
        return line
    return str(told["why"]) if told.get("event") == "the command failed" else line
