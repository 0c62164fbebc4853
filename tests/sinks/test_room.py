"""Room on a full disk is waited for by workers, with back-off, and by nobody for ever."""

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from streamlake.plugins.sinks.file.backends import room
from streamlake.plugins.sinks.file.backends.room import Room


def failing(times: int, number: int = errno.ENOSPC) -> Callable[[], str]:
    """A call that fails so often."""
    count = itertools.count()

    def call() -> str:
        if next(count) < times:
            raise OSError(number, os.strerror(number))
        return "done"

    return call


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What is told of waits, which take no time."""
    monkeypatch.setattr(room, "FIRST_SECONDS", 0.0)
    return []


def serving(folder: Path, told: list[str | None]) -> Room:
    found = Room(folder)
    found.serve(lambda: None, told.append)
    return found


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_worker_waits_and_tells_path_cause_and_free_bytes(
    tmp_path: Path, told: list[str | None], number: int
) -> None:
    assert serving(tmp_path, told).have(failing(2, number)) == "done"
    *waits, end = told
    assert end is None
    assert len(waits) == 2
    for said in waits:
        assert said is not None
        assert said.startswith(f"disk full: {tmp_path}: {os.strerror(number)}, ")
        assert " bytes are free; " in said


def test_whoever_is_no_worker_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        Room(tmp_path).have(failing(1))


def test_other_errors_are_not_waited_for(tmp_path: Path, told: list[str | None]) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        serving(tmp_path, told).have(failing(1, errno.EIO))
    assert told == []


def test_patience_has_an_end_and_the_wait_too(
    tmp_path: Path, told: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PATIENCE_SECONDS", 0.05)
    with pytest.raises(OSError, match="No space left"):
        serving(tmp_path, told).have(failing(10**9))
    assert len(told) > 1
    assert told[-1] is None


def test_pauses_grow_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(room, "waiting", lambda _beat: pauses.append)
    serving(tmp_path, []).have(failing(8))
    assert pauses == [0.5, 1, 2, 4, 8, 15, 15, 15]
