"""`make screenshots`: Airflow's pages with the DAGs as they are, by a Chromium without a window.

A real Kafka, a lake, and an Airflow are started; replays run, one of which waits for its approval.
"""

import argparse
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

# ruff: noqa: E402 - after the path above
from support.airflow import RunningAirflow
from support.airflow_pages import DAGS, REPLAY, runs_of_a_day, take
from support.browser import Chromium
from support.chromium import find_chromium
from support.engine import pipeline_yaml
from support.scene import Scene, orders
from support.topics import make_topic
from support.waiting import wait_until

from streamlake.engine.local.airflow import LocalAirflow
from streamlake.engine.local.kafka import LocalKafka

WITHOUT_CHROMIUM = """\
no Chromium was found: the pictures of Airflow's pages stay as they are. On Debian and Ubuntu: apt install chromium
"""


def draw(folder: Path, program: str) -> None:
    """Write the pictures into `folder`."""
    with tempfile.TemporaryDirectory() as place, LocalKafka() as kafka:
        pipelines = Path(place) / "pipelines"
        pipelines.mkdir()
        scene = landed(Path(place), kafka.bootstrap_servers)
        scene.pipeline = scene.pipeline.rename(pipelines / "orders.yaml")
        with LocalAirflow(DAGS, {"STREAMLAKE_PIPELINES": str(pipelines)}) as server:
            airflow = RunningAirflow(server, {"orders": scene}, "")
            wait_until(lambda: len(airflow.ask("GET", "dags")["dags"]) == 5, "five DAGs", 180)
            airflow.ask("PATCH", f"dags/{REPLAY}?update_mask=is_paused", {"is_paused": False})
            asks = runs_of_a_day(airflow)
            with Chromium(program, 1600, 1000) as browser:
                take(browser, airflow, asks, folder)


def landed(folder: Path, servers: str) -> Scene:
    """Orders of two partitions, landed."""
    for topic in ("orders", "orders.dlq"):
        make_topic(servers, partitions=2, exactly=topic)
    scene = Scene(folder, servers, "orders", pipeline_yaml(folder, servers, "orders"), 2)
    scene.produce(orders(250))
    scene.produce(orders(240), partition=1)
    scene.run()
    return scene


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    found = find_chromium()
    if found is None:
        sys.stderr.write(WITHOUT_CHROMIUM)
    else:
        draw(parser.parse_args().folder, found)
