"""Operators who replay, promote and delete: each kind of operation is to the nemesis as a fault is."""

import re
import signal
from concurrent.futures import ThreadPoolExecutor
from random import Random

from torture.operations.lake import edges
from torture.operations.saying import Operator
from torture.operations.world import OperationsWorld

from streamlake.engine.failpoints import OPERATIONS, POINTS

OFFSETS_MAX = 4000
"""Of a replay: small enough that many of them fit into a minute."""
CHANGING = ("before_entry_link", "after_entry_link", "after_claim", "after_roll_forward", "before_publish_unlink")
"""Steps that operations which change generations share with workers."""
CHANGE = (*(step for step in OPERATIONS if re.search("generation|final|move", step)), *CHANGING)
PROMOTE = (*(step for step in OPERATIONS if "fate" in step), *CHANGE)
FORGET = (*(step for step in OPERATIONS if re.search("final|forget|fate", step)), *CHANGING)
CUT = ("may take over whole files only", "what readers see of the live run is")
"""Others took over a part of the files meanwhile."""
NOT_LANDED = ("have not landed, so no file has them",)
"""Backfills of any part leave stretches open between them."""
DELETED = ("was deleted", "there is no such (run|replay)", "does not hold the run", "is being deleted")


def replay_from_kafka(world: OperationsWorld, luck: Random) -> bool:
    """A replay of what has landed by now, between two edges of files."""
    return _replay(world, luck, [])


def replay_from_lake(world: OperationsWorld, luck: Random) -> bool:
    """The same, read from the files that readers see."""
    return _replay(world, luck, ["--source", "lake"])


def go_on(world: OperationsWorld, luck: Random) -> bool:
    """One that was begun before, by its name alone: often beside who has begun it, or when it has finished."""
    with world.lock:
        names = sorted(world.replays)
    if not names:
        return False
    words = ["--name", luck.choice(names[-3:])]
    return Operator(
        world, luck, "replay run", words, steps=POINTS, may_refuse=(*DELETED, "was begun with --source lake")
    ).insist()


def promote(world: OperationsWorld, luck: Random) -> bool:
    """A finished replay becomes what readers see; refused where others took over a part of its files meanwhile."""
    name = _taken(world, luck)
    return name is not None and _promotion(world, luck, name).insist()


def delete(world: OperationsWorld, luck: Random) -> bool:
    """A replay goes, with all that it landed."""
    name = _taken(world, luck)
    return name is not None and _deletion(world, luck, name).insist()


def promote_and_delete(world: OperationsWorld, luck: Random) -> bool:
    """Two want the opposite of one replay at the same moment: one of them gets it, and what readers see is whole."""
    name = _taken(world, luck)
    if name is None:
        return False
    with ThreadPoolExecutor(2) as pool:
        promoted = pool.submit(
            _promotion(world, Random(luck.random()), name, "is not finished", "does not prove: missing").insist
        )
        deleted = pool.submit(_deletion(world, Random(luck.random()), name).insist)
    if promoted.result() and deleted.result():
        world.found(f"both: {name} was promoted, and deleted")
    return True


def promote_twice(world: OperationsWorld, luck: Random) -> bool:
    """Two promotions, and engines that begin as the first one's generation and sleep through the second."""
    name, other = _taken(world, luck), _taken(world, luck)
    if name is None or other is None:
        return False
    first, second = (_promotion(world, Random(luck.random()), one) for one in (name, other))
    first.insist()
    world.over.wait(luck.uniform(0, 2))
    hosts = [host for host in world.hosts if host.runs and host.lock.acquire(blocking=False)]
    try:
        for host in hosts:
            host.signal_everything(signal.SIGSTOP)
        second.insist()
    finally:
        for host in hosts:
            host.signal_everything(signal.SIGCONT)
            host.lock.release()
    return True


def _replay(world: OperationsWorld, luck: Random, more: list[str]) -> bool:
    partition = luck.randrange(world.partitions)
    first, following = _between_edges(world, luck, partition)
    if first == following:
        return False
    with world.lock:
        name = f"r{len(world.replays) + 1}"
        world.replays[name] = False
    words = ["--from", str(first), "--to", str(following), "--partitions", str(partition), "--name", name, *more]
    words += ["--set", f"sink.format={luck.choice(['parquet', 'jsonl'])}"]
    words += ["--set", f"batch.rows_max={luck.choice([50, 300, 2000])}"]
    done = Operator(world, luck, "replay run", words, steps=POINTS, may_refuse=(*DELETED, *NOT_LANDED)).insist()
    with world.lock:
        world.replays[name] = done
    return done


def _promotion(world: OperationsWorld, luck: Random, name: str, *may_refuse: str) -> Operator:
    may_refuse = (*may_refuse, *DELETED, *CUT, "was begun meanwhile")
    return Operator(world, luck, "replay promote", [name, "--yes"], steps=PROMOTE, may_refuse=may_refuse)


def _deletion(world: OperationsWorld, luck: Random, name: str) -> Operator:
    may_refuse = (*DELETED, "was promoted", "is about to be promoted")
    return Operator(world, luck, "replay delete", [name, "--yes"], steps=FORGET, may_refuse=may_refuse)


def _between_edges(world: OperationsWorld, luck: Random, partition: int) -> tuple[int, int]:
    """Two edges of files of a partition that are not too far apart; the same twice where there are no two."""
    known = edges(world.lake, world.topic, partition)
    if len(known) < 2:
        return 0, 0
    first = luck.choice(known[:-1])
    return first, luck.choice([edge for edge in known if first < edge <= first + OFFSETS_MAX] or [first])


def _taken(world: OperationsWorld, luck: Random) -> str | None:
    """A finished replay that nobody else wants, made first where there is none; None where none can be made."""
    for _ in range(2):
        with world.lock:
            names = [name for name, finished in world.replays.items() if finished]
            if names:
                name = luck.choice(names)
                world.replays[name] = False
                return name
        _replay(world, luck, [])
    return None
