"""An export has every letter whole, is there at once or not at all, and takes no more memory for more of them."""

import base64
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.lake import Lake

from streamlake.engine.errors import FileDamagedError, StorageError, UsageError
from streamlake.engine.operations import dead_export
from streamlake.engine.operations.dead import list_letters
from streamlake.engine.operations.dead_export import SCHEMA, export_letters
from streamlake.engine.operations.dead_json import letter_json
from streamlake.engine.operations.dead_types import FoundLetter, LetterFilter
from streamlake.engine.records import DeadLetter, TopicPartition

ORDERS_0 = TopicPartition("orders", 0)
SECOND = timedelta(seconds=1)
AT = datetime(2026, 1, 31, 6, 30, 0, 123_456, tzinfo=UTC)
LETTER = DeadLetter(
    source=TopicPartition("orders", 3),
    offset=2**40,
    timestamp_ms=1_700_000_000_123,
    timestamp_type=1,
    key=b"\xff\x00",
    value=b'{"a": "\xf0\x9f\x8d\x8b"}',
    headers=(("trace", b"\x80"), ("empty", b""), ("none", None), ("trace", b"again")),
    reason="invalid",
    field="/a",
    message="must \N{LEMON} not",
    attempt=2,
    first_failed_at_ms=1_600_000_000_000,
)
BARE = replace(
    LETTER, offset=0, timestamp_ms=-1, timestamp_type=0, key=None, value=None, headers=(), field=None, message=""
)
FAR = replace(LETTER, offset=1, timestamp_ms=2**60, first_failed_at_ms=-(2**60), value=b"\xc3\x28")
FOUND = [
    FoundLetter(LETTER, AT, "live-1", "json", "dead/orders/x.parquet", "1a2b"),
    FoundLetter(BARE, AT, "http", "json", "orders.dlq/0/7", truncated='{"left_out":["value"]}'),
    FoundLetter(FAR, AT, "live-2", "json", "dead/orders/y.parquet", "1a2b"),
]


def test_parquet_has_every_letter_whole_with_bytes_as_bytes_and_times_as_times(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    written = export_letters(FOUND, path)
    assert (written.path, written.letters, written.bytes) == (path, 3, path.stat().st_size)
    table = pq.read_table(path)
    assert table.schema.equals(SCHEMA)
    first, bare = table.slice(0, 2).to_pylist()
    assert first == {
        "topic": "orders",
        "partition": 3,
        "offset": 2**40,
        "timestamp": datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC),
        "timestamp_type": 1,
        "key": b"\xff\x00",
        "value": LETTER.value,
        "headers": [{"name": name, "value": value} for name, value in LETTER.headers],
        "reason": "invalid",
        "field": "/a",
        "message": LETTER.message,
        "attempt": 2,
        "first_failed_at": datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC),
        "refused_at": AT,
        "run": "live-1",
        "validator": "json",
        "fingerprint": "1a2b",
        "found_in": "dead/orders/x.parquet",
        "truncated": None,
    }
    assert [bare[name] for name in ("timestamp", "key", "value", "headers", "field")] == [None, None, None, [], None]
    assert bare["truncated"] == '{"left_out":["value"]}'
    assert table["timestamp"].cast(pa.int64()).to_pylist()[2] == 2**60, "no date can say it, the file can"


def test_json_lines_are_those_of_the_list_and_mark_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    assert export_letters(FOUND, path).letters == 3
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert lines == [letter_json(found) for found in FOUND]
    first, bare, far = lines
    assert first["key"] == {"base64": base64.b64encode(b"\xff\x00").decode()}
    assert first["value"] == {"text": '{"a": "\N{LEMON}"}'}
    assert [header["value"] for header in first["headers"]] == [
        {"base64": "gA=="},
        {"text": ""},
        None,
        {"text": "again"},
    ]
    assert (bare["key"], bare["value"], bare["timestamp_ms"]) == (None, None, -1)
    assert (far["value"], far["timestamp_ms"]) == ({"base64": "wyg="}, 2**60)


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl"])
def test_a_lake_is_exported_letter_by_letter_as_it_is_listed(tmp_path: Path, name: str) -> None:
    lake = Lake.make(tmp_path / "lake", format="parquet")
    lake.claim(ORDERS_0, payload="bytes").land(100, refused=range(0, 100, 3), value=lambda at: b"\xff%d" % at)
    wanted = LetterFilter()
    path = tmp_path / name
    assert export_letters(list_letters(lake.ledger(), wanted), path).letters == 34
    found = list(list_letters(lake.ledger(), wanted))
    if path.suffix == ".jsonl":
        assert [json.loads(line) for line in path.read_text().splitlines()] == [letter_json(one) for one in found]
        return
    rows: list[Any] = pq.read_table(path).to_pylist()
    assert [(row["offset"], row["value"], row["refused_at"]) for row in rows] == [
        (one.letter.offset, one.letter.value, one.refused_at) for one in found
    ]


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl"])
def test_without_any_letter_there_is_a_file_of_none(tmp_path: Path, name: str) -> None:
    assert export_letters([], tmp_path / name).letters == 0
    if name.endswith("parquet"):
        assert pq.read_table(tmp_path / name).schema.equals(SCHEMA)
    else:
        assert (tmp_path / name).read_bytes() == b""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl"])
