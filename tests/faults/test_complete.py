"""`streamlake complete` on a real Kafka: killed at any step, held up by what has not landed, and by transactions."""

import json
import os
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from support.engine import STREAMLAKE, proof, streamlake
from support.scene import MakeScene, Scene, orders

POINTS = ("before_positions", "after_positions", "after_complete")
HOUR = "2026-01-31T06"
KEPT = {"retention.ms": "-1"}
"""For records of that hour: Kafka would delete them within a minute, for they are older than it keeps."""


def completed(scene: Scene, *arguments: str, code: int = 0, hour: str = HOUR) -> dict[str, Any]:
    """What the command says of one hour."""
    done = streamlake("complete", str(scene.pipeline), "--hour", hour, "--json", *arguments)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    (found,) = json.loads(done.stdout)["hours"]
    assert isinstance(found, dict)
    return found


def stored(scene: Scene) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (scene.lake / "_complete").rglob("*") if path.is_file()}


def stamp_ms(minutes: int) -> int:
    """So many minutes behind six o'clock."""
    return round(datetime(2026, 1, 31, 6, tzinfo=UTC).timestamp() * 1000) + minutes * 60_000


def send(scene: Scene, *minutes: int) -> None:
    """A record of each of these times."""
    producer = Producer({"bootstrap.servers": scene.servers})
    for minute in minutes:
        producer.produce(scene.topic, b'{"a": 1}', partition=0, timestamp=stamp_ms(minute))
    assert producer.flush(60) == 0


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_step_the_same_command_finishes_the_work(scene: Scene, tmp_path: Path, point: str) -> None:
    scene.produce(orders(120))
    scene.run()
    killed = subprocess.run(
        [STREAMLAKE, "complete", str(scene.pipeline), "--hour", HOUR],
        env={**os.environ, "STREAMLAKE_FAILPOINT": f"{point}:1:{tmp_path / 'deaths'}"},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    left = stored(scene)
    assert left.keys() == {"before_positions": set(), "after_positions": {"positions.json"}}.get(
        point, {"positions.json", "_COMPLETE"}
    )
    scene.produce(orders(10))
    scene.run()
    found = completed(scene)
    assert found["state"] == ("complete" if point == "after_complete" else "written")
    assert stored(scene).keys() == {"positions.json", "_COMPLETE"}
    assert stored(scene)["_COMPLETE"] == b""
    decided = found["positions"]["0"]["next"]
    assert decided == (130 if point == "before_positions" else 120), "what was decided stays"
    assert completed(scene)["state"] == "complete"
    assert not list((scene.lake / "_stage").rglob("*.tmp"))
    scene.check()


def test_an_hour_waits_for_what_has_not_landed_and_says_for_what(make_scene: MakeScene) -> None:
    scene = make_scene(partitions=2)
    scene.produce(orders(120))
    scene.run()
    scene.produce(orders(30), partition=1)
    found = completed(scene, code=1)
    (waiting,) = found["waiting"]
    assert (waiting["partition"], waiting["next"], waiting["end"]) == (1, 0, 30)
    assert stored(scene) == {}
    table = streamlake("complete", str(scene.pipeline), "--hour", HOUR)
    assert table.returncode == 1
    assert f"{scene.topic}/1  30 offsets have not landed" in table.stdout
    assert "at offset 0 of 30" in table.stdout
    scene.run()
    assert completed(scene, "--dry-run")["state"] == "would be written"
    assert stored(scene) == {}
    assert completed(scene)["state"] == "written"
    assert proof(scene.pipeline)["defects"] == []


def test_an_open_transaction_holds_an_hour_up(make_scene: MakeScene) -> None:
    """Its records lie behind the last stable offset: all that a reader may see has landed, and the hour is not over."""
    scene = make_scene(topic=KEPT)
    send(scene, 30, 31)
    producer = Producer({"bootstrap.servers": scene.servers, "transactional.id": scene.topic})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(scene.topic, b'{"a": 1}', partition=0, timestamp=stamp_ms(40))
    producer.flush(60)
    scene.run()
    (waiting,) = completed(scene, code=1)["waiting"]
    assert waiting["why"] == "what was written from 2 on belongs to an undecided transaction"
    producer.commit_transaction(60)
    (waiting,) = completed(scene, code=1)["waiting"]
    assert waiting["why"].startswith("2 offsets have not landed, and no record of 2026-01-31T07:10:00.000+00:00")
    assert waiting["reached"] == "2026-01-31T06:31:00.000+00:00"
    scene.run()
    assert completed(scene)["positions"]["0"]["next"] == 4


def test_records_of_the_past_are_late_for_an_hour_that_was_complete(make_scene: MakeScene) -> None:
    scene = make_scene(topic=KEPT)
    scene.produce(orders(20))
    scene.run()
    completed(scene)
    send(scene, 30, 40, 90)
    scene.run()
    found = completed(scene)
    (late,) = found["late"]
    assert (late["first"], late["next"], late["rows"], late["exact"], found["late_rows"]) == (20, 22, 2, True, 2)
    assert (scene.lake / late["path"]).exists()
    table = streamlake("complete", str(scene.pipeline), "--hour", HOUR).stdout
    assert "[20, 22)     2" in table
    assert "after 07:00" in table


def test_by_default_it_is_the_last_day_since_the_pipeline_began(scene: Scene) -> None:
    scene.produce(orders(20))
    scene.run()
    done = streamlake("complete", str(scene.pipeline), "--json", "--set", "completeness.lateness=2h")
    assert (done.returncode, json.loads(done.stdout)["hours"]) == (0, []), "no hour is over since then"
    done = streamlake("complete", str(scene.pipeline), "--since", "5h", "--json", "--set", "completeness.lateness=0")
    hours = json.loads(done.stdout)["hours"]
    assert (done.returncode, len(hours)) == (0, 5)
    assert {hour["state"] for hour in hours} == {"written"}
    assert len(list((scene.lake / "_complete").rglob("_COMPLETE"))) == 5


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--hour", "today"], 2, "'today' is no hour"),
        (["--hour", HOUR, "--since", "2h"], 2, "--hour and --since: say one of them"),
        (["--hour", HOUR, "--topic", "nowhere"], 2, "--topic nowhere: is none that the pipeline"),
        (["--since", "2026-01-31T06:00"], 2, "has no zone"),
        (["--hour", "2999-01-01T00"], 1, "it is over at 2999-01-01T01:10:00+00:00"),
    ],
)
def test_bad_input_is_a_sentence_and_a_code(scene: Scene, arguments: list[str], code: int, said: str) -> None:
    done = streamlake("complete", str(scene.pipeline), *arguments)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert not (scene.lake / "_complete").exists()
