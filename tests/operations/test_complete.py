"""`complete` says of an hour that all of it has landed, when that is so, once; and what came too late."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from support.completeness import (
    LATENESS,
    MARKER,
    ORDERS_0,
    ORDERS_1,
    POSITIONS,
    SEVEN,
    SIX,
    Broker,
    asked_once,
    asking,
    at,
    stored,
)
from support.lake import Lake

from streamlake.engine.cli import complete as command
from streamlake.engine.cli.main import run
from streamlake.engine.errors import ForeignRootError, LedgerDamagedError, UsageError
from streamlake.engine.operations import complete_marker
from streamlake.engine.operations.complete import HOURS_MAX
from streamlake.engine.operations.hours import Hour
from streamlake.engine.operations.prove import prove
from streamlake.engine.records import TopicPartition
from streamlake.plugins.sinks.file.sink import FileSink


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.make(tmp_path / "lake", format="parquet")


def test_an_hour_that_every_partition_has_passed_by_a_record_is_marked_with_its_positions(lake: Lake) -> None:
    for source in (ORDERS_0, ORDERS_1):
        landing = lake.claim(source)
        landing.land(10, time_ms=at(20))
        landing.land(5, time_ms=at(70))
    report = asked_once(lake, Broker({ORDERS_0: 900, ORDERS_1: 900}))
    assert (report.state, report.complete, report.marker, report.late) == ("written", True, MARKER, ())
    files = stored(lake)
    assert files[MARKER] == b""
    said = json.loads(files[POSITIONS])
    head = lake.ledger().head("live-1", ORDERS_1)
    assert head.last is not None
    assert said["partitions"]["1"] == {
        "run": "live-1",
        "seq": 2,
        "sha256": head.last.sha256,
        "next": 15,
        "gaps": 0,
        "passed_by": "record",
        "passed_at": "2026-01-31T07:10:00.000+00:00",
    }
    assert (said["topic_id"], said["hour"], said["lateness_seconds"]) == ("id-of-orders", "2026-01-31T06", 600)


def test_what_is_marked_stays_as_it_is_whatever_comes(lake: Lake) -> None:
    landing = lake.claim(ORDERS_0)
    landing.land(10, time_ms=at(70))
    asked_once(lake, Broker({ORDERS_0: 10}))
    before = stored(lake)
    landing.land(10, time_ms=at(200))
    report = asked_once(lake, Broker({ORDERS_0: 900}), lateness_seconds=86_400.0)
    assert report.state == "complete"
    assert report.positions is not None
    assert report.positions.partitions[0].position.next == 10
    assert stored(lake) == before


def test_a_record_within_the_lateness_passes_nothing(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, time_ms=at(69.99))
    report = asked_once(lake, Broker({ORDERS_0: 900}))
    assert (report.state, stored(lake)) == ("not yet", {})
    assert asked_once(lake, Broker({ORDERS_0: 900}), lateness_seconds=590.0).state == "written"


def test_a_partition_that_is_behind_is_named_with_where_it_is(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, time_ms=at(90))
    entry = lake.claim(ORDERS_1).land(10, time_ms=at(20))
    report = asked_once(lake, Broker({ORDERS_0: 900, ORDERS_1: 1234}))
    assert (report.state, report.complete) == ("not yet", False)
    (waiting,) = report.waiting
    assert waiting.source == ORDERS_1
    assert waiting.why == "1,224 offsets have not landed, and no record of 2026-01-31T07:10:00.000+00:00 or later has"
    assert (waiting.next, waiting.end, waiting.since) == (10, 1234, entry.committed_at)
    assert waiting.reached == "2026-01-31T06:20:00.000+00:00"
    assert stored(lake) == {}


def test_a_partition_without_traffic_holds_nothing_up(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, time_ms=at(90))
    lake.claim(ORDERS_1).land(10, time_ms=at(-900), holes=[9])
    report = asked_once(lake, Broker({ORDERS_0: 900, ORDERS_1: 10}))
    assert report.positions is not None
    assert [one.by for one in report.positions.partitions.values()] == ["record", "end"]
    assert report.state == "written"


def test_partitions_that_nothing_was_read_of_count_too(tmp_path: Path) -> None:
    lake = Lake.make(tmp_path / "lake", starts={ORDERS_0: 0, ORDERS_1: 40})
    lake.claim(ORDERS_0).land(10, time_ms=at(90))
    third = TopicPartition("orders", 2)
    report = asked_once(lake, Broker({ORDERS_0: 10, ORDERS_1: 41, third: 0}))
    assert [(one.source, one.next, one.end) for one in report.waiting] == [(ORDERS_1, 40, 41), (third, None, 0)]
    assert report.waiting[1].why == "no run has begun with it"
    lake.claim(third)
    assert asked_once(lake, Broker({ORDERS_0: 10, ORDERS_1: 40, third: 0})).state == "written"


def test_an_undecided_transaction_holds_an_hour_up(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, time_ms=at(20))
    report = asked_once(lake, Broker({ORDERS_0: 10}, {ORDERS_0: 12}))
    (waiting,) = report.waiting
    assert waiting.why == "what was written from 10 on belongs to an undecided transaction"
    assert stored(lake) == {}


def test_an_hour_that_is_not_over_is_not_complete_though_all_has_landed(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, time_ms=at(20))
    over = SIX.end + timedelta(seconds=LATENESS)
    report = asked_once(lake, Broker({ORDERS_0: 10}), now=over - timedelta(milliseconds=1))
    assert (report.state, report.why) == ("not yet", "it is over at 2026-01-31T07:10:00+00:00, with its lateness")
    assert asked_once(lake, Broker({ORDERS_0: 10}), now=over).state == "written"


def test_a_record_of_the_future_passes_nothing(lake: Lake) -> None:
    """A producer's clock that is wrong would declare hours complete of which nothing has landed."""
    landing = lake.claim(ORDERS_0)
    next_year = round((datetime.now(UTC) + timedelta(days=365)).timestamp() * 1000)
    landing.land(2, time_ms=lambda offset: next_year if offset == 1 else SIX.start_ms)
    assert asked_once(lake, Broker({ORDERS_0: 900})).state == "not yet"
    landing.land(2, time_ms=lambda offset: next_year if offset == 3 else at(70)(offset))
    assert asked_once(lake, Broker({ORDERS_0: 900})).state == "written"