def test_it_appears_when_it_is_complete_and_after_an_error_there_is_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / name

    def letters(error: Exception | None) -> Iterator[FoundLetter]:
        yield from FOUND * 10_000
        assert not path.exists()
        assert len(names(tmp_path)) == 1, "it is being written under another name"
        if error is not None:
            raise error

    for error in (FileDamagedError("dead/x is gone"), KeyError("a bug")):
        with pytest.raises(type(error)):
            export_letters(letters(error), path)
        assert names(tmp_path) == []
    assert export_letters(letters(None), path).letters == 30_000
    assert names(tmp_path) == [name]


def test_what_is_there_already_stays_unless_it_may_be_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("precious")
    unread: Iterator[FoundLetter] = iter(FOUND)
    with pytest.raises(UsageError, match=r"out\.jsonl is there already.*--force"):
        export_letters(unread, path)
    assert len(list(unread)) == 3, "nothing was read in vain"
    assert (path.read_text(), names(tmp_path)) == ("precious", ["out.jsonl"])
    with pytest.raises(FileDamagedError):
        export_letters(damaged(), path, overwrite=True)
    assert path.read_text() == "precious", "an export that fails overwrites nothing"
    assert export_letters(FOUND, path, overwrite=True).letters == 3
    assert len(path.read_text().splitlines()) == 3
    assert names(tmp_path) == ["out.jsonl"]


def damaged() -> Iterator[FoundLetter]:
    yield FOUND[0]
    raise FileDamagedError("dead/x is gone")


def test_a_file_that_came_while_it_was_written_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"

    def letters() -> Iterator[FoundLetter]:
        yield FOUND[0]
        path.write_text("somebody else's")

    with pytest.raises(UsageError, match="is there already"):
        export_letters(letters(), path)
    assert (path.read_text(), names(tmp_path)) == ("somebody else's", ["out.jsonl"])


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "out.jsonl"
    link.symlink_to(tmp_path / "elsewhere" / "real.jsonl")
    export_letters(FOUND, link, overwrite=True)
    assert link.is_symlink()
    assert names(tmp_path / "elsewhere") == ["real.jsonl"]


@pytest.mark.parametrize("name", ["out.csv", "out", "out.parquet.gz"])
def test_a_name_without_a_known_ending_has_no_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"must end in \.parquet or \.jsonl"):
        export_letters(FOUND, tmp_path / name)
    assert names(tmp_path) == []


def test_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere/out\.jsonl can't be written: No such file"):
        export_letters(FOUND, tmp_path / "nowhere" / "out.jsonl")


def many(count: int, value: bytes) -> Iterator[FoundLetter]:
    for at in range(count):
        yield replace(
            FOUND[0], letter=replace(LETTER, offset=at, value=value + b"%d" % at), refused_at=AT + at * SECOND
        )


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl"])
def test_memory_is_that_of_a_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(dead_export, "ROW_GROUP_ROWS", 200)

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            assert export_letters(many(count, b"\xff" * 1_000), tmp_path / name, overwrite=True).letters == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few = peak(500)
    assert peak(5_000) < few + 200_000


def test_a_row_group_ends_by_its_rows_or_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_export, "ROW_GROUP_ROWS", 200)
    monkeypatch.setattr(dead_export, "ROW_GROUP_BYTES", 100_000)

    def groups(value: bytes) -> list[int]:
        export_letters(many(450, value), tmp_path / "out.parquet", overwrite=True)
        metadata = pq.ParquetFile(tmp_path / "out.parquet").metadata
        return [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)]

    assert groups(b"") == [200, 200, 50]
    assert groups(b"\xff" * 999) == [100, 100, 100, 100, 50]
