"""How long Kafka still keeps what has not landed: by age, by bytes, and when there is nothing to say."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
from support.lake import Lake

from streamlake.engine.contracts import TopicFacts
from streamlake.engine.records import TopicPartition
from streamlake.engine.retention import (
    LowPace,
    RetentionRules,
    Unread,
    ask_unread,
    landed_ms_of,
    seconds_left,
)
from streamlake.engine.retention_watch import UNREAD_SECONDS, RetentionWatch

HOUR_MS = 3_600_000
NOW_MS = 1_700_000_000_000
ORDERS_0, ORDERS_1, LOG_0 = TopicPartition("orders", 0), TopicPartition("orders", 1), TopicPartition("log", 0)
BY_AGE, BY_BYTES = RetentionRules(24 * HOUR_MS, None), RetentionRules(None, 10**9)


@pytest.mark.parametrize(
    ("settings", "rules"),
    [
        ({"cleanup.policy": "delete", "retention.ms": "604800000", "retention.bytes": "-1"}, (604_800_000, None)),
        ({"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "1073741824"}, (None, 1_073_741_824)),
        ({"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}, (None, None)),
        ({"cleanup.policy": "compact", "retention.ms": "604800000", "retention.bytes": "5"}, (None, None)),
        ({"cleanup.policy": "compact, delete", "retention.ms": "0", "retention.bytes": "5"}, (0, 5)),
        ({}, (None, None)),
    ],
)
def test_only_a_topic_that_is_deleted_from_has_limits(
    settings: Mapping[str, str], rules: tuple[int | None, int | None]
) -> None:
    assert RetentionRules.of(settings) == RetentionRules(*rules)


def left(unread: Unread, next_offset: int = 50, low: int = 10, pace: float | None = None) -> float | None:
    return seconds_left(unread, next_offset, low, now_ms=NOW_MS, low_pace=pace)


def test_by_age_it_is_what_is_left_of_the_first_unread_records_time() -> None:
    assert left(Unread(BY_AGE, NOW_MS - 9 * HOUR_MS, 50, NOW_MS - 4 * HOUR_MS)) == 20 * 3600


def test_what_is_due_is_0_and_what_is_gone_is_too() -> None:
    assert left(Unread(BY_AGE, NOW_MS - 90 * HOUR_MS, 50, NOW_MS - 80 * HOUR_MS)) == 0
    assert left(Unread(BY_AGE, NOW_MS, 50, NOW_MS), next_offset=9) == 0


def test_records_that_are_no_younger_than_what_landed_count_as_that_old() -> None:
    landed = NOW_MS - 9 * HOUR_MS
    assert left(Unread(BY_AGE, landed, 60, NOW_MS)) == 15 * 3600, "[50, 60) came late or at the same time"
    assert left(Unread(BY_AGE, landed)) == 15 * 3600, "all came late"


def test_the_oldest_record_that_kafka_has_tells_only_of_itself() -> None:
    assert left(Unread(BY_AGE, None, 10, NOW_MS - 23 * HOUR_MS)) is None
    assert left(Unread(BY_AGE, None, 10, NOW_MS - 23 * HOUR_MS), next_offset=10) == 3600


def test_by_bytes_it_is_when_the_low_watermark_comes_at_its_pace() -> None:
    unread = Unread(BY_BYTES, NOW_MS - 99 * HOUR_MS, 50, NOW_MS)
    assert left(unread, pace=2.0) == 20
    assert left(unread) is None, "no pace is known yet"
    assert left(unread, pace=0.0) is None


def test_the_less_of_both_counts_and_age_alone_moves_no_watermark_faster() -> None:
    both = RetentionRules(24 * HOUR_MS, 10**9)
    assert left(Unread(both, 0, 50, NOW_MS - 4 * HOUR_MS), pace=0.01) == 4000
    assert left(Unread(both, 0, 50, NOW_MS - 23 * HOUR_MS), pace=0.01) == 3600
    assert left(Unread(BY_AGE, 0, 50, NOW_MS - 4 * HOUR_MS), pace=0.01) == 20 * 3600


def test_without_a_limit_nothing_is_left_to_say() -> None:
    assert left(Unread(RetentionRules(None, None), 0, 50, 0), next_offset=5, pace=9.0) is None


def paced(*seen: tuple[float, int]) -> LowPace:
    pace = LowPace()
    for at, low in seen:
        pace.see(at, low)
    return pace


def test_the_pace_is_known_from_one_move_to_another() -> None:
    assert paced((0, 100), (50, 100)).offsets_per_second(50) is None
    assert paced((0, 100), (50, 1100)).offsets_per_second(60) is None, "since when it had not moved is not known"
    assert paced((0, 100), (50, 1100), (150, 1600)).offsets_per_second(150) == 5
    assert paced((0, 100), (50, 1100), (150, 1600)).offsets_per_second(250) == 5, "the next move is due now"
    assert paced((0, 100), (50, 1100), (150, 1600)).offsets_per_second(1050) == 1, "and long overdue now"


def test_the_pace_is_the_present_one() -> None:
    fast = [(float(at), at * 10) for at in range(0, 1000, 100)]
    slow = [(1000.0 + at, 9000 + at) for at in range(0, 8000, 100)]
    assert paced(*fast, *slow).offsets_per_second(8900) == pytest.approx(1, rel=0.01)


def test_a_topic_made_anew_begins_anew() -> None:
    assert paced((0, 100), (50, 1100), (150, 1600), (160, 0)).offsets_per_second(160) is None


class Broker:
    """Two topics, of which one is compacted; notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Mapping[TopicPartition, int]] = []

    def retention(self, topics: Collection[str]) -> Mapping[str, RetentionRules]:
        known = {"orders": BY_AGE, "log": RetentionRules(None, None)}
        return {topic: known[topic] for topic in topics if topic in known}

    def first_at(self, times_ms: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, tuple[int, int]]:
        self.asked.append(times_ms)
        return {source: (50, NOW_MS) for source in times_ms if source.partition == 0}


