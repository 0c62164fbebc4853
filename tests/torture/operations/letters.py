"""Operators who send dead letters back, who mark hours as complete, and who collect what nobody needs."""

from datetime import UTC, datetime, timedelta
from random import Random

from torture.operations.replays import FORGET
from torture.operations.saying import Operator
from torture.operations.world import OperationsWorld

from streamlake.engine.failpoints import OPERATIONS, REDRIVE

COMPLETE = (*(step for step in OPERATIONS if "positions" in step or "complete" in step), "before_entry_link")
HOURS = 200


def redrive(world: OperationsWorld, luck: Random) -> bool:
    """Dead letters go back to where they came from, and are refused again."""
    words = ["--to", "source", "--partition", str(luck.randrange(world.partitions)), "--max-attempts", "2", "--yes"]
    words += ["--batch", str(luck.choice([1, 20, 500]))]
    return Operator(world, luck, "dead redrive", words, steps=REDRIVE).insist()


def complete(world: OperationsWorld, luck: Random) -> bool:
    """An hour of the past, of which nothing can come any more, is marked."""
    hour = datetime.now(UTC) - timedelta(hours=luck.randint(2, HOURS))
    words = ["--hour", f"{hour:%Y-%m-%dT%H}"]
    return Operator(world, luck, "complete", words, steps=COMPLETE).insist()


def collect(world: OperationsWorld, luck: Random) -> bool:
    """`gc`: what ended runs have left staged goes."""
    return Operator(world, luck, "gc", [], steps=FORGET).insist()
