"""The way through Airflow's pages that docs/airflow.md shows: what has to be on each, and its picture."""

from pathlib import Path
from urllib.parse import quote

from support.airflow import DagRun, RunningAirflow
from support.browser import Chromium
from support.source import ROOT

DAGS = ROOT / "dags"
REPLAY = "streamlake_replay"
PICTURES = ("airflow-dags.png", "airflow-form.png", "airflow-approval.png", "airflow-log.png", "airflow-grid.png")


def runs_of_a_day(airflow: RunningAirflow) -> DagRun:
    """A replay, one that was refused, and one that waits for its approval, which is given back."""
    airflow.trigger(REPLAY, {"pipeline": "orders", "from": "-2h", "to": "latest"}).wait()
    airflow.trigger(REPLAY, {"pipeline": "orders", "from": "12", "to": "5"}).wait("failed")
    form = {"pipeline": "orders", "from": "earliest", "to": "latest", "name": "new-schema", "promote": True}
    asks = airflow.trigger(REPLAY, form, note="the schema was wrong until noon")
    asks.question()
    return asks


def take(browser: Chromium, airflow: RunningAirflow, asks: DagRun, folder: Path) -> None:
    """Go through the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    url, run = airflow.server.url, quote(asks.id, safe="")
    browser.open(
        f"{url}/dags", *sorted(path.stem for path in DAGS.glob("streamlake_*.py") if "common" not in path.stem)
    )
    browser.picture(folder / "airflow-dags.png")
    browser.open(f"{url}/dags/{REPLAY}/runs/{run}", "prove_all", "the schema was wrong", "Awaiting Input")
    browser.picture(folder / "airflow-grid.png")
    browser.open(f"{url}/dags/{REPLAY}/runs/{run}/tasks/land/mapped/0", "has landed", "committed")
    browser.picture(folder / "airflow-log.png")
    browser.open(
        f"{url}/dags/{REPLAY}/runs/{run}/tasks/approve/required_actions", "Promote a replay of orders?", "Reject"
    )
    browser.picture(folder / "airflow-approval.png")
    browser.resize(1280, 1450)  # the form is long, and scrolls otherwise
    browser.open(f"{url}/dags/{REPLAY}", "Trigger")
    browser.click("button", "Trigger")
    browser.wait_for("Run Parameters", "how long ago", "Promote")
    browser.picture(folder / "airflow-form.png")
