"""What the sink relies on, shown for every backend: one suite, the same for all of them."""

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import google_crc32c
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.contending import ROUNDS, WRITERS, contend, content

from streamlake.engine import names
from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import StorageError
from streamlake.engine.records import OffsetRange, TopicPartition
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import Backend, Stored
from streamlake.plugins.sinks.file.backends.registry import backend_of

TESTS = Path(__file__).parents[1]
STAGE = "_stage/live-1/orders/00000/00000001"
STAGED = f"{STAGE}/1.parquet"
FINAL = "raw/orders/ingestion_date=2026-01-01/orders-1.parquet"


@pytest.fixture(params=["file", "memory", "fake-gcs-server", "documented semantics"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "fake-gcs-server":
        server = request.getfixturevalue("gcs")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        yield f"gs://{server.new_bucket()}/some/lake"
        return
    if request.param == "documented semantics":
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", request.getfixturevalue("server").endpoint)
        yield "gs://streamlake/some/lake"
        return
    yield f"{request.param}://{tmp_path}/lake"
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture
def backend(root: str) -> Backend:
    return backend_of(root, base_dir=Path("/"))


def stage(backend: Backend, data: bytes, path: str = STAGED) -> FileEntry:
    with backend.create(path) as out:
        out.write(data[:3])
        out.write(memoryview(data)[3:])
        out.seal()
    return described(data, path)


def described(data: bytes, path: str = STAGED) -> FileEntry:
    return FileEntry("raw", path, FINAL, 1, len(data), "", f"{google_crc32c.value(data):08x}", None, None)


def test_of_32_racing_writers_exactly_one_creates_each_slot(root: str) -> None:
    if backend_of(root, base_dir=Path("/")).one_process:
        wins = [0] * ROUNDS
        start = threading.Barrier(WRITERS, timeout=60)
        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(lambda me: contend(root, me, start, wins), range(WRITERS)))
    else:
        command = [sys.executable, "-m", "support.contending", root]
        done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        wins = json.loads(done.stdout)
    backend = backend_of(root, base_dir=Path("/"))
    winners = [win.bit_length() - 1 for win in wins]
    assert [1 << winner for winner in winners] == wins, "a slot with no winner, or with two"
    standing = [backend.read(f"_ledger/{slot}.json") for slot in range(ROUNDS)]
    assert standing == [content(winner) for winner in winners]
    assert list(backend.walk("_stage")) == [], "temporary files are left"


def test_what_stands_is_never_overwritten(backend: Backend) -> None:
    assert backend.put_if_absent("_ledger/0.json", b"first", stage=STAGE)
    assert not backend.put_if_absent("_ledger/0.json", b"second", stage=STAGE)
    assert not backend.put_if_absent("_ledger/0.json", b"first", stage=STAGE)
    assert backend.read("_ledger/0.json") == b"first"


def test_what_returned_is_read_at_once_by_another_instance(root: str, backend: Backend) -> None:
    other = backend_of(root, base_dir=Path("/"))
    assert other.read("_ledger/0.json") is None
    assert other.list("_ledger") == []
    backend.put_if_absent("_ledger/0.json", b"first", stage=STAGE)
    stage(backend, b"content")
    assert other.read("_ledger/0.json") == b"first"
    assert other.list("_ledger") == ["0.json"]
    assert other.stored(STAGED) == Stored(7, f"{google_crc32c.value(b'content'):08x}")
    with other.open(STAGED) as opened:  # type: ignore[union-attr]
        opened.seek(3)
        assert opened.read() == b"tent"


def test_two_readers_of_one_file_do_not_move_each_other(backend: Backend) -> None:
    stage(backend, b"content")
    one, two = backend.open(STAGED), backend.open(STAGED)
    assert one is not None
    assert two is not None
    with one, two:
        assert (one.read(3), two.read(4), one.read()) == (b"con", b"cont", b"tent")


LARGE = random.Random(7).randbytes(20 * 2**20 + 1)  # more than two pieces of any upload


def test_a_large_payload_comes_whole_and_is_read_from_anywhere(backend: Backend) -> None:
    with backend.create(STAGED) as out:
        for at in range(0, len(LARGE), 3_000_001):
            out.write(memoryview(LARGE)[at : at + 3_000_001])
        out.finish()
        out.seal()
        assert out.stored() == Stored(len(LARGE), f"{google_crc32c.value(LARGE):08x}")
    assert backend.publish(described(LARGE))
    opened = backend.open(FINAL)
    assert opened is not None
    with opened:
        assert opened.seek(-5, 2) == len(LARGE) - 5
        assert opened.read() == LARGE[-5:]
        assert opened.seek(7_000_000) == 7_000_000
        assert opened.read(9_000_000) == LARGE[7_000_000:16_000_000]
        assert opened.tell() == 16_000_000
        opened.seek(0)
        assert opened.read() == LARGE


def test_a_large_payload_that_was_not_sealed_leaves_nothing(backend: Backend) -> None:
    with backend.create(STAGED) as out:
        out.write(LARGE)
    assert backend.read(STAGED) is None


def test_many_at_once_are_as_many_one_after_the_other(backend: Backend) -> None:
    paths = [f"_ledger/{number}.json" for number in range(100)]
    for path in paths[::2]:
        backend.put_if_absent(path, path.encode(), stage=STAGE)
    found = [path.encode() if number % 2 == 0 else None for number, path in enumerate(paths)]
    assert list(backend.read_all(paths)) == found
    backend.delete_all(paths[:50])
    assert list(backend.read_all(paths)) == [None] * 50 + found[50:]
    files = [stage(backend, b"content %d" % number, f"{STAGE}/{number}") for number in range(5)]
    files = [replace(file, final=f"raw/{number}") for number, file in enumerate(files)]
    files.append(replace(files[0], staged=f"{STAGE}/nowhere", final="raw/nowhere"))
    assert list(backend.publish_all(files)) == [True] * 5 + [False]
    assert list(backend.read_all([file.final for file in files])) == [b"content %d" % n for n in range(5)] + [None]


def test_a_payload_that_was_not_sealed_leaves_nothing(backend: Backend) -> None:
    def fail() -> None:
        with backend.create(STAGED) as out:
            out.write(b"half of ")
            raise RuntimeError("the encoder failed")

    with pytest.raises(RuntimeError, match="the encoder failed"):
        fail()
    assert backend.stored(STAGED) is None
    assert list(backend.walk("_stage")) == []


def test_a_staged_name_is_not_used_twice(backend: Backend) -> None:
    stage(backend, b"content")
    with pytest.raises(StorageError, match="exist"):
        stage(backend, b"others!")
    assert backend.read(STAGED) == b"content"


def test_publishing_moves_and_can_be_repeated(backend: Backend) -> None:
    file = stage(backend, b"content")
    assert backend.publish(file)
    assert (backend.read(STAGED), backend.read(FINAL)) == (None, b"content")
    assert backend.publish(file)
    assert backend.read(FINAL) == b"content"


def test_publishing_is_finished_where_only_the_final_name_was_given(backend: Backend) -> None:
    file = stage(backend, b"content")
    backend.publish(file)
    stage(backend, b"content")
    assert backend.publish(file)
    assert (backend.read(STAGED), backend.read(FINAL)) == (None, b"content")


def test_publishing_over_other_bytes_is_refused_and_changes_nothing(backend: Backend) -> None:
    backend.publish(stage(backend, b"theirs!"))
    file = stage(backend, b"content")
    with pytest.raises(StorageError, match="holds other bytes"):
        backend.publish(file)
    assert (backend.read(STAGED), backend.read(FINAL)) == (b"content", b"theirs!")


def test_publishing_looks_at_what_stands_also_when_the_source_is_gone(backend: Backend) -> None:
    backend.publish(stage(backend, b"theirs!"))
    with pytest.raises(StorageError, match="holds other bytes"):
        backend.publish(described(b"content"))


def test_publishing_what_has_neither_name_says_so(backend: Backend) -> None:
    assert not backend.publish(described(b"content"))


def test_racing_publishers_all_succeed(root: str) -> None:
    for turn in range(10):
        path = f"{STAGE}/{turn}.parquet"
        data = b"content %d" % turn
        staged = stage(backend_of(root, base_dir=Path("/")), data, path)
        file = FileEntry("raw", path, f"raw/{turn}", 1, staged.bytes, "", staged.crc32c, None, None)
        start = threading.Barrier(8, timeout=60)

        def publish(_: int, file: FileEntry = file, start: threading.Barrier = start) -> bool:
            backend = backend_of(root, base_dir=Path("/"))
            start.wait()
            return backend.publish(file)

        with ThreadPoolExecutor(8) as publishers:
            assert list(publishers.map(publish, range(8))) == [True] * 8
        backend = backend_of(root, base_dir=Path("/"))
        assert (backend.read(path), backend.read(f"raw/{turn}")) == (None, data)


def test_names_are_listed_in_order_and_folders_among_them(backend: Backend) -> None:
    for name in ("000000000010.json", "000000000002.json", "a/b/c.json", "000000000001.json"):
        backend.put_if_absent(f"_ledger/x/{name}", b"", stage=STAGE)
    assert backend.list("_ledger/x") == ["000000000001.json", "000000000002.json", "000000000010.json", "a"]
    assert sorted(backend.walk("_ledger/x/a")) == ["_ledger/x/a/b/c.json"]
    assert backend.has_files("_ledger/x/a")
    assert backend.list("_ledger/nowhere") == []
    assert list(backend.walk("nowhere")) == []


@pytest.mark.parametrize("topic", ["a", "_a", ".a", "..a", "...", "A-Z.a_z-09", "x" * 249, "_" * 249])
def test_every_legal_topic_name_lands_under_the_root(backend: Backend, topic: str) -> None:
    source = TopicPartition(topic, 7)
    final = names.final_path(
        "raw", "live-1", source, OffsetRange(0, 2**63 - 1), "ingestion_date=2026-01-01", ".parquet"
    )
    staged = f"{layout.epoch_folder('live-1', source, 1)}/1.parquet"
    with backend.create(staged) as out:
        out.write(b"content")
        out.seal()
    assert backend.publish(
        FileEntry("raw", staged, final, 1, 7, "", f"{google_crc32c.value(b'content'):08x}", None, None)
    )
    assert list(backend.walk(f"raw/{names.topic_folder(topic)}")) == [final]
    assert backend.put_if_absent(layout.entry_path("live-1", source, 1234), b"entry", stage=STAGE)
    assert backend.list("_ledger/live-1") == [names.topic_folder(topic)]
    assert names.topic_of(names.topic_folder(topic)) == topic


def test_a_name_with_glob_letters_means_itself(backend: Backend) -> None:
    for name in ("a*", "ab", "a?", "a[b]"):
        backend.put_if_absent(f"{STAGE}/{name}", name.encode(), stage=STAGE)
    backend.delete(f"{STAGE}/a*")
    backend.delete(f"{STAGE}/a[b]")
    assert backend.list(STAGE) == ["a?", "ab"]


def test_a_missing_root_reads_as_empty_and_is_made_by_the_first_write(backend: Backend) -> None:
    backend.check()
    assert backend.read("_runs/live-1.json") is None
    assert backend.open("_runs/live-1.json") is None
    assert backend.list("_runs") == []
    backend.delete("_runs/live-1.json")
    backend.remove_folder("_runs")
    assert backend.put_if_absent("_runs/live-1.json", b"{}", stage=STAGE)
    backend.check()
    backend.sync("_runs/live-1.json")


@pytest.mark.parametrize("scheme", ["file"])  # a process's own memory is never read-only
def test_a_read_only_root_is_read_and_every_write_to_it_is_refused_with_its_path(scheme: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "support.read_only", f"{scheme}://{tmp_path}/lake"]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["read"] == ["entry", "content"]
    assert found["listed"] == [["0.json"], [STAGED], []]
    for write, said in found["said"].items():
        assert said is not None, f"{write} wrote"
        assert f"{tmp_path}/lake/" in said, (write, said)
        assert "Permission denied" in said, (write, said)


def test_deleting_can_be_repeated_and_an_empty_folder_goes(backend: Backend) -> None:
    stage(backend, b"content")
    backend.remove_folder(STAGE)
    assert backend.list(STAGE) == ["1.parquet"]
    backend.delete(STAGED)
    backend.delete(STAGED)
    backend.remove_folder(STAGE)
    backend.remove_folder(STAGE)
    assert backend.list("_stage/live-1/orders/00000") == []


def test_a_writer_whose_epoch_folder_was_collected_can_still_write(backend: Backend) -> None:
    stage(backend, b"content")
    backend.delete(STAGED)
    backend.remove_folder(STAGE)
    stage(backend, b"content")
    assert backend.read(STAGED) == b"content"
