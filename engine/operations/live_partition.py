"""What the ledgers of one partition say of a range of offsets: by their totals, and not by every entry."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, Head
from streamlake.engine.operations.ledger_search import committed_since, first_seq_where, reaches
from streamlake.engine.operations.lineage import Lineage
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
class LedgerPart:
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
        return OffsetRange(self.head.first, self.head.next)

    def fates(self, wanted: OffsetRange) -> Fates:
        """What became of the offsets `wanted`, at the cost of an entry for each edge.

        Where an edge falls into an entry with both landed and refused records, how many of each lie inside is
        estimated by its share: which offsets were refused stands in the dead-letter file alone.
        """
        known = wanted.overlap(self.range)
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

    @cached_property
    def _newest(self) -> Sequence[Entry]:
        return list(self.ledger.entries(self.run, self.source, max(0, self.head.seq - PACE_ENTRIES)))

    def cpu(self) -> tuple[float, int]:
        """CPU seconds that workers spent on batches lately, and how many records these had; of those that say it."""
        told = [entry for entry in self._newest if entry.cpu_seconds]
        return sum(entry.cpu_seconds for entry in told), sum(entry.read for entry in told)

    def pace(self) -> float | None:
        """Records a second between two commits of one worker, as fast as it was seen lately; None where it was not.

        Only batches at least half as large as the largest count: a small one may have come right behind another.
        """
        seen = [
            (entry.read, _seconds_between(before, entry))
            for before, entry in pairwise(self._newest)
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


@dataclass(frozen=True)
class LivePartition:
    """One partition as readers see it: the pieces of its ledgers that stand, in offset order."""

    pieces: Sequence[tuple[LedgerPart, OffsetRange]]

    @classmethod
    def of(cls, lineage: Lineage, source: TopicPartition, topic_id: str) -> "LivePartition | None":
        """What has landed of that topic; None where nothing has. Raises LedgerDamagedError."""
        parts: dict[str, LedgerPart] = {}
        found: list[tuple[LedgerPart, OffsetRange]] = []
        for piece in lineage.pieces(source):
            if piece.topic_id in (None, topic_id):
                part = parts.setdefault(piece.run.run, LedgerPart(lineage.ledger, piece.run.run, source))
                found.append((part, piece.range))
        return cls(found) if found else None

    @property
    def range(self) -> OffsetRange:
        """From the first offset that has landed to behind the last one."""
        return OffsetRange(self.pieces[0][1].first, self.pieces[-1][1].next)

    @property
    def total(self) -> Fates:
        """What became of all of it."""
        return self.fates(self.range)

    def fates(self, wanted: OffsetRange) -> Fates:
        """What became of the offsets `wanted`, at the cost of an entry for each edge: see `LedgerPart.fates`."""
        parts = [(part, span.overlap(wanted)) for part, span in self.pieces]
        known = sum((part.fates(within) for part, within in parts if within), Fates())
        return known + Fates(not_read=len(wanted) - sum(len(within) for _, within in parts))

    def cuts_an_entry(self, wanted: OffsetRange) -> bool:
        """Whether `fates` of this range are estimated in part."""
        parts = ((part, span.overlap(wanted)) for part, span in self.pieces)
        return any(part.cuts_an_entry(within) for part, within in parts if within)

    def offset_at(self, timestamp_ms: int, below: int, *, behind: bool) -> int | None:
        """Where the first landed record of that time or later lies among the offsets below `below`; None: nowhere."""
        for part, span in self.pieces:
            found = part.offset_at(timestamp_ms, min(below, span.next), behind=behind)
            if found is not None:
                return max(found, span.first)
        return None

    def pace(self) -> float | None:
        """Records a second between two commits of one worker, as it was seen lately; None where it was not."""
        return next((pace for part, _ in reversed(self.pieces) if (pace := part.pace())), None)

    def cpu(self) -> tuple[float, int]:
        """See `LedgerPart.cpu`: of all that has landed."""
        told = [part.cpu() for part in {part.run: part for part, _ in self.pieces}.values()]
        return sum(seconds for seconds, _ in told), sum(records for _, records in told)


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
        sum(len(span.overlap(within)) for span in spans) for spans in (entry.skipped_offsets, entry.holes)
    )
    rows = len(within) - skipped - holes
    of = entry.landed + entry.refused
    refused = rows * entry.refused // of if of else 0
    size = sum(file.bytes for file in entry.files)
    return Fates(rows - refused, refused, skipped, holes, 0, 0, rows * size // of if of else 0)


def _seconds_between(before: Entry, entry: Entry) -> float:
    return (datetime.fromisoformat(entry.committed_at) - datetime.fromisoformat(before.committed_at)).total_seconds()
