"""The checks that the ledger answers: row counts, also against Kafka's, freshness, refused ratio and volume."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from quality.conftest import Checked, make, places
from support.lake import Lake, Landing, numbered_batch
from support.memory_topics import MemoryTopics

from streamlake.config.quality import Freshness, RowCount, Volume
from streamlake.engine.entries import Entry
from streamlake.engine.errors import PositionLostError
from streamlake.engine.operations.quality_entries import Landed, freshness, row_count, volume
from streamlake.engine.operations.quality_types import Finding, TimeRange
from streamlake.engine.records import Batch, OffsetRange, TopicPartition
from streamlake.engine.testing import Message

ORDERS = TopicPartition("orders", 0)
NOW = datetime(2026, 2, 8, 6, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Dated:
    """A ledger whose entries were committed at other times: `hours[seq]` before NOW's hour began, for a data entry."""

    def __init__(self, ledger: Any, hours: list[float]) -> None:
        self._ledger, self._hours = ledger, hours

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def entries(self, run: str, source: TopicPartition, first_seq: int = 0) -> Iterator[Entry]:
        """As they are, but for their time."""
        begin = NOW.replace(minute=0) - 0 * HOUR
        for entry in self._ledger.entries(run, source, first_seq):
            at = begin - self._hours[max(entry.seq - 1, 0)] * HOUR
            yield replace(entry, committed_at=at.isoformat())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.make(tmp_path / "lake")


@pytest.fixture
def landing(lake: Lake) -> Landing:
    return lake.claim(ORDERS)


def landed(lake: Lake, *hours: float, within: TimeRange | None = None) -> Landed:
    """What `lake` has, of which each data entry is so many hours old."""
    return Landed(Dated(lake.ledger(), list(hours)), ["orders"], within or TimeRange())


def topics_of(landing: Landing) -> MemoryTopics:
    """What Kafka has of what landed."""
    return MemoryTopics({ORDERS: list(landing.batches)})


# row_count ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "status", "message"),
    [
        ({"min_value": 6}, "pass", "6 rows"),
        ({"min_value": 7}, "fail", "6 rows, at least 7 are wanted"),
        ({"max_value": 5}, "fail", "6 rows, at most 5 are wanted"),
        ({"min_value": 1, "max_value": 6}, "pass", "6 rows"),
    ],
)
def test_rows_are_counted_in_the_files(shaped: Checked, limits: dict[str, Any], status: str, message: str) -> None:
    result = shaped.check("row_count", **limits)
    assert (result.status, result.message) == (status, message)


def test_no_rows_are_too_few_where_some_are_wanted(orders: Checked) -> None:
    before = TimeRange(None, datetime(2020, 1, 1, tzinfo=UTC))
    report = orders.report({"type": "row_count", "min_value": 1}, {"type": "not_null", "column": "id"}, within=before)
    assert [result.status for result in report.results] == ["fail", "no rows"]


def test_what_kafka_has_is_what_landed_was_refused_or_skipped(lake: Lake, landing: Landing) -> None:
    landing.land(10, refused={1}, skipped={2}, holes={3})
    landing.land(5)
    found = kafka_count(lake, topics_of(landing))
    assert (found.judged(), found.rows, found.failures, found.message) == ("pass", 14, 0, "")


def kafka_count(lake: Lake, topics: MemoryTopics) -> Finding:
    """The check, over all that landed."""
    return row_count(
        Landed(lake.ledger(), ["orders"], TimeRange()), RowCount(type="row_count", equals="kafka"), topics, 5
    )


def test_a_row_too_few_or_too_many_is_found_with_its_batch(lake: Lake, landing: Landing) -> None:
    landing.land(10, holes={4})
    landing.land(5)
    topics = topics_of(landing)
    topics.batches[ORDERS][0] = landing_batch_with_hole_filled(lake)
    found = kafka_count(lake, topics)
    assert (found.judged(), found.failures) == ("fail", 1)
    assert [str(one) for one in found.examples] == ["orders/0/0: 9 here, 10 in Kafka, in the offsets [0, 10)"]
    fewer = topics_of(landing)
    fewer.drop(ORDERS, 12)
    assert [str(one) for one in kafka_count(lake, fewer).examples] == [
        "orders/0/10: 5 here, 4 in Kafka, in the offsets [10, 15)"
    ]
    fewer.compacted = True
    assert kafka_count(lake, fewer).judged() == "pass", "compaction takes records away"


