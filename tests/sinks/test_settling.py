"""Unknown is not failed: what becomes of a put whose answer was lost, came late, or never comes."""

import time
from collections.abc import Sequence

import pytest

from streamlake.engine.errors import StorageError
from streamlake.plugins.sinks.file.backends.base import PUT_ATTEMPTS, OutcomeUnknownError, put_settled, waiting

PATH = "_ledger/0.json"


class Storage:
    """One slot; each put meets the next of `fates`, then all are done and answered."""

    def __init__(self, *fates: str, reads: Sequence[str] = ()) -> None:
        self.standing: bytes | None = None
        self.puts: list[bytes] = []
        self._fates = list(fates)
        self._reads = list(reads)

    def put_if_absent(self, path: str, data: bytes, *, stage: str) -> bool:
        assert (path, stage) == (PATH, "stage")
        self.puts.append(data)
        fate = self._fates.pop(0) if self._fates else "done"
        if fate == "refused":
            raise StorageError("the disk is gone")
        if fate == "theirs came first" and self.standing is None:
            self.standing = b"theirs"
        created = self.standing is None and fate != "not done"
        if created:
            self.standing = data
        if fate in {"not done", "no answer"}:
            raise OutcomeUnknownError("no answer")
        return created and fate != "repeated by the client"

    def read(self, path: str) -> bytes | None:
        assert path == PATH
        if self._reads and self._reads.pop(0) == "no answer":
            raise OutcomeUnknownError("no answer")
        return self.standing


def settled(storage: Storage) -> tuple[bytes, list[float]]:
    waits: list[float] = []
    return put_settled(storage, PATH, b"ours", stage="stage", wait=waits.append), waits  # type: ignore[arg-type]


@pytest.mark.parametrize("fate", ["done", "no answer", "repeated by the client"])
def test_what_was_done_is_ours_whatever_the_answer_was(fate: str) -> None:
    storage = Storage(fate)
    assert settled(storage) == (b"ours", [])
    assert storage.puts == [b"ours"]


@pytest.mark.parametrize("answer", [[], ["no answer"]])
def test_another_writers_bytes_are_theirs(answer: list[str]) -> None:
    storage = Storage("theirs came first", reads=answer) if not answer else Storage("not done", reads=answer)
    storage.standing = b"theirs"
    assert settled(storage)[0] == b"theirs"


def test_what_was_not_done_is_tried_again_with_the_same_bytes_and_growing_waits() -> None:
    storage = Storage("not done", "not done", "not done")
    assert settled(storage) == (b"ours", [0.1, 0.2, 0.4])
    assert storage.puts == [b"ours"] * 4


def test_an_absent_answer_to_the_read_back_is_no_answer_either() -> None:
    assert settled(Storage("no answer", reads=["no answer"])) == (b"ours", [0.1])


def test_a_storage_that_never_answers_is_given_up_with_the_outcome_unknown() -> None:
    storage = Storage(*["not done"] * PUT_ATTEMPTS)
    with pytest.raises(StorageError, match="it may hold it or not") as raised:
        settled(storage)
    assert not isinstance(raised.value, OutcomeUnknownError)
    assert storage.puts == [b"ours"] * PUT_ATTEMPTS


def test_an_error_with_a_known_outcome_is_raised_at_once() -> None:
    storage = Storage("refused")
    with pytest.raises(StorageError, match="the disk is gone"):
        settled(storage)
    assert storage.puts == [b"ours"]


def test_waiting_tells_the_supervisor_that_the_loop_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, beats = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    waiting(lambda: beats.append(clock[0]))(1.2)
    assert beats == pytest.approx([100.0, 100.5, 101.0])
    assert clock[0] == pytest.approx(101.2)
