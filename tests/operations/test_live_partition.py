"""What became of a range is told from totals and edges, and is what counting every offset says."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lake import Lake

from streamlake.engine.entries import Entry
from streamlake.engine.operations.live_partition import Fates, LedgerPart
from streamlake.engine.records import OffsetRange, TopicPartition

ORDERS = TopicPartition("orders", 0)
START, NEXT = 100, 181
"""Of the ledger of `lake`."""


@pytest.fixture(scope="module")
def fates(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """The fate of each offset of `lake`."""
    refused, skipped, holes = {103, 104, 131, 139, 170, 171}, {105, 132}, {129, *range(140, 145)}
    given_up = set(range(145, 160))
    return {
        offset: next(
            (
                name
                for name, of in (("refused", refused), ("skipped", skipped), ("holes", holes), ("given_up", given_up))
                if offset in of
            ),
            "landed",
        )
        for offset in range(START, NEXT)
    }


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> LedgerPart:
    """Seven entries over [100, 181) of three workers: data, a gap, claims between."""
    lake = Lake.make(tmp_path_factory.mktemp("lake"), starts={ORDERS: START})
    worker = lake.claim(ORDERS)
    worker.land(10, refused=[3, 4], skipped=[5])
    worker.land(20, holes=[19])
    worker = lake.claim(ORDERS)
    worker.land(15, refused=[1, 9], skipped=[2], holes=range(10, 15))
    worker.end.skip_to(160, "expired")
    worker = lake.claim(ORDERS)
    worker.land(10)
    worker.land(2, refused=[0, 1])
    worker.land(9)
    return LedgerPart(lake.ledger(), "live-1", ORDERS)


def counted(fates: dict[int, str], wanted: OffsetRange) -> Counter[str]:
    return Counter(fates.get(offset, "not_read") for offset in range(wanted.first, wanted.next))


def test_the_range_of_the_ledger_is_known_from_its_head(live: LedgerPart) -> None:
    assert live.range == OffsetRange(START, NEXT)


@given(st.tuples(st.integers(90, 190), st.integers(90, 190)).map(sorted))
def test_of_every_range_the_fates_are_those_of_its_offsets(
    live: LedgerPart, fates: dict[int, str], edges: list[int]
) -> None:
    wanted = OffsetRange(*edges)
    found, true = live.fates(wanted), counted(fates, wanted)
    assert (found.skipped, found.holes, found.given_up, found.not_read) == (
        *(true["skipped"], true["holes"], true["given_up"], true["not_read"]),
    )
    assert found.landed + found.refused == true["landed"] + true["refused"]
    assert min(found.landed, found.refused, found.file_bytes) >= 0
    if not live.cuts_an_entry(wanted):
        assert (found.landed, found.refused) == (true["landed"], true["refused"])


@pytest.mark.parametrize(("first", "following", "cut"), [(100, 181, False), (110, 130, False), (104, 130, True)])
def test_what_is_estimated_is_said_to_be(live: LedgerPart, first: int, following: int, cut: bool) -> None:
    assert live.cuts_an_entry(OffsetRange(first, following)) is cut


@given(st.lists(st.integers(START, NEXT), min_size=3, max_size=3).map(sorted))
def test_two_parts_of_a_range_add_up_to_it(live: LedgerPart, edges: list[int]) -> None:
    first, middle, following = edges
    whole = live.fates(OffsetRange(first, middle)) + live.fates(OffsetRange(middle, following))
    assert whole == live.fates(OffsetRange(first, following))


def test_a_long_ledger_is_read_at_the_edges_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake.make(tmp_path)
    worker = lake.claim(ORDERS)
    for _ in range(200):
        worker.end.skip_to(worker.next + 10, "made up")
        worker.next += 10
    ledger = lake.ledger()
    read: list[int] = []
    entries = ledger.entries

    def counted(run: str, source: TopicPartition, first_seq: int = 0) -> Iterator[Entry]:
        for entry in entries(run, source, first_seq):
            read.append(entry.seq)
            yield entry

    monkeypatch.setattr(ledger, "entries", counted)
    assert LedgerPart(ledger, "live-1", ORDERS).fates(OffsetRange(505, 1505)).given_up == 1000
    assert len(read) <= 2 * (1 + len(f"{200:b}"))
    del read[:]
    assert LedgerPart(ledger, "live-1", ORDERS).fates(OffsetRange(0, 9999)).given_up == 2000
    assert not read, "all of it stands in the head"


def test_all_bytes_are_those_of_the_files(live: LedgerPart) -> None:
    entries = live.ledger.entries("live-1", ORDERS)
    assert live.fates(live.range).file_bytes == sum(file.bytes for entry in entries for file in entry.files)


def test_a_ledger_without_entries_has_read_nothing(tmp_path: Path) -> None:
    lake = Lake.make(tmp_path, starts={ORDERS: 5})
    empty = LedgerPart(lake.ledger(), "live-1", ORDERS)
    assert empty.fates(OffsetRange(0, 9)) == Fates(not_read=9)
    assert (empty.pace(), empty.offset_at(0, 9, behind=False)) == (None, None)


def stamp(offset: int) -> int:
    """The timestamp of a record of a `Lake`."""
    return 1_700_000_000_000 + 3_600 * offset


@pytest.mark.parametrize(
    ("timestamp_ms", "at", "behind"),
    [
        (0, 100, 100),
        (stamp(100), 100, 100),
        (stamp(104), 100, 110),
        (stamp(110), 110, 110),
        (stamp(150), 160, 160),  # a gap has no times
        (stamp(175), 172, 180),  # not behind what Kafka still has
        (stamp(181), None, None),
    ],
)
def test_a_time_is_found_among_what_landed_as_near_as_files_tell(
    live: LedgerPart, timestamp_ms: int, at: int | None, behind: int | None
) -> None:
    assert live.offset_at(timestamp_ms, 180, behind=False) == at
    assert live.offset_at(timestamp_ms, 180, behind=True) == behind


def test_what_kafka_still_has_is_kafkas_to_say(live: LedgerPart) -> None:
    assert live.offset_at(stamp(115), 110, behind=False) is None


def test_the_pace_is_that_of_the_fastest_large_batch(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    lake = Lake.make(tmp_path)
    worker = lake.claim(ORDERS)
    worker.end.__dict__["_now"] = lambda: now
    for rows, seconds in [(100, 10), (80, 4), (5, 0.001), (100, 50), (90, 0)]:
        now += timedelta(seconds=seconds)
        worker.land(rows)
    assert LedgerPart(lake.ledger(), "live-1", ORDERS).pace() == pytest.approx(20)