def landing_batch_with_hole_filled(lake: Lake) -> Any:
    """The first batch as it would be without its hole."""
    return numbered_batch(ORDERS, 0, 10, list(range(10)))


def test_what_kafka_no_longer_has_is_said_and_not_compared(lake: Lake, landing: Landing) -> None:
    landing.land(10)
    landing.land(5)
    topics = topics_of(landing)
    topics.low[ORDERS] = 3
    found = kafka_count(lake, topics)
    assert (found.judged(), found.rows) == ("pass", 5)
    assert found.message == "Kafka no longer has 10 records of the range: they were not compared"
    assert topics.asked == [OffsetRange(10, 15)], "what has expired is not asked for"
    topics.low[ORDERS] = 12
    assert kafka_count(lake, topics).judged() == "no rows"


def test_a_topic_that_ends_before_what_landed_has_fewer(lake: Lake, landing: Landing) -> None:
    landing.land(10)
    landing.land(5)
    topics = topics_of(landing)
    topics.batches[ORDERS] = [numbered_batch(ORDERS, 0, 8, range(8))]
    found = kafka_count(lake, topics)
    assert (found.judged(), found.failures, topics.asked[-1]) == ("fail", 7, OffsetRange(10, 10))


def test_what_expires_between_two_questions_is_not_compared(
    lake: Lake, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.land(10)
    topics = topics_of(landing)

    def expired(*_: object) -> Iterator[Batch]:
        raise PositionLostError("0 has expired")

    monkeypatch.setattr(topics, "read", expired)
    assert kafka_count(lake, topics).judged() == "no rows"


def test_another_topic_of_that_name_is_not_compared(lake: Lake, landing: Landing) -> None:
    landing.land(10)
    topics = topics_of(landing)
    topics.ids["orders"] = "made anew"
    assert kafka_count(lake, topics).judged() == "no rows"


# freshness ------------------------------------------------------------------------------------------------------


def fresh(path: Path, *ages: timedelta, max_age: float) -> Finding:
    """The check over records of these ages."""
    checked = make(path, "parquet", "envelope")
    for number, age in enumerate(ages):
        at = int((NOW - age).timestamp() * 1000)
        checked.land(Message({"id": 1}, timestamp_ms=at, offset=number))
    ledger = Lake.open(path / "lake").ledger()
    one = Landed(ledger, ["orders"], TimeRange())
    return freshness(one, Freshness(type="freshness", max_age=max_age), NOW)


def test_the_newest_record_may_be_so_old_and_no_older(tmp_path: Path) -> None:
    assert fresh(tmp_path / "a", 3 * HOUR, HOUR, 2 * HOUR, max_age=3600).judged() == "pass"
    found = fresh(tmp_path / "b", 3 * HOUR, HOUR, 2 * HOUR, max_age=3599)
    assert (found.judged(), found.message) == ("fail", "orders: the newest record is 1 h 0 min old")
    assert [str(one) for one in found.examples] == ["orders/0/1: 2026-02-08T05:30:00+00:00"]


def test_of_a_range_in_the_past_the_end_counts_and_not_the_present(tmp_path: Path) -> None:
    soon = datetime.now(UTC) + HOUR  # what landed just now is before it
    checked = make(tmp_path, "parquet", "envelope")
    checked.land(Message({"id": 1}, timestamp_ms=int((soon - 2 * HOUR).timestamp() * 1000)))
    one = Landed(Lake.open(tmp_path / "lake").ledger(), ["orders"], TimeRange(None, soon))
    assert freshness(one, Freshness(type="freshness", max_age=7201), soon + 9 * HOUR).judged() == "pass"
    assert freshness(one, Freshness(type="freshness", max_age=7199), soon + 9 * HOUR).judged() == "fail"
    everything = Landed(one.ledger, ["orders"], TimeRange())
    assert freshness(everything, Freshness(type="freshness", max_age=7201), soon + 9 * HOUR).judged() == "fail"


def test_a_topic_of_which_nothing_has_landed_is_not_fresh(tmp_path: Path) -> None:
    Lake.make(tmp_path / "lake")
    one = Landed(Lake.open(tmp_path / "lake").ledger(), ["orders"], TimeRange())
    found = freshness(one, Freshness(type="freshness", max_age=3600), NOW)
    assert (found.judged(), found.message) == ("fail", "orders: nothing has landed")


# refused_ratio --------------------------------------------------------------------------------------------------


def test_refused_records_are_counted_and_shown_with_their_place_and_reason(shaped: Checked) -> None:
    assert shaped.check("refused_ratio", max_value=0.15).status == "pass"
    result = shaped.check("refused_ratio", max_value=0.14)
    assert (result.status, result.rows, result.failures) == ("fail", 7, 1)
    assert result.message == "1 of 7 refused (14.29%), at most 14.00% are wanted"
    (place,) = places(result)
    assert place.startswith("0/3 invalid: ")


def test_of_no_records_none_is_refused(orders: Checked) -> None:
    before = TimeRange(None, datetime(2020, 1, 1, tzinfo=UTC))
    (result,) = orders.report({"type": "refused_ratio", "max_value": 0.0}, within=before).results
    assert (result.status, result.message) == ("no rows", "")


# volume ---------------------------------------------------------------------------------------------------------


def volume_of(lake: Lake, *hours: float, within: TimeRange | None = None, **settings: Any) -> Finding:
    """The check at NOW, half past six: the hour is the one before."""
    return volume(landed(lake, *hours, within=within), Volume(type="volume", **settings), NOW)


def test_an_hour_is_compared_with_the_median_of_that_hour_of_the_days_before(lake: Lake, landing: Landing) -> None:
    for rows in (100, 10, 30, 20):  # three days ago, two, one; and the hour that is looked at
        landing.land(rows)
    ages = (72.5, 48.5, 24.5, 0.5)
    found = volume_of(lake, *ages)
    assert (found.judged(), found.message) == ("pass", "2026-02-08T05Z: 20 rows, the median of 3 days is 30")
    assert volume_of(lake, *ages, min_ratio=0.7).judged() == "fail"
    assert volume_of(lake, *ages, days=1, min_ratio=0.7).message.endswith("the median of 1 day is 30")
    assert volume_of(lake, *ages, days=2).message.endswith("the median of 2 days is 20")


def test_other_hours_say_nothing_and_a_day_without_rows_says_none(lake: Lake, landing: Landing) -> None:
    for rows in (8, 1000, 1000, 6):
        landing.land(rows)
    found = volume_of(lake, 72.5, 47.5, 25.5, 0.5)
    assert (found.judged(), found.message) == ("fail", "2026-02-08T05Z: 6 rows, the median of 3 days is 0")


def test_an_empty_hour_is_too_little_where_rows_are_usual(lake: Lake, landing: Landing) -> None:
    landing.land(8)
    landing.land(8)
    found = volume_of(lake, 48.5, 24.5)
    assert (found.judged(), found.rows, found.message) == (
        "fail",
        0,
        "2026-02-08T05Z: 0 rows, the median of 2 days is 8",
    )


def test_without_a_day_before_there_is_nothing_to_compare_with(lake: Lake, landing: Landing) -> None:
    landing.land(8)
    found = volume_of(lake, 0.5)
    assert found.judged() == "no rows"
    assert found.message == "2026-02-08T05Z: no day before has this hour: nothing to compare with"


def test_the_hour_of_a_range_is_the_one_that_is_compared(lake: Lake, landing: Landing) -> None:
    for rows in (10, 50, 10):
        landing.land(rows)
    at = NOW.replace(minute=0) - 3 * HOUR
    within = TimeRange(at, at + HOUR)
    found = volume_of(lake, 26.5, 2.5, 0.5, within=within)
    assert (found.judged(), found.message) == ("fail", "2026-02-08T03Z: 50 rows, the median of 1 day is 10")


def test_a_range_of_time_holds_its_beginning_and_not_its_end(lake: Lake, landing: Landing) -> None:
    for rows in (1, 2, 4):
        landing.land(rows)
    begin = NOW.replace(minute=0)
    one = landed(lake, 2, 1, 0, within=TimeRange(begin - 2 * HOUR, begin))
    assert [entry.landed for entry in one.entries()] == [1, 2]
