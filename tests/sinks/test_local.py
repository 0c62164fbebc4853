"""The local disk: what is synced before what, and errors that no second look may explain away."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import google_crc32c
import pytest

from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import ConfigError, StorageError
from streamlake.plugins.sinks.file.backends import local
from streamlake.plugins.sinks.file.backends.base import put_settled
from streamlake.plugins.sinks.file.backends.local import LocalBackend

SLOT = "_ledger/live-1/orders/00000/00000000/000000000000.json"
STAGE = "_stage/live-1/orders/00000/00000001"
STAGED = f"{STAGE}/1.parquet"
FINAL = "raw/orders/ingestion_date=2026-01-01/1.parquet"
FILE = FileEntry("raw", STAGED, FINAL, 1, 7, "", f"{google_crc32c.value(b'content'):08x}", None, None)


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    return LocalBackend(tmp_path / "lake")


def stage(backend: LocalBackend, path: str = STAGED) -> None:
    with backend.create(path) as out:
        out.write(b"content")
        out.seal()


@pytest.fixture
def calls(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each link, fsync and unlink with the path it was for, relative to the root."""
    made: list[str] = []

    def told(path: object) -> str:
        return os.path.relpath(str(path), backend.root)

    def watch(name: str, path_of: Callable[..., object]) -> None:
        real = getattr(os, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            made.append(f"{name} {told(path_of(*arguments))}")
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, watched)

    watch("fsync", lambda descriptor: Path(f"/proc/self/fd/{descriptor}").readlink())
    watch("link", lambda _source, target: target)
    watch("unlink", lambda path: path)
    watch("mkdir", lambda path, _mode=0: path)
    return made


def test_an_entry_is_durable_before_it_has_its_name_and_the_name_before_anybody_is_told(
    backend: LocalBackend, calls: list[str]
) -> None:
    backend.put_if_absent(SLOT, b"entry", stage=STAGE)
    calls.clear()
    backend.put_if_absent(SLOT.replace("0.json", "1.json"), b"entry", stage=STAGE)
    temporary = calls[0].removeprefix("fsync ")
    assert temporary.startswith(STAGE)
    assert calls == [
        f"fsync {temporary}",
        f"fsync {STAGE}",
        f"link {SLOT.replace('0.json', '1.json')}",
        f"fsync {os.path.dirname(SLOT)}",  # noqa: PTH120
        f"unlink {temporary}",
    ]


def test_a_published_name_is_durable_before_the_staged_one_is_dropped(backend: LocalBackend, calls: list[str]) -> None:
    stage(backend)
    Path(backend.root / FINAL).parent.mkdir(parents=True)
    backend.publish(FILE)
    assert calls[calls.index(f"link {FINAL}") :] == [
        f"link {FINAL}",
        "fsync raw/orders/ingestion_date=2026-01-01",
        f"unlink {STAGED}",
    ]


def test_each_new_folder_is_synced_in_its_parent_before_anything_in_it_counts(
    backend: LocalBackend, calls: list[str]
) -> None:
    stage(backend)
    made = [call.removeprefix("mkdir ") for call in calls if call.startswith("mkdir")]
    assert made == [".", "_stage", "_stage/live-1", "_stage/live-1/orders", "_stage/live-1/orders/00000", STAGE]
    for folder in made:
        parent = os.path.normpath(os.path.join(folder, ".."))  # noqa: PTH118
        assert calls.index(f"mkdir {folder}") + 1 == calls.index(f"fsync {parent}", calls.index(f"mkdir {folder}"))
    assert calls[-2:] == [f"fsync {STAGED}", f"fsync {STAGE}"]


def test_a_folder_that_somebody_else_made_is_synced_too_once(backend: LocalBackend, calls: list[str]) -> None:
    (backend.root / STAGE).mkdir(parents=True)
    calls.clear()
    stage(backend)
    assert [call for call in calls if call.startswith("fsync _stage")][:-2] == [
        "fsync _stage",
        "fsync _stage/live-1",
        "fsync _stage/live-1/orders",
        "fsync _stage/live-1/orders/00000",
    ]
    calls.clear()
    with backend.create(f"{STAGE}/2.parquet") as out:
        out.seal()
    assert calls == [f"fsync {STAGE}/2.parquet", f"fsync {STAGE}"]


def test_making_the_head_durable_syncs_its_folder_and_all_above(backend: LocalBackend, calls: list[str]) -> None:
    backend.put_if_absent(SLOT, b"entry", stage=STAGE)
    calls.clear()
    backend.sync(SLOT)
    parents = ["_ledger/live-1/orders/00000", "_ledger/live-1/orders", "_ledger/live-1", "_ledger", "."]
    assert calls == [f"fsync {folder}" for folder in [f"{parents[0]}/00000000", *parents]]


