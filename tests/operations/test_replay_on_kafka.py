"""`replay plan` beside a real Kafka and what a real engine has landed from it."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.broker import admin_of, everything_in
from support.engine import pipeline_yaml, streamlake
from support.lake import Lake
from support.scene import Scene, make_scene_in, orders
from support.shared import SharedKafka
from support.topics import expire, fill_in_transactions, make_topic

from streamlake.config.load import load_pipeline
from streamlake.engine.cli.parts import open_ledger
from streamlake.engine.kafka.admin import ClusterAdmin
from streamlake.engine.kafka.settings import admin_properties
from streamlake.engine.operations.bounds import parse_bounds
from streamlake.engine.operations.replay_plan import ReplayRequest, plan_replay
from streamlake.engine.records import TopicPartition

MOST_QUESTIONS = 14
"""Ids, cluster, two times and both ends; each that asks for offsets asks first which partitions there are."""


@pytest.fixture
def scene(kafka: SharedKafka, tmp_path: Path) -> Scene:
    """One that a test may change."""
    return landed_scene(kafka, tmp_path)


@pytest.fixture(scope="module")
def landed(kafka: SharedKafka, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """One that all tests look at."""
    return landed_scene(kafka, tmp_path_factory.mktemp("landed"))


def landed_scene(kafka: SharedKafka, folder: Path) -> Scene:
    """250 and 40 orders landed, 30 more that are not read yet."""
    scene = make_scene_in(folder, kafka.bootstrap_servers)(partitions=2)
    scene.produce(orders(250))
    scene.produce(orders(40), partition=1)
    scene.run()
    scene.produce(orders(30, first=250))
    return scene


def planned(scene: Scene, *arguments: str) -> dict[str, Any]:
    done = streamlake("replay", "plan", str(scene.pipeline), *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_plan_of_everything_says_what_the_live_run_did_and_the_account_agrees(scene: Scene) -> None:
    plan = planned(scene, "--from", "earliest", "--to", "latest")
    account = scene.account()
    before = plan["before"]
    assert (before["landed"], before["refused"], before["skipped"], before["not_read"]) == (
        *(len(account.raw), len(account.dead), len(account.skipped), 30),
    )
    first, second = plan["partitions"]
    assert (first["first"], first["next"], second["first"], second["next"]) == (0, 280, 0, 40)
    assert (plan["offsets"], plan["records"]) == (320, 320)
    files = [path for kind in ("raw", "dead") for path in (scene.lake / kind).rglob("*.jsonl")]
    assert before["file_bytes"] == sum(path.stat().st_size for path in files)
    assert plan["pace"]["records_per_second"] > 0
    assert not (scene.lake / "replays").exists()
    assert [path.name for path in (scene.lake / "_runs").iterdir()] == ["live-1.json"]
    scene.run()
    scene.check()


def test_times_are_those_of_the_records(landed: Scene) -> None:
    config = load_pipeline(landed.pipeline, ())
    stamps = [message.timestamp()[1] for message in everything_in(config, landed.topic) if message.partition() == 0]
    after = next(offset for offset, stamp in enumerate(stamps) if stamp >= stamps[250])
    moment = datetime.fromtimestamp(stamps[250] / 1000, UTC).isoformat()
    first, second = planned(landed, "--from", moment, "--to", "-0s")["partitions"]
    assert (first["first"], first["next"]) == (after, 280)
    assert second["first"] == second["next"] == 40
    (named,) = planned(landed, "--from", "-1h", "--to", moment, "--partitions", "0")["partitions"]
    assert (named["first"], named["next"]) == (0, after)


def test_what_is_no_record_is_in_the_range_and_not_in_the_estimate(kafka: SharedKafka, tmp_path: Path) -> None:
    """Markers and what was aborted are holes in what landed, and are expected as often in what has not."""
    scene = make_scene_in(tmp_path, kafka.bootstrap_servers)()
    good = b'{"a": 1}'
    fill_in_transactions(scene.servers, scene.topic, ([good] * 3, True), ([good] * 2, False), ([good], True))
    scene.run()
    fill_in_transactions(scene.servers, scene.topic, ([good] * 8, True))
    (one,) = planned(scene, "--from", "0", "--to", "latest")["partitions"]
    assert (one["first"], one["next"], one["before"]["holes"], one["before"]["not_read"]) == (0, 18, 5, 9)
    assert one["records"] == 4 + round(9 * 4 / 9)


def test_what_kafka_has_deleted_is_told_with_what_stands_in_files(scene: Scene) -> None:
    moment = datetime.now(UTC)
    expire(scene.servers, scene.topic, 150)
    plan = planned(scene, "--from", "0", "--to", "200", "--partitions", "0")
    (one,) = plan["partitions"]
    assert (one["expired"]["first"], one["expired"]["next"]) == (0, 150)
    kept = one["expired"]["before"]
    assert (kept["landed"] + kept["refused"], kept["skipped"], kept["not_read"]) == (149, 1, 0)
    assert any("Kafka no longer has [0, 150)" in remark for remark in plan["remarks"])
    by_time = planned(scene, "--from", "-1h", "--to", moment.isoformat(), "--partitions", "0")["partitions"][0]
    assert by_time["first"] == 0, "an hour ago lies before what Kafka still has, and what landed knows it"
    earliest = planned(scene, "--from", "earliest", "--to", "latest", "--partitions", "0")["partitions"][0]
    assert (earliest["first"], earliest["expired"]["next"] - earliest["expired"]["first"]) == (150, 0)


def test_a_landed_file_and_an_entry_are_ranges(landed: Scene) -> None:
    file = Lake.open(landed.lake).files("raw")[0]
    entry = next(entry for entry in landed.entries("data") if entry["partition"] == 1)
    (by_file,) = planned(landed, "--run-of", file.name)["partitions"]
    assert (by_file["first"], by_file["next"]) == (0, 100)
    place = f"live-1/{landed.topic}/1/{entry['seq']}"
    (by_entry,) = planned(landed, "--run-of", place)["partitions"]
    assert (by_entry["partition"], by_entry["first"], by_entry["next"]) == (1, entry["first"], entry["next"])


def test_a_person_reads_a_table(landed: Scene) -> None:
    done = streamlake("replay", "plan", str(landed.pipeline), "--from", "earliest", "--to", "latest", "--name", "fix-1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "orders: replay from earliest to latest; nothing was written"
    assert lines[1].split() == ["run", "fix-1,", "not", "begun"]
    assert lines[2].split() == ["output", f"{landed.lake}/replays/fix-1/"]
    assert lines[3].startswith("reads     320 offsets, about 320 records, about ")
    assert " records/s, as fast as " in lines[4]
    assert lines[5].endswith(" s of CPU, as much as records took when they landed")
    assert lines[6].split()[:4] == ["partition", "first", "next", "records"]
    assert lines[7].split()[0] == f"{landed.topic}/0"
    assert lines[7].split()[-1] == "30"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--from", "-1h", "--to", "-2h"], 2, "--to -2h does not lie behind --from -1h"),
        (["--from", "-1h", "--to", "2999-01-01T00:00:00Z"], 2, "--to 2999-01-01T00:00:00Z lies in the future"),
        (["--from", "0", "--to", "9999", "--partitions", "0"], 2, "lies in the future: "),
        (["--from", "2026-01-31T06:00", "--to", "latest"], 2, "has no time zone"),
        (["--from", "-1h", "--to", "latest", "--timezone", "Mars"], 2, "--timezone Mars: there is no such time zone"),
        (["--from", "-1h", "--to", "latest", "--topic", "nowhere"], 2, "--topic nowhere: is none that the pipeline"),
        (["--from", "-1h", "--to", "latest", "--partitions", "7"], 2, "has 2 partitions, from 0 on"),
        (["--from", "5", "--to", "latest"], 2, "an offset means another record in each of the 2 partitions"),
        (["--from", "-1h", "--to", "latest", "--name", "live-1"], 2, "names that begin with live-"),
        (["--from", "-1h"], 2, "say --to, too"),
        ([], 2, "say what to replay"),
    ],
)
def test_bad_input_is_a_sentence_and_a_code(landed: Scene, arguments: list[str], code: int, said: str) -> None:
    done = streamlake("replay", "plan", str(landed.pipeline), *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_a_topic_made_anew_is_not_planned_over_the_old_ones_ledger(scene: Scene) -> None:
    admin = admin_of(load_pipeline(scene.pipeline, ()))
    admin.delete_topic(scene.topic)
    deadline = time.monotonic() + 20
    while admin.topic_ids([scene.topic]):
        assert time.monotonic() < deadline
    gone = streamlake("replay", "plan", str(scene.pipeline), "--from", "earliest", "--to", "latest")
    assert (gone.returncode, "has no topic" in gone.stderr) == (78, True)
    make_topic(scene.servers, partitions=2, exactly=scene.topic)
    done = streamlake("replay", "plan", str(scene.pipeline), "--from", "earliest", "--to", "latest")
    assert done.returncode == 78
    assert f"topic id of {scene.topic}" in done.stderr


class CountingAdmin(ClusterAdmin):
    """Counts the questions that go out."""

    asked: int = 0

    def _ask(self, doing: str, ask: Callable[[], Any]) -> Any:
        self.asked += 1
        return super()._ask(doing, ask)


def test_sixty_four_partitions_cost_as_many_questions_as_one(kafka: SharedKafka, tmp_path: Path) -> None:
    asked: dict[int, int] = {}
    for partitions in (1, 64):
        topic = make_topic(kafka.bootstrap_servers, partitions=partitions)
        config = load_pipeline(pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic), ())
        sources = [TopicPartition(topic, number) for number in range(partitions)]
        admin_of(config).watermarks(sources)  # waits until each has a leader: a question is asked again before that
        admin = CountingAdmin(admin_properties(config.kafka, "tests"), timeout_seconds=20)
        request = ReplayRequest(parse_bounds("-2h", "-1h", now=datetime.now(UTC)))
        plan = plan_replay(config, open_ledger(config), admin, request)
        assert [one.source for one in plan.partitions] == sources
        asked[partitions] = admin.asked
    assert asked[1] == asked[64]
    assert asked[64] <= MOST_QUESTIONS
