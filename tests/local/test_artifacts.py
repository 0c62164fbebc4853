"""Kafka's jars: verified against the committed lock, fetched once, and refused when altered."""

import hashlib
import importlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest

from streamlake.engine.errors import LocalError
from streamlake.engine.local import artifacts
from streamlake.engine.local.artifacts import jar_folder, kafka_jars
from streamlake.engine.local.lock import LOCK_PATH, LockedJar, read_lock

BYTES = {"one-1.0.jar": b"the first jar", "two-2.0.jar": b"the second jar"}


class Repository:
    """Stands where Maven Central does, and counts how often it is asked."""

    def __init__(self) -> None:
        self.files = dict(BYTES)
        self.fetches = 0

    def fetch(self, jars: Sequence[LockedJar], folder: Path) -> None:
        self.fetches += 1
        for jar in jars:
            (folder / jar.file_name).write_bytes(self.files[jar.file_name])


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    repository = Repository()
    monkeypatch.setenv("STREAMLAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(artifacts, "fetch_jars", repository.fetch)
    return repository


@pytest.fixture
def lock_path(tmp_path: Path) -> Path:
    path = tmp_path / "jgo.lock.toml"
    entries = [
        f'[[dependencies]]\ngroupId = "org.example"\nartifactId = "{name[:3]}"\nversion = "{name[4:7]}"\n'
        f'packaging = "jar"\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n'
        for name, content in BYTES.items()
    ]
    path.write_text("\n".join(entries))
    return path


def test_jars_are_fetched_once_and_in_the_locks_order(repository: Repository, lock_path: Path) -> None:
    said: list[str] = []
    first = kafka_jars(said.append, lock_path)
    assert [path.name for path in first] == list(BYTES)
    assert kafka_jars(said.append, lock_path) == first
    assert repository.fetches == 1
    assert len(said) == 1


def test_a_jar_changed_in_the_cache_is_refused(repository: Repository, lock_path: Path) -> None:
    jar = kafka_jars(lock_path=lock_path)[1]
    jar.write_bytes(b"the second jar, and a little more")
    with pytest.raises(LocalError, match=r"two-2.0.jar is not org.example:two:2.0 as it was locked"):
        kafka_jars(lock_path=lock_path)


def test_a_jar_gone_from_the_cache_is_told(repository: Repository, lock_path: Path) -> None:
    kafka_jars(lock_path=lock_path)[0].unlink()
    with pytest.raises(LocalError, match="no such file"):
        kafka_jars(lock_path=lock_path)


def test_other_bytes_from_the_network_never_reach_the_cache(repository: Repository, lock_path: Path) -> None:
    repository.files["one-1.0.jar"] = b"from a man in the middle"
    with pytest.raises(LocalError, match=r"not org\.example:one:1\.0 as it was locked"):
        kafka_jars(lock_path=lock_path)
    assert not jar_folder(lock_path).exists()
    repository.files["one-1.0.jar"] = BYTES["one-1.0.jar"]
    assert kafka_jars(lock_path=lock_path)


def test_two_at_once_fetch_once(repository: Repository, lock_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, meeting = Barrier(2), Barrier(2)

    def fetch_and_wait_for_the_other(jars: Sequence[LockedJar], folder: Path) -> None:
        with suppress(BrokenBarrierError):  # nobody else comes in: that is what the lock is for
            meeting.wait(1.0)
        repository.fetch(jars, folder)

    def one_of_two() -> list[Path]:
        start.wait(10)
        return kafka_jars(lock_path=lock_path)

    monkeypatch.setattr(artifacts, "fetch_jars", fetch_and_wait_for_the_other)
    with ThreadPoolExecutor(2) as pool:  # flock is between open files, so two threads are as good as two processes
        one, other = pool.submit(one_of_two), pool.submit(one_of_two)
    assert one.result() == other.result()
    assert repository.fetches == 1


def test_what_a_killed_fetch_left_behind_is_cleared_away(repository: Repository, lock_path: Path) -> None:
    left = jar_folder(lock_path).parent / ".fetching-abc"
    left.mkdir(parents=True)
    kafka_jars(lock_path=lock_path)
    assert not left.exists()


def test_a_lock_without_a_sha256_is_refused(lock_path: Path) -> None:
    lines = [line for line in lock_path.read_text().splitlines() if not line.startswith("sha256")]
    lock_path.write_text("\n".join(lines))
    with pytest.raises(LocalError, match="can't be used"):
        read_lock(lock_path)


def test_the_committed_lock_names_kafka_and_no_address() -> None:
    locked = read_lock()
    assert "org.apache.kafka:kafka_2.13:4.3.1" in [str(jar) for jar in locked]
    assert {jar.version for jar in locked if jar.group == "org.apache.kafka"} == {"4.3.1"}
    assert len({jar.file_name for jar in locked}) == len(locked)
    assert all(len(jar.sha256) == 64 for jar in locked)
    assert "://" not in LOCK_PATH.read_text()


def test_the_committed_lock_was_made_from_the_committed_spec() -> None:
    lockfile = importlib.import_module("jgo.env._lockfile")
    assert lockfile.compute_spec_hash(LOCK_PATH.parent / "jgo.toml") in LOCK_PATH.read_text()
