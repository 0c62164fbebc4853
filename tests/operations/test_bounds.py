"""Bounds as people say them: each way is understood, and what can't be meant is answered with a sentence."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlake.engine.errors import UsageError
from streamlake.engine.operations.bounds import Bound, parse_bound, parse_bounds, parse_partitions, parse_zone

NOW = datetime(2026, 3, 1, 12, 0, 0, 500, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("said", "place", "number"),
    [
        ("earliest", "earliest", 0),
        (" latest ", "latest", 0),
        ("0", "offset", 0),
        ("20260131", "offset", 20260131),
        ("2026-01-31T06:00:00Z", "time", milliseconds("2026-01-31T06:00:00+00:00")),
        ("2026-01-31 06:00+02:00", "time", milliseconds("2026-01-31T04:00:00+00:00")),
        ("2026-01-31T06:00:00.0001Z", "time", milliseconds("2026-01-31T06:00:00.001+00:00")),
        ("-90m", "time", milliseconds("2026-03-01T10:30:00.001+00:00")),
        ("-2h", "time", milliseconds("2026-03-01T10:00:00.001+00:00")),
        ("-7d", "time", milliseconds("2026-02-22T12:00:00.001+00:00")),
        ("-1.5h", "time", milliseconds("2026-03-01T10:30:00.001+00:00")),
        ("1931-01-01T00:00:00Z", "time", 0),
    ],
)
def test_each_way_to_say_a_bound_is_understood(said: str, place: str, number: int) -> None:
    found = parse_bound(said, option="--from", now=NOW)
    assert (found.place, found.number, found.said) == (place, number, said.strip())


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "is no bound: it must be earliest, latest, an offset"),
        ("yesterday", "is no bound"),
        ("committed", "is no bound"),
        ("2h", "how long ago begins with a minus: -2h"),
        ("+2h", "is no bound"),
        ("12e3", "is no bound"),
        ("١٢", "is no bound"),
        ("-5", "is no duration: a minus, a number, and ms, s, m, h or d"),
        ("-2 weeks", "is no duration"),
        ("--2h", "is no duration"),
        ("-99999999999d", "is longer ago than there is a calendar"),
        ("2026-01-31T06:00:00", "has no time zone: write it, too, as in 2026-01-31T06:00:00Z, or say --timezone NAME"),
        ("2026-01-31", "has no time zone"),
        ("2026-13-31T06:00:00Z", "is no bound"),
        ("2026-03-01T12:00:01Z", r"lies in the future \(now is 2026-03-01T12:00:00\+00:00\); latest is where"),
    ],
)
def test_what_is_no_bound_is_said_with_the_option_and_the_value(said: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as raised:
        parse_bound(said, option="--to", now=NOW)
    assert str(raised.value).startswith(f"--to {said}")


def test_a_timestamp_without_a_zone_is_read_in_the_one_that_is_given_and_its_own_counts_more() -> None:
    found = parse_bound("2026-01-31T06:00", option="--from", now=NOW, zone=BERLIN)
    assert found.number == milliseconds("2026-01-31T05:00:00+00:00")
    own = parse_bound("2026-01-31T06:00Z", option="--from", now=NOW, zone=BERLIN)
    assert own.number == milliseconds("2026-01-31T06:00:00+00:00")


@pytest.mark.parametrize(("said", "what"), [("2025-10-26T02:30", "comes twice"), ("2025-03-30T02:30", "does not come")])
def test_a_time_at_which_the_clocks_are_changed_is_not_guessed(said: str, what: str) -> None:
    with pytest.raises(UsageError, match=f"{what} in Europe/Berlin, where the clocks are changed"):
        parse_bound(said, option="--from", now=NOW, zone=BERLIN)
    parse_bound(f"{said}+02:00", option="--from", now=NOW, zone=BERLIN)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Berln", r"did you mean Europe/Berlin\?"),
        ("Europe", "there is no such time zone"),
        ("../etc/passwd", "there is no such time zone"),
        ("", "there is no such time zone"),
        ("x" * 300, "there is no such time zone"),
    ],
)
def test_an_unknown_zone_is_said_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        parse_zone(name)


def test_a_known_zone_is_found() -> None:
    assert parse_zone("Europe/Berlin") == BERLIN


@pytest.mark.parametrize(
    ("first", "following", "why"),
    [
        ("9", "8", "--to 8 does not lie behind --from 9"),
        ("9", "9", "does not lie behind"),
        ("-1h", "-2h", "--to -2h does not lie behind --from -1h"),
        ("2026-02-01T00:00Z", "2026-01-01T00:00Z", "does not lie behind"),
        ("latest", "latest", "--from latest: nothing lies behind the end"),
        ("earliest", "earliest", "--to earliest: nothing lies before the beginning"),
    ],
)
def test_bounds_the_wrong_way_round_are_seen_before_anybody_is_asked(first: str, following: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_bounds(first, following, now=NOW)


def test_bounds_say_what_was_said_and_whether_an_offset_is_among_them() -> None:
    bounds = parse_bounds("-2h", "latest", now=NOW)
    assert (str(bounds), bounds.by_offset) == ("from -2h to latest", False)
    assert parse_bounds("earliest", "7", now=NOW).by_offset


@pytest.mark.parametrize(
    ("said", "found"), [("0", [0]), ("0,3-5", [0, 3, 4, 5]), ("5, 3-5 ,1", [1, 3, 4, 5]), ("99999", [99_999])]
)
def test_partitions_are_numbers_and_ranges(said: str, found: list[int]) -> None:
    assert parse_partitions(said) == found


@pytest.mark.parametrize("said", ["", "a", "1,", "5-3", "-1", "1-", "100000", "0-999999", "1 2", "٣"])
def test_what_are_no_partitions_is_said(said: str) -> None:
    with pytest.raises(UsageError, match="is no partition and no range of them"):
        parse_partitions(said)


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=zones))
def test_a_timestamp_is_the_first_millisecond_at_or_behind_it(moment: datetime) -> None:
    far = datetime.max.replace(tzinfo=timezone(timedelta(hours=-23)))
    found = parse_bound(moment.isoformat(), option="--from", now=far).number
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    if since < timedelta(0):
        assert found == 0, "a negative one would mean earliest or latest to Kafka"
    else:
        assert timedelta(0) <= timedelta(milliseconds=found) - since < timedelta(milliseconds=1)


@given(st.datetimes(), st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]))
def test_a_clocks_reading_is_that_moment_in_its_zone_or_refused(moment: datetime, name: str) -> None:
    far = datetime.max.replace(tzinfo=timezone(timedelta(hours=-23)))
    once, again = (moment.replace(tzinfo=ZoneInfo(name), fold=fold).utcoffset() for fold in (0, 1))
    if once != again:
        with pytest.raises(UsageError, match="where the clocks are changed"):
            parse_bound(moment.isoformat(), option="--from", now=far, zone=ZoneInfo(name))
        return
    found = parse_bound(moment.isoformat(), option="--from", now=far, zone=ZoneInfo(name))
    if found.number and moment.year < 9999:
        there = datetime.fromtimestamp(found.number // 1000, UTC).astimezone(ZoneInfo(name)).replace(tzinfo=None)
        assert abs(there - moment) <= timedelta(seconds=1)


@given(st.integers(0, 10**7), st.sampled_from([("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]))
def test_a_duration_is_that_long_before_now(count: int, unit: tuple[str, int]) -> None:
    name, each = unit
    found = parse_bound(f"-{count}{name}", option="--to", now=NOW)
    now_ms = milliseconds("2026-03-01T12:00:00.001+00:00")
    assert found == Bound(f"-{count}{name}", "time", max(0, now_ms - count * each))


@given(st.text(max_size=30))
def test_whatever_is_typed_is_a_bound_or_a_sentence(said: str) -> None:
    try:
        found = parse_bound(said, option="--from", now=NOW, zone=BERLIN)
    except UsageError:
        return
    assert found.number >= 0


@given(st.sets(st.integers(0, 300), min_size=1))
def test_partitions_that_are_listed_are_those_that_are_found(numbers: set[int]) -> None:
    assert parse_partitions(",".join(map(str, numbers))) == sorted(numbers)
