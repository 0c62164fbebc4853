"""What the engines said, and could not have said if all were right: bugs, damage that nobody did, and false witness."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from support.account import entries_of_folder
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
    "committed, but the file is gone",
)
"""In a tortured world nobody tampers: whoever says that something was altered or is missing is wrong, or did it."""

BEFORE_CHARACTERS, AFTER_CHARACTERS = 500, 4000
"""Of a log, around a bug."""

FENCED = re.compile(
    r"(?P<topic>[\w.]+)/(?P<partition>\d+): another writer has taken ledger entry (?P<seq>\d+) of run (?P<run>[\w-]+);"
    r" nothing of this one's (?P<kind>\w+) was committed \(writer (?P<writer>[\w-]+)\)"
)


def lies_in(logs: Sequence[Path], lake: Path, entries_per_folder: int = ENTRIES_PER_FOLDER) -> list[str]:
    """Each thing that was said and can't be right, as a sentence."""
    found = []
    for log in logs:
        text = log.read_text(errors="replace") if log.exists() else ""
        found += [f"bug: {log.name} says {_around(text, bug)}" for bug in BUGS_SHOW_AS if bug in text]
        for line in text.splitlines():
            found += [f"damage: {log.name} says {line[:300]}" for sign in DAMAGE_SHOWS_AS if sign in line]
            found += [f"false: {said[0]}; it stands there" for said in _false(line, lake, entries_per_folder)]
    return found


def _around(text: str, bug: str) -> str:
    """What was said before it and after it: the log goes with the run's folder."""
    at = text.index(bug)
    return text[max(0, at - BEFORE_CHARACTERS) : at + AFTER_CHARACTERS]


def _false(line: str, lake: Path, entries_per_folder: int) -> "Iterator[re.Match[str]]":
    """Where a writer was told that its slot is another's, and it is its own: what it wrote there counts."""
    for said in FENCED.finditer(line):
        ledger = lake / "_ledger" / said["run"] / said["topic"] / f"{int(said['partition']):05d}"
        seq = int(said["seq"])
        entry = entries_of_folder(ledger, seq // entries_per_folder).get(seq)
        if entry is not None and entry["writer"] == said["writer"]:
            yield said
