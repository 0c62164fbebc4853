"""The DAGs in a real Airflow with a real Kafka and a real lake, begun and answered by REST as people do it."""

import json
import os
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from support.account import Account
from support.airflow import DagRun, RunningAirflow
from support.engine import proof
from support.scene import Scene
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

ALL_OF_IT = {"pipeline": "orders", "from": "earliest", "to": "latest"}


def replayed(scene: Scene, run: str) -> Account:
    """What a replay has landed, read without our code."""
    return Account.of(scene.lake, scene.topic, runs=run, output=f"replays/{run}")


@pytest.mark.parametrize(
    ("dag", "conf", "says"),
    [
        (
            "streamlake_replay",
            {"pipeline": "nope"},
            "'nope' is not one of ['away', 'history', 'hours', 'orders', 'secret', 'tried']",
        ),
        ("streamlake_replay", {**ALL_OF_IT, "from": "yesterday"}, "'yesterday' does not match"),
        ("streamlake_replay", {**ALL_OF_IT, "partitions": "0,,3"}, "'0,,3' does not match"),
        ("streamlake_replay", {**ALL_OF_IT, "source": "tape"}, "'tape' is not one of"),
        ("streamlake_backfill", {"rate": 0}, "0 is less than or equal to the minimum of 0"),
        ("streamlake_dead_letters", {"max_attempts": 0}, "0 is less than the minimum of 1"),
        ("streamlake_dead_letters", {"partition": "three"}, "'three' is not of type"),
        ("streamlake_data_quality", {"since": "2026-01-31T06:00:00"}, "does not match"),
        ("streamlake_prove", {"quick": "perhaps"}, "'perhaps' is not of type 'boolean'"),
    ],
)
def test_a_wrong_form_begins_no_run(airflow: RunningAirflow, dag: str, conf: dict[str, object], says: str) -> None:
    before = airflow.runs_of(dag)
    assert says in airflow.refused(dag, conf)
    assert airflow.runs_of(dag) == before


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"from": "12", "to": "5"}, "to 5 does not lie behind"),
        ({"form": "earliest"}, "there is no parameter form; there are pipeline, from, to,"),
    ],
)
def test_what_no_form_can_refuse_is_refused_by_the_plan_and_not_tried_again(
    airflow: RunningAirflow, wrong: dict[str, str], says: str
) -> None:
    run = airflow.trigger("streamlake_replay", {**ALL_OF_IT, **wrong}).wait("failed")
    assert says in run.log("plan").replace("--", "")
    assert "streamlake failed: plan in streamlake_replay" in run.log("plan")
    assert [one["try_number"] for one in run.tasks("plan")] == [1]
    assert run.states()["land"] == ["upstream_failed"]


def test_a_replay_is_planned_landed_by_partitions_compared_and_promoted_when_approved(airflow: RunningAirflow) -> None:
    scene = airflow.scenes["orders"]
    run = airflow.trigger("streamlake_replay", {**ALL_OF_IT, "name": "promoted", "promote": True}, note="a try")
    question = run.question()
    assert "Promote a replay of orders?" in question
    assert "live-2 would go on in place of live-1" in question
    assert "orders" in question
    assert not (scene.lake / "_runs" / "live-2.json").exists()
    replayed(scene, "promoted").check(scene.produced)
    run.answer("Approve")
    run.wait()
    assert (scene.lake / "_runs" / "live-2.json").exists()
    assert run.states()["land"] == ["success", "success"]
    assert [one["rendered_map_index"] for one in run.tasks("land")] == [f"{scene.topic}/0", f"{scene.topic}/1"]
    check_what_is_told(run, scene)
    proof(scene.pipeline, "--kafka")


