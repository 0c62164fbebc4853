"""The judge of torture runs, judged: a true history passes, and each kind of broken one is refused by name."""

import json
import lzma
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torture.oracle import Lake, Place, Watcher, is_whole, judge, lake_of, landed_aborted, record, rows_of

GOOD = {(0, offset): record("p", offset, b"x" * offset) for offset in (0, 1, 4)}
BROKEN: dict[Place, bytes] = {(0, 2): b'{"producer":', (1, 0): b""}
DELIVERED: dict[Place, bytes | None] = {**GOOD, **BROKEN, (0, 3): None}


def honest() -> Lake:
    """The lake in which all is well."""
    return Lake(dict(GOOD), dict(BROKEN), {(0, 3)}, Counter(list(DELIVERED)))


def kinds(lake: Lake, delivered: dict[Place, bytes | None] = DELIVERED, *, compacted: bool = False) -> list[str]:
    """The kinds of the faults found."""
    return kinds_of(judge(delivered, lake, compacted=compacted))


def kinds_of(faults: list[str]) -> list[str]:
    """What stands before the colons."""
    return [fault.partition(":")[0] for fault in faults]


def test_a_true_history_passes() -> None:
    assert judge(DELIVERED, honest()) == []


@pytest.mark.parametrize("place", [(0, 1), (0, 2), (0, 3)])
def test_one_lost_record_is_seen(place: Place) -> None:
    lake = honest()
    lake.raw.pop(place, None)
    lake.dead.pop(place, None)
    lake.skipped.discard(place)
    del lake.times[place]
    assert kinds(lake) == ["lost"]


@pytest.mark.parametrize("place", [(0, 1), (0, 2), (0, 3)])
def test_one_doubled_record_is_seen(place: Place) -> None:
    lake = honest()
    lake.times[place] += 1
    assert kinds(lake) == ["doubled"]


def test_one_altered_record_is_seen() -> None:
    lake = honest()
    lake.raw[0, 1] = record("p", 9, b"x")
    assert kinds(lake) == ["altered"]
    lake = honest()
    lake.dead[0, 2] = b'{"producer"'
    assert kinds(lake) == ["altered"]


def test_a_record_that_kafka_itself_altered_is_seen_by_its_checksum() -> None:
    lake = honest()
    lake.raw[0, 1] = GOOD[0, 1].replace(b'"sequence":1', b'"sequence":7')
    assert not is_whole(lake.raw[0, 1])
    assert kinds(lake, {**DELIVERED, (0, 1): lake.raw[0, 1]}) == ["altered"]


def test_one_resurrected_record_is_seen() -> None:
    lake = honest()
    lake.raw[0, 7] = record("p", 7, b"")  # of an aborted transaction
    lake.times[0, 7] = 1
    assert kinds(lake) == ["from nowhere"]
    assert kinds(lake, compacted=True) == []


def test_a_few_aborted_records_are_kafkas_fault_and_many_are_not() -> None:
    aborted: dict[Place, bytes | None] = {(0, offset): record("p", offset, b"") for offset in range(10, 110)}
    lake = honest()
    lake.raw[0, 12] = record("p", 12, b"")
    lake.times[0, 12] = 1
    assert judge(DELIVERED, lake, aborted=aborted) == []
    assert landed_aborted(lake, aborted) == [(0, 12)]
    lake.raw[0, 12] = record("p", 13, b"")
    assert kinds_of(judge(DELIVERED, lake, aborted=aborted)) == ["from nowhere"]
    for offset in range(10, 20):
        lake.raw[0, offset] = record("p", offset, b"")
        lake.times[0, offset] = 1
    assert kinds_of(judge(DELIVERED, lake, aborted=aborted)) == ["aborted"]


