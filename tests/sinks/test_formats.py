"""Rows go into files and come back: byte for byte, in order, whatever the keys, headers and payloads are."""

import gzip
import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from sinks.any_batches import batches
from sinks.making import ORDERS, batch, claimed, files, job, landed, letter, options, staged_as

from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import ConfigError, FileDamagedError
from streamlake.engine.records import Batch, DeadLetter, OffsetRange, PayloadKind, Verdict
from streamlake.plugins.sinks.file.backends.local import LocalBackend
from streamlake.plugins.sinks.file.backends.memory import MemoryBackend
from streamlake.plugins.sinks.file.formats import base, jsonl_reading
from streamlake.plugins.sinks.file.partition import FilePartitionSink
from streamlake.plugins.sinks.file.reader import FileLedger

EVERY_FORMAT: list[dict[str, Any]] = [
    {"format": "parquet"},
    {"format": "parquet", "compression": "snappy"},
    {"format": "parquet", "compression": "none"},
    {"format": "jsonl"},
    {"format": "jsonl", "compression": "gzip"},
    {"format": "jsonl", "compression": "zstd"},
]


def as_letter(of: Batch, index: int) -> DeadLetter:
    """What comes back: a record without a timestamp has -1."""
    whole = letter(of, index)
    untimed = whole.timestamp_type == 0
    return whole if not untimed else DeadLetter(**{**_fields(whole), "timestamp_ms": -1})


def _fields(of: DeadLetter) -> dict[str, Any]:
    return {name: getattr(of, name) for name in DeadLetter.__slots__}


def read(root: Path) -> FileLedger:
    return FileLedger(LocalBackend(root))


def files_of(sink: Any, of: Batch, refused: Sequence[int] = ()) -> list[FileEntry]:
    return list(landed(sink, of, refused).files)


@pytest.mark.parametrize("payload", ["json", "bytes"])
@pytest.mark.parametrize("columns", ["envelope", "value"])
@pytest.mark.parametrize("chosen", EVERY_FORMAT, ids=lambda chosen: "-".join(chosen.values()))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_landed_is_what_came(
    chosen: dict[str, Any],
    columns: str,
    payload: PayloadKind,
    data: st.DataObject,
) -> None:
    backend = MemoryBackend(f"lake-{uuid4()}")
    of = data.draw(batches(payload))
    refused = sorted(data.draw(st.sets(st.integers(0, len(of) - 1))))
    wanted = options(columns=columns, partition_by="none", **chosen)
    sink = FilePartitionSink(backend, job(payload=payload), wanted)
    sink.claim(sink.head())
    found = landed(sink, of, refused).files
    accepted = [index for index in range(len(of)) if index not in refused]
    ledger = FileLedger(backend)
    for file in found:
        indices = accepted if file.kind == "raw" else refused
        assert ledger.rows(file) == file.rows == len(indices)
        offsets = ledger.offsets(file)
        if file.kind == "raw" and columns == "value":
            assert offsets is None
        else:
            assert offsets is not None
            assert offsets.to_pylist() == [of.offsets[index] for index in indices]
        if file.kind == "dead":
            assert list(ledger.dead_letters(file)) == [as_letter(of, index) for index in indices]
            continue
        came = [of.values[index] or b"" for index in indices]
        if chosen["format"] == "jsonl" and payload == "json":
            came = [value.replace(b"\n", b" ").replace(b"\r", b" ") for value in came]
        assert list(ledger.values(file) or ()) == came
    assert {file.kind for file in found} == {kind for kind, some in (("raw", accepted), ("dead", refused)) if some}


def queried(sql: str) -> list[Any]:
    """What DuckDB, a reader that knows nothing of us, finds."""
    relation = duckdb.sql(sql)
    assert relation is not None
    return relation.fetchall()


ORDER = b'{"id":1,\r\n "note":"a\\nb"}'


