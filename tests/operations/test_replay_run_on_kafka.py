"""`replay run` with a real Kafka: exactly once, whatever dies, beside a live run that stays as it is."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.account import Account, check_copies
from support.engine import Engine, proof, streamlake
from support.scene import Scene, make_scene_in, orders
from support.shared import SharedKafka
from support.topics import expire
from support.waiting import wait_until

from streamlake.engine.failpoints import POINTS

RUN = ("--from", "earliest", "--to", "latest", "--name", "again")
NEVER_IN_A_REPLAY = ("before_dead_letters", "after_dead_letters")


@pytest.fixture
def scene(kafka: SharedKafka, tmp_path: Path) -> Scene:
    """250 and 40 orders landed from two partitions."""
    scene = make_scene_in(tmp_path, kafka.bootstrap_servers)(partitions=2)
    scene.produce(orders(250))
    scene.produce(orders(40), partition=1)
    scene.run()
    return scene


def replayed(scene: Scene, *arguments: str, code: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    done = streamlake("replay", "run", str(scene.pipeline), *arguments, "--json", env=env)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def account_of(scene: Scene, run: str = "again") -> Account:
    """What a replay has landed, read without our code."""
    return Account.of(scene.lake, scene.topic, runs=run, output=f"replays/{run}")


def check(scene: Scene, run: str = "again") -> None:
    """The replay has all of it once, the live run has what it had, and the proof knows both."""
    account_of(scene, run).check(scene.produced)
    scene.account().check(scene.produced)
    assert proof(scene.pipeline, "--kafka")["kafka"]["values"] == 2 * 288


def test_a_replay_lands_all_again_and_does_nothing_the_second_time(scene: Scene) -> None:
    outcome = replayed(scene, *RUN)
    assert (outcome["run"], outcome["output"], outcome["finished"]) == ("again", "replays/again", True)
    live = scene.account()
    assert (outcome["landed"], outcome["refused"], outcome["skipped"]) == (
        *(len(live.raw), len(live.dead), len(live.skipped)),
    )
    check(scene)
    entries = len(list((scene.lake / "_ledger" / "again").rglob("*.json")))
    again = replayed(scene, *RUN)
    assert (again["begun_before"], again["finished_before"]) == (True, True)
    by_name = replayed(scene, "--name", "again")
    assert by_name["finished_before"]
    assert len(list((scene.lake / "_ledger" / "again").rglob("*.json"))) == entries
    assert proof(scene.pipeline)["totals"]["runs"] == 2


def test_records_that_come_meanwhile_do_not_move_the_bounds_of_a_run(scene: Scene) -> None:
    first = replayed(scene, *RUN)
    scene.produce(orders(10, first=250))
    again = replayed(scene, *RUN)
    assert (again["finished_before"], again["offsets"]) == (True, first["offsets"])
    other = replayed(scene, "--from", "earliest", "--to", "latest")
    assert other["offsets"] == first["offsets"] + 10


def test_what_was_refused_lands_when_the_validator_is_mended(kafka: SharedKafka, tmp_path: Path) -> None:
    scene = make_scene_in(tmp_path, kafka.bootstrap_servers)(
        validator={"type": "jsonschema", "schema": {"type": "object", "required": ["never"]}},
        dead_letters__breaker__consecutive_max=100_000,
        dead_letters__breaker__ratio_max=1.0,
    )
    scene.produce([b'{"order": %d}' % number for number in range(50)])
    scene.run()
    assert scene.account().raw == {}
    outcome = replayed(
        scene, "--from", "earliest", "--to", "latest", "--name", "fixed", "--set", "validator={type: json}"
    )
    assert (outcome["landed"], outcome["refused"]) == (50, 0)


def test_copies_of_dead_letters_are_the_live_runs_alone(scene: Scene) -> None:
    replayed(scene, *RUN)
    check_copies(scene.servers, scene.dead_topic, scene.account())


@pytest.mark.parametrize("point", [point for point in POINTS if point not in NEVER_IN_A_REPLAY])
def test_workers_killed_at_any_point_of_a_replay_lose_and_double_nothing(
    scene: Scene, tmp_path: Path, point: str
) -> None:
    env = {"STREAMLAKE_FAILPOINT": f"{point}:2:{tmp_path / 'deaths'}"}
    outcome = replayed(scene, *RUN, env=env)
    assert (tmp_path / "deaths").read_bytes() == b".."
    assert outcome["finished"]
    account_of(scene).check(scene.produced)


def test_a_replay_that_was_killed_whole_goes_on_where_its_ledger_ends(scene: Scene, tmp_path: Path) -> None:
    env = {"STREAMLAKE_FAILPOINT": f"after_commit=STOP:1:{tmp_path / 'stops'}"}
    with replaying(scene, env) as engine:
        engine.wait_for("committed")
        os.killpg(engine.process.pid, signal.SIGKILL)
    outcome = replayed(scene, "--name", "again")
    assert (outcome["begun_before"], outcome["finished"]) == (True, True)
    check(scene)


def replaying(scene: Scene, env: dict[str, str] | None = None) -> Engine:
    return Engine(scene.pipeline, *RUN, env=env, verb="replay run")


def test_two_starts_of_one_run_land_each_record_once(scene: Scene, tmp_path: Path) -> None:
    """The first one is frozen with a batch in hand; the second one takes over; then the first one wakes up."""
    env = {"STREAMLAKE_FAILPOINT": f"before_commit=STOP:2:{tmp_path / 'stops'}"}
    with replaying(scene, env) as first:
        first.wait_for("assigned")
        stops = tmp_path / "stops"
        wait_until(lambda: stops.exists() and stops.stat().st_size == 2, first.log)
        outcome = replayed(scene, "--name", "again")
        assert outcome["finished"]
        os.killpg(first.process.pid, signal.SIGCONT)
        assert first.wait() in (0, 1)
    check(scene)


@pytest.fixture
def expired(kafka: SharedKafka, tmp_path: Path) -> Scene:
    """Landed, and then deleted from Kafka."""
    scene = make_scene_in(tmp_path, kafka.bootstrap_servers)()
    scene.produce(orders(250))
    scene.run()
    expire(scene.servers, scene.topic, 250)
    return scene


def test_what_kafka_has_deleted_is_replayed_from_the_files(expired: Scene) -> None:
    scene = expired
    bounds = ("--from", "0", "--to", "250", "--name", "again")
    before = sorted(scene.lake.rglob("*"))
    refused = streamlake("replay", "run", str(scene.pipeline), *bounds)
    assert refused.returncode == 2
    assert "Kafka no longer has [0, 250) (retention or deletion)" in refused.stderr
    assert "--source lake" in refused.stderr
    assert sorted(scene.lake.rglob("*")) == before, "nothing was written, and the name is not taken"
    given_up = replayed(scene, *bounds, "--set", "policies.gap=record")
    assert (given_up["finished"], given_up["landed"]) == (True, 0)
    other = streamlake("replay", "run", str(scene.pipeline), *bounds, "--source", "lake")
    assert other.returncode == 2
    assert "was begun with --source kafka" in other.stderr
    by_lake = ("--from", "earliest", "--to", "latest", "--name", "lake", "--source", "lake")
    outcome = replayed(scene, *by_lake)
    live = scene.account()
    assert (outcome["landed"], outcome["refused"]) == (len(live.raw), len(live.dead))
    assert outcome["holes"] == len(live.skipped)
    found = account_of(scene, "lake")
    assert found.raw == live.raw
    assert {place: row["value"] for place, row in found.dead.items()} == {
        place: row["value"] for place, row in live.dead.items()
    }
    assert proof(scene.pipeline)["holds"]


def test_rows_of_a_replay_are_those_of_the_live_run(kafka: SharedKafka, tmp_path: Path) -> None:
    scene = make_scene_in(tmp_path, kafka.bootstrap_servers)(sink__format="parquet", sink__compression="zstd")
    scene.produce(orders(100))
    scene.run()
    for reads in ("kafka", "lake"):
        replayed(scene, "--from", "earliest", "--to", "latest", "--name", reads, "--source", reads)
    tables = [
        sorted(pq.read_table(folder, partitioning=None).to_pylist(), key=lambda row: row["_offset"])
        for folder in (scene.lake / "raw", scene.lake / "replays/kafka/raw", scene.lake / "replays/lake/raw")
    ]
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "earliest", "--to", "latest", "--name", "live-7"], "names that begin with live-"),
        (["--from", "earliest", "--to", "latest", "--name", "backfill-1"], "names that begin with backfill-"),
        (["--name", "nobody"], "there is no such run yet"),
        (["--from", "0", "--to", "10", "--partitions", "0", "--name", "again"], "is taken by other bounds"),
        (["--from", "latest", "--to", "latest"], "nothing lies behind the end"),
        (["--from", "earliest", "--to", "earliest"], "nothing lies before the beginning"),
        (["--from", "2026-01-31T06:00:00", "--to", "latest"], "has no time zone"),
        (["--from", "-1s", "--to", "-2s"], "does not lie behind"),
        (["--from", "-0s", "--to", "latest"], "nothing lies between these bounds"),
        (["--from", "earliest", "--to", "latest", "--topic", "nowhere"], "is none that the pipeline"),
        ([], "say what to replay"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_is_written(scene: Scene, arguments: list[str], said: str) -> None:
    replayed(scene, *RUN)
    before = sorted(scene.lake.rglob("*"))
    done = streamlake("replay", "run", str(scene.pipeline), *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert sorted(scene.lake.rglob("*")) == before