def test_what_is_known_is_not_looked_up_and_what_is_never_deleted_is_not_asked() -> None:
    broker = Broker()
    looked_up = []

    def look_up(source: TopicPartition) -> int | None:
        looked_up.append(source)
        return 700

    gone = TopicPartition("gone", 0)
    found = ask_unread(broker, {ORDERS_0: 5, ORDERS_1: None, LOG_0: None, gone: None}, look_up)
    assert looked_up == [ORDERS_1]
    assert broker.asked == [{ORDERS_0: 6, ORDERS_1: 701}]
    assert found == {
        ORDERS_0: Unread(BY_AGE, 5, 50, NOW_MS),
        ORDERS_1: Unread(BY_AGE, 700),
        LOG_0: Unread(RetentionRules(None, None), None),
    }


def test_the_newest_entry_with_a_record_tells_the_time_also_behind_claims(tmp_path: Path) -> None:
    lake = Lake.make(tmp_path)
    assert landed_ms_of(lake.ledger(), "live-1", ORDERS_0) is None
    lake.claim(ORDERS_0).land(10)
    lake.claim(ORDERS_0).land(1, skipped=[0])
    lake.claim(ORDERS_0)
    assert landed_ms_of(lake.ledger(), "live-1", ORDERS_0) == 1_700_000_000_000 + 3_600 * 9


def facts(low: int = 0, high: int = 100, group_offset: int | None = None, at: float = 0.0) -> TopicFacts:
    return TopicFacts("id", low, high, group_offset, at)


def test_a_watch_asks_only_while_something_is_unread_and_once_a_minute() -> None:
    watch = RetentionWatch()
    assert not watch.due(50, 0.0), "the end is not known yet"
    watch.facts(facts())
    assert not watch.due(100, 0.0)
    assert watch.due(50, 0.0)
    assert not watch.due(50, UNREAD_SECONDS - 1)
    assert watch.due(50, UNREAD_SECONDS)


def test_a_watch_tells_anew_with_each_second_and_nothing_where_all_has_landed() -> None:
    watch = RetentionWatch()
    watch.facts(facts())
    assert watch.seconds_left(50, 0.0, NOW_MS) is None
    watch.unread(Unread(BY_AGE, 0, 50, NOW_MS))
    assert watch.seconds_left(50, 0.0, NOW_MS) == 24 * 3600
    assert watch.seconds_left(50, 0.0, NOW_MS + HOUR_MS) == 23 * 3600
    assert watch.seconds_left(100, 0.0, NOW_MS) is None
    watch.facts(facts(high=101))
    assert watch.seconds_left(100, 0.0, NOW_MS) is None, "it is another record now"


def test_a_watch_takes_the_groups_offset_while_the_ledgers_is_not_known() -> None:
    watch = RetentionWatch()
    watch.facts(facts())
    assert not watch.due(None, 0.0)
    watch.facts(facts(low=60, group_offset=50))
    assert watch.due(None, 0.0)
    watch.unread(Unread(BY_AGE, 0, 60, NOW_MS))
    assert watch.seconds_left(None, 0.0, NOW_MS) == 0, "some of it is gone"


def test_a_watch_measures_the_low_watermark() -> None:
    watch = RetentionWatch()
    for at, low in ((0.0, 0), (10.0, 10), (20.0, 20)):
        watch.facts(facts(low=low, high=1000, at=at))
    watch.unread(Unread(BY_BYTES, 0, 50, NOW_MS))
    assert watch.seconds_left(50, 20.0, NOW_MS) == 30
