"""What `complete` calls late: rows of a complete hour that landed behind its positions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.completeness import MINUTE_MS, ORDERS_0, ORDERS_1, SEVEN, SIX, Broker, asked_once, asking, at, each_minute
from support.lake import Lake

from streamlake.engine.entries import FileEntry
from streamlake.engine.operations.complete_types import LateRows
from streamlake.plugins.sinks.file.reader import FileLedger


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.make(tmp_path / "lake", format="parquet")


def late_rows(lake: Lake, *entries: Mapping[str, Any]) -> Sequence[LateRows]:
    """What is late of six o'clock when these land behind its positions, of a partition that ended with offset 10."""
    landing = lake.claim(ORDERS_0)
    landing.land(10, time_ms=at(70))
    asked_once(lake, Broker({ORDERS_0: 10}))
    for entry in entries:
        landing.land(**entry)
    return asked_once(lake, Broker({ORDERS_0: 900})).late


@pytest.mark.parametrize("format_name", ["parquet", "jsonl"])
def test_late_rows_are_listed_with_file_offsets_and_how_late(tmp_path: Path, format_name: str) -> None:
    lake = Lake.make(tmp_path / "lake", format=format_name)
    whole = {"rows": 4, "time_ms": at(30), "refused": [3]}
    mixed = {"rows": 100, "time_ms": each_minute(24), "refused": [50, 95]}  # [14, 114): from ten minutes before six on
    later = {"rows": 3, "time_ms": at(60)}
    before = {"rows": 3, "time_ms": at(-1 / MINUTE_MS)}
    found = late_rows(lake, whole, mixed, later, before)
    raw = [(one.first, one.next, one.rows, one.exact) for one in found if one.kind == "raw"]
    assert raw == [(10, 14, 3, True), (24, 84, 59, True)]
    dead = [(one.first, one.next, one.rows, one.exact) for one in found if one.kind == "dead"]
    assert dead == [(10, 14, 1, True), (64, 65, 1, True)]
    entry = next(one for one in lake.ledger().entries("live-1", ORDERS_0) if one.first == 14)
    mixed_raw = next(one for one in found if one.first == 24)
    assert mixed_raw.path == next(file.final for file in entry.files if file.kind == "raw")
    assert mixed_raw.committed_at == entry.committed_at
    landed = datetime.fromisoformat(entry.committed_at) - SIX.end
    assert mixed_raw.seconds_late == pytest.approx(landed.total_seconds(), abs=0.01)


def test_a_file_is_opened_only_where_it_holds_other_hours_too(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    timestamps = FileLedger.timestamps

    def noted(ledger: FileLedger, file: FileEntry) -> object:
        opened.append(file.final)
        return timestamps(ledger, file)

    monkeypatch.setattr(FileLedger, "timestamps", noted)
    found = late_rows(
        lake, {"rows": 4, "time_ms": at(30)}, {"rows": 9, "time_ms": at(300)}, {"rows": 100, "time_ms": each_minute(23)}
    )
    assert [one.rows for one in found] == [4, 60]
    assert opened == [found[1].path]


def test_rows_without_times_are_counted_as_many_as_there_may_be(tmp_path: Path) -> None:
    lake = Lake.make(tmp_path / "lake", format="jsonl", columns="value")
    found = late_rows(lake, {"rows": 100, "time_ms": each_minute(20)}, {"rows": 5, "time_ms": at(30)})
    assert [(one.rows, one.exact) for one in found] == [(100, False), (5, True)]


def test_a_partition_that_came_later_is_late_with_all_it_has(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, time_ms=at(70))
    asked_once(lake, Broker({ORDERS_0: 10}))
    lake.claim(ORDERS_1).land(7, time_ms=at(30))
    (late,) = asked_once(lake, Broker({ORDERS_0: 10, ORDERS_1: 7})).late
    assert (late.source, late.rows) == (ORDERS_1, 7)


def test_each_hour_has_late_rows_of_its_own(lake: Lake) -> None:
    landing = lake.claim(ORDERS_0)
    landing.land(10, time_ms=at(130))
    asking(lake, Broker({ORDERS_0: 10}), SIX, SEVEN)
    landing.land(90, time_ms=each_minute(10))
    found = asking(lake, Broker({ORDERS_0: 100}), SEVEN, SIX, SEVEN)
    assert [(str(one.hour), one.state, one.late_rows) for one in found.hours] == [
        ("2026-01-31T06", "complete", 60),
        ("2026-01-31T07", "complete", 30),
    ]


def test_a_later_hour_opens_no_file_before_its_positions(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    landing = lake.claim(ORDERS_0)
    landing.land(10, time_ms=at(70))
    asked_once(lake, Broker({ORDERS_0: 10}), SIX)
    landing.land(4, time_ms=lambda offset: at(80)(offset) if offset % 2 else at(130)(offset))
    landing.land(1, time_ms=at(140))
    asked_once(lake, Broker({ORDERS_0: 15}), SEVEN)
    monkeypatch.setattr(FileLedger, "timestamps", lambda *_: pytest.fail("opened"))
    assert [one.late for one in asking(lake, Broker({ORDERS_0: 15}), SIX, SEVEN).hours] == [(), ()]


def test_of_a_new_generation_only_what_lies_behind_the_positions_is_late(lake: Lake) -> None:
    landing = lake.claim(ORDERS_0)
    landing.land(5, time_ms=at(70))
    landing.land(5, time_ms=at(70))
    asked_once(lake, Broker({ORDERS_0: 10}))
    again = Lake.make(lake.root, run="live-2", starts={ORDERS_0: 5}, format="parquet").claim(ORDERS_0)
    again.next = 5
    entry = again.land(15, time_ms=at(30))
    assert (entry.first, entry.next) == (5, 20)
    (late,) = asked_once(lake, Broker({ORDERS_0: 20})).late
    assert (late.first, late.next, late.rows) == (10, 20, 10)


def test_offsets_of_a_topic_that_was_made_anew_are_not_compared_with_the_old_ones(lake: Lake) -> None:
    landing = lake.claim(ORDERS_0)
    landing.land(10, time_ms=at(90))
    landing.land(30, time_ms=at(95))
    asked_once(lake, Broker({ORDERS_0: 40}))
    anew = Lake.make(lake.root, run="live-2", starts={ORDERS_0: 0}, topic_ids={"orders": "new"}, format="parquet")
    anew.claim(ORDERS_0).land(15, time_ms=lambda offset: at(30)(offset) if offset == 12 else at(200)(offset))
    broker = Broker({ORDERS_0: 15})
    broker.topic_id = "new"
    six, seven = asking(lake, broker, SIX, SEVEN).hours
    assert (six.state, six.late) == ("complete", ())
    assert six.why == "the topic was made anew since then: late rows are not looked for"
    assert (seven.state, seven.why, seven.late) == ("written", "", ())
    third = Lake.make(lake.root, run="live-2", topic_ids={"orders": "new"}, format="parquet").claim(ORDERS_0)
    third.next = 15
    third.land(5, time_ms=at(61))
    assert [one.late_rows for one in asking(lake, broker, SIX, SEVEN).hours] == [0, 5]
