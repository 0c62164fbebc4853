"""What a proof says: its defects by kind and place, its totals, and what it could not look at."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from streamlake.engine.errors import LedgerDamagedError
from streamlake.engine.records import OffsetRange, TopicPartition

DefectKind = Literal[
    "missing",
    "unpublished",
    "altered",
    "rows",
    "order",
    "hole",
    "duplicate",
    "foreign",
    "value",
    "stray",
    "ledger",
    "run",
    "nothing",
]

MEANINGS: Mapping[DefectKind, str] = {
    "missing": "a committed file is gone",
    "unpublished": "a committed file was never given its final name, though later entries follow",
    "altered": "a file is not the bytes that were committed, or can't be read",
    "rows": "a file holds another number of rows than its entry says",
    "order": "the rows of a file do not ascend by offset",
    "hole": "offsets are in no row, no dead letter, no counted skip and no recorded hole",
    "duplicate": "offsets, files or ranges stand twice",
    "foreign": "rows or files that do not belong where they stand",
    "value": "what landed is not what the topic holds",
    "stray": "a file that no ledger entry names: readers see its rows, nobody committed them",
    "ledger": "a ledger entry is damaged, missing, or contradicts itself or its neighbour",
    "run": "a run file is damaged, or is not the one that the ledger was begun under",
    "nothing": "there is nothing here to prove",
}
"""Every kind of defect, as a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong, and where: as much of run, partition, offsets and path as is known."""

    kind: DefectKind
    message: str
    run: str | None = None
    source: TopicPartition | None = None
    offsets: OffsetRange | None = None
    path: str | None = None

    def place(self) -> str:
        """Where it is, for a person: `orders/3 [10, 20) raw/orders/….parquet`, less what the message begins with."""
        path = self.path if self.path is None or not self.message.startswith(self.path) else None
        parts = (self.source, self.offsets, path)
        return " ".join(str(part) for part in parts if part is not None) or (self.run or "")


def damage_defect(damage: LedgerDamagedError, run: str | None = None, source: TopicPartition | None = None) -> Defect:
    """A ledger or run file that can't be read, as a defect; its message names the path, and so does the defect."""
    named = re.search(r"_(?P<what>ledger|runs)/\S+?\.json(l\.xz)?", str(damage))
    kind: DefectKind = "run" if named is not None and named["what"] == "runs" else "ledger"
    return Defect(kind, str(damage), run, source, path=named[0] if named is not None else None)


@dataclass(slots=True)
class ProofTotals:
    """What was looked at; counts of offsets unless their name says otherwise. `bytes` is the size of the files.

    `beside` are offsets that readers of `raw/` don't see: of replays, and of what was superseded. They are proven as
    all others, and not counted among them.
    """

    runs: int = 0
    partitions: int = 0
    entries: int = 0
    files: int = 0
    bytes: int = 0
    offsets: int = 0
    rows: int = 0
    dead_letters: int = 0
    skipped: int = 0
    holes: int = 0
    gaps: int = 0
    beside: int = 0


@dataclass(slots=True)
class KafkaTotals:
    """What `--kafka` compared, in offsets: `expired` ones are no longer kept, `vanished` ones were compacted away.

    `pending` ones are in the topics and have not landed yet: they are no defect, and nothing is proven of them.
    """

    compared: int = 0
    values: int = 0
    expired: int = 0
    vanished: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Proof:
    """The result: it holds when there is no defect of any kind.

    `defects` keeps the first ones up to the limit, `counts` counts all. `notes` are sentences about what is no defect
    but should be known: what could not be compared, what is not published yet.
    """

    totals: ProofTotals
    counts: Mapping[DefectKind, int]
    defects: Sequence[Defect]
    notes: Sequence[str]
    seconds: float
    quick: bool = False
    since: datetime | None = None
    kafka: KafkaTotals | None = None

    @property
    def holds(self) -> bool:
        """Nothing missing, nothing twice, nothing altered, nothing astray."""
        return not self.counts


@dataclass(slots=True)
class Findings:
    """Where a proof under way puts what it finds; keeps the first `limit` defects and counts the others."""

    limit: int
    totals: ProofTotals = field(default_factory=ProofTotals)
    counts: Counter[DefectKind] = field(default_factory=Counter)
    defects: list[Defect] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, defect: Defect) -> None:
        """Count a defect, and keep it while there is room."""
        self.counts[defect.kind] += 1
        if len(self.defects) < self.limit:
            self.defects.append(defect)

    def add_all(self, defects: Iterable[Defect]) -> None:
        """Count several."""
        for defect in defects:
            self.add(defect)
