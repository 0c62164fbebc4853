"""The pages of a real Airflow in a real browser: what docs/airflow.md shows of them is there."""

from pathlib import Path

import pytest
from support.airflow import RunningAirflow
from support.airflow_pages import PICTURES, runs_of_a_day, take
from support.browser import Chromium
from support.chromium import find_chromium

pytestmark = pytest.mark.timeout(900)


def test_list_form_approval_log_and_grid_show_what_the_page_says(
    airflow: RunningAirflow, chromium: None, tmp_path: Path
) -> None:
    waits = runs_of_a_day(airflow)
    with Chromium(find_chromium() or "", 1600, 1000) as browser:
        take(browser, airflow, waits, tmp_path)
    waits.answer("Reject")
    waits.wait()
    assert {path.name for path in tmp_path.iterdir()} == set(PICTURES)
