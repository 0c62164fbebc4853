"""One Airflow for all tests of this folder, with pipelines that have landed something, and its DAGs switched on."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.airflow import RunningAirflow
from support.engine import AWAY
from support.scene import Scene, make_scene_in, orders
from support.shared import SharedKafka
from support.source import ROOT
from support.waiting import wait_until

from streamlake.engine.local.airflow import LocalAirflow

DAGS = ROOT / "dags"
DAG_IDS = ("streamlake_backfill", "streamlake_data_quality", "streamlake_dead_letters", "streamlake_prove")
SWITCHED_ON = (*DAG_IDS, "streamlake_replay")
CANARY = "STREAMLAKE_TEST_CANARY"

CHECKS = {
    "checks": [
        {"type": "row_count", "min_value": 1},
        {"type": "refused_ratio", "max_value": 0.5},
        {"type": "row_count", "name": "impossible", "min_value": 1_000_000, "severity": "warn"},
    ]
}


def pipeline(folder: Path, pipelines: Path, name: str, servers: str, **changes: Any) -> Scene:
    """A scene whose YAML is where the DAGs look for it."""
    place = folder / name
    place.mkdir()
    scene = make_scene_in(place, servers)(partitions=2, **changes)
    scene.pipeline = Path(shutil.move(scene.pipeline, pipelines / f"{name}.yaml"))
    return scene


@pytest.fixture(scope="session")
def airflow(
    airflow_parts: None, kafka: SharedKafka, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAirflow]:
    """A running Airflow; `orders` has landed 290 offsets of two partitions, `history` the end of its topic."""
    folder, pipelines = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("pipelines")
    canary = f"canary-{secrets.token_hex(8)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CANARY, canary)
        scenes = {
            "orders": pipeline(folder, pipelines, "orders", kafka.bootstrap_servers, quality=CHECKS),
            "history": pipeline(folder, pipelines, "history", kafka.bootstrap_servers, kafka__start="latest"),
            "tried": pipeline(folder, pipelines, "tried", kafka.bootstrap_servers),
            "hours": pipeline(folder, pipelines, "hours", kafka.bootstrap_servers, quality=CHECKS),
        }
        # Its Kafka asks for no password: what such a sign-in says when it fails is most likely to tell one.
        account = {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": "me", "password": f"${{{CANARY}}}"}
        pipeline(folder, pipelines, "secret", kafka.bootstrap_servers, kafka__security=account)
        pipeline(folder, pipelines, "away", kafka.bootstrap_servers, kafka__bootstrap_servers=AWAY)
        scenes["orders"].produce(orders(250))
        scenes["orders"].produce(orders(40), partition=1)
        scenes["history"].produce(orders(100))
        scenes["hours"].produce(orders(20))
        scenes["tried"].produce(orders(60))
        for scene in scenes.values():
            scene.run()
        scenes["history"].produce(orders(30, first=100))
        scenes["history"].run()
        # No run by the clock: at some minute of some hour it would do what a test is about to.
        never = dict.fromkeys(("STREAMLAKE_QUALITY_CRON", "STREAMLAKE_PROVE_CRON"), "0 0 29 2 *")
        environment = {"STREAMLAKE_PIPELINES": str(pipelines), "STREAMLAKE_RETRY_SECONDS": "1", **never}
        with LocalAirflow(DAGS, environment) as server:
            running = RunningAirflow(server, scenes, canary)
            wait_until(lambda: len(running.ask("GET", "dags")["dags"]) == len(SWITCHED_ON), "five DAGs", 180)
            for dag in SWITCHED_ON:
                running.ask("PATCH", f"dags/{dag}?update_mask=is_paused", {"is_paused": False})
            yield running
