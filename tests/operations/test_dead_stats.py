"""Dead letters are counted by what they have in common, with share, first, last and growth, in bounded memory."""

import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.lake import Lake
from support.tamper import Fields, forge_ledger

from streamlake.engine.operations.dead import list_letters
from streamlake.engine.operations.dead_stats import DIMENSIONS, DeadStats, Dimension, LetterCounts, dead_stats
from streamlake.engine.operations.dead_types import FoundLetter, LetterFilter
from streamlake.engine.records import DeadLetter, TopicPartition

ORDERS_0, PAYMENTS_3 = TopicPartition("orders", 0), TopicPartition("payments", 3)
NOW = datetime(2026, 1, 31, 6, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def found(offset: int = 0, ago: timedelta = HOUR / 2, **changes: Any) -> FoundLetter:
    """A letter that was refused so long ago."""
    said = {"source": ORDERS_0, "reason": "invalid", "field": "/amount", "message": "must not be negative", **changes}
    validator, fingerprint = said.pop("validator", "json"), said.pop("fingerprint", "1a")
    letter = DeadLetter(
        offset=offset, timestamp_ms=0, timestamp_type=1, key=None, value=b"", headers=(), attempt=1,
        first_failed_at_ms=0, **said,
    )  # fmt: skip
    return FoundLetter(letter, NOW - ago, "live-1", validator, "dead/x", fingerprint)


def stats(letters: Sequence[FoundLetter], by: Sequence[Dimension] = ("reason", "field"), **more: Any) -> DeadStats:
    return dead_stats(letters, by, now=NOW, **more)


def told(groups: Sequence[tuple[Any, LetterCounts]]) -> list[tuple[Any, int]]:
    return [(key if len(key) > 1 else key[0], counts.letters) for key, counts in groups]


LETTERS = [
    found(1, message="-1 is less than 0"),
    found(2, message="-20 is less than 0", validator="pydantic"),
    found(3, timedelta(days=2), field="/items/0/qty", fingerprint="2b"),
    found(4, 3 * HOUR, field="/items/7/qty"),
    found(5, source=PAYMENTS_3, reason="malformed", field=None, message="not JSON: line 1 column 3"),
]


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        (["reason"], [("invalid", 4), ("malformed", 1)]),
        (["field"], [("/amount", 2), ("/items/*/qty", 2), (None, 1)]),
        (["reason", "topic"], [(("invalid", "orders"), 4), (("malformed", "payments"), 1)]),
        (["partition"], [(0, 4), (3, 1)]),
        (["validator"], [("json", 4), ("pydantic", 1)]),
        (["fingerprint"], [("1a", 4), ("2b", 1)]),
        (["message"], [("# is less than #", 2), ("must not be negative", 2), ("not JSON: line # column #", 1)]),
        (["hour"], [("2026-01-31T06:00Z", 3), ("2026-01-31T03:00Z", 1), ("2026-01-29T06:00Z", 1)]),
        (["reason", "day"], [
            (("invalid", "2026-01-31"), 3), (("malformed", "2026-01-31"), 1), (("invalid", "2026-01-29"), 1),
        ]),
    ],
)  # fmt: skip
def test_letters_are_counted_by_what_is_named_all_of_it_together(by: list[Dimension], groups: list[Any]) -> None:
    counted = stats(LETTERS, by)
    assert told(counted.groups) == groups
    assert (counted.total.letters, counted.others.letters) == (5, 0)


def test_every_dimension_can_be_counted_by() -> None:
    counted = stats(LETTERS, DIMENSIONS)
    assert [len(key) for key, _ in counted.groups] == [len(DIMENSIONS)] * len(LETTERS)


def test_first_last_and_an_example_of_the_newest_are_told() -> None:
    counted = stats(LETTERS, ["topic"])
    (_, orders), (_, payments) = counted.groups
    assert (orders.first_seen, orders.last_seen, orders.example) == (
        NOW - timedelta(days=2), NOW - HOUR / 2, "orders/0/1",
    )  # fmt: skip
    assert payments.example == "payments/3/5"
    assert counted.total.first_seen == NOW - timedelta(days=2)


