"""What the demo counts, by different ways that have to agree: the generator, the ledger, the files, the topic."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from streamlake.engine.local.orders import broken_counts

REASONS: Mapping[str, str] = {
    "bad_utf8": "malformed",
    "cut_off": "malformed",
    "too_deep": "malformed",
    "empty": "malformed",
    "wrong_type": "invalid",
    "missing_field": "invalid",
    "negative_amount": "invalid",
    "unknown_currency": "invalid",
    "bad_date": "invalid",
    "too_large": "oversize",
}
"""Why a generated record of each broken kind has to be refused (DESIGN §6)."""

Row = tuple[int, int, int, int, int]
"""Partition, rows, different offsets, first and last offset."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What the generator says it made."""

    records: int
    tombstones: int
    by_reason: Counter[str]  # which, unlike a dict, takes none for 0

    @classmethod
    def of(cls, records: int, broken_ratio: float, tombstone_ratio: float) -> "Generated":
        """As `streamlake produce --generate orders` with the same numbers."""
        counts = broken_counts(records, broken_ratio, tombstone_ratio)
        tombstones = counts.pop("tombstone")
        by_reason: Counter[str] = Counter()
        for kind, count in counts.items():
            by_reason[REASONS[kind]] += count
        return cls(records, tombstones, by_reason)

    def __add__(self, other: "Generated") -> "Generated":
        """Both."""
        by_reason = self.by_reason + other.by_reason
        return Generated(self.records + other.records, self.tombstones + other.tombstones, by_reason)

    @property
    def broken(self) -> int:
        """How many are to be refused."""
        return sum(self.by_reason.values())


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the ledger says became of all offsets."""

    landed: int
    refused: int
    skipped: int

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> "Ledger":
        """From `streamlake status --json`."""
        partitions = status["partitions"]
        return cls(*(sum(one[name] for one in partitions) for name in ("landed", "refused", "skipped")))

    @property
    def all(self) -> int:
        """Every offset that was delivered."""
        return self.landed + self.refused + self.skipped


@dataclass(frozen=True, slots=True)
class Letters:
    """Dead letters of one source: by reason, each place counted once, and how many copies there were."""

    by_reason: Counter[str]  # which, unlike a dict, takes none for 0
    copies: int
    example: str

    @classmethod
    def of(cls, letters: Iterable[Mapping[str, Any]]) -> "Letters":
        """From the lines of `streamlake dead list --json`; `example` is the place of an invalid one.

        What the HTTP edge refused never had an offset in the topic, and is not among them.
        """
        places: dict[str, str] = {}
        copies = 0
        for letter in letters:
            if letter["run"] == "http":
                continue
            copies += 1
            places[f"{letter['topic']}/{letter['partition']}/{letter['offset']}"] = letter["reason"]
        example = next((place for place, reason in places.items() if reason == "invalid"), "")
        return cls(Counter(places.values()), copies, example)

    @property
    def records(self) -> int:
        """How many different records they are of."""
        return sum(self.by_reason.values())

    def __str__(self) -> str:
        return ", ".join(f"{count} {reason}" for reason, count in sorted(self.by_reason.items()))
