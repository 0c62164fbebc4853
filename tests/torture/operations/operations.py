"""What operators ask for while everything breaks."""

from collections.abc import Callable, Mapping
from random import Random

from torture.operations import letters, live, replays
from torture.operations.world import OperationsWorld

Operation = Callable[[OperationsWorld, Random], bool]
"""Does something until it is done; whether it was."""

ALL: Mapping[str, tuple[Operation, float]] = {
    "replay run, from Kafka": (replays.replay_from_kafka, 3),
    "replay run, from the lake": (replays.replay_from_lake, 2),
    "replay run, by its name": (replays.go_on, 0.5),
    "replay promote": (replays.promote, 3),
    "replay promote, twice": (replays.promote_twice, 1),
    "replay promote and delete, at once": (replays.promote_and_delete, 1),
    "replay delete": (replays.delete, 1),
    "offsets reset": (live.reset, 1),
    "backfill run": (live.backfill, 1.5),
    "dead redrive": (letters.redrive, 1),
    "complete": (letters.complete, 1),
    "gc": (letters.collect, 1),
}
"""Each kind of operation with its usual weight."""
