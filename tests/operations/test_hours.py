"""Hours of records' time: how they are written, and which ones are over."""

from datetime import UTC, datetime, timedelta

import pytest

from streamlake.engine.errors import UsageError
from streamlake.engine.operations.hours import Hour, hours_over

SIX = Hour.parse("2026-01-31T06")


@pytest.mark.parametrize(
    "text", ["2026-01-31T06", "2026-01-31T06:00:00Z", "2026-01-31T06:00+00:00", "2026-01-31T11:30:00+05:30"]
)
def test_an_hour_is_named_as_schedulers_do(text: str) -> None:
    hour = Hour.parse(text)
    assert (hour, str(hour)) == (SIX, "2026-01-31T06")
    assert hour.start == datetime(2026, 1, 31, 6, tzinfo=UTC)
    assert (hour.end, hour.end_ms - hour.start_ms) == (datetime(2026, 1, 31, 7, tzinfo=UTC), 3_600_000)
    assert hour.start_ms == hour.start.timestamp() * 1000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yesterday", "is no hour: write it as in 2026-01-31T06"),
        ("2026-01-31T24", "is no hour"),
        ("2026-01-31T06:00:00", "has no zone"),
        ("2026-01-31T06:30:00Z", "is not where an hour begins in UTC: it lies in 2026-01-31T06"),
        ("2026-01-31T06:00:00+05:30", "is not where an hour begins in UTC: it lies in 2026-01-31T00"),
    ],
)
def test_what_is_no_hour_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Hour.parse(text)


def test_the_last_hour_that_is_over_is_the_one_whose_lateness_is() -> None:
    since = SIX.start + timedelta(minutes=59)
    nine = datetime(2026, 1, 31, 9, tzinfo=UTC)
    assert [str(hour) for hour in hours_over(since, nine, 0)] == ["2026-01-31T06", "2026-01-31T07", "2026-01-31T08"]
    assert [str(hour) for hour in hours_over(since, nine, 1)] == ["2026-01-31T06", "2026-01-31T07"]
    assert list(hours_over(nine, nine, 0)) == []