def check_what_is_told(run: DagRun, scene: Scene) -> None:
    """Plain sentences with counts and places in the log, and the same as data."""
    plan = run.xcom("plan")
    assert (plan["run"], plan["offsets"], len(plan["partitions"])) == ("promoted", 290, 2)
    said = run.log("plan")
    assert run.airflow.ask("GET", run.path)["note"] == "a try"
    assert "Returned value was" not in said
    assert "info orders: replay promoted, from earliest to latest: 290 offsets of 2 partitions" in said
    assert "Nothing is written yet" in said
    assert "::group::" in said
    landed = run.log("land", 0)
    assert f"info promoted: {scene.topic}/0 has landed: " in landed
    assert "error" not in landed, "what workers log is no error"
    assert "committed" in landed
    data = run.xcom("land", 0)
    assert Path(data["files"]).is_dir()
    assert Path(data["ledger"]).is_dir()
    assert Path(data["run_file"]).is_file()
    links = run.links("land", 0)
    places = [f"file://{data[name]}" for name in ("files", "ledger", "run_file")]
    assert [links["Files"], links["Ledger"], links["Run"]] == places
    assert links["Journal"] is None
    assert "nothing differs" in run.log("compare")


def test_a_promotion_that_is_rejected_writes_nothing(airflow: RunningAirflow) -> None:
    scene = airflow.scenes["orders"]
    before = sorted(path.name for path in (scene.lake / "_runs").iterdir())
    run = airflow.trigger("streamlake_replay", {**ALL_OF_IT, "name": "rejected", "promote": True})
    run.answer("Reject")
    run.wait()
    assert run.states()["promote"] == run.states()["prove_all"] == ["skipped"]
    after = sorted(path.name for path in (scene.lake / "_runs").iterdir())
    assert after == sorted([*before, "rejected.json"])


def test_a_task_that_is_killed_goes_on_and_nothing_lands_twice(airflow: RunningAirflow) -> None:
    scene = airflow.scenes["orders"]
    run = airflow.trigger("streamlake_replay", {**ALL_OF_IT, "name": "killed"})
    victims: list[int] = []

    def found() -> bool:
        victims.extend(landing(airflow) if (scene.lake / "_ledger" / "killed").exists() else ())
        return bool(victims)

    wait_until(found, "a task that lands", 300)
    os.kill(victims[0], signal.SIGKILL)
    run.wait()
    assert max(one["try_number"] for one in run.tasks("land")) == 2
    replayed(scene, "killed").check(scene.produced)
    proof(scene.pipeline, "--kafka")


def landing(airflow: RunningAirflow) -> list[int]:
    """The tasks of this Airflow that land: the parents of its forkservers."""
    below = psutil.Process(airflow.server.pids["scheduler"]).children(recursive=True)
    found = []
    for process in below:
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if process.name() == "forkserver":
                found.append(process.ppid())
    return found


def test_two_runs_at_once_of_one_replay_land_it_once(airflow: RunningAirflow) -> None:
    scene = airflow.scenes["orders"]
    runs = [airflow.trigger("streamlake_replay", {**ALL_OF_IT, "name": "twice"}) for _ in range(2)]
    for run in runs:
        wait_until(lambda run=run: run.state() in ("success", "failed"), run.state, 400)  # type: ignore[misc]  # bound now
    assert "success" in {run.state() for run in runs}, "\n".join(run.all_logs() for run in runs)
    for run in runs:
        if run.state() == "failed":
            assert "another start of this run has taken the partition over" in run.all_logs()
    replayed(scene, "twice").check(scene.produced)
    proof(scene.pipeline, "--kafka")


def test_a_backfill_lands_only_what_is_approved(airflow: RunningAirflow) -> None:
    scene = airflow.scenes["history"]
    rejected = airflow.trigger("streamlake_backfill", {"pipeline": "history"})
    assert "100 offsets of 1 partitions" in rejected.question()
    rejected.answer("Reject")
    rejected.wait()
    assert rejected.states()["land"] == ["skipped"]
    assert not list((scene.lake / "_runs").glob("backfill-*"))
    run = airflow.trigger("streamlake_backfill", {"pipeline": "history", "rate": 100_000})
    run.answer("Approve")
    run.wait()
    assert "backfill-1: " in run.log("land", 0)
    assert proof(scene.pipeline, "--kafka")["totals"]["offsets"] == 130


def test_dead_letters_are_sent_once_when_it_is_approved(airflow: RunningAirflow) -> None:
    scene = airflow.scenes["history"]
    conf = {"pipeline": "history", "reason": "malformed", "only_now_valid": False}
    rejected = airflow.trigger("streamlake_dead_letters", conf)
    question = rejected.question()
    assert f"to {scene.topic}, of" in question
    assert "malformed" in question
    rejected.answer("Reject")
    rejected.wait()
    assert not (scene.lake / "_redrives").exists()
    run = airflow.trigger("streamlake_dead_letters", conf)
    run.answer("Approve")
    run.wait()
    sent = run.xcom("redrive")["sent"]
    assert sent == run.xcom("plan")["records"] > 0
    again = airflow.trigger("streamlake_dead_letters", conf).wait()
    assert again.states()["approve"] == ["skipped"]
    assert "were sent there by an earlier redrive" in again.log("plan")


