"""While a storage is down, one of all workers asks; a success lets all others go on at once."""

import asyncio
import struct
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path

import pytest

from streamlake.plugins.sinks.file.backends.gcs.circuit import Circuit

SECONDS_MAX = 20.0


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


class Looks:
    """Stands in for the wait between two looks: tells how often somebody looked in vain."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._twice = asyncio.Event()
        self._sleep = asyncio.sleep
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    async def sleep(self, _seconds: float) -> None:
        self.count += 1
        if self.count >= 2:
            self._twice.set()
        await self._sleep(0)

    async def twice(self) -> None:
        async with asyncio.timeout(SECONDS_MAX):
            await self._twice.wait()


def run(story: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(story, SECONDS_MAX))


async def asking(which: Circuit, entered: asyncio.Event, *, patient: bool = True) -> None:
    async with which.turn(time.monotonic(), lambda: patient):
        entered.set()


def test_a_second_one_waits_while_the_first_asks_and_goes_on_when_it_succeeded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        looks, entered = Looks(monkeypatch), asyncio.Event()
        one, two = Circuit("gs://bucket"), Circuit("gs://bucket")
        async with one.turn(time.monotonic(), lambda: True):
            other = asyncio.create_task(asking(two, entered))
            await looks.twice()
            assert not entered.is_set()
        await other

    run(story())


def test_where_the_first_failed_the_second_asks_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        looks, entered = Looks(monkeypatch), asyncio.Event()
        one, two, three = (Circuit("gs://bucket") for _ in range(3))
        others = []

        async def fail() -> None:
            async with one.turn(time.monotonic(), lambda: True):
                others.append(asyncio.create_task(asking(two, entered)))
                await looks.twice()
                raise ConnectionError

        with pytest.raises(ConnectionError):
            await fail()
        await others[0]
        assert entered.is_set()
        assert not three._succeeded_since(time.monotonic()), "a later failure is not undone by an earlier success"

    run(story())


def test_many_coroutines_of_one_process_count_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        looks, entered = Looks(monkeypatch), asyncio.Event()
        one = Circuit("gs://bucket")
        async with one.turn(time.monotonic(), lambda: True):
            other = asyncio.create_task(asking(one, entered))
            await looks.twice()
            assert not entered.is_set()
        await other

    run(story())


def test_another_bucket_is_another_circuit() -> None:
    async def story() -> None:
        entered = asyncio.Event()
        async with Circuit("gs://one").turn(time.monotonic(), lambda: True):
            await asking(Circuit("gs://two"), entered)
        assert entered.is_set()

    run(story())


def test_whoever_has_no_patience_left_does_not_wait() -> None:
    async def story() -> None:
        entered = asyncio.Event()
        async with Circuit("gs://bucket").turn(time.monotonic(), lambda: True):
            await asking(Circuit("gs://bucket"), entered, patient=False)
        assert entered.is_set()

    run(story())


def test_a_time_from_before_the_machine_was_started_is_no_success(folder: Path) -> None:
    which = Circuit("gs://bucket")
    which._note_success()
    assert which._succeeded_since(time.monotonic() - 60)
    (path,) = folder.iterdir()
    path.write_bytes(struct.pack("=d", time.monotonic() + 1_000_000))
    assert not which._succeeded_since(time.monotonic() - 60)


def test_without_a_place_for_the_file_each_asks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")

    async def story() -> None:
        entered = asyncio.Event()
        async with Circuit("gs://bucket").turn(time.monotonic(), lambda: True):
            await asking(Circuit("gs://bucket"), entered)
        assert entered.is_set()

    run(story())