def test_a_record_in_the_wrong_place_is_seen() -> None:
    lake = honest()
    lake.dead[0, 1] = lake.raw.pop((0, 1))
    lake.raw[0, 2] = BROKEN[0, 2]
    del lake.dead[0, 2]
    assert Counter(kinds(lake)) == {"misplaced": 2, "altered": 1}  # and it has no checksum
    lake = honest()
    lake.skipped.remove((0, 3))
    lake.skipped.add((0, 4))
    del lake.raw[0, 4]
    assert kinds(lake) == ["misplaced", "misplaced"]


def write(path: Path, *offsets: int) -> Path:
    """A file of rows, in the format of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = [record("p", offset, b"") for offset in offsets]
    if path.suffix == ".parquet":
        columns = {"_partition": [0] * len(offsets), "_offset": list(offsets), "value": [v.decode() for v in values]}
        pq.write_table(pa.table(columns), path)
    else:
        rows = [b'{"_partition":0,"_offset":%d,"value":%b}\n' % row for row in zip(offsets, values, strict=True)]
        path.write_bytes(b"".join(rows))
    return path


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_files_are_read_byte_for_byte(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"raw/t/a.{suffix}", 3, 4)
    assert rows_of(path) == [((0, 3), record("p", 3, b"")), ((0, 4), record("p", 4, b""))]


def test_a_lake_counts_every_row_and_what_the_ledger_skipped(tmp_path: Path) -> None:
    write(tmp_path / "raw/t/a.jsonl", 0, 1)
    write(tmp_path / "raw/t/b.parquet", 1)
    dead = tmp_path / "dead/t/c.jsonl"
    dead.parent.mkdir(parents=True)
    dead.write_text(
        '{"_partition":0,"_offset":2,"value":"{\\"a"}\n{"_partition":0,"_offset":5,"value":{"base64":"/w=="}}\n'
    )
    entry = tmp_path / "_ledger/live-1/t/00000/00000000/000000000000.json"
    entry.parent.mkdir(parents=True)
    entry.write_text(json.dumps({"run": "live-1", "partition": 0, "skipped_offsets": [[3, 5]]}))
    lake = lake_of(tmp_path, "t")
    assert lake.times == {(0, 0): 1, (0, 1): 2, (0, 2): 1, (0, 3): 1, (0, 4): 1, (0, 5): 1}
    assert lake.dead == {(0, 2): b'{"a', (0, 5): b"\xff"}
    assert lake.skipped == {(0, 3), (0, 4)}


def test_what_was_skipped_is_read_out_of_segments_and_counted_once(tmp_path: Path) -> None:
    ledger = tmp_path / "_ledger/live-1/t/00000"
    line = json.dumps({"run": "live-1", "partition": 0, "skipped_offsets": [[3, 5]]})
    (ledger / "00000000").mkdir(parents=True)
    (ledger / "00000000.jsonl.xz").write_bytes(lzma.compress(f"{line}\n{line.replace('3, 5', '7, 8')}\n".encode()))
    (ledger / "00000000/000000000000.json").write_text(line)  # not dropped yet by whoever folded it
    lake = lake_of(tmp_path, "t")
    assert lake.times == {(0, 3): 1, (0, 4): 1, (0, 7): 1}


def test_a_watcher_is_content_while_files_only_come(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path)
    assert watcher.look() == 0
    write(tmp_path / "a.jsonl", 0, 1)
    assert watcher.look() == 1
    write(tmp_path / "day/b.parquet", 2)
    assert watcher.look(thoroughly=True) == 2
    assert watcher.faults == []


def test_a_watcher_sees_what_goes_changes_doubles_or_is_half_there(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path)
    gone, changed = write(tmp_path / "gone.jsonl", 0), write(tmp_path / "changed.jsonl", 1)
    watcher.look()
    gone.unlink()
    write(changed, 2)
    write(tmp_path / "twice.jsonl", 1)
    half = write(tmp_path / "half.parquet", 5)
    half.write_bytes(half.read_bytes()[:-3])
    watcher.look(thoroughly=True)
    assert sorted(fault.partition(":")[0] for fault in watcher.faults) == [
        "changed",
        "disappeared",
        "doubled",
        "partial",
    ]
    with pytest.raises(duckdb.Error):
        rows_of(half)
