"""What a comparison of two runs says: what became of each offset here and there, and whose values differ."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from streamlake.engine.records import OffsetRange, TopicPartition

Fate = Literal["landed", "refused", "skipped", "hole", "given up", "not read"]

WITH_ROWS: tuple[Fate, ...] = ("landed", "refused")
"""The fates that leave a row in a file; all others leave nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an offset in one run; `reason` and `field` are those of a refused one."""

    fate: Fate
    reason: str | None = None
    field: str | None = None

    def __str__(self) -> str:
        why = ", ".join(filter(None, (self.reason, self.field)))
        return f"{self.fate} ({why})" if why else self.fate


@dataclass(frozen=True, slots=True)
class OutcomePair:
    """How many offsets had one outcome here and one there. Of those that landed in both only the values can differ."""

    here: Outcome
    there: Outcome
    offsets: int

    @property
    def differs(self) -> bool:
        """Whether there is a row in one of the two that the other has not, or has for another reason."""
        return outcomes_differ(self.here, self.there)


@dataclass(frozen=True, slots=True)
class Example:
    """One offset that differs. The texts are those of differing values, cut; JSON of the columns where these differ."""

    source: TopicPartition
    offset: int
    here: Outcome
    there: Outcome
    here_value: str | None = None
    there_value: str | None = None


@dataclass(frozen=True, slots=True)
class PartitionDiff:
    """One partition: the range that was compared, and counts of its offsets by what differs."""

    source: TopicPartition
    range: OffsetRange
    same: int
    outcomes: int
    values: int
    not_compared: int

    @property
    def differences(self) -> int:
        """Offsets that differ."""
        return self.outcomes + self.values


@dataclass(frozen=True, slots=True)
class ReplayDiff:
    """Two runs compared over the range of the first: `run` is here, `against` (a run, or `live`) there.

    `pairs` are the outcomes, the most frequent first. Of what landed in both `values_same` and `values_differ` were
    compared, `values_not_compared` can't be: the columns of the two are not of one kind. `columns_apart` are typed
    columns that only one side has, or has with another type: they were left out.
    """

    run: str
    against: str
    partitions: Sequence[PartitionDiff]
    pairs: Sequence[OutcomePair]
    values_same: int
    values_differ: int
    values_not_compared: int
    columns_apart: Sequence[str]
    examples: Sequence[Example] = ()
    remarks: Sequence[str] = field(default=())

    @property
    def rows(self) -> int:
        """Offsets that have a row in one run at least."""
        return sum(pair.offsets for pair in self.pairs if {pair.here.fate, pair.there.fate} & {*WITH_ROWS})

    @property
    def differences(self) -> int:
        """Offsets that differ, in what became of them or in their values."""
        return self.values_differ + sum(pair.offsets for pair in self.pairs if pair.differs)

    @property
    def same(self) -> bool:
        """Whether nothing differs of all that can be compared."""
        return not self.differences and not self.columns_apart


def outcomes_differ(here: Outcome, there: Outcome) -> bool:
    """Whether one of them left a row that the other did not leave, or was refused for another reason."""
    return here != there and (here.fate in WITH_ROWS or there.fate in WITH_ROWS)
