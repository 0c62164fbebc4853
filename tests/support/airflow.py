"""A running Airflow as a test speaks to it: by its REST API, as people and other systems do."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from support.scene import Scene
from support.waiting import wait_until

from streamlake.engine.errors import LocalError
from streamlake.engine.local.airflow import LocalAirflow

RUN_SECONDS = 400.0
BROKEN_SECONDS = 150.0
"""How long it may answer with 500 or not at all: SQLite is locked, or what is asked for is half written."""
OVER = ("success", "failed")


@dataclass
class RunningAirflow:
    """One Airflow for the session, with the DAGs of this repository, and pipelines that have landed something.

    `canary` is a secret of each pipeline, which may be in no log and in no table.
    """

    server: LocalAirflow
    scenes: Mapping[str, Scene]
    canary: str
    _runs: list[tuple[str, str]] = field(default_factory=list)

    def ask(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """A call below /api/v2 that has to be answered so."""
        answers: list[tuple[int, Any]] = []

        def answered() -> bool:
            try:
                answers.append(self.server.ask(method, f"/api/v2/{path}", body))
            except LocalError as error:  # no answer within a minute
                if method != "GET":
                    raise
                answers.append((HTTPStatus.INTERNAL_SERVER_ERROR, str(error)))
            return answers[-1][0] != HTTPStatus.INTERNAL_SERVER_ERROR

        wait_until(answered, lambda: f"an answer to {method} {path}: {answers[-1]}", BROKEN_SECONDS)
        found, told = answers[-1]
        assert found == status, f"{method} {path}: {found} {told}"
        return told

    def trigger(self, dag: str, conf: Mapping[str, Any], note: str | None = None) -> "DagRun":
        """Begin a run."""
        run = DagRun(self, dag, f"manual__{datetime.now(UTC).isoformat()}")  # as Airflow itself names them
        body = {"dag_run_id": run.id, "logical_date": None, "conf": dict(conf), "note": note}
        try:
            self.ask("POST", f"dags/{dag}/dagRuns", body)
        except LocalError:  # no answer within a minute: it may be there all the same
            self.ask("GET", run.path)
        return run

    def refused(self, dag: str, conf: Mapping[str, Any]) -> str:
        """Why no run was begun."""
        body = {"logical_date": None, "conf": dict(conf)}
        said: str = self.ask("POST", f"dags/{dag}/dagRuns", body, status=400)["detail"]
        return said

    def runs_of(self, dag: str) -> list[str]:
        """The ids of all runs of a DAG."""
        return [one["dag_run_id"] for one in self.ask("GET", f"dags/{dag}/dagRuns?limit=100")["dag_runs"]]


@dataclass(frozen=True)
class DagRun:
    """One run of a DAG."""

    airflow: RunningAirflow
    dag: str
    id: str

    @property
    def path(self) -> str:
        """Below /api/v2."""
        return f"dags/{self.dag}/dagRuns/{quote(self.id, safe='')}"

    def state(self) -> str:
        """`queued`, `running`, `success`, `failed`."""
        return str(self.airflow.ask("GET", self.path)["state"])

    def tasks(self, task: str | None = None) -> list[dict[str, Any]]:
        """Its task instances, those of one task in the order of their numbers."""
        found: list[dict[str, Any]] = self.airflow.ask("GET", f"{self.path}/taskInstances?limit=100")["task_instances"]
        return sorted((one for one in found if task in (None, one["task_id"])), key=lambda one: one["map_index"])

    def states(self) -> dict[str, list[str]]:
        """What has become of each task."""
        found: dict[str, list[str]] = {}
        for one in self.tasks():
            found.setdefault(one["task_id"], []).append(one["state"])
        return found

    def wait(self, state: str = "success") -> "DagRun":
        """Wait for its end, which has to be this one."""
        self._until(lambda: self.state() in OVER)
        assert self.state() == state, f"{self.states()}\n{self.all_logs()}"
        return self

    def wait_for(self, task: str, states: Collection[str]) -> dict[str, Any]:
        """Wait until a task (its first instance) is in one of these states, and the run is not over before."""

        def reached() -> bool:
            there = self.tasks(task)
            if there and there[0]["state"] in states:
                return True
            assert self.state() not in OVER, f"{self.states()}\n{self.all_logs()}"
            return False

        self._until(reached)
        return self.tasks(task)[0]

    def answer(self, option: str) -> None:
        """Answer the task `approve` when it asks, and Airflow has seen its process end: a quicker answer fails it."""
        self.wait_for("approve", ("awaiting_input", "deferred"))
        seen = f"task_id='approve', run_id='{self.id}'"
        wait_until(lambda: seen in self.airflow.server.log_path("scheduler").read_text(), seen)
        body = {"chosen_options": [option], "params_input": {}}
        self.airflow.ask("PATCH", f"{self.path}/taskInstances/approve/-1/hitlDetails", body)

    def question(self) -> str:
        """What `approve` asks, subject and body."""
        self.wait_for("approve", ("awaiting_input", "deferred"))
        told = self.airflow.ask("GET", f"{self.path}/taskInstances/approve/-1/hitlDetails")
        return f"{told['subject']}\n{told['body']}"

    def log(self, task: str, map_index: int = -1, attempt: int | None = None) -> str:
        """What a task logged, as its page shows it, a line each with its level; its last attempt."""
        (instance,) = (one for one in self.tasks(task) if one["map_index"] == map_index)
        number = attempt or instance["try_number"]
        told = self.airflow.ask("GET", f"{self.path}/taskInstances/{task}/logs/{number}?map_index={map_index}")
        return "\n".join(f"{line.get('level', '')} {line['event']}" for line in told["content"])

    def all_logs(self) -> str:
        """What all its tasks logged."""
        told = [one for one in self.tasks() if one["try_number"] and one["state"] not in (None, "skipped", "removed")]
        return "\n".join(f"== {one['task_id']}\n{self.log(one['task_id'], one['map_index'])}" for one in told)

    def xcom(self, task: str, map_index: int = -1) -> Any:
        """What a task has given to others."""
        path = f"{self.path}/taskInstances/{task}/xcomEntries/return_value?map_index={map_index}&deserialize=false"
        return self.airflow.ask("GET", path)["value"]

    def links(self, task: str, map_index: int = -1) -> dict[str, str | None]:
        """The buttons of a task's page, and where they lead."""
        path = f"{self.path}/taskInstances/{task}/links?map_index={map_index}"
        found: dict[str, str | None] = self.airflow.ask("GET", path)["extra_links"]
        return found

    def _until(self, holds: Any) -> None:
        last = [0.0]

        def rarely() -> bool:  # each look costs the server a part of the cores that the tasks need
            if time.monotonic() - last[0] < 0.5:
                return False
            last[0] = time.monotonic()
            return bool(holds())

        wait_until(rarely, lambda: f"{self.dag} {self.id}: {self.state()} {self.states()}", RUN_SECONDS)
