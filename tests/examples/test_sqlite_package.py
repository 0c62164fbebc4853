"""The example package, installed: found, told of, held by its own tests, and its sink exactly once under kill -9."""

import json
import random
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from examples.conftest import EXAMPLE
from examples.lake import SqliteScene
from support.engine import STREAMLAKE, streamlake
from support.scene import orders
from support.shared import SharedKafka
from support.waiting import wait_until

PASSED = (
    "before_claim",
    "before_entry_link",
    "after_entry_link",
    "before_resend",
    "after_resend",
    "before_validate",
    "before_stage",
    "after_stage",
    "before_commit",
    "after_commit",
    "before_publish",
    "after_publish",
    "before_dead_letters",
    "after_dead_letters",
    "after_report",
    "before_close",
    "after_close",
)
"""The points on the way of a batch into this sink; the others are the file sink's own. `*_entry_link`: its COMMIT."""


@pytest.fixture
def scene(kafka: SharedKafka, tmp_path: Path, program: str) -> SqliteScene:
    """A pipeline of the example's sink and validator."""
    return SqliteScene(tmp_path, kafka.bootstrap_servers, program)


def test_it_is_found_with_package_origin_and_options(installed: Path, program: str) -> None:
    plain = streamlake("plugins", program=program).stdout
    assert "streamlake_example_sqlite.sink:SqliteSink" in plain
    found = {one["type"]: one for one in json.loads(streamlake("plugins", "--json", program=program).stdout)}
    sink, validator = found["sqlite"], found["required"]
    for one in (sink, validator):
        assert (one["package"], one["loads"], one["why_not"]) == ("streamlake-example-sqlite 1.0.0", True, "")
        assert Path(one["from"]).is_relative_to(installed)
    assert [(option["name"], option["type"], option["default"]) for option in sink["options"]] == [
        ("root", "path", None),
        ("busy_seconds", "number", "30"),
    ]
    assert [option["name"] for option in validator["options"]] == ["fields"]
    assert {"json", "file"} <= set(found), "ours are there, too"
    assert "sqlite" not in streamlake("plugins", program=STREAMLAKE).stdout, "and it is not in our own environment"


def test_its_own_tests_pass_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    command = [str(installed / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
    done = subprocess.run(
        [*command, "--import-mode=importlib", f"--basetemp={tmp_path / 'base'}", str(EXAMPLE / "tests")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout


def test_it_lands_proves_and_tells(scene: SqliteScene) -> None:
    scene.produce(orders(250))
    scene.run()
    account = scene.check()
    letters = streamlake("dead", "list", str(scene.pipeline), "--json", program=scene.program).stdout.splitlines()
    assert {json.loads(letter)["reason"] for letter in letters} == {"malformed"}
    assert len(letters) == len(account.dead)
    (partition,) = scene.said("status")["partitions"]
    assert (partition["next"], partition["lag"]) == (250, 0)


CHANGES = {
    "DELETE FROM records WHERE position = 7": {"altered", "rows", "hole"},
    "UPDATE records SET value = '{\"order\":0}' WHERE position = 7": {"altered"},
    "INSERT INTO records SELECT name || 'x', topic, 0, position, 0, 0, key, '[]', value FROM records": {"stray"},
    "DELETE FROM dead_letters": {"missing"},
    "UPDATE entries SET body = replace(body, '\"landed\":97', '\"landed\":96') WHERE seq = 1": {"ledger"},
    "DELETE FROM entries WHERE seq = 1": {"ledger"},
}
"""What is done to the tables, and which defects `prove` has to find then."""


def test_prove_sees_what_was_changed_in_the_tables(scene: SqliteScene) -> None:
    scene.produce(orders(250))
    scene.run()
    for number, (change, kinds) in enumerate(CHANGES.items()):
        copy = scene.folder / f"{number}.db"
        shutil.copy(scene.folder / "lake.db", copy)
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute(change).rowcount
            connection.commit()
        arguments = ("prove", str(scene.pipeline), "--json", "--set", f"sink.root={copy}")
        done = streamlake(*arguments, program=scene.program)
        assert (done.returncode, set(json.loads(done.stdout)["counts"])) == (1, kinds), f"{change}: {done.stdout}"


@pytest.mark.parametrize("point", PASSED)
def test_a_worker_killed_twice_at_any_point_loses_and_doubles_nothing(
    scene: SqliteScene, tmp_path: Path, point: str
) -> None:
    scene.produce(orders(250))
    deaths = tmp_path / "deaths"
    # The second passes: a worker claims first, and the same points lie on that way.
    passes = "+1" if point.endswith("entry_link") else ""
    engine = scene.run(env={"STREAMLAKE_FAILPOINT": f"{point}{passes}:2:{deaths}"})
    assert deaths.read_bytes() == b".."
    assert len(engine.events("worker ended", exit="killed")) == 2
    scene.check()


def test_workers_and_engines_killed_at_random_lose_and_double_nothing(scene: SqliteScene) -> None:
    lucky = random.Random(3)
    for turn in range(4):
        with scene.engine("--set", "batch.rows_max=7", "--set", "workers.restarts_max=100") as engine:
            for death in range(1, 5):
                scene.produce(orders(200, first=len(scene.produced.get(0, []))))
                done = len(engine.events("committed")) + lucky.randint(1, 15)
                engine.wait_for("committed", count=done)
                min(engine.workers(), key=psutil.Process.create_time).kill()
                wait_until(lambda death=death: len(engine.events("worker ended")) >= death, engine.log)  # type: ignore[misc]
            scene.produce(orders(200, first=len(scene.produced[0])))
            engine.wait_for("committed", count=len(engine.events("committed")) + 1 + turn)
            engine.kill_everything()
    scene.run()
    account = scene.check()
    assert len(account.times) == 4 * 5 * 200
    claims = scene.select("SELECT count(*) FROM entries WHERE kind = 'claim'")[0][0]
    assert claims >= 4 * 4
