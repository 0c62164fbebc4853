"""A dead-letter topic that can't take what is sent to it: the partition stops rather than lose a letter."""

import json

import pytest
from support.account import check_copies
from support.scene import MakeScene, orders
from support.topics import make_topic
from support.waiting import wait_until

LIMIT = 20_000


def test_a_missing_dead_letter_topic_stops_the_partition_until_it_is_made(make_scene: MakeScene) -> None:
    scene = make_scene(dead_topic=None)
    scene.produce(orders(250))
    with scene.engine() as engine:
        ended = engine.wait_for("worker ended", count=2)
        assert ended["exit"] == "dead_letters"
        assert f"the dead-letter topic {scene.dead_topic} does not exist" in ended["why"]
        assert "streamlake topics apply" in ended["why"]
        assert len(scene.entries("data")) == 1, "nothing is appended before the letters of the entry before are sent"
        make_topic(scene.servers, exactly=scene.dead_topic)
        wait_until(lambda: scene.landed() == 250, engine.log)
        engine.stop()
    scene.check()


def test_a_bounded_run_without_its_dead_letter_topic_fails_and_the_next_one_sends_all(make_scene: MakeScene) -> None:
    scene = make_scene(dead_topic=None)
    scene.produce(orders(250))
    engine = scene.run("--set", "workers.restarts_max=1", code=1)
    (parked,) = engine.events("parked")
    assert f"the dead-letter topic {scene.dead_topic} does not exist" in parked["why"]
    make_topic(scene.servers, exactly=scene.dead_topic)
    scene.run()
    scene.check()


@pytest.mark.parametrize("size", [LIMIT - 300, 3 * LIMIT])
def test_a_record_too_large_for_the_dead_letter_topic_goes_without_its_value(make_scene: MakeScene, size: int) -> None:
    scene = make_scene(dead_topic={"max_message_bytes": str(LIMIT)})
    large = b'{"cut off": "' + b"x" * (size - 13)
    scene.produce([*orders(60), large, *orders(60, first=60)])
    engine = scene.run()
    assert not engine.events("worker ended")
    account = scene.check()
    headers = check_copies(scene.servers, scene.dead_topic, account)
    (truncated,) = [each for each in headers if "streamlake.truncated" in each]
    assert json.loads(truncated["streamlake.truncated"]) == {
        "left_out": ["value"],
        "value_bytes": size,
        "dead_letter_file": {"topic": scene.topic, "partition": 0, "offset": 60},
    }
    assert len(headers) == len(account.dead)
