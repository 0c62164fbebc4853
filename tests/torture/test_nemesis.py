"""The nemesis does what it promised, on a machine so slow that its time is over before a fault meets anybody."""

import math
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from torture import nemesis
from torture.nemesis import OWED_SECONDS_MAX, Nemesis
from torture.proxy import Wires

SECONDS = 2.0


class World:
    """Nothing to break."""

    def __init__(self, wires: Wires) -> None:
        self.over = threading.Event()
        self.wires = wires


def meets_nobody_for(seconds: float) -> Callable[[World, Random], bool]:
    begins = time.monotonic() + seconds

    def fault(world: World, _: Random) -> bool:
        world.over.wait(0.01)
        return time.monotonic() >= begins

    return fault


def torment(missed_for: float, **asked: Any) -> Nemesis[World]:
    """Two kinds, of which one meets nobody for that long."""
    faults = {"late": (meets_nobody_for(missed_for), 1.0), "soon": (meets_nobody_for(0), 1.0)}
    with Wires([]) as wires:
        found = Nemesis(World(wires), faults, {"late": 1.0, "soon": 1.0}, (), 7, per_minute=6000, at_once=2)
        found.torment(SECONDS, **asked)
    return found


def test_it_goes_on_with_what_has_not_happened_yet() -> None:
    found = torment(2 * SECONDS)
    assert not found.missing()


def test_it_ends_in_time_where_all_has_happened() -> None:
    began = time.monotonic()
    found = torment(0)
    assert not found.missing()
    assert time.monotonic() - began < OWED_SECONDS_MAX


def test_what_never_happens_is_told_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nemesis, "OWED_SECONDS_MAX", 1.0)
    found = torment(math.inf)
    assert found.missing() == ["late"]
    assert found.happened["soon"]


def test_what_is_owed_may_be_for_another_to_say() -> None:
    asked: list[list[str]] = []

    def owed() -> list[str]:
        asked.append([])
        return asked[-1]

    found = torment(math.inf, owed=owed)
    assert found.missing() == ["late"]
    assert len(asked) == 1  # when its time was over, and not again
