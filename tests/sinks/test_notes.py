"""Notes are written once, whole, whoever comes after; on every backend."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from streamlake.engine.errors import ConfigError
from streamlake.plugins.sinks.file.sink import FileSink

NAME = "_complete/orders/hour=2026-01-31T06/_COMPLETE"


@pytest.fixture(params=["file", "memory", "fake-gcs-server", "documented semantics"])
def sink(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileSink]:
    root = f"{request.param}://{tmp_path}/lake"
    if request.param == "fake-gcs-server":
        server = request.getfixturevalue("gcs")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        root = f"gs://{server.new_bucket()}/some/lake"
    elif request.param == "documented semantics":
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", request.getfixturevalue("server").endpoint)
        root = "gs://streamlake/some/lake"
    yield FileSink.from_options({"root": root}, base_dir=tmp_path)
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def test_what_stands_there_stays_an_empty_note_too(sink: FileSink) -> None:
    notes = sink.notes()
    assert notes.read(NAME) is None
    assert notes.write(NAME, b"") == b""
    assert notes.write(NAME, b"more") == b""
    assert sink.notes().read(NAME) == b""
    assert notes.write(f"{NAME}.json", b'{"a": 1}') == b'{"a": 1}'
    assert notes.write(f"{NAME}.json", b"") == b'{"a": 1}'


def test_what_is_in_a_folder_is_named_and_read_at_once(sink: FileSink) -> None:
    notes = sink.notes()
    assert (notes.names("quality"), notes.read_all([])) == ([], [])
    written = [
        "quality/b",
        "quality/a",
        "quality/orders/run_date=2026/1.parquet",
        "_redrives/b/000000000000.json",
    ]
    for name in written:
        assert notes.write(name, name.encode()) == name.encode()
    assert sink.notes().names("quality") == ["a", "b", "orders"]
    assert sink.notes().names("_redrives") == ["b"]
    assert list(sink.notes().read_all([*written, "quality/c"])) == [*(name.encode() for name in written), None]


def test_of_many_that_write_at_once_all_get_what_one_of_them_wrote(sink: FileSink) -> None:
    def write(number: int) -> bytes:
        return sink.notes().write(NAME, b"%d" % number)

    with ThreadPoolExecutor(8) as pool:
        told = set(pool.map(write, range(8)))
    assert told == {sink.notes().read(NAME)}


def test_what_a_dead_one_left_on_its_way_is_collected(tmp_path: Path) -> None:
    left = tmp_path / "lake" / "_stage" / "_notes" / "1234.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    FileSink.from_options({"root": "lake"}, base_dir=tmp_path).notes().write(NAME, b"")
    assert not left.exists()


@pytest.mark.parametrize(
    "name",
    [
        "raw/orders/_COMPLETE",
        "_ledger/live-1/x",
        "_runs/live-1.json",
        "_stage/x",
        "_complete",
        "quality",
        "quality/../raw/x",
        "quality//x",
        "/quality/x",
        "_x/../raw/x",
        "_x/.hidden",
        "",
    ],
)
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    notes = FileSink.from_options({"root": "lake"}, base_dir=tmp_path).notes()
    with pytest.raises(ConfigError, match="can't name a note"):
        notes.write(name, b"")
    with pytest.raises(ConfigError, match="can't name a note"):
        notes.read(name)
    with pytest.raises(ConfigError, match="can't name a note"):
        notes.read_all([name])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["raw", "_ledger", "_runs", "_stage", "_x/..", "", "/"])
def test_no_other_folder_is_listed(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ConfigError, match="can't name a note"):
        FileSink.from_options({"root": "lake"}, base_dir=tmp_path).notes().names(folder)
