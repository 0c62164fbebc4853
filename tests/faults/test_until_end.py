"""A run to the end says at its end what has landed, also when that is nothing."""

import json
from pathlib import Path

from support.engine import Engine
from support.scene import make_scene_in, orders
from support.shared import SharedKafka

EVENT = "all that was there has landed"


def last_line(engine: Engine) -> dict[str, object]:
    found: dict[str, object] = json.loads("".join(engine.text).splitlines()[-1])
    return found


def test_the_last_line_of_a_run_to_the_end_counts_what_it_has_landed(kafka: SharedKafka, tmp_path: Path) -> None:
    scene = make_scene_in(tmp_path, kafka.bootstrap_servers)(partitions=2)
    scene.produce(orders(100))
    scene.produce(orders(50), partition=1)
    said = last_line(scene.run())
    account = scene.account()
    assert (said["event"], said["pipeline"]) == (EVENT, "orders")
    counts = (len(account.raw), len(account.dead), len(account.skipped))
    assert (said["landed"], said["refused"], said["skipped"]) == counts
    assert sum(counts) == 150
    again = last_line(scene.run())
    assert (again["event"], again["landed"], again["refused"], again["skipped"]) == (EVENT, 0, 0, 0)
