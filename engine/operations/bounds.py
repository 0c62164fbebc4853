"""The bounds of a replay as a user says them, told apart and checked before any cluster is asked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from streamlake.config.values import seconds
from streamlake.engine.errors import UsageError

Place = Literal["earliest", "latest", "offset", "time", "missing", "landed"]

KNOWN = "earliest, latest, an offset (12345), a timestamp (2026-01-31T06:00:00Z) or how long ago (-2h, -7d, -90m)"
PARTITION_MAX = 99_999

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_OFFSET = re.compile(r"[0-9]{1,18}")
_AGO = re.compile(r"-(?P<ago>[0-9]+(\.[0-9]+)?(ms|s|m|h|d))")
_PARTITIONS = re.compile(r"(?P<first>[0-9]{1,6})(-(?P<last>[0-9]{1,6}))?")


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range as it was said, not yet an offset of any partition.

    `number` is the offset, or of a `time` the milliseconds since 1970 of the first record that lies behind the bound.
    Those of a backfill that were not said are `missing` and `landed`: from the first offset that nobody has landed, up
    to what is there.
    """

    said: str
    place: Place
    number: int = 0


FROM_WHAT_IS_MISSING = Bound("what is missing", "missing")
UP_TO_WHAT_LANDED = Bound("what has landed", "landed")


@dataclass(frozen=True, slots=True)
class Bounds:
    """A half-open range as it was said: from the first record at `first`, up to and without the one at `next`."""

    first: Bound
    next: Bound

    def __str__(self) -> str:
        return f"from {self.first.said} to {self.next.said}"

    @property
    def by_offset(self) -> bool:
        """Whether one of the two is an offset, which means another record in each partition."""
        return "offset" in (self.first.place, self.next.place)


def parse_bounds(first: str | None, following: str | None, *, now: datetime, zone: tzinfo | None = None) -> Bounds:
    """`--from` and `--to` as bounds; `now` is aware, `zone` that of timestamps which name none.

    None is what a backfill means where nothing was said.

    Raises UsageError: no bound at all, no zone, in the future, or the wrong way round.
    """
    bounds = Bounds(
        FROM_WHAT_IS_MISSING if first is None else parse_bound(first, option="--from", now=now, zone=zone),
        UP_TO_WHAT_LANDED if following is None else parse_bound(following, option="--to", now=now, zone=zone),
    )
    begins, ends = bounds.first, bounds.next
    if begins.place == "latest":
        raise UsageError("--from latest: nothing lies behind the end; say where it begins")
    if ends.place == "earliest":
        raise UsageError("--to earliest: nothing lies before the beginning; say where it ends")
    if begins.place == ends.place and begins.number >= ends.number:
        raise UsageError(f"--to {ends.said} does not lie behind --from {begins.said}: did you mean them the other way?")
    return bounds


def parse_bound(text: str, *, option: str, now: datetime, zone: tzinfo | None = None) -> Bound:
    """One bound; `option` (`--from`) is named where it is none. Raises UsageError."""
    said = text.strip()
    if said == "earliest":
        return Bound(said, "earliest")
    if said == "latest":
        return Bound(said, "latest")
    if _OFFSET.fullmatch(said):
        return Bound(said, "offset", int(said))
    moment = _ago(said, option, now) if said.startswith("-") else _moment(said, option, zone)
    if moment > now:
        raise UsageError(f"{option} {said} lies in the future (now is {_shown(now)}); latest is where a topic ends now")
    return Bound(said, "time", _milliseconds(moment))


def parse_zone(name: str) -> tzinfo:
    """The time zone of that name, as the system or the package `tzdata` has it. Raises UsageError."""
    known = available_timezones()  # asked first: for a path or a folder of zones, ZoneInfo has errors of many kinds
    if name in known:
        return ZoneInfo(name)
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else "it must be a name as in Europe/Berlin or UTC"
    raise UsageError(f"--timezone {name}: there is no such time zone; {hint}")


def parse_partitions(text: str) -> Sequence[int]:
    """`0,3-5` as partitions, ascending, each once. Raises UsageError."""
    found: set[int] = set()
    for part in text.split(","):
        match = _PARTITIONS.fullmatch(part.strip())
        first, last = (int(match["first"]), int(match["last"] or match["first"])) if match else (1, 0)
        if first > last or last > PARTITION_MAX:
            raise UsageError(f"--partitions {text}: {part.strip()!r} is no partition and no range of them (0,3-5)")
        found.update(range(first, last + 1))
    return sorted(found)


def _ago(said: str, option: str, now: datetime) -> datetime:
    match = _AGO.fullmatch(said)
    if match is None:
        raise UsageError(f"{option} {said}: is no duration: a minus, a number, and ms, s, m, h or d, as in -2h")
    long_ago = seconds(match["ago"])
    assert isinstance(long_ago, float), "a number and a unit"
    try:
        return now - timedelta(seconds=long_ago)
    except OverflowError:
        raise UsageError(f"{option} {said}: is longer ago than there is a calendar; did you mean earliest?") from None


def _moment(said: str, option: str, zone: tzinfo | None) -> datetime:
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        ago = f"; how long ago begins with a minus: -{said}" if _AGO.fullmatch(f"-{said}") else ""
        raise UsageError(f"{option} {said}: is no bound: it must be {KNOWN}{ago}") from None
    if moment.tzinfo is not None:
        return moment
    if zone is None:
        raise UsageError(
            f"{option} {said}: has no time zone: write it, too, as in 2026-01-31T06:00:00Z, or say --timezone NAME"
        )
    return _in_zone(moment, option, zone)


def _in_zone(moment: datetime, option: str, zone: tzinfo) -> datetime:
    """A clock's reading in a zone: which moment that is, unless the clocks were changed over it."""
    once, again = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if once.utcoffset() == again.utcoffset():
        return once
    there = once.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment.replace(fold=0)
    what = "comes twice" if there else "does not come"
    raise UsageError(
        f"{option} {moment.isoformat()}: {what} in {zone}, where the clocks are changed; write its distance from UTC, "
        "too, as in 2026-10-25T02:30:00+02:00"
    )


def _milliseconds(moment: datetime) -> int:
    """Up to the next millisecond, for Kafka knows no smaller parts; never negative, which means other things there."""
    return max(0, -(-(moment - _EPOCH) // _MILLISECOND))


def _shown(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
