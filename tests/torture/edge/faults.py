"""The faults that befall an edge: its workers and itself told to end or killed, and Kafka away, alone and together."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from random import Random

from torture.edge.world import EdgeWorld

Fault = Callable[[EdgeWorld, Random], bool]
"""Breaks something and mends it; whether it really happened."""

Away = Callable[[EdgeWorld, Random], AbstractContextManager[None]]
"""Kafka is away, in some way, while the `with` lasts."""


def tell_worker(world: EdgeWorld, luck: Random) -> bool:
    """SIGTERM to a worker: gunicorn starts another one."""
    return world.edge.signal_worker(luck, signal.SIGTERM)


def kill_worker(world: EdgeWorld, luck: Random) -> bool:
    """SIGKILL to a worker."""
    return world.edge.signal_worker(luck, signal.SIGKILL)


def reload(world: EdgeWorld, _luck: Random) -> bool:
    """SIGHUP: all workers are replaced."""
    return world.edge.signal(signal.SIGHUP)


def tell_edge(world: EdgeWorld, luck: Random) -> bool:
    """SIGTERM to the server; it is started again when it has ended."""
    return _without_edge(world, luck, world.edge.end)


def kill_edge(world: EdgeWorld, luck: Random) -> bool:
    """SIGKILL to the server and all its workers at once."""
    return _without_edge(world, luck, world.edge.kill)


@contextmanager
def killed(world: EdgeWorld, _luck: Random) -> Iterator[None]:
    """The broker is killed, and started again at the end."""
    world.kafka.kill()
    try:
        yield
    finally:
        world.kafka.restart()


@contextmanager
def paused(world: EdgeWorld, _luck: Random) -> Iterator[None]:
    """The broker's clock stands still."""
    world.kafka.pause()
    try:
        yield
    finally:
        world.kafka.resume()


@contextmanager
def slow(world: EdgeWorld, luck: Random) -> Iterator[None]:
    """Each piece of data between edge and broker is late."""
    world.wires.slow(luck.uniform(0.02, 0.4))
    try:
        yield
    finally:
        world.wires.mend()


@contextmanager
def cut(world: EdgeWorld, _luck: Random) -> Iterator[None]:
    """No connection between edge and broker."""
    world.wires.cut()
    try:
        yield
    finally:
        world.wires.mend()


@contextmanager
def swallowed(world: EdgeWorld, _luck: Random) -> Iterator[None]:
    """Nothing comes through between edge and broker, and nobody is told."""
    world.wires.swallow()
    try:
        yield
    finally:
        world.wires.mend()


def _alone(away: Away, longest: float) -> Fault:
    """Kafka is away for up to so many seconds: often for less than a record may take, else for longer."""

    def fault(world: EdgeWorld, luck: Random) -> bool:
        return _with_kafka_away(world, luck, away, lambda: bool(world.over.wait(luck.uniform(0.2, longest))) or True)

    return fault


def _and(away: Away, other: Fault) -> Fault:
    """Another fault comes while Kafka is away; Kafka may be there again before that one has ended, or after."""

    def fault(world: EdgeWorld, luck: Random) -> bool:
        world_luck = Random(luck.random())

        def both() -> bool:
            world.over.wait(luck.uniform(0.05, 1.5))
            return other(world, world_luck)

        return _with_kafka_away(world, luck, away, both)

    return fault


def _with_kafka_away(world: EdgeWorld, luck: Random, away: Away, meanwhile: Callable[[], bool]) -> bool:
    if not world.cluster.acquire(blocking=False):
        return False
    try:
        with away(world, luck):
            return meanwhile()
    finally:
        world.cluster.release()


def _without_edge(world: EdgeWorld, luck: Random, end: Callable[[], None]) -> bool:
    if not world.edge.lock.acquire(blocking=False):
        return False
    try:
        end()
        world.over.wait(luck.choice([0, 0, 0.5]))
        world.edge.start()
        return True
    finally:
        world.edge.lock.release()


FAULTS: Mapping[str, tuple[Fault, float]] = {
    "worker told to end": (tell_worker, 5),
    "worker killed": (kill_worker, 4),
    "whole edge told to end": (tell_edge, 4),
    "whole edge killed": (kill_edge, 2),
    "loaded again by SIGHUP": (reload, 1.5),
    "broker killed": (_alone(killed, 3), 0.3),
    "broker paused": (_alone(paused, 6), 0.6),
    "wires slow": (_alone(slow, 6), 0.6),
    "wires cut": (_alone(cut, 5), 0.5),
    "wires swallow": (_alone(swallowed, 5), 0.5),
    "broker killed, worker told to end": (_and(killed, tell_worker), 0.3),
    "broker killed, edge told to end": (_and(killed, tell_edge), 0.3),
    "broker paused, worker told to end": (_and(paused, tell_worker), 0.5),
    "broker paused, edge told to end": (_and(paused, tell_edge), 0.4),
    "broker paused, edge killed": (_and(paused, kill_edge), 0.4),
    "wires slow, worker told to end": (_and(slow, tell_worker), 0.5),
    "wires slow, edge told to end": (_and(slow, tell_edge), 0.4),
}
"""Each kind of fault by its name in the table of docs/reliability.md, with its usual weight."""

KILLS = tuple(name for name in FAULTS if name.endswith(("told to end", "killed")) and name != "broker killed")
"""Those that end workers or the edge, by SIGTERM or SIGKILL."""
