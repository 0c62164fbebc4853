"""Hours of records' time, in UTC: how they are written, where they begin and end, and which ones are meant."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from streamlake.engine.errors import UsageError

HOUR_MS = 3_600_000

_HOUR = re.compile(r"\d{4}-\d\d-\d\dT\d\d")


@dataclass(frozen=True, slots=True, order=True)
class Hour:
    """One hour by its number since 1970: `[start_ms, end_ms)`. As text `2026-01-31T06`."""

    number: int

    @classmethod
    def parse(cls, text: str) -> "Hour":
        """`2026-01-31T06` (UTC), or a timestamp with its zone at which one begins. Raises UsageError."""
        try:
            moment = datetime.fromisoformat(f"{text}:00+00:00" if _HOUR.fullmatch(text) else text)
        except ValueError:
            raise UsageError(f"{text!r} is no hour: write it as in 2026-01-31T06, which is in UTC") from None
        if moment.tzinfo is None:
            raise UsageError(f"{text!r} has no zone: write it, too, as in 2026-01-31T06:00:00Z, or 2026-01-31T06")
        hour = cls.of(moment)
        if hour.start != moment:
            raise UsageError(f"{text!r} is not where an hour begins in UTC: it lies in {hour}")
        return hour

    @classmethod
    def of(cls, moment: datetime) -> "Hour":
        """The hour that an aware datetime lies in."""
        return cls(int(moment.timestamp()) // 3600)

    @property
    def start_ms(self) -> int:
        """Where it begins, in milliseconds since 1970."""
        return self.number * HOUR_MS

    @property
    def end_ms(self) -> int:
        """Where the next one begins."""
        return self.start_ms + HOUR_MS

    @property
    def start(self) -> datetime:
        """Where it begins."""
        return datetime.fromtimestamp(self.number * 3600, UTC)

    @property
    def end(self) -> datetime:
        """Where the next one begins."""
        return Hour(self.number + 1).start

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT%H}"


def hours_over(since: datetime, now: datetime, lateness_seconds: float) -> Iterator[Hour]:
    """The hours from that of `since` on, up to the last one whose lateness is over; both datetimes are aware."""
    hour = Hour.of(since)
    while hour.end.timestamp() + lateness_seconds <= now.timestamp():
        yield hour
        hour = Hour(hour.number + 1)
