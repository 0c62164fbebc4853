"""What fails is repeated within a budget, and every wait is told; a clear no is not repeated."""

import asyncio
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from streamlake.engine.errors import StorageError
from streamlake.plugins.sinks.file.backends.gcs.circuit import Circuit
from streamlake.plugins.sinks.file.backends.gcs.errors import AnsweredError, TransientError
from streamlake.plugins.sinks.file.backends.gcs.patience import Patience

T = TypeVar("T")


class Clock:
    """Time that passes by waiting alone."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    return clock


def patient(seconds_max: float = 300.0, *, by_batch: bool = True) -> Patience:
    made = Patience("gs://bucket", seconds_max, Circuit("gs://bucket"))
    if by_batch:
        made.renew()
    return made


class Storage:
    """Answers what it is told, one after the other, and then well."""

    def __init__(self, clock: Clock, *answers: Exception, seconds: float = 0.0) -> None:
        self._clock, self._answers, self._seconds = clock, list(answers), seconds
        self.asked = 0

    async def ask(self) -> str:
        self.asked += 1
        self._clock.now += self._seconds
        if self._answers:
            raise self._answers.pop(0)
        return "well"


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(work)


def away(reason: str = "503", retry_after: float = 0.0) -> TransientError:
    return TransientError(reason, f"{reason} away", retry_after)


def test_what_fails_is_repeated_and_each_wait_is_told_and_then_that_it_answers(clock: Clock) -> None:
    patience, storage = patient(), Storage(clock, away("timeout"), away("connection"))
    assert run(patience.repeat(storage.ask)) == "well"
    assert list(patience.notes) == ["timeout", "connection", None]
    assert storage.asked == 3


def test_nothing_is_told_of_what_succeeds_at_once(clock: Clock) -> None:
    patience = patient()
    assert run(patience.repeat(Storage(clock).ask)) == "well"
    assert not patience.notes


def test_a_clear_no_is_not_repeated(clock: Clock) -> None:
    storage = Storage(clock, AnsweredError(412, "conditionNotMet", "it stands there"))
    with pytest.raises(AnsweredError, match="it stands there"):
        run(patient().repeat(storage.ask))
    assert storage.asked == 1


def test_waits_grow_and_are_not_the_same_for_everybody(clock: Clock) -> None:
    for _ in range(20):
        run(patient().repeat(Storage(clock, *[away("timeout")] * 6).ask))
    first, sixth = clock.waits[0::6], clock.waits[5::6]
    assert max(first) <= 0.5
    assert max(sixth) > 2
    assert len(set(sixth)) > 10, "without jitter all workers come back at the same moment"


def test_a_storage_that_asks_for_less_is_waited_for_longer_and_as_long_as_it_says(clock: Clock) -> None:
    run(patient().repeat(Storage(clock, *[away("429", retry_after=17)] * 3).ask))
    assert all(wait >= 17 for wait in clock.waits)
    clock.waits.clear()
    run(patient(100_000).repeat(Storage(clock, away("429", retry_after=86_400)).ask))
    assert clock.waits == [60], "nobody waits for a day because a server says so"


def test_the_budget_is_for_a_batch_and_whole_again_for_the_next(clock: Clock) -> None:
    patience = patient(100)
    for _ in range(2):
        run(patience.repeat(Storage(clock, away("timeout"), seconds=20).ask))
    with pytest.raises(StorageError, match=r"gs://bucket gave no answer for 100 s .*retry_seconds_max.*timeout away"):
        run(patience.repeat(Storage(clock, *[away("timeout")] * 2, seconds=20).ask))
    patience.renew()
    assert run(patience.repeat(Storage(clock, away("timeout"), seconds=20).ask)) == "well"


def test_what_was_given_up_is_not_charged_to_the_next_batch(clock: Clock) -> None:
    patience = patient(100)
    with pytest.raises(StorageError):
        run(patience.repeat(Storage(clock, *[away("timeout")] * 9, seconds=40).ask))
    clock.now += 10_000
    patience.renew()
    assert run(patience.repeat(Storage(clock, away("timeout"), seconds=20).ask)) == "well"
    assert patience.notes[-1] is None


def test_outside_of_batches_each_call_has_a_budget_of_its_own_and_a_small_one(clock: Clock) -> None:
    patience = patient(300, by_batch=False)
    for _ in range(10):
        run(patience.repeat(Storage(clock, away(), seconds=10).ask))
    with pytest.raises(StorageError, match="for 30 s"):
        run(patience.repeat(Storage(clock, *[away()] * 100, seconds=10).ask))


def test_time_in_which_all_is_well_is_not_counted(clock: Clock) -> None:
    patience = patient(100)
    run(patience.repeat(Storage(clock, away(), seconds=10).ask))
    clock.now += 10_000
    assert run(patience.repeat(Storage(clock, away(), seconds=10).ask)) == "well"
