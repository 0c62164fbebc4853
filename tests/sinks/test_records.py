"""Rows are given back as what was delivered and as what they say, or the file is named that can't be read so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sinks.making import batch, claimed, landed

from streamlake.engine.abilities import RecordLedger
from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import FileDamagedError
from streamlake.plugins.sinks.file.backends.local import LocalBackend
from streamlake.plugins.sinks.file.reader import FileLedger

VALUES = [b"[%d]" % n for n in range(5)]


def files(root: Path, **options: Any) -> tuple[FileLedger, FileEntry, FileEntry]:
    """A file of three rows and one of two dead letters, the first and the last."""
    raw, dead = landed(claimed(root, **options), batch(VALUES), refused=[0, 4]).files
    return FileLedger(LocalBackend(root)), raw, dead


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
@pytest.mark.parametrize("columns", ["envelope", "value"])
def test_contents_are_payloads_and_reasons(tmp_path: Path, file_format: str, columns: str) -> None:
    ledger, raw, dead = files(tmp_path, format=file_format, columns=columns)
    assert isinstance(ledger, RecordLedger)
    (rows,), (refused,) = ledger.contents(raw), ledger.contents(dead)
    payloads = pa.array(VALUES[1:4], pa.binary())
    assert rows.column("value").equals(payloads)
    assert rows.schema.names == (["value"] if columns == "value" else ["_offset", "value"])
    assert refused.to_pylist() == [
        {"_offset": 0, "reason": "invalid", "field": "/amount"},
        {"_offset": 4, "reason": "invalid", "field": "/amount"},
    ]


Look = Callable[[FileLedger, FileEntry], Any]


BOTH_LOOKS = pytest.mark.parametrize("look", [FileLedger.records, FileLedger.contents])


def altered_lines(root: Path, before: bytes, after: bytes) -> tuple[FileLedger, FileEntry]:
    """A file of lines in which some text is another."""
    ledger, raw, _ = files(root, format="jsonl")
    path = root / raw.final
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))
    return ledger, raw


@BOTH_LOOKS
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"_offset":2', b'"_offset":x'),
        (b',"_offset":2', b""),
        (b'"_timestamp":', b'"_time":'),
        (b',"_headers":null', b',"headers":null'),
        (b'"_headers":null', b'"_headers":0'),
        (b"}\n", b"\n"),
        (b"}\n", b"}"),
    ],
)
def test_lines_that_are_no_envelope_are_named(tmp_path: Path, look: Look, before: bytes, after: bytes) -> None:
    ledger, raw = altered_lines(tmp_path, before, after)
    with pytest.raises(FileDamagedError, match=r"raw/orders/.* can't be read as JSON lines"):
        list(look(ledger, raw))


@BOTH_LOOKS
def test_a_line_without_its_brace_is_missing_to_whoever_counts(tmp_path: Path, look: Look) -> None:
    ledger, raw = altered_lines(tmp_path, b']}\n{"_partition":3,"_offset":2', b']\n{"_partition":3,"_offset":2')
    assert sum(part.num_rows for part in look(ledger, raw)) < raw.rows == 3


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_a_timestamp_type_that_kafka_has_not_is_damage(tmp_path: Path, file_format: str) -> None:
    ledger, raw, _ = files(tmp_path, format=file_format)
    path = tmp_path / raw.final
    if file_format == "jsonl":
        path.write_bytes(path.read_bytes().replace(b"CreateTime", b"SummerTime"))
    else:
        table = pq.read_table(path, partitioning=None)
        at = table.schema.names.index("_timestamp_type")
        pq.write_table(table.set_column(at, "_timestamp_type", pa.array(["SummerTime"] * 3)), path)
    with pytest.raises(FileDamagedError, match=r"raw/orders/.*: a timestamp type is none of Kafka's"):
        list(ledger.records(raw))


@pytest.mark.parametrize("kinds", [["CreateTime", None, "CreateTime"], ["CreateTime", "SummerTime", "LogAppendTime"]])
def test_one_timestamp_type_that_is_none_is_damage(tmp_path: Path, kinds: list[str | None]) -> None:
    ledger, raw, _ = files(tmp_path, format="parquet")
    path = tmp_path / raw.final
    table = pq.read_table(path, partitioning=None)
    at = table.schema.names.index("_timestamp_type")
    pq.write_table(table.set_column(at, "_timestamp_type", pa.array(kinds)), path)
    with pytest.raises(FileDamagedError, match=r"raw/orders/.*: a timestamp type is none of Kafka's"):
        list(ledger.records(raw))


@BOTH_LOOKS
@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_a_file_that_can_t_be_read_or_is_gone_is_named(tmp_path: Path, look: Look, file_format: str) -> None:
    ledger, *both = files(tmp_path, format=file_format)
    for file in both:
        (tmp_path / file.final).write_bytes(b"\x00nonsense")
        with pytest.raises(FileDamagedError, match=rf"{file.kind}/orders/.* can't be read as "):
            list(look(ledger, file))
        (tmp_path / file.final).unlink()
        with pytest.raises(FileDamagedError, match=rf"{file.kind}/orders/.* is gone, and so is its staged"):
            list(look(ledger, file))
