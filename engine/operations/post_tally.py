"""What became of the records that were posted: counted as the answers come, and so far at any moment."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from streamlake.engine.operations.post_answers import Result

REASONS_MAX = 100
OTHER_REASONS = "(other reasons)"

End = Literal["refused", "unknown", "failed"]


@dataclass(frozen=True, slots=True)
class Record:
    """One record to post; `index` is that of its line in the file, from 0, blank lines counted."""

    index: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one request; sent again, it has the same `key`.

    `uncertain`: an earlier sending may have been stored. That stays so, whatever is answered to a later one, unless it
    settles the records.
    """

    key: str
    records: Sequence[Record]
    uncertain: bool = False

    def part(self, places: Sequence[int]) -> "Batch":
        """Some of the records, under a key of their own: whose records have other places must not share a key.

        The edge marks each record with the key and its place in the request. Under the same key a reader who
        recognises repetitions would take one record for another, and drop it.
        """
        if len(places) == len(self.records):
            return self
        return replace(self, key=f"{self.key}.{places[0]}", records=[self.records[place] for place in places])


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """A record that the edge refused; its value is in the dead-letter topic."""

    index: int
    reason: str
    field: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of the records: `sent = stored + refused + unknown + failed`; wall clock seconds.

    `unknown` may be stored or not; `failed` are certainly not. `repeated` were sent again although an earlier sending
    may have been stored: they may be there twice. `retried` counts requests. `reasons` has the refusal reasons, and a
    sentence for each way in which records failed or became unknown; `refused_records` has the first ones refused.
    """

    sent: int
    stored: int
    refused: int
    unknown: int
    failed: int
    repeated: int
    retried: int
    seconds: float
    reasons: Mapping[End, Mapping[str, int]]
    refused_records: Sequence[RefusedRecord]

    @property
    def all_stored(self) -> bool:
        """Nothing is left to look after."""
        return self.stored == self.sent


@dataclass(slots=True)
class Tally:
    """Counts what became of the records. `refused_kept_max` is how many of the refused ones are kept."""

    refused_kept_max: int = 0
    stored: int = 0
    repeated: int = 0
    retried: int = 0
    seconds: float = 0.0
    ends: Counter[End] = field(default_factory=Counter)
    reasons: dict[End, Counter[str]] = field(default_factory=dict)
    refused_records: list[RefusedRecord] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """Records whose end is known, or known to be unknown."""
        return self.stored + self.ends.total()

    def answered(self, batch: Batch, results: Sequence[Result]) -> Batch | None:
        """Count the edge's results, one a record and in order; the batch of those it calls unknown, if any."""
        for record, result in zip(batch.records, results, strict=True):
            if result.status == "stored":
                self.stored += 1
            elif result.status == "refused":
                self._refused(record, result)
        unknown = [place for place, result in enumerate(results) if result.status == "unknown"]
        return batch.part(unknown) if unknown else None

    def uncertain(self, batch: Batch) -> Batch:
        """The batch as one that is about to be sent again although it may have been stored."""
        if not batch.uncertain:
            self.repeated += len(batch.records)
        return replace(batch, uncertain=True)

    def ended(self, batch: Batch, why: str, *, stored_perhaps: bool) -> None:
        """Nothing more is done for the batch; what was uncertain before is not made certain by a later failure."""
        end: End = "unknown" if stored_perhaps or batch.uncertain else "failed"
        self._count(end, why, len(batch.records))

    def posted(self) -> Posted:
        """What became of the records so far."""
        return Posted(
            sent=self.sent,
            stored=self.stored,
            refused=self.ends["refused"],
            unknown=self.ends["unknown"],
            failed=self.ends["failed"],
            repeated=self.repeated,
            retried=self.retried,
            seconds=self.seconds,
            reasons={end: dict(counted.most_common()) for end, counted in self.reasons.items()},
            refused_records=tuple(self.refused_records),
        )

    def _refused(self, record: Record, result: Result) -> None:
        self._count("refused", result.reason, 1)
        if len(self.refused_records) < self.refused_kept_max:
            self.refused_records.append(RefusedRecord(record.index, result.reason, result.field, result.message))

    def _count(self, end: End, why: str, records: int) -> None:
        self.ends[end] += records
        counted = self.reasons.setdefault(end, Counter())
        counted[why if why in counted or len(counted) < REASONS_MAX else OTHER_REASONS] += records
