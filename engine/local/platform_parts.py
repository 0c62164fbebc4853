"""The parts of the platform in the order in which they start: what runs, what healthy means, where it is reached."""

import http.client
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

from streamlake.engine.errors import LocalError, UsageError
from streamlake.engine.kafka.probe import wait_until_ready
from streamlake.engine.local.airflow import HEALTHY
from streamlake.engine.local.gcs import BUCKET
from streamlake.engine.local.platform_settings import ORDERS, Settings
from streamlake.engine.local.ports import LOOPBACK

ASK_SECONDS = 3.0
PROMETHEUS_FILES = Path("deploy/prometheus")
GRAFANA_FILES = Path("deploy/grafana")
DAGS = Path("dags")
GRAFANA_HOMES = (Path("/usr/share/grafana"), Path("/opt/grafana"))


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the platform.

    `sick` gives why it is not healthy, or nothing; it may take some seconds. `prepare` makes what has to be there
    before. `missing` says why it can't run on this machine: then the others do without. `needed`: without it those that
    come after can do nothing. `whole_group`: it leaves children behind unless all of its process group is asked to end.
    """

    name: str
    address: str
    ports: Sequence[str]
    command: Sequence[str]
    sick: Callable[[], str]
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], object] = lambda: None
    missing: str = ""
    needed: bool = False
    start_seconds_max: float = 60.0
    stop_seconds_max: float = 15.0
    whole_group: bool = False


def all_parts(settings: Settings) -> tuple[Part, ...]:
    """Each after those that it needs. Raises UsageError for a name of `without` that is none."""
    parts = (
        _kafka(settings),
        _gcs(settings),
        _engine(settings),
        _edge(settings),
        _prometheus(settings),
        _grafana(settings),
        _airflow(settings),
    )
    names = [part.name for part in parts]
    if unknown := settings.without.difference(names):
        raise UsageError(f"WITHOUT names {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return tuple(replace(one, missing="WITHOUT names it") if one.name in settings.without else one for one in parts)


def sick_by_http(port: int, path: str) -> str:
    """Why a server of this machine does not answer `path` with 200; empty where it does."""
    status, body = _asked(port, path)
    if status == 200:
        return ""
    return f"{path} answers {status}: {_reasons(body)}" if status else f"{path} does not answer ({body.decode()})"


def _asked(port: int, path: str) -> tuple[int, bytes]:
    """Status and body; status 0 and the error where nobody answers."""
    # Not urllib: that would ask the user's proxy for a loopback address.
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(10_000)
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error).encode()
    finally:
        connection.close()


def _kafka(settings: Settings) -> Part:
    port = settings.ports["KAFKA_PORT"]
    data = str(settings.folder / "kafka")
    return Part(
        *("kafka", settings.address("KAFKA_PORT"), ["KAFKA_PORT"]),
        (*settings.streamlake, "local", "kafka", "--port", str(port), "--data-dir", data),
        lambda: _sick_kafka(settings.address("KAFKA_PORT")),
        needed=True,
        start_seconds_max=300.0,  # the first time it is fetched
    )


def _gcs(settings: Settings) -> Part:
    port = settings.ports["GCS_PORT"]
    data = str(settings.folder / "gcs")
    return Part(
        *("gcs", f"http://{settings.address('GCS_PORT')}", ["GCS_PORT"]),
        (*settings.streamlake, "local", "gcs", "--port", str(port), "--data-dir", data, "--bucket", BUCKET),
        lambda: sick_by_http(port, f"/storage/v1/b/{BUCKET}"),
        needed=True,
        missing="" if settings.lake_root is None else f"LAKE_ROOT says where the lake lies: {settings.lake_root}",
    )


def _engine(settings: Settings) -> Part:
    return Part(
        *("engine", f"http://{settings.address('ENGINE_PORT')}", ["ENGINE_PORT"]),
        (*settings.streamlake, "run", *settings.pipeline, "--log-format", "text"),
        lambda: sick_by_http(settings.ports["ENGINE_PORT"], "/readyz"),
        settings.variables,
        stop_seconds_max=45.0,  # workers.drain_seconds is 30
    )


def _edge(settings: Settings) -> Part:
    return Part(
        *("edge", f"http://{settings.address('EDGE_PORT')}", ["EDGE_PORT"]),
        (*settings.streamlake, "serve", *settings.pipeline, "--log-format", "text"),
        lambda: sick_by_http(settings.ports["EDGE_PORT"], "/readyz"),
        settings.variables,
        stop_seconds_max=45.0,  # http.drain_seconds is 30
    )


def _prometheus(settings: Settings) -> Part:
    folder = settings.folder / "prometheus"

    def prepare() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("prometheus.yml", "alerts.yml"):
            shutil.copyfile(PROMETHEUS_FILES / name, folder / name)
        wanted = (("engine", "ENGINE_PORT"), ("edge", "EDGE_PORT"))
        targets = [{"targets": [settings.address(port)], "labels": {"part": part}} for part, port in wanted]
        (folder / "targets.yml").write_text(json.dumps(targets) + "\n")  # JSON is YAML

    port = settings.ports["PROMETHEUS_PORT"]
    arguments = (
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={settings.address('PROMETHEUS_PORT')}",
    )
    return Part(
        *("prometheus", f"http://{settings.address('PROMETHEUS_PORT')}", ["PROMETHEUS_PORT"]),
        ("prometheus", *arguments),
        lambda: sick_by_http(port, "/-/ready"),
        prepare=prepare,
        missing="" if shutil.which("prometheus") else "not installed; on Debian: apt-get install prometheus",
    )


def _grafana(settings: Settings) -> Part:
    folder = settings.folder / "grafana"
    home = next((path for path in GRAFANA_HOMES if path.is_dir()), GRAFANA_HOMES[0])
    installed = shutil.which("grafana") is not None and home.is_dir()
    return Part(
        *("grafana", f"http://{settings.address('GRAFANA_PORT')}", ["GRAFANA_PORT"]),
        ("grafana", "server", "--homepath", str(home)),
        lambda: sick_by_http(settings.ports["GRAFANA_PORT"], "/api/health"),
        {
            "GF_SERVER_HTTP_ADDR": LOOPBACK,
            "GF_SERVER_HTTP_PORT": str(settings.ports["GRAFANA_PORT"]),
            "GF_PATHS_DATA": str(folder / "data"),
            "GF_PATHS_LOGS": str(folder / "logs"),
            "GF_PATHS_PLUGINS": str(folder / "plugins"),
            "GF_PATHS_PROVISIONING": str((GRAFANA_FILES / "provisioning").absolute()),
            "GF_AUTH_ANONYMOUS_ENABLED": "true",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "STREAMLAKE_PROMETHEUS_URL": f"http://{settings.address('PROMETHEUS_PORT')}",
            "STREAMLAKE_DASHBOARDS": str((GRAFANA_FILES / "dashboards").absolute()),
        },
        prepare=lambda: folder.mkdir(parents=True, exist_ok=True),
        missing=""
        if installed
        else "not installed: the command `grafana` and its folder come from Grafana's own packages",
    )


def _airflow(settings: Settings) -> Part:
    port, folder = settings.ports["AIRFLOW_PORT"], settings.folder / "pipelines"

    def prepare() -> None:
        # The DAGs merge the YAMLs of a folder by name: numbers keep the order of the command line.
        shutil.rmtree(folder, ignore_errors=True)
        (folder / ORDERS.stem).mkdir(parents=True)
        for number, path in enumerate(settings.pipeline, 1):
            (folder / ORDERS.stem / f"{number}-{Path(path).name}").symlink_to(Path(path).absolute())

    data = str(settings.folder / "airflow")
    return Part(
        *("airflow", f"http://{settings.address('AIRFLOW_PORT')}", ["AIRFLOW_PORT"]),
        (*settings.streamlake, "local", "airflow", "--dags", str(DAGS), "--port", str(port), "--data-dir", data),
        lambda: _sick_airflow(port),
        {**settings.variables, "STREAMLAKE_PIPELINES": str(folder)},
        prepare=prepare,
        missing=""
        if find_spec("airflow")
        else "not installed; `make up` installs it, or pip install 'streamlake[airflow]'",
        start_seconds_max=300.0,
        stop_seconds_max=45.0,
    )


def _sick_airflow(port: int) -> str:
    """Which of Airflow's parts its own page of health has not seen lately."""
    path = "/api/v2/monitor/health"
    if sick := sick_by_http(port, path):
        return sick
    told = json.loads(_asked(port, path)[1] or b"{}")
    away = [name for name in HEALTHY if (told.get(name) or {}).get("status") != "healthy"]
    return f"its page of health misses {', '.join(away)}" if away else ""


def _sick_kafka(servers: str) -> str:
    try:
        wait_until_ready(servers, 1, ASK_SECONDS)
    except LocalError as error:
        return str(error)
    return ""


def _reasons(body: bytes) -> str:
    """What a probe says in its body, in one line."""
    try:
        told = json.loads(body)
        return "; ".join(told["reasons"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()[:200]
