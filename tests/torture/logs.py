"""What the engines said, and could not have said if all were right: bugs, damage that nobody did, and false witness."""

import json
import lzma
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from support.engine import BUGS_SHOW_AS
from torture.world import ENTRIES_PER_FOLDER

DAMAGE_SHOWS_AS = (
    "later entries of this ledger are there",
    "and all after it are missing; those before it are there",
    "one of the two was altered",
    "was altered: ",
    "cut short or altered",
    "does not hold the entries of its folder",
    "holds other bytes than its ledger entry says",
    "committed, but neither ",
)
"""In a tortured world nobody tampers: whoever says that something was altered or is missing is wrong, or did it."""

FENCED = re.compile(
    r"(?P<topic>[\w.]+)/(?P<partition>\d+): another writer has taken ledger entry (?P<seq>\d+) of run (?P<run>[\w-]+);"
    r" nothing of this one's (?P<kind>\w+) was committed \(writer (?P<writer>[\w-]+)\)"
)


def lies_in(logs: Sequence[Path], lake: Path, entries_per_folder: int = ENTRIES_PER_FOLDER) -> list[str]:
    """Each thing that was said and can't be right, as a sentence."""
    found = []
    for log in logs:
        text = log.read_text(errors="replace") if log.exists() else ""
        found += [f"bug: {bug!r} in {log.name}" for bug in BUGS_SHOW_AS if bug in text]
        for line in text.splitlines():
            found += [f"damage: {log.name} says {line[:300]}" for sign in DAMAGE_SHOWS_AS if sign in line]
            found += [f"false: {said[0]}; it stands there" for said in _false(line, lake, entries_per_folder)]
    return found


def _false(line: str, lake: Path, entries_per_folder: int) -> "Iterator[re.Match[str]]":
    """Where a writer was told that its slot is another's, and it is its own: what it wrote there counts."""
    for said in FENCED.finditer(line):
        ledger = lake / "_ledger" / said["run"] / said["topic"] / f"{int(said['partition']):05d}"
        seq = int(said["seq"])
        entry = _entry(ledger, seq // entries_per_folder, seq)
        if entry is not None and entry["writer"] == said["writer"]:
            yield said


def _entry(ledger: Path, folder: int, seq: int) -> dict[str, Any] | None:
    """Entry `seq` as plain JSON, from its folder's segment, or from its slot where there is none."""
    for _ in range(2):
        try:
            if (segment := ledger / f"{folder:08d}.jsonl.xz").exists():
                lines = lzma.decompress(segment.read_bytes()).splitlines()
                return dict(next(entry for entry in map(json.loads, lines) if entry["seq"] == seq))
            return dict(json.loads((ledger / f"{folder:08d}" / f"{seq:012d}.json").read_bytes()))
        except FileNotFoundError:
            continue  # folded between the two looks, or nowhere: a power cut took it
    return None