def test_the_messages_come_beside_and_not_where_they_are_counted_by_already() -> None:
    assert told(stats(LETTERS).messages)[0] == ("# is less than #", 2)
    assert stats(LETTERS, ["message"]).messages == []


def growth(letters: Sequence[FoundLetter], **filters: Any) -> Any:
    total = stats(letters, wanted=LetterFilter(**filters)).total
    return [(window.last, window.before, window.ratio) for window in (total.hour, total.day)]


def test_growth_is_the_last_hour_and_day_against_the_ones_before() -> None:
    ago = [0.1, 0.9, 0.99, 1.0, 1.99, 2.0, 23.99, 24.0, 47.99, 48.0]
    letters = [found(at, hours * HOUR) for at, hours in enumerate(ago)]
    assert growth(letters) == [(3, 2, 0.5), (7, 2, 2.5)]
    assert growth([found(ago=-HOUR / 100)]) == [(1, 0, None), (1, 0, None)], "another host's clock may be ahead"
    assert growth([]) == [(0, 0, None), (0, 0, None)]


def test_growth_ends_where_the_filter_does_and_does_not_compare_with_what_the_filter_leaves_out() -> None:
    letters = [found(ago=3.5 * HOUR), found(ago=4.5 * HOUR), found(ago=4.6 * HOUR)]
    assert growth(letters, until=NOW - 3 * HOUR)[0] == (1, 2, -0.5)
    assert growth([found(ago=HOUR / 2)], until=NOW + HOUR)[0] == (1, 0, None), "the future is not waited for"
    assert growth(letters, since=NOW - 2 * HOUR) == [(0, 0, None), (3, None, None)]
    assert growth(letters, since=NOW - 1.9 * HOUR)[0] == (0, None, None)
    assert growth(letters, since=NOW - 48 * HOUR)[1] == (3, 0, None)


def test_past_so_many_distinct_keys_others_are_counted_together_and_none_is_lost() -> None:
    letters = [found(field=f"/f{at % 50}", message=f"rule {chr(97 + at % 26)}{chr(97 + at % 50)}") for at in range(500)]
    counted = stats(letters, ["field"], keys_max=20)
    assert (len(counted.groups), counted.others.letters, counted.keys_max) == (20, 300, 20)
    assert sum(counts.letters for _, counts in counted.groups) + counted.others.letters == 500
    assert sum(counts.letters for _, counts in counted.messages) + counted.other_messages.letters == 500
    assert counted.other_messages.letters > 0
    assert counted.total.letters == 500


def test_memory_does_not_grow_with_the_letters_nor_with_what_they_say() -> None:
    def endless(count: int) -> Iterator[FoundLetter]:
        return (
            found(
                at, field=f"/{at:x}g/{'f' * 10_000}", message=f"{'m' * 10_000} {at:x}g", validator=f"{at}{'v' * 10_000}"
            )
            for at in range(count)
        )

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            dead_stats(endless(count), ["field", "message", "validator"], now=NOW, keys_max=100)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few = peak(300)
    assert few < 1_000_000, "texts of 10,000 characters are cut, each of them"
    assert peak(3_000) < few + 200_000


def test_what_a_lake_holds_is_counted_by_the_version_of_its_validator(tmp_path: Path) -> None:
    lake = Lake.make(tmp_path, format="parquet")
    lake.claim(ORDERS_0, fingerprint="aa11").land(10, refused=[3, 4])
    lake.claim(ORDERS_0, fingerprint="ab22").land(10, refused=[5])

    def an_hour_ago(entries: list[Fields]) -> None:
        for entry in entries[:2]:
            entry["committed_at"] = (datetime.now(UTC) - 1.5 * HOUR).isoformat()

    forge_ledger(lake, ORDERS_0, an_hour_ago)
    counted = dead_stats(list_letters(lake.ledger(), LetterFilter()), ["validator", "fingerprint"])
    assert told(counted.groups) == [(("json", "aa11"), 2), (("json", "ab22"), 1)]
    assert (counted.total.hour.last, counted.total.hour.before) == (1, 2)
    only = LetterFilter(fingerprint="ab")
    assert dead_stats(list_letters(lake.ledger(), only), wanted=only).total.letters == 1
