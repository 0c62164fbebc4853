"""An Apache Airflow on this machine, for as long as somebody needs one: the four processes of `airflow standalone`.

They are started one by one, since `standalone` is killed without its children, and has two servers of log files that
listen on every address; on one host nobody needs those.
"""

import http.client
import json
import os
import secrets
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streamlake.engine.errors import LocalError
from streamlake.engine.local.data_dir import checked_data_dir, told_as_local_error
from streamlake.engine.local.guarded import GuardedProcesses
from streamlake.engine.local.ports import LOOPBACK, ports_to_listen_on

MARKER = "airflow.json"
"""Says that a folder is ours, and on which port its server listened last."""

COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
    "api-server": ("api-server", "--workers", "1"),
}
HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")
MIGRATE_SECONDS_MAX = 300.0
START_SECONDS_MAX = 300.0
STOP_SECONDS_MAX = 15.0
STEP_SECONDS = 0.1
REQUEST_SECONDS_MAX = 60.0
LOG_TAIL_LINES = 30


class LocalAirflow:
    """One Airflow with SQLite and the LocalExecutor, its pages on a loopback port, everybody its administrator.

        with LocalAirflow(Path("dags"), {"STREAMLAKE_PIPELINES": "pipelines"}) as airflow:
            print(airflow.url)

    `environment` is what its tasks find beside the starter's own. `port` is a free one by default. `data_dir` keeps
    runs, logs and port for a next time; without it everything is gone in the end. `parallelism` tasks run at once.

    Whatever happens to this process, no process of Airflow outlives it (`guardian.py`). A LocalError says what went
    wrong, for a process that ended with what it printed.
    """

    def __init__(
        self,
        dags: Path,
        environment: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
        data_dir: Path | None = None,
        parallelism: int = 4,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._dags, self._environment = dags.resolve(), dict(environment or {})
        self._wanted_port, self._data_dir, self._parallelism, self._say = port, data_dir, parallelism, say
        self._processes: GuardedProcesses | None = None
        self._port = 0
        self._pids: dict[str, int] = {}
        self._token = ""

    @property
    def url(self) -> str:
        """Its pages; the REST API is below `/api/v2`."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def folder(self) -> Path:
        """AIRFLOW_HOME: its database, and `logs` of tasks."""
        return self._running().folder

    @property
    def pids(self) -> Mapping[str, int]:
        """The process ids by component, as in COMPONENTS."""
        return dict(self._pids)

    def log_path(self, component: str) -> Path:
        """What a component prints."""
        return self.folder / f"{component}.log"

    def start(self) -> Self:
        """Starts it and returns when all of it says that it is healthy."""
        if self._processes is not None:
            raise LocalError("this Airflow runs already; `stop` it first, or make another LocalAirflow")
        if find_spec("airflow") is None:
            raise LocalError("Airflow is not installed; `pip install 'streamlake[airflow]'` brings it")
        folder = None if self._data_dir is None else checked_data_dir(self._data_dir, MARKER)
        self._processes = GuardedProcesses(folder)
        try:
            self._prepare()
            self._say("Airflow makes its database")
            self._migrate()
            self._say("Airflow starts")
            for name, arguments in COMPONENTS.items():
                self._pids[name] = self._processes.spawn(name, self._command(*arguments), self.log_path(name))
            self._wait_until_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends it; returns when all of it is gone, and its data too, if it was temporary. Twice is fine."""
        processes, self._processes = self._processes, None
        if processes is None:
            return
        try:
            for name in self._pids:
                processes.send_signal(name, signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS_MAX
            for name in self._pids:
                processes.wait(name, max(0.0, deadline - time.monotonic()))
        finally:
            self._pids = {}
            processes.close()

    def check(self) -> None:
        """Raises LocalError with the end of its log when one of its processes has ended."""
        for name in self._pids:
            returncode = self._running().wait(name)
            if returncode is not None:
                raise LocalError(f"Airflow's {name} ended (exit code {returncode}); it printed:\n{self._tail(name)}")

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """A call of the REST API, as its administrator: `ask("GET", "/api/v2/dags")`; status and JSON, or text.

        Raises LocalError where it does not answer.
        """
        try:
            if not self._token:
                _, told = self._request("GET", "/auth/token", None)
                self._token = told["access_token"]
            return self._request(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            raise LocalError(f"Airflow at {self.url} does not answer: {error!r}") from error

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare(self) -> None:
        """The port, and the file with the secrets: processes agree on them, and a command line would show them."""
        folder, marker = self.folder, self.folder / MARKER
        with told_as_local_error(folder):
            last = [int(json.loads(marker.read_text())["port"])] if marker.exists() else []
            (self._port,) = ports_to_listen_on(1, self._wanted_port, last)
            marker.write_text(json.dumps({"port": self._port}) + "\n")
            config = folder / "airflow.cfg"
            if not config.exists():
                descriptor = os.open(config, os.O_WRONLY | os.O_CREAT, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(f"[api_auth]\njwt_secret = {secrets.token_urlsafe(48)}\n")
                    file.write(f"[api]\nsecret_key = {secrets.token_urlsafe(48)}\n")

    def _command(self, *arguments: str) -> list[str]:
        """`airflow …` with every setting that matters: another Airflow's in the environment is not ours to use."""
        settings = {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW_CONFIG": str(self.folder / "airflow.cfg"),
            # SQLite has one writer at a time: others wait for it so many seconds.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder / 'airflow.db'}?timeout=60",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._dags),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(self._parallelism),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__HOST": LOOPBACK,
            "AIRFLOW__API__PORT": str(self._port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.folder / "logs"),
            # On a busy machine a task waits for its server, instead of being lost and tried again.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
            "PYTHONWARNINGS": "ignore",  # its libraries deprecate each other's words in every process
        }
        wanted = [f"{name}={value}" for name, value in {**settings, **self._environment}.items()]
        return ["env", *wanted, sys.executable, "-m", "airflow", *arguments]

    def _migrate(self) -> None:
        processes = self._running()
        processes.spawn("migrate", self._command("db", "migrate"), self.log_path("migrate"))
        returncode = processes.wait("migrate", MIGRATE_SECONDS_MAX)
        if returncode != 0:
            why = f"did not end within {MIGRATE_SECONDS_MAX:g} s" if returncode is None else f"ended with {returncode}"
            raise LocalError(f"`airflow db migrate` {why}; it printed:\n{self._tail('migrate')}")
        with closing(sqlite3.connect(self.folder / "airflow.db")) as database:
            # Else whoever reads keeps all writers waiting: on a busy machine longer than they wait. The file keeps it.
            database.execute("PRAGMA journal_mode = WAL")

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while sick := self._sick():
            self.check()
            if time.monotonic() > deadline:
                tails = "\n".join(self._tail(name) for name in COMPONENTS)
                raise LocalError(
                    f"Airflow at {self.url} is not healthy within {START_SECONDS_MAX:g} s ({', '.join(sick)}); it "
                    f"printed:\n{tails}"
                )
            time.sleep(STEP_SECONDS)

    def _sick(self) -> list[str]:
        try:
            status, told = self._request("GET", "/api/v2/monitor/health", None)
        except (OSError, http.client.HTTPException):
            return ["api-server"]
        if status != 200:
            return ["api-server"]
        return [name for name in HEALTHY if (told.get(name) or {}).get("status") != "healthy"]

    def _request(self, method: str, path: str, body: object) -> tuple[int, Any]:
        # Not urllib: that would ask the user's proxy for a loopback address.
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=REQUEST_SECONDS_MAX)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            text = reply.read().decode(errors="replace")
            return reply.status, json.loads(text) if text.startswith(("{", "[")) else text
        finally:
            connection.close()

    def _tail(self, name: str) -> str:
        path = self.log_path(name)
        lines = path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:] if path.exists() else []
        return "\n".join(lines) or "(nothing)"

    def _running(self) -> GuardedProcesses:
        if self._processes is None:
            raise LocalError("this Airflow is not running: `start` it first")
        return self._processes
