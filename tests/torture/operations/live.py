"""Operators who move the live run's position, and who land what lies before it."""

import subprocess
from contextlib import ExitStack
from random import Random

from torture.operations.lake import edges
from torture.operations.replays import CHANGE, OFFSETS_MAX
from torture.operations.saying import Operator
from torture.operations.world import OperationsWorld

from streamlake.engine.failpoints import POINTS, RESET

REASON = "torture"
"""Why operators give offsets up."""
LEAVE_SECONDS = 60.0
OTHERS_ARE_AT_WORK = ("is active: ", "an engine has taken the partition meanwhile", "has begun live-")
BACKFILL = (*POINTS, "before_backfill", "after_backfill", "after_live_start")
TAKEN = (
    "would come twice",
    "are those of (live|backfill)-",
    "nothing lies between",
    "nothing is missing",
    "lands some of these offsets itself",
)
"""Others have landed a part of it meanwhile."""


def reset(world: OperationsWorld, luck: Random) -> bool:
    """All engines leave, and the position of a partition moves: mostly back to the edge of a file, or to the end."""
    partition = luck.randrange(world.partitions)
    known = edges(world.lake, world.topic, partition)
    back = [edge for edge in known[:-1] if edge >= known[-1] - OFFSETS_MAX]
    if not back:
        return False
    bound = "latest" if luck.random() < 0.25 else str(luck.choice(back))
    words = ["--to", bound, "--partitions", str(partition), "--reason", f"{REASON} {luck.random()}", "--yes"]
    with ExitStack() as held:
        for host in world.hosts:
            if not host.lock.acquire(timeout=LEAVE_SECONDS):
                return False
            held.callback(host.lock.release)
        running = [host for host in world.hosts if host.runs]
        for host in running:
            held.callback(host.start)
        for host in running:
            try:
                host.leave_and_wait(LEAVE_SECONDS)
            except subprocess.TimeoutExpired:
                return False
        # One that was killed is in the group until its session ends, and so is what was killed of an operation's.
        return Operator(
            world, luck, "offsets reset", words, steps=(*RESET, *CHANGE), again_after=OTHERS_ARE_AT_WORK
        ).insist()


def backfill(world: OperationsWorld, luck: Random) -> bool:
    """A part of what lies before the first offset of the live run, or all that is missing there."""
    partition = luck.randrange(world.partitions)
    first = luck.randrange(world.begins_at)
    following = luck.randint(first + 1, min(world.begins_at, first + OFFSETS_MAX))
    words = ["--from", str(first), "--to", str(following), "--partitions", str(partition)]
    return Operator(world, luck, "backfill run", words, steps=BACKFILL, may_refuse=TAKEN).insist()
