"""`backfill run` with a real Kafka: exactly once beside a live run, whatever dies, and nobody's offsets twice."""

import json
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.account import Account, check_copies, entries_of, tree_of
from support.engine import Engine, proof, streamlake
from support.scene import Scene, make_scene_in, orders
from support.shared import SharedKafka
from support.topics import expire, fill, make_topic
from support.waiting import wait_until

from streamlake.config.load import load_pipeline
from streamlake.engine.failpoints import OPERATIONS
from streamlake.engine.operations.lineage import live_entries
from streamlake.engine.records import TopicPartition
from streamlake.engine.worker_main import make_sink

STEPS = [point for point in OPERATIONS if "backfill" in point or point == "after_live_start"]
WORKER_POINTS = [
    "after_claim",
    "after_stage",
    "after_commit",
    "before_publish_unlink",
    "after_dead_letters",
    "after_close",
]


@pytest.fixture
def scene(kafka: SharedKafka, tmp_path: Path) -> Scene:
    """Two partitions, of which the live run has landed what came after the first 250 and 40 orders."""
    scene = make_scene_in(tmp_path, kafka.bootstrap_servers)(partitions=2, kafka__start="latest")
    scene.produce(orders(250))
    scene.produce(orders(40), partition=1)
    scene.run()
    scene.produce(orders(60, first=250))
    scene.produce(orders(10, first=40), partition=1)
    scene.run()
    return scene


@pytest.fixture
def fresh(kafka: SharedKafka, tmp_path: Path) -> Scene:
    """100 orders, and nothing landed."""
    scene = make_scene_in(tmp_path, kafka.bootstrap_servers)()
    scene.produce(orders(100))
    return scene


