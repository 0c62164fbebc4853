"""A source that reads what has landed: slices, limits, ranges, and what it refuses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from support.lake import Lake, Landing

from streamlake.engine.contracts import BatchLimits, Ledger
from streamlake.engine.entries import Entry
from streamlake.engine.errors import ConfigError, FileDamagedError, PositionLostError
from streamlake.engine.lake import batches
from streamlake.engine.lake.source import LakeSource
from streamlake.engine.records import Batch, Header, OffsetRange, TopicPartition, Verdict

ORDERS = TopicPartition("orders", 0)
LIMITS = BatchLimits(1000, 2**30, 60.0)


@dataclass
class Written:
    """A lake with one partition, and how it is read."""

    lake: Lake
    landing: Landing

    @classmethod
    def make(cls, root: Path, **options: Any) -> "Written":
        lake = Lake.make(root, **options)
        return cls(lake, lake.claim(ORDERS))

    def entries(self) -> list[Entry]:
        return list(self.lake.ledger().entries("live-1", ORDERS))

    def source(self, first: int = 0, until: int | None = None) -> LakeSource:
        end = self.landing.next if until is None else until
        return LakeSource(self.lake.ledger(), ORDERS, self.entries(), first, end)

    def file(self, folder: str = "raw") -> Path:
        return self.lake.files(folder)[0]


@pytest.fixture(params=["parquet", "jsonl"])
def written(request: pytest.FixtureRequest, tmp_path: Path, way: str) -> Written:
    assert way
    return Written.make(tmp_path, format=request.param)


def read(source: LakeSource, limits: BatchLimits = LIMITS) -> list[Batch]:
    return list(source.slices(limits, lambda: True))


def offsets(parts: list[Batch]) -> list[int]:
    return [offset for part in parts for offset in part.offsets]


def covered(parts: list[Batch]) -> OffsetRange:
    """The range of all slices, which follow each other."""
    for before, after in pairwise(parts):
        assert before.range.next == after.range.first
    return OffsetRange(parts[0].range.first, parts[-1].range.next)


def test_refused_records_stand_among_the_accepted_ones(written: Written) -> None:
    written.landing.land(10, refused=[2, 3, 9])
    parts = read(written.source())
    assert offsets(parts) == list(range(10))
    (of,) = written.landing.batches
    assert [value for part in parts for value in part.values] == of.values
    assert [key for part in parts for key in part.keys] == of.keys
    assert {part.leader_epoch for part in parts} == {None}


def test_what_has_no_bytes_becomes_a_hole(written: Written) -> None:
    written.landing.land(6, skipped=[1], holes=[0, 4, 5])
    written.landing.end.skip_to(9, "expired")
    written.landing.next = 9
    written.landing.land(3, holes=[0, 1, 2])
    written.landing.land(2)
    parts = read(written.source())
    assert offsets(parts) == [2, 3, 12, 13]
    assert covered(parts) == OffsetRange(0, 14)
    assert [hole for part in parts for hole in part.holes()] == [
        OffsetRange(0, 2),
        OffsetRange(4, 6),
        OffsetRange(6, 9),
        OffsetRange(9, 12),
    ]


@pytest.mark.parametrize(("first", "until"), [(0, 20), (3, 17), (9, 11), (10, 20), (0, 10), (4, 5), (20, 20), (7, 3)])
def test_it_begins_and_ends_inside_of_entries(written: Written, first: int, until: int) -> None:
    written.landing.land(10, refused=[4])
    written.landing.land(10)
    parts = read(written.source(first, until))
    assert offsets(parts) == list(range(first, until))
    assert not parts or covered(parts) == OffsetRange(first, until)


def test_a_batch_is_closed_at_its_limit_and_the_next_one_goes_on(written: Written) -> None:
    written.landing.land(10, refused=[7])
    written.landing.land(10)
    source = written.source()
    by_rows = BatchLimits(7, 2**30, 60.0)
    found = [offsets(read(source, by_rows)) for _ in range(4)]
    assert found == [[*range(7)], [*range(7, 14)], [*range(14, 20)], []]


def test_a_batch_is_closed_by_bytes_and_by_time(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SLICE_BYTES_MAX", 50)
    written.landing.land(5, value=lambda _: b'"%b"' % (b"x" * 58))
    source = written.source()
    assert offsets(read(source, BatchLimits(1000, 130, 60.0))) == [0, 1]
    assert offsets(read(source, BatchLimits(1000, 2**30, 0.0))) == []
    assert offsets(read(source)) == [2, 3, 4]


def test_slices_are_bounded_by_bytes_and_hold_a_record_at_least(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "SLICE_BYTES_MAX", 100)
    sizes = [30, 30, 30, 200, 60, 60, 5]
    written.landing.land(7, value=lambda offset: b'"%b"' % (b"x" * (sizes[offset] - 2)))
    assert [list(part.offsets) for part in read(written.source())] == [[0, 1, 2], [3], [4], [5, 6]]


def test_a_small_rest_goes_with_the_slice_before_it(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SLICE_ROWS", 16)
    monkeypatch.setattr(batches, "SLICE_ROWS_PACKED", 16)
    monkeypatch.setattr(batches, "SLICE_BYTES_MAX", 800)
    for rows in (18, 19):
        written.landing.land(rows, value=lambda _: b"1")
    written.landing.land(18, value=lambda offset: b'"%b"' % (b"x" * (60 if offset == 18 + 19 + 17 else 1)))
    written.landing.land(18, value=lambda offset: b'"%b"' % (b"x" * (120 if offset == 18 + 19 + 18 + 17 else 1)))
    assert [len(part) for part in read(written.source())] == [18, 16, 3, 18, 16, 2]


def test_a_drain_closes_the_batch_and_loses_nothing(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SLICE_ROWS", 3)
    monkeypatch.setattr(batches, "SLICE_ROWS_PACKED", 3)
    written.landing.land(8)
    source = written.source()
    assert offsets(list(source.slices(LIMITS, lambda: False))) == [0, 1, 2]
    assert offsets(read(source)) == [3, 4, 5, 6, 7]
    source.close()


def test_it_beats_for_each_slice_and_around_each_check_of_a_file(written: Written) -> None:
    for _ in range(4):
        written.landing.land(5, refused=[1])
    beats: list[int] = []

    def go_on() -> bool:
        beats.append(1)
        return True

    parts = list(written.source().slices(LIMITS, go_on))
    assert len(beats) == len(parts) + 8 * 3  # of eight files: before and after the check, and with its only part


def test_rows_of_many_files_come_in_the_order_of_their_offsets(tmp_path: Path, way: str) -> None:
    assert way
    written = Written.make(tmp_path, partition_by="record_hour")
    written.landing.land(4000, refused=range(0, 4000, 7))  # an hour of record time is 1000 offsets
    entry = written.entries()[-1]
    assert len(entry.files) > 3
    mixed = replace(entry, files=entry.files[::-1])
    source = LakeSource(written.lake.ledger(), ORDERS, [mixed], 0, 4000)
    parts = read(source, BatchLimits(10_000, 2**30, 60.0))
    (of,) = written.landing.batches
    assert offsets(parts) == of.offsets
    assert [value for part in parts for value in part.values] == of.values


def test_neighbours_with_equal_headers_share_them(written: Written) -> None:
    landing = written.landing
    headers: list[Sequence[Header] | None] = [
        [("a", b"1")],
        [("a", b"1")],
        None,
        [("a", b"2"), ("a", None)],
        [("a", b"2"), ("a", None)],
    ]
    batch = replace(landing.batch(5), headers=headers)
    with landing.end.stage() as stage:
        stage.add(batch, Verdict(), ())
        record = stage.seal()
    landing.end.commit(record)
    landing.end.publish(record)
    (part,) = read(written.source())
    assert [list(one or ()) for one in part.headers] == [list(one or ()) for one in headers]
    assert part.headers[0] is part.headers[1]
    assert part.headers[3] is part.headers[4]


@pytest.mark.parametrize("folder", ["raw", "dead"])
def test_a_file_that_is_gone_or_altered_is_named_before_a_row_of_its_entry_is_taken(
    written: Written, folder: str
) -> None:
    written.landing.land(10, refused=[4])
    file = written.file(folder)
    content = file.read_bytes()
    middle = len(content) // 2
    for damage in (content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :], content[:-1], b""):
        file.write_bytes(damage)
        with pytest.raises(FileDamagedError, match=rf"{folder}/orders/.* is not what was committed: .* put the file"):
            next(written.source().slices(LIMITS, lambda: True))
    file.unlink()
    with pytest.raises(FileDamagedError, match=rf"{folder}/orders/.* is gone, and so is its staged _stage/"):
        next(written.source().slices(LIMITS, lambda: True))


def test_a_file_with_other_rows_than_its_entry_says_is_named(written: Written) -> None:
    written.landing.land(10)
    entry = written.entries()[-1]
    short = LakeSource(written.lake.ledger(), ORDERS, [replace(entry, landed=11)], 0, 10)
    with pytest.raises(
        FileDamagedError, match=r"10 rows within .*, 11 were committed by ledger entry 1 .*\(raw/orders/"
    ):
        read(short)
    elsewhere = replace(entry, first=5, next=15)
    with pytest.raises(FileDamagedError, match=r"5 rows within \[5, 15\), 10 were committed"):
        read(LakeSource(written.lake.ledger(), ORDERS, [elsewhere], 5, 15))


@pytest.mark.parametrize("columns", ["value", "typed"])
def test_a_file_that_does_not_keep_the_record_is_named_with_what_to_do(written: Written, columns: str) -> None:
    written.landing.land(3)
    entry = written.entries()[-1]
    other = replace(entry, files=[replace(file, columns=columns) for file in entry.files])
    with pytest.raises(ConfigError, match=rf"raw/orders/.* was landed with sink.columns {columns}: .* from Kafka"):
        read(LakeSource(written.lake.ledger(), ORDERS, [other], 0, 3))


def test_dead_letters_keep_the_record_whatever_the_columns_are(tmp_path: Path) -> None:
    written = Written.make(tmp_path, columns="value")
    written.landing.land(3, refused=[0, 1, 2])
    assert offsets(read(written.source())) == [0, 1, 2]


@pytest.mark.parametrize(("first", "until", "missing"), [(0, 25, r"\[20, 25\)"), (22, 25, r"\[22, 25\)")])
def test_offsets_that_have_not_landed_are_never_skipped(written: Written, first: int, until: int, missing: str) -> None:
    written.landing.land(20)
    with pytest.raises(PositionLostError, match=f"orders/0: offsets {missing} have not landed"):
        read(written.source(first, until))


def test_a_missing_entry_is_no_hole(written: Written) -> None:
    for _ in range(3):
        written.landing.land(5)
    one, _, three = [entry for entry in written.entries() if entry.kind == "data"]
    with pytest.raises(PositionLostError, match=r"offsets \[5, 10\) have not landed"):
        read(LakeSource(written.lake.ledger(), ORDERS, iter([one, three]), 0, 15))


def test_a_sink_that_gives_no_records_back_is_refused_at_once() -> None:
    class Plain:
        def entries(self) -> Iterator[Any]:
            return iter(())

    with pytest.raises(ConfigError, match=r"its ledger \(Plain\) does not give back .* Read from Kafka instead"):
        LakeSource(cast("Ledger", Plain()), ORDERS, (), 0, 1)
