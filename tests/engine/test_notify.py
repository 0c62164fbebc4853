"""What a service manager is told: once, at the right time, over a real socket, and nothing where there is none."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.systemd import Manager

from streamlake.engine.notify import SPARE_SECONDS, Notifier
from streamlake.engine.records import TopicPartition
from streamlake.engine.state import EngineState, PartitionState


@pytest.fixture(params=[False, True], ids=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A manager that wants a sign of life within ten seconds."""
    with Manager(tmp_path, abstract=request.param, watchdog_seconds=10) as manager:
        yield manager


def state(*partitions: PartitionState, draining: bool = False) -> EngineState:
    return EngineState("orders", "live-1", "host", 1, "", draining, partitions)


def partition(number: int, **fields: object) -> PartitionState:
    return PartitionState(TopicPartition("orders", number), **fields)  # type: ignore[arg-type]


def test_an_engine_is_ready_with_its_first_partitions_and_stops_once(manager: Manager) -> None:
    notifier = Notifier(manager.environment)
    assert manager.environment == {}, "no child and no library speaks for us"
    notifier.show(state())
    assert "READY=1" not in manager.said()
    parked = partition(1, phase="parked", next=0, end=100)
    for _ in range(3):
        notifier.show(state(partition(0, phase="reading", next=5, end=12), parked))
    notifier.show(state(partition(0, phase="draining", pid=7), draining=True))
    notifier.stopping()
    said = manager.said()
    assert [one for one in said if not one.startswith("STATUS=")] == ["WATCHDOG=1", "READY=1", "STOPPING=1"]


def test_the_status_says_partitions_and_lag_and_is_not_sent_at_each_turn(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    notifier = Notifier(manager.environment)
    for end in range(12, 22):
        notifier.show(state(partition(0, next=5, end=end), partition(1, phase="parked", next=0, end=100)))
        now[0] += 1
    said = [one for one in manager.said() if one.startswith("STATUS=")]
    assert said == ["STATUS=2 partitions, 1 parked, lag 107 records", "STATUS=2 partitions, 1 parked, lag 112 records"]


def test_the_watchdog_is_told_at_half_of_its_time(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    notifier = Notifier(manager.environment)
    for _ in range(21):
        notifier.beat()
        now[0] += 1
    assert manager.said() == ["WATCHDOG=1"] * 5


def test_a_watchdog_of_another_process_is_not_ours(manager: Manager) -> None:
    notifier = Notifier({**manager.environment, "WATCHDOG_PID": str(os.getpid() + 1)})
    notifier.beat()
    assert manager.said() == []


def test_a_spare_member_is_ready_after_a_while(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began)
    notifier = Notifier(manager.environment)
    monkeypatch.setattr(time, "monotonic", lambda: began + SPARE_SECONDS + 1)
    notifier.show(state())
    assert "READY=1" in manager.said()


def test_a_topic_that_is_gone_is_what_systemctl_shows(manager: Manager) -> None:
    gone = state(partition(0))
    gone.gone = {"orders": "2026-01-31T14:02:11.000+00:00"}
    Notifier(manager.environment).show(gone)
    assert "STATUS=no topic orders any more" in manager.said()


def test_a_reload_says_when_it_began_and_ends_with_ready(manager: Manager) -> None:
    notifier = Notifier(manager.environment)
    notifier.ready()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    notifier.ready()
    notifier.ready()
    ready, reloading, again = manager.said()
    assert (ready, again) == ("READY=1", "READY=1")
    first, _, microseconds = reloading.partition("\nMONOTONIC_USEC=")
    assert first == "RELOADING=1"
    assert before <= int(microseconds) <= before + 60_000_000


@pytest.mark.parametrize("address", [None, "", "relative", "vsock:2:1234", "/nowhere/notify"])
def test_where_nobody_listens_nothing_is_said_and_nothing_fails(address: str | None) -> None:
    notifier = Notifier({} if address is None else {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    notifier.show(state(partition(0)))
    notifier.reloading()
    notifier.stopping()
