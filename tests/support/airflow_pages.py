"""The way through Airflow's pages that docs/airflow.md shows: what has to be on each, and its picture."""

from pathlib import Path
from urllib.parse import quote

from support.airflow import DagRun, RunningAirflow
from support.browser import Chromium
from support.source import ROOT

DAGS = ROOT / "dags"
REPLAY = "streamlake_replay"
PICTURES = tuple(f"airflow-{name}.png" for name in ("dags", "form", "approval", "log", "links", "grid"))
LINKS = "Extra Links"
"""Airflow's heading of a task's links."""
BUTTONS = f"""
Object.fromEntries([...document.querySelectorAll("h1, h2, h3, h4, h5, h6, p")]
  .find((one) => one.innerText === "{LINKS}")
  .parentElement.querySelectorAll("a").values().map((one) => [one.innerText, one.href]))
"""


def runs_of_a_day(airflow: RunningAirflow) -> DagRun:
    """A replay, one that was refused, and one that waits for its approval, which is given back."""
    airflow.trigger(REPLAY, {"pipeline": "orders", "from": "-2h", "to": "latest"}).wait()
    airflow.trigger(REPLAY, {"pipeline": "orders", "from": "12", "to": "5"}).wait("failed")
    form = {"pipeline": "orders", "from": "earliest", "to": "latest", "name": "new-schema", "promote": True}
    asks = airflow.trigger(REPLAY, form, note="the schema was wrong until noon")
    asks.question()
    return asks


def runs_of_the_others(airflow: RunningAirflow, landed: str, begun_late: str) -> None:
    """A run of each other DAG: of a pipeline that has landed, and of one that did not begin with the oldest record."""
    for dag in ("streamlake_prove", "streamlake_data_quality"):
        airflow.trigger(dag, {"pipeline": landed}).wait()
    letters = {"pipeline": begun_late, "reason": "malformed", "only_now_valid": False}
    for dag, conf in (("streamlake_backfill", {"pipeline": begun_late}), ("streamlake_dead_letters", letters)):
        run = airflow.trigger(dag, conf)
        run.question()
        run.answer("Approve")
        run.wait()


def take(browser: Chromium, airflow: RunningAirflow, asks: DagRun, folder: Path) -> None:
    """Go through the pages. Each is as wide as its table, and as high as what there is to see."""
    folder.mkdir(parents=True, exist_ok=True)
    url, run = airflow.server.url, quote(asks.id, safe="")
    browser.resize(1600, 930)
    browser.open(f"{url}/dags", *sorted(dag["dag_id"] for dag in airflow.ask("GET", "dags")["dags"]))
    browser.picture(folder / "airflow-dags.png")
    browser.resize(1800, 1000)
    browser.open(f"{url}/dags/{REPLAY}/runs/{run}", "prove_all", "the schema was wrong", "Awaiting Input")
    browser.picture(folder / "airflow-grid.png")
    browser.resize(1600, 600)
    land = f"{url}/dags/{REPLAY}/runs/{run}/tasks/land/mapped/0"
    browser.open(land, "has landed", "committed")
    browser.picture(folder / "airflow-log.png")
    browser.open(f"{land}/details", "prove_all", "Success", "Scheduled At", LINKS)
    assert browser.run(BUTTONS) == buttons_of(asks), "no button without an address that a browser follows"
    browser.picture(folder / "airflow-links.png")
    browser.open(
        f"{url}/dags/{REPLAY}/runs/{run}/tasks/approve/required_actions", "Promote a replay of orders?", "Reject"
    )
    browser.picture(folder / "airflow-approval.png")
    browser.resize(1280, 1450)  # the form is long, and scrolls otherwise
    browser.open(f"{url}/dags/{REPLAY}", "Trigger")
    browser.click("button", "Trigger")
    browser.wait_for("Run Parameters", "how long ago", "Promote")
    browser.picture(folder / "airflow-form.png")


def buttons_of(run: DagRun) -> dict[str, str]:
    """What the page of its first landing has to have: those of its links that lead to another page."""
    return {name: place for name, place in run.links("land", 0).items() if place and place.startswith("http")}