def test_what_readers_do_not_see_yet_is_not_in_the_positions(lake: Lake) -> None:
    landing = lake.claim(ORDERS_0)
    landing.land(10, time_ms=at(20))
    landing.land(5, time_ms=at(90), publish=False)
    report = asked_once(lake, Broker({ORDERS_0: 15}))
    (waiting,) = report.waiting
    assert (waiting.next, waiting.end) == (10, 15)
    lake.claim(ORDERS_0)
    assert asked_once(lake, Broker({ORDERS_0: 15})).state == "written", "the next owner has published it"


def test_gaps_count_as_passed_and_are_told(lake: Lake) -> None:
    landing = lake.claim(ORDERS_0)
    landing.land(10, time_ms=at(20))
    landing.end.skip_to(40, "expired")
    report = asked_once(lake, Broker({ORDERS_0: 40}))
    assert report.positions is not None
    assert report.positions.partitions[0].position.gaps == 30


def test_dry_run_writes_nothing_and_says_what_would_be(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, time_ms=at(70))
    report = asked_once(lake, Broker({ORDERS_0: 10}), dry_run=True)
    assert (report.state, report.complete, stored(lake)) == ("would be written", True, {})


def test_without_the_broker_nothing_is_decided_and_what_was_is_told(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, time_ms=at(700))
    asked_once(lake, Broker({ORDERS_0: 10}))
    six, seven = asking(lake, Broker(None), SIX, SEVEN).hours
    assert (six.state, seven.state) == ("complete", "not yet")
    assert seven.why == "the broker can't be asked: no answer from 127.0.0.1:1: is Kafka running there?"


def test_a_topic_made_anew_is_not_the_one_that_landed(lake: Lake) -> None:
    landing = lake.claim(ORDERS_0)
    landing.land(10, time_ms=at(20))
    broker = Broker({ORDERS_0: 10})
    broker.topic_id = "another"
    (waiting,) = asked_once(lake, broker).waiting
    assert waiting.why == "the topic was made anew: the ledger is of topic id id-of-orders"


def test_another_pipelines_root_and_another_cluster_are_refused(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, time_ms=at(70))
    with pytest.raises(ForeignRootError, match="belongs to the pipeline orders, not to payments"):
        asking(lake, Broker({ORDERS_0: 10}), pipeline="payments")
    broker = Broker({ORDERS_0: 10})
    broker.cluster = "elsewhere"
    with pytest.raises(ForeignRootError, match="of the cluster cluster, and this one is elsewhere"):
        asking(lake, broker)
    assert stored(lake) == {}


