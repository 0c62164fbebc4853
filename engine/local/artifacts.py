"""Fetches the jars of Apache Kafka that the committed lock file names, and hands out only bytes that match it."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from streamlake.engine.errors import LocalError
from streamlake.engine.local.cache import cache_folder, only_one_process
from streamlake.engine.local.lock import LOCK_PATH, LockedJar, read_lock
from streamlake.engine.local.maven import fetch_jars


def kafka_jars(say: Callable[[str], None] = lambda _: None, lock_path: Path = LOCK_PATH) -> list[Path]:
    """The jars of the lock file, in its order (it is the class path), every one of them verified now.

    The first call of a user fetches them from Maven Central (45 MB; `say` is told) and is safe against a second
    process that does the same; later ones need no network and take about 50 ms. Raises LocalError when they can't be
    fetched, or when a jar is not what the lock file says.
    """
    locked = read_lock(lock_path)
    folder = jar_folder(lock_path)
    if not folder.exists():
        with only_one_process(folder.parent / ".fetch.lock"):
            if not folder.exists():
                say(f"fetching Apache Kafka, once: {len(locked)} jars, about 45 MB")
                _fetch_into(folder, locked)
    verify(folder, locked)
    return [folder / jar.file_name for jar in locked]


def jar_folder(lock_path: Path = LOCK_PATH) -> Path:
    """Where the jars of this lock file lie: another lock file has another folder, so versions never mix."""
    folder = cache_folder() / "kafka"
    folder.mkdir(exist_ok=True)
    return folder / hashlib.sha256(lock_path.read_bytes()).hexdigest()[:16]


def verify(folder: Path, locked: list[LockedJar]) -> None:
    """Raises LocalError for a jar in `folder` that is missing or has other bytes than the lock file says."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(_sha256, (folder / jar.file_name for jar in locked)))
    for jar, sha256 in zip(locked, found, strict=True):
        if sha256 != jar.sha256:
            raise LocalError(
                f"{folder / jar.file_name} is not {jar} as it was locked: sha256 {sha256 or '(no such file)'}, "
                f"expected {jar.sha256}; nothing was started. Find out who changed it, then remove {folder} "
                "and start again: it is fetched anew"
            )


def _fetch_into(folder: Path, locked: list[LockedJar]) -> None:
    """Fetches beside `folder` and renames when all is verified: `folder` is complete or is not there."""
    for left_behind in folder.parent.glob(".fetching-*"):  # by a kill -9; we hold the lock, so nobody works on it
        shutil.rmtree(left_behind, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=".fetching-", dir=folder.parent))
    try:
        fetch_jars(locked, staging)
        verify(staging, locked)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
