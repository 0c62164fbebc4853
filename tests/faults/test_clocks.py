"""Two hosts whose clocks are hours apart and jump: the ledger has no use for the time of day."""

import time
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from support.scene import MakeScene, orders
from support.waiting import wait_until

PARTITIONS = 2
HOUR = timedelta(hours=1)


def test_hosts_with_wrong_and_jumping_clocks_take_over_from_each_other(make_scene: MakeScene) -> None:
    scene = make_scene(partitions=PARTITIONS, batch__rows_max=20)
    early, late = (_clock(sign * HOUR) for sign in (-1, 1))

    def produce(count: int) -> None:
        for partition in range(PARTITIONS):
            scene.produce(orders(count, first=len(scene.produced.get(partition, []))), partition)

    produce(100)
    with scene.engine(env=late) as first:
        first.wait_for("committed", count=10)
        with scene.engine(env=early) as second:
            second.wait_for("assigned", lambda line: len(line["partitions"]) > 0)
            produce(200)
            second.wait_for("committed", count=3)
            first.kill_everything()
            wait_until(lambda: scene.landed() == 300 * PARTITIONS, second.log)
            with scene.engine(env=late) as third:
                third.wait_for("assigned", lambda line: len(line["partitions"]) > 0)
                for done in range(340, 421, 40):  # three times, so that whoever has a partition sees both jumps
                    _until_they_jump()
                    produce(40)
                    wait_until(
                        lambda done=done: scene.landed() == done * PARTITIONS,  # type: ignore[misc]
                        lambda: second.log() + third.log(),
                    )
                third.stop()
            second.stop()
    scene.check()
    said = [
        [datetime.fromisoformat(entry["committed_at"]) for entry in scene.entries() if entry["partition"] == partition]
        for partition in range(PARTITIONS)
    ]
    # Only a partition that the second host was given is sure to have entries of two clocks:
    # the first may have landed all of the other before it was killed.
    assert any(after < before - HOUR for times in said for before, after in pairwise(times)), "the clocks did not jump"


def _until_they_jump() -> None:
    begun = int(time.monotonic())
    wait_until(lambda: int(time.monotonic()) > begun, "the next second")


def _clock(wrong: timedelta) -> dict[str, str]:
    folder = Path(__file__).with_name("clocks")
    return {"PYTHONPATH": str(folder), "STREAMLAKE_TEST_CLOCK": str(wrong.total_seconds())}
