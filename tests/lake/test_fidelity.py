"""What was delivered is read again from the files as it was: byte for byte, in order, refused ones too."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sinks.any_batches import batches
from sinks.making import ORDERS, job, letter, options

from streamlake.engine.contracts import BatchLimits
from streamlake.engine.lake.source import LakeSource
from streamlake.engine.records import Batch, OffsetRange, PayloadKind, Refusal, Verdict
from streamlake.plugins.sinks.file.backends.memory import MemoryBackend
from streamlake.plugins.sinks.file.formats import jsonl_reading
from streamlake.plugins.sinks.file.formats import parquet as parquet_format
from streamlake.plugins.sinks.file.partition import FilePartitionSink
from streamlake.plugins.sinks.file.reader import FileLedger

FORMATS: list[dict[str, Any]] = [
    {"format": "parquet"},
    {"format": "parquet", "compression": "none"},
    {"format": "jsonl"},
    {"format": "jsonl", "compression": "zstd"},
]
LIMITS = BatchLimits(1000, 2**30, 60.0)

Record = tuple[int, int, int, bytes | None, bytes | None, tuple[Any, ...]]


@pytest.mark.parametrize("payload", ["json", "bytes"])
@pytest.mark.parametrize("partition_by", ["none", "record_date"])
@pytest.mark.parametrize("chosen", FORMATS, ids=lambda chosen: "-".join(chosen.values()))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the way and the sizes are the same for all
)
@given(data=st.data())
def test_a_batch_that_landed_is_read_again_as_it_came(
    chosen: dict[str, Any], partition_by: str, payload: PayloadKind, data: st.DataObject, way: object
) -> None:
    of, fates = data.draw(batches(payload)), st.sampled_from(["landed", "landed", "refused", "skipped"])
    fate = data.draw(st.lists(fates, min_size=len(of), max_size=len(of)))
    # A refused record may be anything, a tombstone as well.
    anything = data.draw(st.lists(st.none() | st.binary(max_size=20), min_size=len(of), max_size=len(of)))
    values = [any_ if was == "refused" else value for value, any_, was in zip(of.values, anything, fate, strict=True)]
    of = replace(of, values=values)
    one_line = chosen["format"] == "jsonl" and payload == "json"
    expected = [
        record_of(of, index, one_line=one_line and fate[index] == "landed")
        for index in range(len(of))
        if fate[index] != "skipped"
    ]
    backend = MemoryBackend(f"lake-{uuid4()}")
    sink = FilePartitionSink(backend, job(payload=payload), options(partition_by=partition_by, **chosen))
    land(sink, of, fate, data.draw(st.integers(0, len(of))))
    ledger = FileLedger(backend)
    source = LakeSource(ledger, ORDERS, ledger.entries("live-1", ORDERS), 0, of.range.next)
    assert expected == read(source, OffsetRange(0, of.range.next))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of three rows and blocks of some lines, so that a file has several."""
    monkeypatch.setattr(parquet_format, "PART_ROWS", 3)
    monkeypatch.setattr(jsonl_reading, "BLOCK_BYTES", 300)


def land(sink: FilePartitionSink, of: Batch, fate: Sequence[str], middle: int) -> None:
    """Land a batch as two slices, each record as its fate is."""
    sink.claim(sink.head())
    parts = [(0, of)] if middle in {0, len(of)} else list(zip((0, middle), of.cut(middle), strict=True))
    with sink.stage() as stage:
        for begin, part in parts:
            fates = fate[begin : begin + len(part)]
            refused = [index for index, was in enumerate(fates) if was == "refused"]
            skipped = [index for index, was in enumerate(fates) if was == "skipped"]
            verdict = Verdict([Refusal(index, "invalid", "no", "/a") for index in refused], skipped)
            stage.add(part, verdict, [letter(part, index) for index in refused])
        record = stage.seal()
    sink.commit(record)
    sink.publish(record)


def record_of(of: Batch, index: int, *, one_line: bool) -> Record:
    """What has to come back: no timestamp is -1, and in JSON lines a break between tokens is a space."""
    value = of.values[index]
    if one_line and value is not None:
        value = value.replace(b"\n", b" ").replace(b"\r", b" ")
    stamp = of.timestamps_ms[index] if of.timestamp_types[index] else -1
    headers = tuple(of.headers[index] or ())
    return of.offsets[index], stamp, of.timestamp_types[index], of.keys[index], value, headers


def read(source: LakeSource, whole: OffsetRange) -> list[Record]:
    """Every record, of slices that lie one behind the other."""
    found: list[Record] = []
    position = whole.first
    for part in source.slices(LIMITS, lambda: True):
        assert part.range.first == position
        assert part.leader_epoch is None
        assert all(offset in part.range for offset in part.offsets)
        assert None in part.headers or all(part.headers)
        position = part.range.next
        columns: Mapping[str, Sequence[Any]] = {name: getattr(part, name) for name in COLUMNS}
        found += [(*row[:-1], tuple(row[-1] or ())) for row in zip(*(columns[name] for name in COLUMNS), strict=True)]
    assert position == whole.next
    return found


COLUMNS = ("offsets", "timestamps_ms", "timestamp_types", "keys", "values", "headers")
