"""The DAGs as Airflow reads them, and each of them run by `dag.test` against a real Kafka and a real lake."""

import shutil
from pathlib import Path

import orjson
import pytest
from support.airflow_in_process import DAGS, airflow_with
from support.engine import proof
from support.scene import Scene, make_scene_in, orders
from support.shared import SharedKafka

SHARED = (DAGS / ".airflowignore").read_text()
ALL_FIVE = [path.stem for path in sorted(DAGS.glob("streamlake_*.py")) if path.name not in SHARED]
CHECKS = {"checks": [{"type": "row_count", "min_value": 1}]}

pytestmark = pytest.mark.timeout(900)


def test_the_dags_are_read_quickly_without_a_warning_and_without_the_engine(
    airflow_parts: None, tmp_path: Path
) -> None:
    lying = (
        "orders.yaml",
        "_base.yaml",
        ".hidden/orders.yaml",
        "shop/1-base.yml",
        "shop/2-site.yaml",
        "models/order.py",
    )
    for name in lying:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# nothing is read before a task runs\n")
    (read,) = airflow_with(tmp_path, tmp_path)
    assert read["pipelines"] == {"orders": ["orders.yaml"], "shop": ["1-base.yml", "2-site.yaml"]}
    assert (read["dags"], read["errors"], read["warnings"], read["loaded"]) == (ALL_FIVE, {}, [], [])
    assert read["cpu_seconds"] < 2
    assert len(ALL_FIVE) == 5


@pytest.mark.parametrize(
    ("fake", "bucket"),
    [
        ("", "https://console.cloud.google.com/storage/browser/lake/some%20folder/raw/"),
        ("http://127.0.0.1:4443", "http://127.0.0.1:4443/storage/v1/b/lake/o?prefix=some%20folder/raw/"),
    ],
)
def test_a_link_leads_to_where_a_browser_sees_the_lake(
    airflow_parts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: str, bucket: str
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", fake)
    (tmp_path / "orders.yaml").write_text("# nothing is read before a task runs\n")
    (read,) = airflow_with(tmp_path, tmp_path)
    assert read["addresses"] == [bucket, "file:///lake/raw/", "file:///lake/raw/"]


def test_they_are_read_from_a_folder_below_airflows_own(airflow_parts: None, tmp_path: Path) -> None:
    shutil.copytree(DAGS, tmp_path / "dags" / "streamlake")
    (tmp_path / "orders.yaml").write_text("# nothing is read before a task runs\n")
    (read,) = airflow_with(tmp_path, tmp_path, dags=tmp_path / "dags")
    assert (read["dags"], read["errors"], read["warnings"]) == (ALL_FIVE, {}, [])


def test_a_folder_that_is_not_named_is_said_in_a_sentence(airflow_parts: None, tmp_path: Path) -> None:
    (read,) = airflow_with(tmp_path, None)
    assert read["dags"] == []
    assert all("STREAMLAKE_PIPELINES is not set: name the folder" in error for error in read["errors"].values())
    (read,) = airflow_with(tmp_path, tmp_path / "nothing")
    assert all("no *.yaml lies there" in error for error in read["errors"].values())
    assert len(read["errors"]) == len(ALL_FIVE)


@pytest.fixture
def scene(airflow_parts: None, kafka: SharedKafka, tmp_path: Path) -> Scene:
    """40 orders that nobody has landed, and 120 that the live run has, in the YAMLs of `orders`."""
    scene = make_scene_in(tmp_path, kafka.bootstrap_servers)(kafka__start="latest")
    scene.produce(orders(40))
    scene.run()
    scene.produce(orders(120, first=40))
    scene.run()
    folder = tmp_path / "pipelines" / "orders"
    folder.mkdir(parents=True)
    scene.pipeline = scene.pipeline.rename(folder / "1-orders.yaml")
    (folder / "2-checks.yaml").write_bytes(orjson.dumps({"quality": CHECKS}))
    return scene


def test_each_dag_does_its_work(scene: Scene, tmp_path: Path) -> None:
    orders_alone = {"pipeline": "orders"}
    _, *runs = airflow_with(
        tmp_path / "home",
        scene.pipeline.parent.parent,
        ("streamlake_backfill", orders_alone),
        ("streamlake_replay", {**orders_alone, "from": "40", "to": "latest", "name": "again", "promote": True}),
        ("streamlake_dead_letters", {**orders_alone, "only_now_valid": False, "to": "source"}),
        ("streamlake_data_quality", orders_alone),
        ("streamlake_prove", {**orders_alone, "kafka": True}),
    )
    assert [(run["dag"], run["state"]) for run in runs] == [(run["dag"], "success") for run in runs], runs
    assert {state for run in runs for state in run["tasks"].values()} == {"success"}
    found = proof(scene.pipeline, "--kafka")
    assert (found["totals"]["offsets"], found["totals"]["beside"]) == (160, 120)
    assert (scene.lake / "_runs" / "live-2.json").exists()
    assert list((scene.lake / "_redrives").iterdir())
    assert list((scene.lake / "quality").rglob("*.parquet"))
