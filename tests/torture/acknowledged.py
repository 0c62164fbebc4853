"""What writers were told is in the ledger has to stay there: each acknowledged entry, in its slot or its segment.

The faulty disk writes it down, a line `run topic partition seq writer` for each entry whose append came back; so a
claim counts, too, that was told of by nothing else. Reads the ledger as JSON: no code of the engine's.
"""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from support.account import entries_of_folder
from torture.world import ENTRIES_PER_FOLDER

FAULTS_KEPT = 20

Told = tuple[str, str, int, int, str]
"""Run, topic, partition, number of the entry, writer."""


class Acknowledged:
    """Follows the file and holds each line against the ledger; `faults` are those that are not there."""

    def __init__(self, file: Path, lake: Path, entries_per_folder: int = ENTRIES_PER_FOLDER) -> None:
        self.faults: list[str] = []
        self._file, self._lake, self._entries_per_folder = file, lake, entries_per_folder
        self._told: list[Told] = []

    def look(self, *, thoroughly: bool = False) -> int:
        """Look for what was acknowledged since the last look; `thoroughly` for all. How many there are in all."""
        text = self._file.read_text()
        lines = text[: text.rfind("\n") + 1].splitlines()  # the last may be half written
        new = [_told(line) for line in lines[len(self._told) :]]
        self._told += new
        self._check(self._told if thoroughly else new)
        return len(self._told)

    def _check(self, told: Iterable[Told]) -> None:
        for (run, topic, partition, folder), same_folder in groupby(sorted(told), self._folder_of):
            entries = entries_of_folder(self._lake / "_ledger" / run / topic / f"{partition:05d}", folder)
            for *_, seq, writer in same_folder:
                stands = entries[seq]["writer"] if seq in entries else "nobody"
                if stands != writer and len(self.faults) < FAULTS_KEPT:
                    place = f"ledger entry {seq} of {topic}/{partition} in run {run}"
                    self.faults.append(f"acknowledged: {place} to writer {writer}, and {stands}'s is there")

    def _folder_of(self, told: Told) -> tuple[str, str, int, int]:
        run, topic, partition, seq, _ = told
        return run, topic, partition, seq // self._entries_per_folder


def acknowledged_beside(disk: Path) -> Path:
    """The file beside the one that controls the faulty disk; kept only while it is there."""
    return disk.with_suffix(".acknowledged")


def _told(line: str) -> Told:
    run, topic, partition, seq, writer = line.split()
    return run, topic, int(partition), int(seq), writer