def backfilled(scene: Scene, *arguments: str, code: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    done = streamlake("backfill", "run", str(scene.pipeline), *arguments, "--json", env=env)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(scene: Scene, *arguments: str, code: int = 2, verb: str = "backfill") -> str:
    """What is said by a command that has to write nothing."""
    before = tree_of(scene.lake)
    done = streamlake(verb, "run", str(scene.pipeline), *arguments)
    assert done.returncode == code, done.stderr
    assert tree_of(scene.lake) == before
    return done.stderr


def check(scene: Scene) -> Account:
    """All that was produced has landed once, of all runs together, and its dead letters were copied."""
    account = Account.of(scene.lake, scene.topic, runs="*")
    account.check(scene.produced)
    found = proof(scene.pipeline, "--kafka")
    assert found["totals"]["offsets"] == sum(map(len, scene.produced.values()))
    assert found["kafka"]["values"] == len(account.raw) + len(account.dead)
    check_copies(scene.servers, scene.dead_topic, account)
    return account


def standing(scene: Scene, partition: int = 0) -> list[tuple[int, int]]:
    """The ranges that readers see, in the order of `live_entries`."""
    ledger = make_sink(load_pipeline(scene.pipeline)).ledger()
    return [(entry.first, entry.next) for entry in live_entries(ledger, TopicPartition(scene.topic, partition))]


def test_what_lies_before_the_live_run_lands_beside_it_and_once(scene: Scene) -> None:
    assert len(scene.account().times) == 70
    planned = streamlake("backfill", "plan", str(scene.pipeline), "--json")
    plan = json.loads(planned.stdout)
    assert [(one["first"], one["next"]) for one in plan["partitions"]] == [(0, 250), (0, 40)]
    outcome = backfilled(scene)
    assert (outcome["run"], outcome["output"], outcome["finished"]) == ("backfill-1", "", True)
    check(scene)
    assert standing(scene)[0][0] == 0
    assert standing(scene)[-1][1] == 310
    assert all(one[1] == other[0] for one, other in zip(standing(scene), standing(scene)[1:], strict=False))
    before = tree_of(scene.lake)
    again = backfilled(scene)
    assert (again["run"], again["begun_before"], again["finished_before"]) == ("backfill-1", True, True)
    assert backfilled(scene, "--name", "backfill-1")["finished_before"]
    assert tree_of(scene.lake) == before
    said = streamlake("backfill", "run", str(scene.pipeline)).stdout
    assert "nothing to do: run backfill-1 has finished before" in said


def test_parts_are_backfilled_one_after_the_other(scene: Scene) -> None:
    backfilled(scene, "--from", "100", "--to", "200", "--partitions", "0", "--topic", scene.topic)
    assert backfilled(scene)["offsets"] == 100 + 40, "the first missing ones of each partition"
    rest = backfilled(scene)
    assert (rest["run"], rest["offsets"]) == ("backfill-3", 50)
    check(scene)
    assert backfilled(scene)["finished_before"]


def test_what_no_backfill_has_landed_yet_is_not_replayed_from_files(scene: Scene) -> None:
    backfilled(scene, "--from", "0", "--to", "100", "--partitions", "0")
    words = ("--from", "0", "--to", "300", "--partitions", "0", "--source", "lake", "--name", "again")
    told = refused(scene, *words, verb="replay")
    assert f"{scene.topic}/0: offsets [100, 250) have not landed, so no file has them" in told
    backfilled(scene, "--from", "100", "--to", "250", "--partitions", "0")
    done = streamlake("replay", "run", str(scene.pipeline), *words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("point", WORKER_POINTS)
def test_workers_killed_at_a_point_of_a_backfill_lose_and_double_nothing(
    scene: Scene, tmp_path: Path, point: str
) -> None:
    env = {"STREAMLAKE_FAILPOINT": f"{point}:2:{tmp_path / 'deaths'}"}
    assert backfilled(scene, env=env)["finished"]
    assert (tmp_path / "deaths").read_bytes() == b".."
    check(scene)


@pytest.mark.parametrize("point", STEPS)
def test_a_backfill_killed_at_any_step_is_finished_by_the_same_command(
    fresh: Scene, tmp_path: Path, point: str
) -> None:
    arguments = ("--from", "earliest", "--to", "60", "--json")
    env = {"STREAMLAKE_FAILPOINT": f"{point}:1:{tmp_path / 'deaths'}"}
    killed = streamlake("backfill", "run", str(fresh.pipeline), *arguments, env=env)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (tmp_path / "deaths").read_bytes() == b"."
    assert backfilled(fresh, *arguments)["offsets"] == 60
    fresh.run()
    check(fresh)


def test_a_backfill_that_was_killed_whole_goes_on_where_its_ledger_ends(scene: Scene, tmp_path: Path) -> None:
    env = {"STREAMLAKE_FAILPOINT": f"after_commit=STOP:1:{tmp_path / 'stops'}"}
    with Engine(scene.pipeline, env=env, verb="backfill run") as engine:
        engine.wait_for("committed")
        assert proof(scene.pipeline, "--kafka")["holds"], "also while it runs"
        os.killpg(engine.process.pid, signal.SIGKILL)
    assert proof(scene.pipeline)["holds"]
    with scene.engine() as live:
        scene.produce(orders(10, first=310))
        outcome = backfilled(scene)
        live.wait_for("committed", lambda line: line["next"] == 320)
        live.stop()
    assert (outcome["run"], outcome["begun_before"], outcome["finished"]) == ("backfill-1", True, True)
    check(scene)


def test_two_starts_of_one_backfill_land_each_record_once(scene: Scene, tmp_path: Path) -> None:
    """The first one is frozen with a batch in hand; the second one takes over; then the first one wakes up."""
    stops = tmp_path / "stops"
    with Engine(
        scene.pipeline, env={"STREAMLAKE_FAILPOINT": f"before_commit=STOP:2:{stops}"}, verb="backfill run"
    ) as first:
        wait_until(lambda: stops.exists() and stops.stat().st_size == 2, "two workers with a batch in hand")
        outcome = backfilled(scene)
        assert (outcome["run"], outcome["begun_before"], outcome["finished"]) == ("backfill-1", True, True)
        first.signal_everything(signal.SIGCONT)
        assert first.wait() in (0, 1)
    check(scene)


def test_the_first_live_run_begins_behind_a_backfill_that_came_before_it(fresh: Scene) -> None:
    assert "say --to, too" in refused(fresh)
    backfilled(fresh, "--to", "60")
    fresh.run()
    entries = entries_of(fresh.lake, fresh.topic)
    assert entries[0]["first"] == 60
    check(fresh)
    assert backfilled(fresh, "--to", "60")["finished_before"]


def test_offsets_of_another_run_are_refused_before_anything_is_written(scene: Scene) -> None:
    one = ("--topic", scene.topic, "--partitions", "0")
    said = refused(scene, *one, "--from", "100", "--to", "300")
    assert "the live run live-1 lands this partition from offset 250 on" in said
    assert "say --to 250" in said
    backfilled(scene, *one, "--from", "100", "--to", "200")
    said = refused(scene, *one, "--from", "150", "--to", "250")
    assert "offsets [150, 200) are those of backfill-1" in said
    assert "--name backfill-1 to go on with that one" in said
    assert proof(scene.pipeline)["holds"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--name", "mine"], 2, "goes on with a backfill that is there, and there is none"),
        (["--topic", "nowhere"], 2, "has no such topic"),
        (["--from", "0"], 2, "an offset means another record in each of the 2 partitions"),
        (["--from", "latest"], 2, "nothing lies behind the end"),
        (["--from", "earliest", "--to", "2026-01-31T06:00:00"], 2, "has no time zone"),
        (["--from", "-0s"], 2, "nothing is missing there"),
        (["--rate", "0"], 2, "0.0 is not in the range"),
        (["--workers", "0"], 2, "0 is not in the range"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_is_written(
    scene: Scene, arguments: list[str], code: int, said: str
) -> None:
    assert said in refused(scene, *arguments, code=code)


def test_the_dead_letter_topic_is_no_source_of_its_own_pipeline(scene: Scene) -> None:
    assert "would come back to it" in refused(scene, "--topic", scene.dead_topic, "--to", "latest")


def test_what_has_expired_is_said_or_written_down_as_a_gap(scene: Scene) -> None:
    expire(scene.servers, scene.topic, 50)
    one = ("--topic", scene.topic, "--partitions", "0", "--from", "20", "--to", "120")
    said = refused(scene, *one)
    assert "Kafka's first offset is 50, so [20, 50) is gone" in said
    assert backfilled(scene, *one, "--set", "policies.gap=record")["gaps"] == 30
    assert proof(scene.pipeline, "--kafka")["holds"]


def test_another_topics_history_lands_in_its_own_folder_and_the_live_run_begins_behind_it(
    scene: Scene, tmp_path: Path
) -> None:
    other = make_topic(scene.servers, "payments")
    values = orders(120)
    fill(scene.servers, other, values)
    assert "say --to, too" in refused(scene, "--topic", other)
    first = backfilled(scene, "--topic", other, "--to", "100")
    assert (first["run"], first["offsets"]) == ("backfill-1", 100)
    rest = backfilled(scene, "--topic", other, "--to", "latest")
    assert (rest["run"], rest["offsets"]) == ("backfill-2", 20)
    Account.of(scene.lake, other, runs="*").check({0: values})
    assert proof(scene.pipeline, "--kafka")["holds"]
    # The pipeline comes to read that topic, too.
    fill(scene.servers, other, more := orders(30, first=120))
    topics = f"kafka.topics=[{{name: {scene.topic}}}, {{name: {other}}}]"
    with scene.engine("--until-end", "--set", topics) as live:
        assert live.wait() == 0, live.log()
    Account.of(scene.lake, other, runs="*").check({0: [*values, *more]})
    said = refused(scene, "--topic", other, "--from", "130", "--to", "latest", "--set", topics)
    assert "the live run live-1 lands this partition from offset 120 on" in said
    assert proof(scene.pipeline, "--kafka", "--set", topics)["holds"]


def test_a_rate_holds_over_all_workers(scene: Scene) -> None:
    """By the ledger's own times: of all that was read, all but a batch for each worker was paid for in time."""
    rate, batch = 100.0, 20
    outcome = backfilled(scene, "--rate", f"{rate:g}", "--set", f"batch.rows_max={batch}")
    assert outcome["offsets"] == 290
    entries = entries_of(scene.lake, scene.topic, runs="backfill-1")
    times = sorted(datetime.fromisoformat(entry["committed_at"]) for entry in entries if entry["kind"] == "data")
    assert (times[-1] - times[0]).total_seconds() >= (290 - 2 * 2 * batch) / rate
    check(scene)


def test_workers_are_bounded(scene: Scene) -> None:
    with Engine(scene.pipeline, "--workers", "1", verb="backfill run") as engine:
        assert engine.wait() == 0, engine.log()
    entries = [entry for entry in entries_of(scene.lake, scene.topic, runs="backfill-1") if entry["kind"] != "data"]
    spans = sorted((entry["committed_at"], entry["kind"], entry["partition"]) for entry in entries)
    assert [kind for _, kind, _ in spans] == ["claim", "close", "claim", "close"], "one after the other"
    check(scene)
