"""`make screenshots`: Airflow's pages with the DAGs as they are, by a Chromium without a window.

A real Kafka, a bucket, and an Airflow are started. The schema of the orders was wrong and is mended: what it refused
lands by a replay, which waits for its approval. Each of the other DAGs has a run, too.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

# ruff: noqa: E402 - after the path above
from support.airflow import RunningAirflow
from support.airflow_pages import DAGS, runs_of_a_day, runs_of_the_others, take
from support.browser import Chromium
from support.chromium import find_chromium
from support.engine import pipeline_yaml
from support.scene import Scene
from support.topics import make_topic
from support.waiting import wait_until

from streamlake.engine.local.airflow import LocalAirflow
from streamlake.engine.local.gcs import LocalGcs
from streamlake.engine.local.kafka import LocalKafka

WITHOUT_CHROMIUM = """\
no Chromium was found: the pictures of Airflow's pages stay as they are. On Debian and Ubuntu: apt install chromium
"""
BUCKET = "shop"
FORGOTTEN = "CHF"
CHECKS = {
    "checks": [
        {"type": "row_count", "min_value": 1},
        {"type": "refused_ratio", "max_value": 0.05},
    ]
}


def draw(folder: Path, program: str) -> None:
    """Write the pictures into `folder`."""
    with tempfile.TemporaryDirectory() as place, LocalKafka() as kafka, LocalGcs(buckets=[BUCKET]) as bucket:
        pipelines = Path(place) / "pipelines"
        pipelines.mkdir()
        environment = {"STORAGE_EMULATOR_HOST": bucket.endpoint, "STREAMLAKE_PIPELINES": str(pipelines)}
        with patch.dict(os.environ, environment):
            scenes = {
                "orders": orders_refused(pipelines, kafka.bootstrap_servers),
                "payments": payments_begun_late(pipelines, kafka.bootstrap_servers),
            }
            with LocalAirflow(DAGS, environment) as server:
                airflow = RunningAirflow(server, scenes, "")
                wait_until(lambda: len(airflow.ask("GET", "dags")["dags"]) == 5, "five DAGs", 180)
                for dag in airflow.ask("GET", "dags")["dags"]:
                    airflow.ask("PATCH", f"dags/{dag['dag_id']}?update_mask=is_paused", {"is_paused": False})
                asks = runs_of_a_day(airflow)
                runs_of_the_others(airflow, "orders", "payments")
                with Chromium(program, 1600, 1000) as browser:
                    take(browser, airflow, asks, folder)


def orders_refused(pipelines: Path, servers: str) -> Scene:
    """Two partitions, landed by a schema that has forgotten a currency; it is mended now."""
    scene = scene_of("orders", pipelines, servers, validator=schema("EUR", "USD"), quality=CHECKS)
    for partition, count in enumerate((24_000, 23_200)):
        scene.produce(orders(count), partition)
    scene.run()
    scene_of("orders", pipelines, servers, validator=schema("EUR", "USD", FORGOTTEN), quality=CHECKS, topics=False)
    return scene


def payments_begun_late(pipelines: Path, servers: str) -> Scene:
    """Landed from a moment on, so that there is something before it."""
    scene = scene_of("payments", pipelines, servers, kafka__start="latest")
    for _ in range(2):
        scene.produce(orders(6000))
        scene.run()
    return scene


def scene_of(name: str, pipelines: Path, servers: str, *, topics: bool = True, **changes: Any) -> Scene:
    """A pipeline of this name, which is its topic's, too."""
    for topic in (name, f"{name}.dlq") if topics else ():
        make_topic(servers, partitions=2, exactly=topic)
    root = f"gs://{BUCKET}/{name}"
    places = {"pipeline": name, "sink__root": root, "sink__format": "parquet", "batch__rows_max": 5000}
    told = pipeline_yaml(pipelines, servers, name, **places, **changes)
    return Scene(pipelines, servers, name, told.rename(pipelines / f"{name}.yaml"), 2)


def schema(*currencies: str) -> dict[str, Any]:
    """The validator's section: orders in these currencies."""
    properties = {"order": {"type": "integer"}, "currency": {"enum": list(currencies)}}
    required = {"type": "object", "properties": properties, "required": ["order", "currency"]}
    return {"type": "jsonschema", "schema": required}


def orders(count: int) -> Iterator[bytes]:
    """One of forty in the currency that was forgotten, one of four hundred cut off."""
    for number in range(count):
        currency = FORGOTTEN if number % 40 == 7 else ("EUR", "USD")[number % 2]
        order = json.dumps({"order": number, "currency": currency, "amount": number % 90 + 10}).encode()
        yield order[:20] if number % 400 == 11 else order


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    found = find_chromium()
    if found is None:
        sys.stderr.write(WITHOUT_CHROMIUM)
    else:
        draw(parser.parse_args().folder, found)