def one(value: bytes = ORDER) -> Batch:
    return Batch(
        source=ORDERS,
        range=OffsetRange(41, 43),
        leader_epoch=0,
        offsets=[41, 42],
        timestamps_ms=[1_700_000_000_123, 5],
        timestamp_types=[1, 0],
        keys=[b"k\xff", b'say "hi"'],
        values=[value, b"{}"],
        headers=[[("source", b"web"), ("source", None), ("raw", b"\xff")], None],
    )


def test_the_envelope_in_jsonl_has_a_fixed_layout_and_the_payload_as_it_came(tmp_path: Path) -> None:
    (file,) = files_of(claimed(tmp_path, start=41, format="jsonl"), one())
    first, second = (tmp_path / file.final).read_bytes().splitlines()
    assert first == (
        b'{"_partition":3,"_offset":41,"_timestamp":1700000000123,"_timestamp_type":"CreateTime",'
        b'"_key":{"base64":"' + b64encode(b"k\xff") + b'"},'
        b'"_headers":[{"name":"source","value":"web"},{"name":"source","value":null},'
        b'{"name":"raw","value":{"base64":"/w=="}}],"value":{"id":1,   "note":"a\\nb"}}'
    )
    assert second == (
        b'{"_partition":3,"_offset":42,"_timestamp":null,"_timestamp_type":"NoTimestampType",'
        b'"_key":"say \\"hi\\"","_headers":null,"value":{}}'
    )


def test_the_envelope_in_parquet_has_the_types_that_readers_expect(tmp_path: Path) -> None:
    (file,) = files_of(claimed(tmp_path, start=41), one())
    table = pq.read_table(tmp_path / file.final, partitioning=None)
    headers = pa.list_(pa.struct([pa.field("name", pa.string(), nullable=False), ("value", pa.binary())]))
    assert [(name, kind) for name, kind in zip(table.schema.names, table.schema.types, strict=True)] == [
        ("_partition", pa.int32()),
        ("_offset", pa.int64()),
        ("_timestamp", pa.timestamp("ms", "UTC")),
        ("_timestamp_type", pa.string()),
        ("_key", pa.binary()),
        ("_headers", headers),
        ("value", pa.string()),
    ]
    assert table.to_pylist()[0] == {
        "_partition": 3,
        "_offset": 41,
        "_timestamp": datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC),
        "_timestamp_type": "CreateTime",
        "_key": b"k\xff",
        "_headers": [
            {"name": "source", "value": b"web"},
            {"name": "source", "value": None},
            {"name": "raw", "value": b"\xff"},
        ],
        "value": ORDER.decode(),
    }
    assert table.to_pylist()[1]["_timestamp"] is None


def test_a_parquet_file_says_what_it_is_and_serves_its_readers(tmp_path: Path) -> None:
    values = [b'{"id":%d,"pad":"%b"}' % (n, b"x" * 1000) for n in range(200)]
    (file,) = files_of(claimed(tmp_path, row_group_bytes_max=2**16), batch(values))
    footer = pq.ParquetFile(tmp_path / file.final).metadata
    assert footer.num_row_groups == 4
    group = footer.row_group(1)
    assert list(group.sorting_columns) == [pq.SortingColumn(1)]
    offsets, value = group.column(1), group.column(6)
    assert offsets.statistics is not None
    assert (offsets.statistics.min, offsets.statistics.max) == (64, 127)
    assert (offsets.compression, value.compression) == ("ZSTD", "ZSTD")
    assert "RLE_DICTIONARY" not in value.encodings + offsets.encodings
    assert "RLE_DICTIONARY" in group.column(0).encodings
    said = {key.decode(): text.decode() for key, text in (footer.metadata or {}).items()}
    assert said.items() >= {
        ("streamlake.run", "live-1"),
        ("streamlake.topic", "orders"),
        ("streamlake.topic_id", "id"),
        ("streamlake.partition", "3"),
        ("streamlake.first", "0"),
        ("streamlake.next", "200"),
    }


