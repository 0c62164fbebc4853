"""What the ledger of one partition says of a range of offsets: by its totals, and not by every entry."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, Head
from streamlake.engine.operations.ledger_search import committed_since, first_seq_where, reaches
from streamlake.engine.records import OffsetRange, TopicPartition

PACE_ENTRIES = 64
"""How many of the newest entries tell how fast a worker lands."""


@dataclass(frozen=True, slots=True)
class Fates:
    """What became of offsets: each of them is in one of the first six. `file_bytes` are those of raw and dead files."""

    landed: int = 0
    refused: int = 0
    skipped: int = 0
    holes: int = 0
    given_up: int = 0
    not_read: int = 0
    file_bytes: int = 0

    def __add__(self, other: "Fates") -> "Fates":
        return Fates(*(getattr(self, name) + getattr(other, name) for name in Fates.__slots__))

    def __sub__(self, other: "Fates") -> "Fates":
        return Fates(*(getattr(self, name) - getattr(other, name) for name in Fates.__slots__))

    @property
    def records(self) -> int:
        """Messages that the broker delivered."""
        return self.landed + self.refused + self.skipped

    @property
    def accounted(self) -> int:
        """Offsets that the ledger knows: all but those that were not read."""
        return self.records + self.holes + self.given_up


@dataclass
class LivePartition:
    """One partition of one run, of which the newest entries are read, and those at the edges of what is asked for."""

    ledger: Ledger
    run: str
    source: TopicPartition
    _seen: dict[int, Entry] = field(default_factory=dict)

    @cached_property
    def head(self) -> Head:
        """The newest entry, read once. Raises LedgerDamagedError."""
        return self.ledger.head(self.run, self.source)

    @cached_property
    def range(self) -> OffsetRange:
        """The offsets that the ledger accounts for."""
        return OffsetRange(self.head.next - self._total.accounted, self.head.next)

    @property
    def topic_id(self) -> str | None:
        """The topic that was read; None before the first entry."""
        return self.head.topic_id

    def fates(self, wanted: OffsetRange) -> Fates:
        """What became of the offsets `wanted`, at the cost of an entry for each edge.

        Where an edge falls into an entry with both landed and refused records, how many of each lie inside is
        estimated by its share: which offsets were refused stands in the dead-letter file alone.
        """
        known = _overlap(wanted, self.range)
        found = self._below(known.next) - self._below(known.first) if known else Fates()
        return found + Fates(not_read=len(wanted) - len(known))

    def cuts_an_entry(self, wanted: OffsetRange) -> bool:
        """Whether `fates` of this range are estimated in part."""
        edges = [edge for edge in (wanted.first, wanted.next) if edge in self.range]
        cut = [entry for edge in edges if (entry := self._entry_at(edge)).first < edge]
        return any(entry.landed and entry.refused for entry in cut)

    def offset_at(self, timestamp_ms: int, below: int, *, behind: bool) -> int | None:
        """Where the first landed record of that time or later lies among the offsets below `below`; None: nowhere.

        The ledger knows the times of files and not of rows: inside of one the answer is its first offset, or with
        `behind` the one behind it. What was committed before that time is not looked at.
        """
        if self.head.last is None:
            return None
        since = committed_since(datetime.fromtimestamp(timestamp_ms / 1000, UTC))
        first_seq = first_seq_where(self.ledger, self.run, self.source, since, seq_end=self.head.seq + 1)
        for entry in self.ledger.entries(self.run, self.source, first_seq):
            if entry.first >= below:
                return None
            latest = [file.timestamp_ms_max for file in entry.files if file.timestamp_ms_max is not None]
            if max(latest, default=-1) >= timestamp_ms:
                earliest = [file.timestamp_ms_min for file in entry.files if file.timestamp_ms_min is not None]
                inside = min(earliest) < timestamp_ms
                return min(entry.next, below) if behind and inside else entry.first
        return None

    def pace(self) -> float | None:
        """Records a second between two commits of one worker, as fast as it was seen lately; None where it was not.

        Only batches at least half as large as the largest count: a small one may have come right behind another.
        """
        newest = list(self.ledger.entries(self.run, self.source, max(0, self.head.seq - PACE_ENTRIES)))
        seen = [
            (entry.read, _seconds_between(before, entry))
            for before, entry in pairwise(newest)
            if entry.kind == "data"  # and what stands before it is its own writer's, a claim at least
        ]
        most = max((read for read, _ in seen), default=0)
        return max((read / seconds for read, seconds in seen if seconds > 0 and 0 < most <= 2 * read), default=None)

    @cached_property
    def _total(self) -> Fates:
        return _fates_up_to(self.head.last)

    def _below(self, offset: int) -> Fates:
        """What became of all offsets of the ledger below this one."""
        if offset <= self.range.first:
            return Fates()
        if offset >= self.range.next:
            return self._total
        entry = self._entry_at(offset)
        return _fates_up_to(entry) - _part(entry, entry.range) + _part(entry, OffsetRange(entry.first, offset))

    def _entry_at(self, offset: int) -> Entry:
        """The entry that accounts for an offset of the ledger's."""
        if offset not in self._seen:
            seq = first_seq_where(self.ledger, self.run, self.source, reaches(offset), seq_end=self.head.seq + 1)
            self._seen[offset] = next(iter(self.ledger.entries(self.run, self.source, seq)))
        return self._seen[offset]


def _fates_up_to(entry: Entry | None) -> Fates:
    """The totals that the entry says."""
    if entry is None:
        return Fates()
    totals = entry.totals
    return Fates(totals.landed, totals.refused, totals.skipped, totals.holes, totals.gaps, 0, totals.bytes)


def _part(entry: Entry, within: OffsetRange) -> Fates:
    """What became of a part of an entry's range. Grows with it, so that of two parts the difference is one, too."""
    if entry.kind != "data":
        return Fates(given_up=len(within))
    skipped, holes = (
        sum(len(_overlap(span, within)) for span in spans) for spans in (entry.skipped_offsets, entry.holes)
    )
    rows = len(within) - skipped - holes
    of = entry.landed + entry.refused
    refused = rows * entry.refused // of if of else 0
    size = sum(file.bytes for file in entry.files)
    return Fates(rows - refused, refused, skipped, holes, 0, 0, rows * size // of if of else 0)


def _overlap(one: OffsetRange, other: OffsetRange) -> OffsetRange:
    first = max(one.first, other.first)
    return OffsetRange(first, max(first, min(one.next, other.next)))


def _seconds_between(before: Entry, entry: Entry) -> float:
    return (datetime.fromisoformat(entry.committed_at) - datetime.fromisoformat(before.committed_at)).total_seconds()