def failing(code: int) -> Callable[..., NoReturn]:
    def fail(*_arguments: object, **_options: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return fail


def test_an_fsync_error_is_final_though_the_entry_stands(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page cache would answer a read-back with yes; the disk may never have it."""
    backend.put_if_absent(SLOT, b"entry", stage=STAGE)
    following = SLOT.replace("0.json", "1.json")
    folder_synced = local._fsync_folder

    def fail_in_the_ledger(folder: Path) -> None:
        (failing(errno.EIO) if "_ledger" in folder.parts else folder_synced)(folder)

    monkeypatch.setattr(local, "_fsync_folder", fail_in_the_ledger)
    monkeypatch.setattr(LocalBackend, "read", failing(errno.ENOSYS))
    with pytest.raises(StorageError, match=r"1\.json: Input/output error"):
        put_settled(backend, following, b"ours", stage=STAGE, wait=failing(errno.ENOSYS))
    assert (backend.root / following).read_bytes() == b"ours"


CALLS: dict[str, Callable[[LocalBackend], object]] = {
    "put_if_absent": lambda backend: backend.put_if_absent(SLOT, b"entry", stage=STAGE),
    "stage": lambda backend: stage(backend, f"{STAGE}/2.parquet"),
    "publish": lambda backend: backend.publish(FILE),
    "sync": lambda backend: backend.sync(STAGED),
}


@pytest.mark.parametrize("call", CALLS)
def test_no_fsync_error_is_passed_over(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    stage(backend)
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(StorageError, match="Input/output error"):
        CALLS[call](backend)
    assert not (backend.root / SLOT).exists()
    assert (backend.root / STAGED).exists(), "what may not be durable under its final name keeps its staged one"


def test_a_root_that_is_read_only_is_said(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(backend)
    monkeypatch.setattr(os, "link", failing(errno.EROFS))
    with pytest.raises(StorageError, match=r"can't link .*/_ledger/.*: Read-only file system.*sink.root"):
        backend.put_if_absent(SLOT, b"entry", stage=STAGE)
    with pytest.raises(StorageError, match=r"can't publish .*/raw/.*: Read-only file system"):
        backend.publish(FILE)
    assert backend.read(STAGED) == b"content"


def test_a_file_in_place_of_the_root_is_said(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    backend = LocalBackend(tmp_path / "lake")
    with pytest.raises(StorageError, match=r"can't create .*/_stage/.*File exists|Not a directory"):
        stage(backend)
    with pytest.raises(StorageError, match=r"can't read .*: Not a directory"):
        backend.read(SLOT)


def test_a_full_disk_is_said_and_leaves_nothing_behind(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    staging = backend.create(STAGED)

    class FullDisk:
        write = staticmethod(failing(errno.ENOSPC))
        close = staging._file.close  # type: ignore[attr-defined]

    monkeypatch.setattr(staging, "_file", FullDisk())
    with pytest.raises(StorageError, match="No space left on device"), staging as out:
        out.write(b"content")
    assert backend.list(STAGE) == []


def test_names_on_different_devices_are_refused(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(backend)
    backend.check()
    monkeypatch.setattr(local, "_device", lambda path: 2 if path.name == "_stage" else 1)
    with pytest.raises(ConfigError, match="_stage lies on another device than"):
        backend.check()
    monkeypatch.setattr(os, "link", failing(errno.EXDEV))
    with pytest.raises(StorageError, match=r"Invalid cross-device link .*mount that device at the root"):
        backend.publish(FILE)
    assert backend.read(STAGED) == b"content"


@pytest.mark.parametrize(("magic", "kind"), [(0x6969, "NFS"), (0xFE534D42, "SMB2"), (0x65735546, "FUSE")])
def test_a_network_file_system_is_refused(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch, magic: int, kind: str
) -> None:
    monkeypatch.setattr(local, "_file_system_magic", lambda _path: magic)
    with pytest.raises(ConfigError, match=f"lies on a {kind} file system"):
        backend.check()


def test_the_file_system_is_asked_by_its_own_number(backend: LocalBackend) -> None:
    assert local._file_system_magic(Path("/proc")) == 0x9FA0  # PROC_SUPER_MAGIC
    backend.check()


def test_a_vanished_target_folder_is_no_missing_file(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(backend)
    monkeypatch.setattr(backend, "_make_folders", lambda _folder: None)
    with pytest.raises(StorageError, match=r"can't publish"):
        backend.publish(FILE)
    assert backend.read(STAGED) == b"content"