def test_a_dead_file_has_the_envelope_and_why(tmp_path: Path) -> None:
    (file,) = files_of(claimed(tmp_path, start=41), one(b"\xff"), refused=[0, 1])
    table = pq.read_table(tmp_path / file.final, partitioning=None)
    assert table.schema.names[6:] == ["value", "reason", "field", "message", "attempt", "first_failed_at"]
    row = table.to_pylist()[0]
    assert (row["value"], row["reason"], row["field"]) == (b"\xff", "invalid", "/amount")
    assert row["first_failed_at"] == datetime(2023, 11, 14, 22, 13, 20, 1_000, UTC)


TYPED = pa.table(
    {
        "id": pa.array([1, 2], pa.int64()),
        "amount": pa.array([Decimal("12345678901234567890.10"), None], pa.decimal128(38, 2)),
        "at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
        "items": pa.array(
            [[{"sku": "a", "qty": 1}], []], pa.list_(pa.struct([("sku", pa.string()), ("qty", pa.int8())]))
        ),
        "blob": pa.array([b"ok", b"\xff"], pa.binary()),
    }
)


def test_typed_columns_stand_beside_the_records_own(tmp_path: Path) -> None:
    sink = claimed(tmp_path, start=41, columns="typed")
    record = staged_as(sink, one(), Verdict(columns=TYPED))
    sink.commit(record)
    sink.publish(record)
    table = pq.read_table(tmp_path / record.files[0].final, partitioning=None)
    assert table.schema.names == ["_partition", "_offset", "_timestamp", "_key", "_headers", *TYPED.schema.names]
    assert table.select(TYPED.schema.names).equals(TYPED)
    assert read(tmp_path).values(record.files[0]) is None
    offsets = read(tmp_path).offsets(record.files[0])
    assert offsets is not None
    assert offsets.to_pylist() == [41, 42]


def test_typed_columns_in_jsonl_keep_every_digit(tmp_path: Path) -> None:
    sink = claimed(tmp_path, start=41, columns="typed", format="jsonl")
    record = staged_as(sink, one(), Verdict(columns=TYPED))
    lines = (tmp_path / record.files[0].staged).read_bytes().splitlines()
    assert lines[0].startswith(b'{"_partition":3,"_offset":41,"_timestamp":1700000000123,"_key":')
    assert b'"amount":12345678901234567890.10,' in lines[0]
    rows = [orjson.loads(line) for line in lines]
    assert [row["at"] for row in rows] == ["2026-01-01T00:00:00Z"] * 2
    assert [row["items"] for row in rows] == [[{"sku": "a", "qty": 1}], []]
    assert [row["blob"] for row in rows] == ["ok", {"base64": "/w=="}]
    assert (rows[1]["amount"], rows[1]["_headers"]) == (None, None)


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_typed_columns_follow_their_rows_into_the_folders(tmp_path: Path, file_format: str) -> None:
    sink = claimed(tmp_path, columns="typed", partition_by="record_date", format=file_format)
    days = [86_400_000 * day for day in (2, 1, 2, 1)]
    of = batch([b"{}"] * 4, timestamps_ms=days)
    record = staged_as(sink, of, Verdict(columns=pa.table({"n": [0, 1, 2, 3]})))
    ledger = read(tmp_path)
    offsets = [ledger.offsets(file) for file in record.files]
    assert [column and column.to_pylist() for column in offsets] == [[1, 3], [0, 2]]
    assert queried(f"SELECT n FROM '{tmp_path / record.files[0].staged}' ORDER BY n") == [(1,), (3,)]


def test_a_models_field_with_a_name_of_ours_is_refused(tmp_path: Path) -> None:
    sink = claimed(tmp_path, columns="typed")
    with pytest.raises(ConfigError, match="the model's _key, _offset is a name of StreamLake's own columns"):
        staged_as(sink, batch([b"1"]), Verdict(columns=pa.table({"_offset": [1], "_key": [1]})))


