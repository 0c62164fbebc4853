"""What can break between engines and their bucket: each kind of fault as in `faults.py`."""

import signal
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from support.fault_proxy import Rule
from torture.world import World

CHANGES = "POST|PUT|DELETE"
PLACES = ("", "_ledger", "_stage", "raw")
"""What the requests are about that fail: anything, or the objects below one of these."""

HIT_SECONDS_MAX = 5.0

Settings = Callable[[Random], dict[str, Any]]
Fault = Callable[[World, Random], bool]


def _torn(luck: Random) -> dict[str, Any]:
    choices: list[dict[str, Any]] = [
        {"do": "tear_request", "method": "PUT", "at_bytes": luck.randrange(2000), "pass_on": True},
        {"do": "cut_reply", "at_bytes": luck.randrange(300)},
        {"do": "wrong_checksum"},
    ]
    return luck.choice(choices)


def _refused(luck: Random) -> dict[str, Any]:
    return {"do": "status", "status": luck.choice([429, 500, 502, 503, 503]), "after": luck.random() < 0.3}


def _late(luck: Random) -> dict[str, Any]:
    delay = luck.choice([0.2, 3.0, 9.0])
    return {"do": "late", "method": CHANGES, "hold": luck.random() < 0.5, "delay_seconds": delay}


def _on_requests(settings: Settings, times: tuple[int, ...] = (1, 1, 3, 20)) -> Fault:
    """So many requests to one host's line, or to all, meet this."""

    def fault(world: World, luck: Random) -> bool:
        assert world.bucket is not None, "a fault of buckets"
        given = {"times": luck.choice(times), "path": luck.choice(PLACES), **settings(luck)}
        return world.bucket.broken(luck, world.over, (0.5, 7), **given)

    return fault


def storage_away(world: World, luck: Random) -> bool:
    """Nobody listens where the bucket was."""
    assert world.bucket is not None, "a fault of buckets"
    return world.bucket.away(luck, world.over)


def kill_at_it(world: World, luck: Random) -> bool:
    """All of a host is killed while a change that it asked for is under way, done or not."""
    assert world.bucket is not None, "a fault of buckets"
    number = luck.randrange(len(world.hosts))
    line, place = world.bucket.lines[number], luck.choice(PLACES)
    rule = Rule("hang", method=CHANGES, path=place, pass_first=luck.randrange(5), after=luck.random() < 0.5)
    line.add(rule)
    try:
        return rule.hit.wait(HIT_SECONDS_MAX) and world.hosts[number].signal_everything(signal.SIGKILL)
    finally:
        line.rules.remove(rule)
        line.release(rule)


IN_A_BUCKET: Mapping[str, tuple[Fault, float]] = {
    "bucket: answers lost": (_on_requests(lambda _: {"do": "lose_reply", "method": CHANGES}), 2),
    "bucket: requests lost": (_on_requests(lambda luck: {"do": "lose_request", "reset": luck.random() < 0.5}), 1),
    "bucket: refused": (_on_requests(_refused, (10**9,)), 1.5),
    "bucket: torn": (_on_requests(_torn), 1),
    "bucket: hanging": (_on_requests(lambda luck: {"do": "hang", "after": luck.random() < 0.5}), 1),
    "bucket: slow": (
        _on_requests(lambda luck: {"do": "drip", "at_bytes": 200, "delay_seconds": luck.uniform(0.01, 0.5)}, (10**9,)),
        1,
    ),
    "bucket: late": (_on_requests(_late), 2),
    "bucket: away": (storage_away, 1),
    "bucket: killed at it": (kill_at_it, 2),
}
