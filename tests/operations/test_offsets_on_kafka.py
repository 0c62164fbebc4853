"""`offsets show`, `plan` and `reset` with a real Kafka: what is moved lands again or never, and all of it is proven."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException
from support.account import Account, check_copies
from support.engine import Engine, pipeline_yaml, proof, streamlake
from support.scene import Scene, make_scene_in, orders, speaking
from support.shared import SharedKafka
from support.topics import delete_topic, expire, fill, make_topic
from support.waiting import wait_until

from streamlake.config.load import load_pipeline
from streamlake.engine.cli.parts import open_group_admin
from streamlake.engine.failpoints import RESET
from streamlake.engine.records import TopicPartition

WHY = ("--reason", "orders were mangled", "--yes")


@pytest.fixture
def scene(kafka: SharedKafka, tmp_path: Path) -> Scene:
    """250 and 40 orders landed from two partitions, in batches of 100."""
    scene = make_scene_in(tmp_path, kafka.bootstrap_servers)(partitions=2)
    scene.produce(orders(250))
    scene.produce(orders(40), partition=1)
    scene.run()
    return scene


def said(scene: Scene, *arguments: str, code: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    verb, *rest = arguments
    done = streamlake("offsets", verb, str(scene.pipeline), *rest, "--json", env=env)
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def reset(scene: Scene, *arguments: str, code: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    return said(scene, "reset", *arguments, *WHY, code=code, env=env)


def shown(scene: Scene) -> list[tuple[str, int, int, int]]:
    """Generation, ledger, group and lag of each partition."""
    found = said(scene, "show")["partitions"]
    return [(one["generation"], one["next"], one["group_offset"], one["lag"]) for one in found]


def refused(scene: Scene, *arguments: str, code: int = 2) -> str:
    """What is said of a reset that is refused; nothing has changed."""
    before = sorted(scene.lake.rglob("*"))
    done = streamlake("offsets", "reset", str(scene.pipeline), *arguments, *WHY)
    assert done.returncode == code, done.stdout + done.stderr
    assert sorted(scene.lake.rglob("*")) == before
    return done.stderr


def test_ledger_group_and_kafka_stand_side_by_side(scene: Scene) -> None:
    scene.produce(orders(10, first=250))
    first, second = said(scene, "show")["partitions"]
    numbers = ("next", "group_offset", "low", "high", "lag", "generation", "made_anew")
    assert [first[name] for name in numbers] == [250, 250, 0, 260, 10, "live-1", False]
    assert [second[name] for name in numbers] == [40, 40, 0, 40, 0, "live-1", False]
    done = streamlake("offsets", "show", str(scene.pipeline))
    assert done.stdout.splitlines()[1].split() == ["partition", "generation", "next", "group", "low", "high", "lag"]
    assert done.stdout.splitlines()[2].split()[1:] == ["live-1", "250", "250", "0", "260", "10"]


def test_a_reset_backwards_lands_again_from_a_files_edge(scene: Scene) -> None:
    before = said(scene, "plan", "--to", "120", "--partitions", "0")
    (move,) = before["partitions"]
    assert (move["way"], move["position"], move["asked"], move["target"]) == ("backwards", 250, 120, 100)
    assert (move["offsets"], move["landed"] + move["refused"] + move["skipped"], move["files"]) == (150, 150, 4)
    assert any("rounded down to its edge 100" in remark for remark in before["remarks"])
    assert shown(scene) == [("live-1", 250, 250, 0), ("live-1", 40, 40, 0)]
    outcome = reset(scene, "--to", "120", "--partitions", "0")
    assert (outcome["generation"], outcome["plan"]) == ("live-2", before)
    assert outcome["group_offsets"] == [{"topic": scene.topic, "partition": 0, "next": 100}]
    assert shown(scene) == [("live-2", 100, 100, 150), ("live-2", 40, 40, 0)]
    assert len([path for path in (scene.lake / "superseded/live-1").rglob("*") if path.is_file()]) == 4
    assert max(place[1] for place in scene.account().raw if place[0] == 0) == 99
    proof(scene.pipeline, "--kafka")
    scene.run()
    check(scene)
    assert shown(scene) == [("live-2", 250, 250, 0), ("live-2", 40, 40, 0)]


def check(scene: Scene) -> Account:
    """Each record that was produced stands in one place for readers; the proof knows all generations."""
    account = readable(scene)
    account.check(scene.produced)
    assert proof(scene.pipeline, "--kafka")["holds"]
    return account


def readable(scene: Scene) -> Account:
    """What readers see. What was skipped stands in ledgers alone, there more than once after a reset backwards."""
    account = scene.account()
    for place in account.skipped:
        account.times[place] = 1
    return account


def test_a_reset_forwards_is_a_gap_with_the_operators_reason(scene: Scene) -> None:
    scene.produce(orders(60, first=250))
    (move,) = said(scene, "plan", "--to", "290", "--partitions", "0")["partitions"]
    assert (move["way"], move["target"], move["offsets"], move["expired"]) == ("forwards", 290, 40, 0)
    outcome = reset(scene, "--to", "290", "--partitions", "0")
    assert (outcome["generation"], outcome["group_offsets"][0]["next"]) == ("live-1", 290)
    (gap,) = scene.entries("gap")
    assert (gap["first"], gap["next"], gap["reason"]) == (250, 290, "orders were mangled")
    again = reset(scene, "--to", "290", "--partitions", "0")
    assert (again["plan"]["nothing_to_do"], len(scene.entries("gap"))) == (True, 1)
    scene.run()
    assert shown(scene)[0] == ("live-1", 310, 310, 0)
    account = scene.account()
    assert {at for number, at in account.times if number == 0} == {*range(250), *range(290, 310)}
    proof(scene.pipeline, "--kafka")


def test_ways_differ_by_partition_and_times_are_those_of_the_records(scene: Scene) -> None:
    moment = time.time() + 0.05
    wait_until(lambda: time.time() > moment, "the next moment")
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment * 1000) % 1000:03d}+00:00"
    scene.produce(orders(30, first=250))
    scene.produce(orders(5, first=40), partition=1)
    scene.run("--set", f"kafka.topics=[{{name: {scene.topic}}}]")
    scene.produce(orders(30, first=45), partition=1)
    plan = said(scene, "plan", "--to", stamp)
    assert [(one["way"], one["target"]) for one in plan["partitions"]] == [("backwards", 250), ("backwards", 40)]
    assert [one["way"] for one in said(scene, "plan", "--to", "latest")["partitions"]] == ["stays", "forwards"]
    assert [one["target"] for one in said(scene, "plan", "--to", "earliest")["partitions"]] == [0, 0]


def make_anew(scene: Scene, partitions: int) -> None:
    """Delete the topic and make it again; the deletion takes a moment after it was confirmed."""
    delete_topic(scene.servers, scene.topic)

    def made() -> bool:
        try:
            make_topic(scene.servers, exactly=scene.topic, partitions=partitions)
        except KafkaException:
            return False
        return True

    wait_until(made, "the topic made anew")


def test_a_topic_made_anew_goes_on_in_a_new_generation_and_what_landed_stays(scene: Scene) -> None:
    old = scene.account()
    make_anew(scene, partitions=3)
    stopped = streamlake("run", str(scene.pipeline), "--until-end")
    assert stopped.returncode == 78
    assert "`streamlake offsets reset --recreated`" in stopped.stderr
    assert "--recreated" in refused(scene, "--to", "earliest")
    assert "leave it out" in refused(scene, "--recreated", "--partitions", "0")
    fill(scene.servers, scene.topic, orders(30))
    fill(scene.servers, scene.topic, orders(10), 2)
    plan = said(scene, "plan", "--recreated")
    assert [(one["way"], one["position"], one["target"]) for one in plan["partitions"]] == [("anew", None, 0)] * 3
    assert reset(scene, "--recreated")["generation"] == "live-2"
    scene.run()
    assert shown(scene) == [("live-2", 30, 30, 0), ("live-2", 0, 0, 0), ("live-2", 10, 10, 0)]
    rows = [path for path in (scene.lake / "raw").rglob("*.jsonl") if ".live-1." in path.name]
    assert sum(len(path.read_bytes().splitlines()) for path in rows) == len(old.raw)
    assert not (scene.lake / "superseded").exists()
    assert proof(scene.pipeline, "--kafka")["holds"]
    assert "no topic was made anew" in refused(scene, "--recreated")


def test_a_topic_that_came_later_can_be_moved(kafka: SharedKafka, scene: Scene) -> None:
    later = make_topic(kafka.bootstrap_servers, "later")
    fill(kafka.bootstrap_servers, later, orders(50))
    both = ("--set", f"kafka.topics=[{{name: {scene.topic}}}, {{name: {later}}}]")
    only = ("--topic", later, *both)
    (move,) = said(scene, "plan", "--to", "20", *only)["partitions"]
    assert (move["way"], move["position"], move["target"]) == ("forwards", 0, 20)
    reset(scene, "--to", "20", *only)
    scene.run(*both)
    assert sorted(at for _, at in Account.of(scene.lake, later).times) == list(range(20, 50))
    (move,) = said(scene, "plan", "--to", "earliest", *only)["partitions"]
    assert (move["way"], move["position"], move["target"]) == ("backwards", 50, 0)
    reset(scene, "--to", "earliest", *only)
    scene.run(*both)
    assert {at for _, at in Account.of(scene.lake, later).times} == set(range(50))
    assert proof(scene.pipeline, "--kafka", *both)["holds"]


def test_what_kafka_has_lost_can_not_be_gone_back_to(scene: Scene) -> None:
    expire(scene.servers, scene.topic, 150)
    text = refused(scene, "--to", "20", "--partitions", "0")
    assert "Kafka has nothing before 150 any more" in text
    assert "--to 200 is the earliest" in text
    assert f"`streamlake replay run --from 20 --to 150 --topic {scene.topic} --partitions 0 --source lake`" in text
    assert "inside of a file that begins at 100" in refused(scene, "--to", "170", "--partitions", "0")
    (move,) = said(scene, "plan", "--to", "earliest", "--partitions", "0")["partitions"]
    assert (move["way"], move["target"]) == ("backwards", 200)
    reset(scene, "--to", "earliest", "--partitions", "0")
    scene.run()
    check(scene)


def test_what_expired_before_it_landed_is_given_up_by_hand(scene: Scene) -> None:
    scene.produce(orders(50, first=250))
    expire(scene.servers, scene.topic, 280)
    (move,) = said(scene, "plan", "--to", "earliest", "--partitions", "0")["partitions"]
    assert (move["way"], move["target"], move["expired"]) == ("forwards", 280, 30)
    reset(scene, "--to", "earliest", "--partitions", "0")
    scene.run()
    assert shown(scene)[0][1] == 300
    proof(scene.pipeline, "--kafka")


def test_a_group_that_another_tool_has_moved_is_set_back_to_the_ledger(scene: Scene) -> None:
    admin = open_group_admin(load_pipeline(scene.pipeline, ()))
    group = f"streamlake.{scene.topic}"
    scene.produce(orders(50, first=250))
    assert admin.set_group_offsets(group, {TopicPartition(scene.topic, 0): 290})
    assert "sets the group to the ledger's" in said(scene, "show")["remarks"][0]
    outcome = reset(scene, "--to", "250", "--partitions", "0")
    assert (outcome["generation"], outcome["group_offsets"][0]["next"]) == ("live-1", 250)
    scene.run()
    check(scene)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_reset_is_refused_while_an_engine_of_the_group_runs(
    kafka: SharedKafka, tmp_path: Path, protocol: str
) -> None:
    scene = make_scene_in(tmp_path, kafka.bootstrap_servers)(**speaking(protocol))
    scene.produce(orders(250))
    with scene.engine() as engine:
        engine.wait_for("committed", lambda line: line["next"] == 250)
        text = refused(scene, "--to", "earliest", code=1)
        assert f"the group streamlake.{scene.topic} is active: streamlake-orders on 127.0.0.1" in text
        plan = said(scene, "plan", "--to", "earliest")
        assert any("is active" in remark for remark in plan["remarks"])
        admin = open_group_admin(load_pipeline(scene.pipeline, ()))
        assert not admin.set_group_offsets(f"streamlake.{scene.topic}", {TopicPartition(scene.topic, 0): 3})
        engine.stop()
    assert reset(scene, "--to", "earliest")["generation"] == "live-2"
    assert shown(scene) == [("live-2", 0, 0, 250)]
    scene.run()
    check(scene)


GENERATION = (
    *("before_generation", "after_generation", "before_final_close", "after_final_close"),
    *("before_move", "after_move"),
)


@pytest.mark.parametrize("point", [*RESET, *GENERATION])
def test_a_reset_killed_at_any_point_is_finished_by_the_same_command(scene: Scene, tmp_path: Path, point: str) -> None:
    """One partition goes forwards, the other one backwards."""
    scene.produce(orders(50, first=40), partition=1)
    to = ("--to", "70")
    env = {"STREAMLAKE_FAILPOINT": f"{point}:1:{tmp_path / 'deaths'}"}
    done = streamlake("offsets", "reset", str(scene.pipeline), *to, "--partitions", "0,1", *WHY, env=env)
    assert (done.returncode, (tmp_path / "deaths").read_bytes()) == (-9, b"."), done.stdout + done.stderr
    proof(scene.pipeline)
    outcome = reset(scene, *to, "--partitions", "0,1", env=env)
    assert (outcome["plan"] is None) == (point not in ("before_gap", "after_gap", "before_generation"))
    assert shown(scene) == [("live-2", 0, 0, 250), ("live-2", 70, 70, 20)]
    assert len(scene.entries("gap")) == 1
    proof(scene.pipeline, "--kafka")
    scene.run()
    account = readable(scene)
    expected = {(0, at) for at in range(250)} | {(1, at) for at in (*range(40), *range(70, 90))}
    assert set(account.times) == expected
    assert max(account.times.values()) == 1
    assert proof(scene.pipeline, "--kafka")["holds"]


def test_what_a_dead_engine_has_not_sent_is_sent_before_the_gap(scene: Scene, tmp_path: Path) -> None:
    scene.produce(orders(60, first=250))
    env = {"STREAMLAKE_FAILPOINT": f"before_dead_letters=STOP:1:{tmp_path / 'stops'}"}
    with scene.engine(env=env) as engine:
        wait_until((tmp_path / "stops").exists, engine.log)
        engine.kill_everything()
    admin = open_group_admin(load_pipeline(scene.pipeline, ()))
    wait_until(lambda: not admin.members(f"streamlake.{scene.topic}"), "the dead engine's seat is free")
    scene.produce(orders(60, first=310))
    (move,) = said(scene, "plan", "--to", "latest", "--partitions", "0")["partitions"]
    assert (move["way"], move["position"], move["target"]) == ("forwards", 310, 370)
    with pytest.raises(AssertionError, match="no copy in"):
        check_copies(scene.servers, scene.dead_topic, scene.account())
    reset(scene, "--to", "latest", "--partitions", "0")
    check_copies(scene.servers, scene.dead_topic, scene.account())


@pytest.mark.parametrize(
    "point", ["before_generation", "after_generation", "before_final_close", "before_group_offsets"]
)
def test_an_engine_that_starts_during_a_reset_goes_on_as_the_new_generation(
    scene: Scene, tmp_path: Path, point: str
) -> None:
    scene.produce(orders(30, first=250))
    env = {"STREAMLAKE_FAILPOINT": f"{point}=STOP:1:{tmp_path / 'stops'}"}
    arguments = ("--to", "100", "--partitions", "0", *WHY)
    with Engine(scene.pipeline, *arguments, env=env, verb="offsets reset") as resetting:
        wait_until((tmp_path / "stops").exists, resetting.log)
        with scene.engine() as engine:
            engine.wait_for("committed", lambda line: line["next"] == 280)
            resetting.signal_everything(18)
            assert resetting.wait() == 0, resetting.log()
            assert "goes on as live-2 with the next records" in resetting.log()
            scene.produce(orders(10, first=280))
            wait_until(lambda: shown(scene)[0] == ("live-2", 290, 290, 0), engine.log)
            engine.stop()
    check(scene)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--to", "300", "--partitions", "0"], "lies in the future: "),
        (["--to", "2999-01-01T00:00:00Z"], "lies in the future"),
        (["--to", "10"], "an offset means another record in each of the 2 partitions"),
        (["--to", "2026-01-31T06:00"], "has no time zone"),
        (["--to", "-1h", "--timezone", "Mars"], "there is no such time zone"),
        (["--to", "earliest", "--topic", "nowhere"], "is none that the pipeline"),
        (["--to", "earliest", "--partitions", "7"], "has 2 partitions"),
        (["--to", "earliest", "--reason", "  "], "say why"),
        (["--to", "earliest", "--reason", "x" * 501], "501 letters"),
        (["--recreated"], "no topic was made anew"),
        ([], "say --to"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_is_written(scene: Scene, arguments: list[str], sentence: str) -> None:
    before = sorted(scene.lake.rglob("*"))
    done = streamlake("offsets", "reset", str(scene.pipeline), *WHY, *arguments)
    assert (done.returncode, sorted(scene.lake.rglob("*"))) == (2, before), done.stderr
    assert sentence in done.stderr


def test_a_root_without_any_run_has_no_position(kafka: SharedKafka, tmp_path: Path) -> None:
    topic = make_topic(kafka.bootstrap_servers)
    pipeline = pipeline_yaml(tmp_path, kafka.bootstrap_servers, topic)
    done = streamlake("offsets", "plan", str(pipeline), "--to", "earliest")
    assert (done.returncode, "no run has landed anything under this root yet" in done.stderr) == (2, True)
    show = streamlake("offsets", "show", str(pipeline))
    assert (show.returncode, "`kafka.start` says" in show.stdout) == (0, True)


def test_nobody_there_to_ask_is_no_yes(scene: Scene) -> None:
    done = streamlake("offsets", "reset", str(scene.pipeline), "--to", "earliest", "--reason", "why not")
    assert (done.returncode, "say --yes" in done.stderr) == (2, True)
    assert shown(scene)[0][:2] == ("live-1", 250)