@pytest.mark.parametrize("chosen", EVERY_FORMAT, ids=lambda chosen: "-".join(chosen.values()))
def test_duckdb_reads_what_landed(tmp_path: Path, chosen: dict[str, Any]) -> None:
    landed(claimed(tmp_path, start=41, **chosen), one())
    (name,) = files(tmp_path, "raw")
    rows = queried(f"SELECT _offset, value FROM '{tmp_path / name}' ORDER BY _offset")
    assert [offset for offset, _ in rows] == [41, 42]
    value = rows[0][1]
    assert (json.loads(value) if isinstance(value, str) else value)["id"] == 1


@pytest.mark.parametrize("chosen", EVERY_FORMAT, ids=lambda chosen: "-".join(chosen.values()))
def test_large_rows_are_encoded_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, Any]
) -> None:
    monkeypatch.setattr(base, "PART_ROWS_MAX", 7)
    monkeypatch.setattr(jsonl_reading, "BLOCK_BYTES", 100)
    values = [b'"%b"' % (b"%d" % n * (n % 40)) for n in range(100)]
    (file,) = files_of(claimed(tmp_path, **chosen), batch(values))
    ledger = read(tmp_path)
    assert list(ledger.values(file) or ()) == values
    offsets = ledger.offsets(file)
    assert offsets is not None
    assert offsets.to_pylist() == list(range(100))
    assert ledger.rows(file) == 100


def test_compressed_lines_are_one_ordinary_stream(tmp_path: Path) -> None:
    for compression, decompress in (
        ("gzip", gzip.decompress),
        ("zstd", zstandard.ZstdDecompressor().decompressobj().decompress),
    ):
        root = tmp_path / compression
        (file,) = files_of(claimed(root, start=41, format="jsonl", compression=compression), one())
        lines = decompress((root / file.final).read_bytes())
        assert [orjson.loads(line)["_offset"] for line in lines.splitlines()] == [41, 42]


@pytest.mark.parametrize("chosen", EVERY_FORMAT, ids=lambda chosen: "-".join(chosen.values()))
@pytest.mark.parametrize("damage", ["cut short", "emptied", "other bytes"])
def test_a_damaged_file_is_named(tmp_path: Path, chosen: dict[str, Any], damage: str) -> None:
    raw, dead = files_of(claimed(tmp_path, **chosen), batch([b'{"a":%d}' % n for n in range(50)]), refused=[1, 2])
    ledger = read(tmp_path)
    for file in (raw, dead):
        path = tmp_path / file.final
        content = {"cut short": path.read_bytes()[:-20], "emptied": b"", "other bytes": b"\x00\n" * 300}[damage]
        path.write_bytes(content)

    def rows(file: FileEntry) -> object:
        offsets = ledger.offsets(file)
        return offsets is not None and len(offsets)

    if damage == "emptied" and raw.final.endswith(".jsonl"):  # no lines: the count is what is wrong
        assert (rows(raw), list(ledger.values(raw) or ()), list(ledger.dead_letters(dead))) == (0, [], [])
        return
    looks: list[Callable[[], object]] = [
        lambda: rows(raw),
        lambda: list(ledger.values(raw) or ()),
        lambda: list(ledger.dead_letters(dead)),
    ]
    for look in looks:
        with pytest.raises(FileDamagedError, match=r"(raw|dead)/orders/.*can't be read as"):
            look()


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    (file,) = files_of(claimed(tmp_path), batch([b"1"]))
    (tmp_path / file.final).unlink()
    ledger = read(tmp_path)
    assert ledger.inspect(file, checksum=True) is None
    looks: list[Callable[[], object]] = [
        lambda: ledger.rows(file),
        lambda: ledger.offsets(file),
        lambda: list(ledger.values(file) or ()),
    ]
    for look in looks:
        with pytest.raises(FileDamagedError, match=r"is gone, and so is its staged _stage/"):
            look()
