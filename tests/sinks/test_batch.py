"""One batch comes slice by slice: one entry, one file for each folder, and nothing left where it is given up."""

import gc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sinks.making import IDENTITY, NOW, ORDERS, batch, claimed, files, job, landed, letter, options

from streamlake.engine.errors import BreakerError, ValidatorError
from streamlake.engine.operations.prove import prove
from streamlake.engine.records import OffsetRange, Refusal, Verdict
from streamlake.plugins.sinks.file import batch as staged_batch
from streamlake.plugins.sinks.file.backends.local import LocalBackend
from streamlake.plugins.sinks.file.partition import FilePartitionSink
from streamlake.plugins.sinks.file.reader import FileLedger
from streamlake.plugins.sinks.file.sink import FileSink


@pytest.mark.parametrize("chosen", [{"format": "parquet"}, {"format": "jsonl", "compression": "zstd"}])
def test_slices_land_as_one_entry_and_one_file(tmp_path: Path, chosen: dict[str, Any]) -> None:
    sink = claimed(tmp_path, **chosen)
    first, second = batch([b"1", None, b"2"]), batch([b"3", b"4"], 3)
    with sink.stage() as stage:
        stage.add(first, Verdict(skipped=[1]), [])
        stage.add(second, Verdict([Refusal(0, "invalid", "no")]), [letter(second, 0)])
        record = stage.seal()
    entry = sink.commit(record)
    sink.publish(record)
    assert (entry.range, entry.read, entry.landed, entry.refused, entry.skipped) == (OffsetRange(0, 5), 5, 3, 1, 1)
    assert [(file.kind, file.rows) for file in entry.files] == [("raw", 3), ("dead", 1)]
    offsets = FileLedger(LocalBackend(tmp_path)).offsets(entry.files[0])
    assert offsets is not None
    assert offsets.to_pylist() == [0, 2, 4]


def test_holes_and_skips_that_touch_across_slices_are_one_range(tmp_path: Path) -> None:
    nothing = batch([])
    with claimed(tmp_path).stage() as stage:
        for first in (0, 3):
            hole = type(nothing)(nothing.source, OffsetRange(first, first + 3), 1, [], [], [], [], [], [])
            stage.add(hole, Verdict(), [])
        for first in (6, 8):
            stage.add(batch([None, None], first), Verdict(skipped=[0, 1]), [])
        record = stage.seal()
    assert (record.holes, record.skipped_offsets) == ((OffsetRange(0, 6),), (OffsetRange(6, 10),))
    assert record.leader_epoch == 7, "the epoch belongs to the end of the last slice"


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_a_batch_that_is_given_up_leaves_no_file_and_says_nothing(tmp_path: Path, file_format: str) -> None:
    sink = claimed(tmp_path, format=file_format, row_group_bytes_max=2**16)

    def begin_and_give_up() -> None:
        with sink.stage() as stage:
            stage.add(batch([b'"%b"' % (b"x" * 2**16)]), Verdict(), [])
            stage.add(batch([b'"%b"' % (b"x" * 2**16)], 1), Verdict(), [])
            assert len(files(tmp_path, "_stage")) == 1
            raise BreakerError("too many refused")

    with pytest.raises(BreakerError):
        begin_and_give_up()
    gc.collect()  # a ParquetWriter that is let go completes its footer: into nothing
    assert files(tmp_path, "_stage") == []
    assert landed(sink, batch([b"1"])).next == 1


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_many_files_of_a_batch_hold_back_no_more_than_they_may_and_are_whole_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_format: str
) -> None:
    monkeypatch.setattr(staged_batch, "HELD_BYTES_MAX", 100_000)
    sink = claimed(tmp_path, partition_by="record_hour", format=file_format)
    hours = [3_600_000 * hour for hour in range(6)]
    value = b'"%b"' % (b"x" * 30_000)
    with sink.stage() as stage:
        for turn in range(3):
            for number, hour in enumerate(hours[: 6 - turn]):  # some get no more rows after they had to let go
                first = sum(6 - before for before in range(turn)) + number
                stage.add(batch([value], first, timestamps_ms=[hour]), Verdict(), [])
        record = stage.seal()
    entry = sink.commit(record)
    sink.publish(record)
    assert [file.rows for file in entry.files] == [3, 3, 3, 3, 2, 1]
    ledger = FileLedger(LocalBackend(tmp_path))
    assert [list(ledger.values(file) or ()) for file in entry.files] == [[value] * file.rows for file in entry.files]


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_a_validator_whose_columns_change_their_types_parks_with_their_names(tmp_path: Path, file_format: str) -> None:
    with claimed(tmp_path, columns="typed", format=file_format).stage() as stage:
        stage.add(batch([b"1"]), Verdict(columns=pa.table({"a": [1], "b": ["x"]})), [])
        with pytest.raises(ValidatorError, match=r"now it has a: double; before, a: int64, b: string"):
            stage.add(batch([b"1"], 1), Verdict(columns=pa.table({"a": [1.5], "b": ["x"]})), [])


def test_hosts_whose_clocks_are_an_hour_apart_and_jump_take_turns_and_all_is_proven(tmp_path: Path) -> None:
    """Nothing but the folders' names and what an entry says of its time comes from a clock."""
    sink = FileSink.from_options({"root": str(tmp_path), "partition_by": "ingestion_hour"}, base_dir=tmp_path)
    sink.register_run(replace(IDENTITY, starts={ORDERS: 0}))
    clocks = [NOW, NOW - timedelta(hours=1), NOW + timedelta(days=400), datetime(1970, 1, 1, tzinfo=UTC)]
    for offset in range(12):
        clock = clocks[offset % len(clocks)]
        chosen = options(partition_by="ingestion_hour")
        writer = FilePartitionSink(LocalBackend(tmp_path), job(), chosen, now=lambda clock=clock: clock)  # type: ignore[misc]
        writer.claim(writer.head())
        landed(writer, batch([b"1", b"2"], 2 * offset), refused=[1])
    proof = prove(sink.ledger())
    assert proof.holds, proof.defects
    assert (proof.totals.rows, proof.totals.dead_letters, proof.totals.files) == (12, 12, 24)