def test_of_two_that_decide_at_once_the_first_counts_for_both(lake: Lake) -> None:
    landing = lake.claim(ORDERS_0)
    landing.land(10, time_ms=at(70))
    assert isinstance(lake.sink, FileSink)
    notes = lake.sink.notes()

    class Overtaken:
        """Somebody else writes between our reading and our writing."""

        def read(self, name: str) -> bytes | None:
            return notes.read(name)

        def read_all(self, names: Sequence[str]) -> Sequence[bytes | None]:
            return notes.read_all(names)

        def names(self, folder: str) -> Sequence[str]:
            return notes.names(folder)

        def write(self, name: str, data: bytes) -> bytes:
            if name == POSITIONS:
                asked_once(lake, Broker({ORDERS_0: 10}))
                landing.land(5, time_ms=at(90))
            return notes.write(name, data)

    late = Overtaken()
    first = asked_once(lake, Broker({ORDERS_0: 10}), notes=late)
    assert first.positions is not None
    assert json.loads(stored(lake)[POSITIONS])["written_at"] == first.positions.written_at
    assert first.positions.partitions[0].position.next == 10
    assert first.state == "written"


def test_positions_without_a_marker_are_a_decision_that_a_dead_one_left(lake: Lake) -> None:
    landing = lake.claim(ORDERS_0)
    landing.land(10, time_ms=at(70))
    asked_once(lake, Broker({ORDERS_0: 10}))
    (lake.root / MARKER).unlink()
    before = stored(lake)
    landing.land(5, time_ms=at(90))
    assert asked_once(lake, Broker(None), dry_run=True).state == "would be written"
    assert stored(lake) == before
    assert asked_once(lake, Broker(None)).state == "written"
    assert stored(lake) == {**before, MARKER: b""}


def test_damaged_positions_are_not_read_as_anything_else(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, time_ms=at(70))
    asked_once(lake, Broker({ORDERS_0: 10}))
    path = lake.root / POSITIONS
    for data in (path.read_bytes()[:40], b"[]", path.read_bytes().replace(b'"next"', b'"last"')):
        path.chmod(0o644)
        path.write_bytes(data)
        with pytest.raises(LedgerDamagedError, match=POSITIONS):
            asked_once(lake, Broker({ORDERS_0: 10}))
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2'))
    with pytest.raises(LedgerDamagedError, match="version"):
        asked_once(lake, Broker({ORDERS_0: 10}))


def test_while_a_new_generation_begins_nothing_is_decided(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, time_ms=at(70))
    again = Lake.make(lake.root, run="live-2", starts={ORDERS_0: 5}, format="parquet")
    report = asked_once(lake, Broker({ORDERS_0: 5}))
    assert (report.state, report.why) == (
        "not yet",
        "the change to live-2 is not finished: any `streamlake run` finishes it",
    )
    again.claim(ORDERS_0)
    assert asked_once(lake, Broker({ORDERS_0: 5})).state == "written", "by the new one's position"


def test_prove_and_readers_of_the_rows_do_not_meet_the_marker(lake: Lake) -> None:
    lake.claim(ORDERS_0).land(10, time_ms=at(70))
    asked_once(lake, Broker({ORDERS_0: 10}))
    assert stored(lake)
    proof = prove(lake.ledger())
    assert (proof.defects, proof.totals.rows) == ([], 10)
    assert ds.dataset(str(lake.root / "raw")).count_rows() == 10
    assert not lake.files("_stage/_notes")


def test_a_sink_without_notes_is_said(
    lake: Lake, pipeline: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Bare:
        ledger = lake.sink.ledger

    monkeypatch.setattr(command, "open_sink", lambda _: Bare())
    assert run(["complete", pipeline]) == 78
    assert capsys.readouterr().err == (
        "sink.type: Bare keeps no notes (it has no `notes`, see `NoteKeeper` in streamlake.engine.abilities): the "
        "marker of an hour is one [SL0101]\n"
    )


def test_too_many_hours_are_asked_for_in_parts(lake: Lake) -> None:
    hours = [Hour(SIX.number + more) for more in range(HOURS_MAX + 1)]
    with pytest.raises(UsageError, match="part by part"):
        asking(lake, Broker({}), *hours)


def test_a_topic_that_hides_its_name_from_readers_has_a_folder_too() -> None:
    assert complete_marker.marker_path("_orders", SIX) == "_complete/%5Forders/hour=2026-01-31T06/_COMPLETE"
