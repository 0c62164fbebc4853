"""Watches one partition for its supervisor: how long Kafka still keeps what has not landed, and when to ask."""

from streamlake.engine.contracts import TopicFacts
from streamlake.engine.retention import LowPace, Unread, seconds_left

UNREAD_SECONDS = 60.0
"""How often it is asked, while something has not landed."""


class RetentionWatch:
    """Takes in what the broker says as it comes. Times are monotonic seconds, but for `now_ms` (since 1970)."""

    def __init__(self) -> None:
        self._low_pace = LowPace()
        self._facts: TopicFacts | None = None
        self._unread: Unread | None = None
        self._asked_at: float | None = None

    def facts(self, facts: TopicFacts) -> None:
        """The watermarks, every few seconds."""
        self._facts = facts
        self._low_pace.see(facts.asked_at, facts.low)

    def unread(self, unread: Unread) -> None:
        """What `ask_unread` found, once a minute."""
        self._unread = unread

    def unread_since_ms(self, next_offset: int | None) -> int | None:
        """The time of the first record that has not landed, or an earlier one; None where nobody has said it."""
        return None if self._unread is None or next_offset is None else self._unread.since_ms(next_offset)

    def due(self, next_offset: int | None, now: float) -> bool:
        """Whether to ask now; answers yes once a minute, and only while something is unread."""
        if not self._something_unread(next_offset):
            return False
        if self._asked_at is not None and now - self._asked_at < UNREAD_SECONDS:
            return False
        self._asked_at = now
        return True

    def seconds_left(self, next_offset: int | None, now: float, now_ms: int) -> float | None:
        """Until Kafka may delete what is unread; None where nothing is, where it deletes nothing, and while unknown.

        `next_offset` is the ledger's, None while unknown: then the group's offset in Kafka stands for it.
        """
        facts, position = self._facts, self._position(next_offset)
        if facts is None or position is None or not self._something_unread(next_offset):
            self._unread = None  # what comes next is another record
            return None
        if self._unread is None:
            return None
        pace = self._low_pace.offsets_per_second(now)
        return seconds_left(self._unread, position, facts.low, now_ms=now_ms, low_pace=pace)

    def _something_unread(self, next_offset: int | None) -> bool:
        position = self._position(next_offset)
        return self._facts is not None and position is not None and position < self._facts.high

    def _position(self, next_offset: int | None) -> int | None:
        if next_offset is None and self._facts is not None:
            return self._facts.group_offset
        return next_offset
