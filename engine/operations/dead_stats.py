"""Dead letters counted: by what they have in common, since when, and whether they grow."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from streamlake.engine.folding import folded_field, folded_message
from streamlake.engine.operations.dead_types import FoundLetter, LetterFilter

Dimension = Literal["reason", "field", "validator", "fingerprint", "topic", "partition", "message", "hour", "day"]
DIMENSIONS: Sequence[Dimension] = get_args(Dimension)
KEYS_MAX = 10_000
"""Distinct keys that are counted one by one: some megabytes, whatever the letters say."""
NAME_CHARS_MAX = 250
"""Of names, which in the topic may be anybody's; Kafka's own end at 249."""

Key = tuple[str | int | None, ...]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(slots=True)
class Growth:
    """Letters of the last hour or day, and of the one before; None where the filter leaves that out."""

    last: int = 0
    before: int | None = 0

    @property
    def ratio(self) -> float | None:
        """What came on top as a part of what was there before: 0.5 is half as many more. None where nothing was."""
        return self.last / self.before - 1 if self.before else None

    def add(self, ago: int) -> None:
        """Count a letter of so many hours or days ago."""
        if ago <= 0:  # below 0: another host's clock is ahead
            self.last += 1
        elif ago == 1 and self.before is not None:
            self.before += 1


@dataclass(slots=True)
class LetterCounts:
    """Some letters; seen = refused. `example` is where one of the newest came from, as `dead show` takes it."""

    hour: Growth = field(default_factory=Growth)
    day: Growth = field(default_factory=Growth)
    letters: int = 0
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    example: str = ""

    def add(self, found: FoundLetter, hours_ago: int, days_ago: int) -> None:
        """Count a letter."""
        at = found.refused_at
        self.letters += 1
        if self.first_seen is None or at < self.first_seen:
            self.first_seen = at
        if self.last_seen is None or at > self.last_seen:
            self.last_seen, self.example = at, f"{found.letter.source}/{found.letter.offset}"
        self.hour.add(hours_ago)
        self.day.add(days_ago)


@dataclass(frozen=True, slots=True)
class DeadStats:
    """What was counted. `groups` have a value for each of `by`; by hour or day the newest come first, else the largest.

    `messages` are the groups by message alone, the largest first; none where `by` has them. `others` and
    `other_messages` count what came when there were `keys_max` keys already. Hours and days of growth end at `ends_at`.
    """

    by: Sequence[Dimension]
    total: LetterCounts
    groups: Sequence[tuple[Key, LetterCounts]]
    others: LetterCounts
    messages: Sequence[tuple[Key, LetterCounts]]
    other_messages: LetterCounts
    ends_at: datetime
    keys_max: int


def dead_stats(
    letters: Iterable[FoundLetter],
    by: Sequence[Dimension] = ("reason", "field"),
    *,
    wanted: LetterFilter | None = None,
    now: datetime | None = None,
    keys_max: int = KEYS_MAX,
) -> DeadStats:
    """Count letters by what `by` names, all of it together; takes one after the other, and keeps none.

    `wanted` is the filter that the letters come through (`list_letters`, `list_topic_letters`): it says when the last
    hour and day end, and whether the ones before are in it.
    """
    now, wanted = now or datetime.now(UTC), wanted or LetterFilter()
    ends_at = now if wanted.until is None else min(now, wanted.until)
    make = _maker(ends_at, wanted.since)
    total, groups, messages = make(), _Bounded(make, keys_max), _Bounded(make, keys_max)
    values = [_VALUES[name] for name in by]
    for found in letters:
        ago = ends_at - found.refused_at
        hours_ago, days_ago = ago // HOUR, ago // DAY
        total.add(found, hours_ago, days_ago)
        groups.of(tuple([value(found) for value in values])).add(found, hours_ago, days_ago)
        if "message" not in by:
            messages.of((_message(found),)).add(found, hours_ago, days_ago)
    return DeadStats(
        by=tuple(by),
        total=total,
        groups=groups.sorted(newest_first=next((at for at, name in enumerate(by) if name in ("hour", "day")), None)),
        others=groups.others,
        messages=messages.sorted(),
        other_messages=messages.others,
        ends_at=ends_at,
        keys_max=keys_max,
    )


class _Bounded:
    """Counts by key, for the first `keys_max` keys that come; what comes later is counted together."""

    def __init__(self, make: Callable[[], LetterCounts], keys_max: int) -> None:
        self._make, self._keys_max = make, keys_max
        self._counts: dict[Key, LetterCounts] = {}
        self.others = make()

    def of(self, key: Key) -> LetterCounts:
        """The counts of a key."""
        counts = self._counts.get(key)
        if counts is None:
            if len(self._counts) == self._keys_max:
                return self.others
            counts = self._counts[key] = self._make()
        return counts

    def sorted(self, newest_first: int | None = None) -> Sequence[tuple[Key, LetterCounts]]:
        """The largest first; `newest_first` is the place in the key of a time that goes before."""
        found = sorted(self._counts.items(), key=lambda item: (-item[1].letters, _comparable(item[0])))
        if newest_first is not None:
            found.sort(key=lambda item: str(item[0][newest_first]), reverse=True)
        return found


def _maker(ends_at: datetime, since: datetime | None) -> Callable[[], LetterCounts]:
    """Makes counts that know which of the hours and days before are in the filter."""
    hour, day = (0 if since is None or since <= ends_at - 2 * window else None for window in (HOUR, DAY))
    return lambda: LetterCounts(Growth(before=hour), Growth(before=day))


def _comparable(key: Key) -> Sequence[tuple[bool, str]]:
    return [(part is not None, f"{part:>20}" if isinstance(part, int) else str(part)) for part in key]


def _message(found: FoundLetter) -> str:
    return folded_message(found.letter.message)


def _time(pattern: str) -> Callable[[FoundLetter], str]:
    return lambda found: found.refused_at.astimezone(UTC).strftime(pattern)


_VALUES: Mapping[Dimension, Callable[[FoundLetter], str | int | None]] = {
    "reason": lambda found: found.letter.reason,
    "field": lambda found: None if found.letter.field is None else folded_field(found.letter.field),
    "validator": lambda found: found.validator[:NAME_CHARS_MAX],
    "fingerprint": lambda found: found.fingerprint[:NAME_CHARS_MAX],
    "topic": lambda found: found.letter.source.topic[:NAME_CHARS_MAX],
    "partition": lambda found: found.letter.source.partition,
    "message": _message,
    "hour": _time("%Y-%m-%dT%H:00Z"),
    "day": _time("%Y-%m-%d"),
}
