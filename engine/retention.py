"""How long Kafka still keeps what was not landed: from a topic's settings, the records' times, and the low watermark.

The broker deletes whole segments, a while after their time, so what is said here is the least that is left.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry
from streamlake.engine.records import TopicPartition

PACE_SECONDS = 3600.0
"""How far back the low watermark's moves count."""
NEWEST_ENTRIES = 16
"""Among how many of a ledger's newest entries a landed record's time is looked for."""


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """By what a topic's records are deleted: age in milliseconds, bytes of a partition; None where by neither."""

    retention_ms: int | None
    retention_bytes: int | None

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> "RetentionRules":
        """From a topic's settings by Kafka's names. One that is compacted only deletes nothing; -1 is no limit."""
        if "delete" not in {part.strip() for part in settings.get("cleanup.policy", "").split(",")}:
            return cls(None, None)
        age, size = (int(settings.get(name, "-1")) for name in ("retention.ms", "retention.bytes"))
        return cls(age if age >= 0 else None, size if size >= 0 else None)


class RetentionBroker(Protocol):
    """What is asked of the cluster. Raises SourceError, also where it may not be asked (DescribeConfigs)."""

    def retention(self, topics: Collection[str]) -> Mapping[str, RetentionRules]:
        """By what the records of each topic that exists are deleted."""

    def first_at(self, times_ms: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, tuple[int, int]]:
        """Of each partition the first record of that time or later: offset and timestamp. Left out where none is."""


@dataclass(frozen=True, slots=True)
class Unread:
    """What the broker says of a partition's records behind `landed_ms`, the time of a record that landed lately.

    `first` and `first_ms` are offset and time of the first later one; None where there is none.
    """

    rules: RetentionRules
    landed_ms: int | None
    first: int | None = None
    first_ms: int | None = None

    def since_ms(self, next_offset: int) -> int | None:
        """The time of the record at `next_offset`, or an earlier one; None where nothing tells.

        Times need not ascend. A first later record that lies behind `next_offset` means that those between are as old
        as what has landed.
        """
        if self.first is None or self.first > next_offset:
            return self.landed_ms
        if self.first < next_offset and self.landed_ms is None:
            return None  # nothing is known to have landed: it is merely the oldest record that Kafka has
        return self.first_ms


@dataclass(slots=True)
class LowPace:
    """How fast the low watermark moves, in offsets a second, over its last moves.

    It moves by whole segments, so a pace is known only from one move to another: the stretch before the first one has
    no known beginning.
    """

    _moves: deque[tuple[float, int]] = field(default_factory=deque)
    _low: int | None = None

    def see(self, at: float, low: int) -> None:
        """Take in the low watermark as it was at `at` (monotonic seconds)."""
        if self._low is not None and low > self._low:
            self._moves.append((at, low))
            while len(self._moves) > 2 and self._moves[0][0] < at - PACE_SECONDS:  # two are a pace
                self._moves.popleft()
        elif self._low is not None and low < self._low:
            self._moves.clear()  # another topic of that name
        self._low = low

    def offsets_per_second(self, now: float) -> float | None:
        """None before the second move. When the next move is overdue, the wait for it counts half."""
        if len(self._moves) < 2:
            return None
        (begun, first), (ended, last) = self._moves[0], self._moves[-1]
        return (last - first) / max(ended - begun, (now - begun) / 2, 0.001)


def seconds_left(
    unread: Unread, next_offset: int, low: int, *, now_ms: int, low_pace: float | None = None
) -> float | None:
    """Seconds until Kafka may delete the record at `next_offset`, which is there; None where it does not, or unknown.

    By age, and where the topic has a limit of bytes by the pace of its low watermark (offsets a second); the less of
    both. 0 where it is deleted already, or may be any moment.
    """
    rules = unread.rules
    if rules.retention_ms is None and rules.retention_bytes is None:
        return None
    if next_offset < low:
        return 0.0
    found = []
    since_ms = unread.since_ms(next_offset)
    if rules.retention_ms is not None and since_ms is not None:
        found.append((since_ms + rules.retention_ms - now_ms) / 1000)
    if rules.retention_bytes is not None and low_pace:
        found.append((next_offset - low) / low_pace)
    return max(0.0, min(found)) if found else None


def ask_unread(
    broker: RetentionBroker,
    landed_ms: Mapping[TopicPartition, int | None],
    look_up: Callable[[TopicPartition], int | None],
) -> Mapping[TopicPartition, Unread]:
    """Ask about the partitions of `landed_ms`, which has the time of a record of each that landed lately.

    `look_up` (`landed_ms_of`) tells it where that is None. A partition that is gone is left out. Three questions to the
    cluster, however many partitions. Raises SourceError, StorageError, LedgerDamagedError.
    """
    rules = broker.retention({source.topic for source in landed_ms}) if landed_ms else {}
    deleting = [source for source in landed_ms if rules.get(source.topic, _NONE) != _NONE]
    known = {source: look_up(source) if landed_ms[source] is None else landed_ms[source] for source in deleting}
    firsts = broker.first_at({source: 0 if ms is None else ms + 1 for source, ms in known.items()}) if known else {}
    return {
        source: Unread(rules[source.topic], known.get(source), *firsts.get(source, (None, None)))
        for source in landed_ms
        if source.topic in rules
    }


def landed_ms_of(ledger: Ledger, run: str, source: TopicPartition) -> int | None:
    """The time of the latest record of the newest entry that has one; None where none of the newest few has."""
    head = ledger.head(run, source)
    if head.last is None:
        return None
    newest = list(ledger.entries(run, source, max(0, head.seq + 1 - NEWEST_ENTRIES)))
    return next((ms for entry in reversed(newest) if (ms := latest_ms(entry)) is not None), None)


def latest_ms(entry: Entry) -> int | None:
    """The latest time of a record that landed or was refused by this entry; None where none has a time."""
    return max((file.timestamp_ms_max for file in entry.files if file.timestamp_ms_max is not None), default=None)


_NONE = RetentionRules(None, None)