def test_quality_is_checked_and_each_complete_hour_is_told_and_checked(airflow: RunningAirflow) -> None:
    scene = airflow.scenes["hours"]
    begun_hours_ago(scene, 3)
    run = airflow.trigger("streamlake_data_quality", {"pipeline": "hours"}).wait()
    assert "quality holds: 3 checks" in run.log("check", 0)
    assert Path(run.xcom("check", 0)["kept"]).is_file()
    hours = run.xcom("mark", 0)["hours"]
    assert len(hours) >= 2
    assert all((scene.lake / "_complete" / scene.topic / f"hour={one['hour']}" / "_COMPLETE").exists() for one in hours)
    events = airflow.ask("GET", "assets/events?source_dag_id=streamlake_data_quality")["asset_events"]
    assert [(event["uri"], event["extra"]) for event in events] == [("streamlake://hours/hour", {"hours": hours})]
    checked: list[str] = []

    def triggered() -> bool:
        for one in airflow.ask("GET", "dags/streamlake_data_quality/dagRuns?run_type=asset_triggered")["dag_runs"]:
            following = DagRun(airflow, "streamlake_data_quality", one["dag_run_id"])
            labels = [each["rendered_map_index"] for each in following.tasks("check") if each["state"] == "success"]
            checked.extend(label for label in labels if label not in checked)
            assert following.tasks("mark")[0]["state"] in (None, "skipped"), "it would tell the asset that began it"
        return len(checked) == len(hours)

    wait_until(triggered, lambda: f"{checked}", 300)
    assert sorted(checked) == sorted(f"hours {one['hour']}" for one in hours)


def begun_hours_ago(scene: Scene, hours: int) -> None:
    """Let the live run have begun then: of earlier hours nobody asks whether they are complete."""
    path = scene.lake / "_runs" / "live-1.json"
    run = json.loads(path.read_text())
    run["created_at"] = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="milliseconds")
    path.write_text(json.dumps(run))


def test_a_pipeline_is_proven_and_one_that_is_not_whole_fails_at_once(airflow: RunningAirflow) -> None:
    scene = airflow.scenes["history"]
    run = airflow.trigger("streamlake_prove", {"pipeline": "history", "kafka": True}).wait()
    assert "orders: proven: " in run.log("prove", 0)
    lost = next((scene.lake / "raw").rglob("*.jsonl"))
    kept = lost.read_bytes()
    lost.unlink()
    try:
        failed = airflow.trigger("streamlake_prove", {"pipeline": "history"}).wait("failed")
    finally:
        lost.write_bytes(kept)
    assert "NOT proven, 1 missing" in failed.log("prove", 0)
    assert [one["try_number"] for one in failed.tasks("prove")] == [1]


def test_it_listens_on_this_machine_alone(airflow: RunningAirflow) -> None:
    ours = [psutil.Process(pid) for pid in airflow.server.pids.values()]
    family = [process for one in ours for process in (one, *one.children(recursive=True))]
    listening = set()
    for process in family:
        with suppress(psutil.NoSuchProcess):  # tasks come and go
            connections = process.net_connections("inet")
            listening |= {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_no_secret_is_in_any_log_or_table_and_what_may_pass_is_tried_again(airflow: RunningAirflow) -> None:
    away = airflow.trigger("streamlake_backfill", {"pipeline": "away"})
    secret = airflow.trigger("streamlake_backfill", {"pipeline": "secret"}).wait("failed")
    assert "streamlake failed: plan in streamlake_backfill" in secret.log("plan")
    assert [one["try_number"] for one in away.wait("failed").tasks("plan")] == [3]
    files = [path for path in airflow.server.folder.rglob("*") if path.is_file()]
    assert len([path for path in files if path.suffix == ".log"]) > 5
    assert [str(path) for path in files if airflow.canary.encode() in path.read_bytes()] == []
