"""docs/airflow.md followed from top to bottom, against a real Airflow: a replay is begun and promoted by REST."""

import re
from pathlib import Path

import pytest
from support.airflow import RunningAirflow
from support.engine import proof
from support.pages import Page
from support.source import ROOT

pytestmark = pytest.mark.timeout(900)


def test_the_way_by_rest_promotes_a_replay(airflow: RunningAirflow, tmp_path: Path) -> None:
    scene = airflow.scenes["tried"]
    theirs = {"http://127.0.0.1:8081": airflow.server.url, '"pipeline": "orders"': '"pipeline": "tried"'}
    page = Page(ROOT / "docs" / "airflow.md", instead=theirs, varies=re.compile(r"\b(orders|tried)\b"))
    page.follow(tmp_path, scene.servers)
    assert (scene.lake / "_runs" / "live-2.json").exists()
    proof(scene.pipeline, "--kafka")
