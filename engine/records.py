"""What crosses StreamLake's rooms about records: partitions, offsets, batches, verdicts, dead letters.

Read this file first, then `entries.py` and `contracts.py`. An offset kept anywhere means **the next one to read**; a
range is half-open. Everything here is a small frozen type; standard library only.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from streamlake.engine.packed import taken, without

Header = tuple[str, bytes | None]

Reason = Literal["malformed", "invalid", "oversize", "crash", "tombstone"]

PayloadKind = Literal["json", "bytes"]


UNREADABLE_HEADERS: Sequence[Header] = (("streamlake.unreadable_headers", None),)
"""Stands for the headers of a message that the client can't read: one of their names is not UTF-8."""


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True, order=True)
class OffsetRange:
    """A half-open range of offsets `[first, next)`; the only place that says what "next" means."""

    first: int
    next: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.next:
            raise ValueError(f"no offset range: [{self.first}, {self.next})")

    def __len__(self) -> int:
        return self.next - self.first

    def __contains__(self, offset: int) -> bool:
        return self.first <= offset < self.next

    def overlap(self, other: "OffsetRange") -> "OffsetRange":
        """The offsets that are in both; empty where there are none."""
        first = max(self.first, other.first)
        return OffsetRange(first, max(first, min(self.next, other.next)))

    def __str__(self) -> str:
        return f"[{self.first}, {self.next})"


def ranges_between(offsets: Sequence[int], within: OffsetRange) -> tuple[OffsetRange, ...]:
    """The ranges of `within` that the strictly increasing `offsets` leave out: a batch's holes."""
    if len(offsets) == len(within):
        return ()
    holes, expected = [], within.first
    for offset in offsets:
        if offset != expected:
            holes.append(OffsetRange(expected, offset))
        expected = offset + 1
    if expected != within.next:
        holes.append(OffsetRange(expected, within.next))
    return tuple(holes)


def ranges_of(offsets: Iterable[int]) -> tuple[OffsetRange, ...]:
    """Strictly increasing offsets as the fewest half-open ranges."""
    ranges: list[OffsetRange] = []
    first = following = -1
    for offset in offsets:
        if offset != following:
            if first >= 0:
                ranges.append(OffsetRange(first, following))
            first = offset
        following = offset + 1
    if first >= 0:
        ranges.append(OffsetRange(first, following))
    return tuple(ranges)


def joined_ranges(ranges: Iterable[OffsetRange]) -> tuple[OffsetRange, ...]:
    """Ascending ranges as the fewest: those that touch become one."""
    joined: list[OffsetRange] = []
    for one in ranges:
        if joined and joined[-1].next == one.first:
            joined[-1] = OffsetRange(joined[-1].first, one.next)
        else:
            joined.append(one)
    return tuple(joined)


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive messages of one partition, column by column; all columns have one entry per message.

    What lands as one ledger entry is read, decided and staged slice by slice, while a slice is still in the
    processor's cache. Each slice is one of these: whoever takes a `Batch` never knows whether it is a whole one.

    `range` covers every message and may have holes (control records, compaction); `range.next` and `leader_epoch`
    are the consumer's position after the last message, and belong together. A value of None is a tombstone,
    `b""` is an empty payload. Headers keep order, repeats and None values; None = no headers.
    """

    source: TopicPartition
    range: OffsetRange
    leader_epoch: int | None
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    timestamp_types: Sequence[int]  # 0 none, 1 create time, 2 log append time (librdkafka's numbers)
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Sequence[Header] | None]

    def __len__(self) -> int:
        return len(self.offsets)

    def holes(self) -> tuple[OffsetRange, ...]:
        """The offsets of `range` that the broker never delivered, as ranges."""
        return ranges_between(self.offsets, self.range)

    def cut(self, rows: int) -> tuple["Batch", "Batch"]:
        """The first `rows` messages, up to where the next one lies, and the rest.

        The leader epoch that belongs to a position inside the batch is not known: the first part has none.
        """
        middle = self.offsets[rows]
        before, after = OffsetRange(self.range.first, middle), OffsetRange(middle, self.range.next)
        return self._part(slice(None, rows), before, None), self._part(slice(rows, None), after, self.leader_epoch)

    def take(self, indices: Sequence[int]) -> "Batch":
        """The messages at `indices` (ascending) as a batch over the same range."""
        return self._each(lambda items: taken(items, indices))

    def without(self, indices: Iterable[int]) -> "Batch":
        """All but the messages at `indices`, as a batch over the same range."""
        out = sorted(set(indices))
        return self._each(lambda items: without(items, out))

    def _each(self, select: Callable[[Sequence[Any]], Sequence[Any]]) -> "Batch":
        return Batch(
            self.source,
            self.range,
            self.leader_epoch,
            select(self.offsets),
            select(self.timestamps_ms),
            select(self.timestamp_types),
            select(self.keys),
            select(self.values),
            select(self.headers),
        )

    def _part(self, part: slice, covered: OffsetRange, leader_epoch: int | None) -> "Batch":
        return Batch(
            self.source,
            covered,
            leader_epoch,
            self.offsets[part],
            self.timestamps_ms[part],
            self.timestamp_types[part],
            self.keys[part],
            self.values[part],
            self.headers[part],
        )


class ArrowColumns(Protocol):
    """Anything that exports Arrow columns (the Arrow PyCapsule interface): how columns cross the rooms."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule with an ArrowArrayStream."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the message at `index` of the batch may not land. `field` is a JSON pointer (`/items/0/qty`)."""

    index: int
    reason: Reason
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a validator decided for each message of a batch: refused, skipped, and all others accepted.

    Both sequences ascend by index and share none. `columns`, where asked for, holds one row per accepted message,
    in order.
    """

    refused: Sequence[Refusal] = ()
    skipped: Sequence[int] = ()
    columns: ArrowColumns | None = None

    def accepted(self, rows: int) -> Sequence[int]:
        """The indices of the accepted ones among `rows` messages, ascending."""
        if not self.refused and not self.skipped:
            return range(rows)
        out = {refusal.index for refusal in self.refused}.union(self.skipped)
        return [index for index in range(rows) if index not in out]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused message as it was, with where it came from and why it was refused."""

    source: TopicPartition
    offset: int
    timestamp_ms: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    reason: Reason
    field: str | None
    message: str
    attempt: int
    first_failed_at_ms: int
