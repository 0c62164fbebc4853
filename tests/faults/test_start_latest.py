"""`start: latest` is resolved once: what comes between the first start and the first commit is not lost by a death."""

from pathlib import Path

import pytest
from support.account import check_copies
from support.engine import proof
from support.scene import MakeScene, orders


@pytest.mark.parametrize("point", ["before_claim", "before_commit"])
def test_what_came_between_the_first_start_and_the_first_commit_lands(
    make_scene: MakeScene, tmp_path: Path, point: str
) -> None:
    scene = make_scene(kafka__start="latest", workers__restarts_max=0)
    old = 30
    scene.produce(orders(old))
    with scene.engine(env={"STREAMLAKE_FAILPOINT": f"{point}:1:{tmp_path / 'deaths'}"}) as engine:
        engine.wait_for("assigned")
        scene.produce(orders(60, first=old))
        engine.wait_for("parked")
        engine.stop()
    assert scene.entries("data") == []
    scene.produce(orders(60, first=90))

    scene.run()
    account = scene.account()
    assert sorted(account.times) == [(0, offset) for offset in range(old, 150)]
    assert set(account.times.values()) == {1}
    proof(scene.pipeline, "--kafka")
    check_copies(scene.servers, scene.dead_topic, account)
