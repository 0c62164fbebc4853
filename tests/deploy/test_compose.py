"""docker-compose.yml, read by Compose itself, and all that it names: paths, ports, variables, commands, images."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest
import yaml
from support.dockerfile import instructions
from support.source import ROOT
from support.waiting import wait_until

from streamlake.config.load import load_pipeline
from streamlake.engine.local.gcs import find_binary
from streamlake.engine.local.kafka import LocalKafka
from streamlake.engine.local.lock import read_lock
from streamlake.engine.local.platform_settings import PORTS
from streamlake.engine.local.ports import free_ports

FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
AIRFLOW = ROOT / "deploy" / "airflow" / "Dockerfile"
NEEDED = ("POSTGRES_PASSWORD", "AIRFLOW_SECRET", "GRAFANA_PASSWORD")
SET = dict.fromkeys(NEEDED, "anything")
OURS = ("topics", "engine", "edge")
ONCE = {"topics", "airflow-init"}
"""They end when they are done: nobody asks how they are."""
ROOTS = {"gcs"}
"""Its image has no other user, and its volume is root's; it has none of root's rights."""
OWN_USER = {"kafka": "appuser", "kafka-ui": "kafkaui"}
"""Images that end with a user of their own."""


def compose(*arguments: str, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Compose, with nothing of this shell's variables but PATH and HOME."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [Path(sys.executable).with_name("docker-compose"), "--project-directory", ROOT, *arguments],
        cwd=ROOT,
        env={**clean, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@cache
def read() -> Mapping[str, Any]:
    """The file as Compose has understood it, with the example's variables and what has to be set."""
    done = compose("--env-file", str(EXAMPLE), "config", "--format", "json", env=SET)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "without a warning"
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def services(deploy_tools: None) -> Mapping[str, Any]:
    found: Mapping[str, Any] = read()["services"]
    return found


def variables() -> Mapping[str, str]:
    """Of .env.example; each has a sentence above it."""
    found: dict[str, str] = {}
    before = ""
    for line in EXAMPLE.read_text().splitlines():
        if re.match(r"[A-Z_]+=", line):
            name, _, value = line.partition("=")
            assert re.match(r"# \w", before) or before.startswith("# `"), f"{name} is not explained"
            assert name not in found
            found[name] = value
        before = line
    return found


def test_compose_takes_it_and_says_what_is_missing_without_an_env_file(deploy_tools: None) -> None:
    assert read()["name"] == "streamlake"
    for file in ("/dev/null", str(EXAMPLE)):
        assert compose("--env-file", file, "config", "--quiet").returncode != 0
    without = compose("--env-file", "/dev/null", "config", "--quiet")
    for name in NEEDED:
        assert f"required variable {name} is missing a value: is not set; cp .env.example .env" in without.stderr


def test_a_word_that_compose_does_not_know_is_seen(deploy_tools: None, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(FILE.read_text().replace("stop_grace_period", "stop_grace_perod"))
    done = compose("--file", str(broken), "--env-file", str(EXAMPLE), "config", "--quiet", env=SET)
    assert (done.returncode != 0, "stop_grace_perod" in done.stderr) == (True, True)


def test_the_example_explains_every_variable_and_names_no_other() -> None:
    text = re.sub(r"(?m)^\s*#.*$", "", FILE.read_text()).replace("$$", "")
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) | {"COMPOSE_PROFILES"} == set(variables())


def test_a_default_is_what_the_example_says() -> None:
    said = variables()
    defaults = re.findall(r"\$\{([A-Z_]+):?-([^}]*)\}", FILE.read_text())
    assert {(name, value) for name, value in defaults if said[name] != value} == set()
    assert {name: int(said[name]) for name in PORTS} == dict(PORTS), "make up listens on the same ports"


def test_every_path_of_this_host_is_there(services: Mapping[str, Any]) -> None:
    binds = [one["source"] for s in services.values() for one in s.get("volumes", []) if one["type"] == "bind"]
    builds = [Path(s["build"]["context"], s["build"]["dockerfile"]) for s in services.values() if "build" in s]
    assert len(builds) == 2
    assert [path for path in (*binds, *builds) if not Path(path).exists()] == []


def test_ports_are_published_on_this_host_only_and_are_ones_that_the_service_listens_on(
    services: Mapping[str, Any],
) -> None:
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", name
            listens = json.dumps([service.get("command"), service.get("environment"), service["healthcheck"]])
            assert str(port["target"]) in listens, f"{name} does not listen on {port['target']}"


def test_every_service_is_healthy_or_done_limited_and_without_rights(services: Mapping[str, Any]) -> None:
    for name, service in services.items():
        check = service.get("healthcheck", {})
        assert (name in ONCE) == (not check or check.get("disable", False)), name
        limits = service["deploy"]["resources"]["limits"]
        assert set(limits) == {"cpus", "memory"}, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?", service["image"]), service["image"]
        not_root = service.get("user") or OWN_USER.get(name) or name in OURS or name in ROOTS
        assert not_root, name
        writes = {"kafka"} | {other for other in services if other.startswith("airflow")}
        assert service.get("read_only", False) != (name in writes), name


def test_whoever_needs_another_waits_for_it_by_its_health(services: Mapping[str, Any]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert how["condition"] == wanted, f"{name} needs {other}"
    assert set(services["engine"]["depends_on"]) == {"topics", "gcs"}
    assert services["engine"]["depends_on"]["gcs"]["required"] is False, "a bucket of one's own"


def test_a_bucket_of_ones_own_takes_the_place_of_the_fake_server(deploy_tools: None) -> None:
    own = {**SET, "COMPOSE_PROFILES": "", "FAKE_GCS_URL": "", "LAKE_ROOT": "gs://ours/lake"}
    done = compose("--env-file", str(EXAMPLE), "config", "--format", "json", env=own)
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert "gcs" not in services
    assert services["engine"]["environment"]["STORAGE_EMULATOR_HOST"] == ""
    assert services["engine"]["environment"]["STREAMLAKE_ROOT"] == "gs://ours/lake"


@pytest.mark.parametrize("name", OURS)
def test_each_command_of_ours_is_taken_with_its_files_and_variables(
    name: str, services: Mapping[str, Any], tmp_path: Path
) -> None:
    service = services[name]
    for volume in service["volumes"]:
        if volume["target"].startswith("/etc/streamlake/") and volume["target"].endswith(".yaml"):
            (tmp_path / Path(volume["target"]).name).write_text(Path(volume["source"]).read_text())
    files = [word for word in service["command"] if word.endswith(".yaml")]
    config = load_pipeline([tmp_path / file for file in files], environ=service["environment"])
    assert config.kafka.bootstrap_servers == "kafka:19092"
    verb = [word for word in service["command"] if word not in files]
    program = Path(sys.executable).with_name("streamlake")
    done = subprocess.run([program, *verb, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    listens = {"engine": config.metrics.listen, "edge": config.http.listen if config.http else ""}
    if name in listens:
        (port,) = service["ports"]
        assert listens[name] == f"0.0.0.0:{port['target']}"
        assert f"127.0.0.1:{port['target']}/readyz" in service["healthcheck"]["test"][-1]
    drains = {"engine": config.workers.drain_seconds, "edge": config.http.drain_seconds if config.http else 0}
    if name in drains:
        assert service["stop_grace_period"] == "45s"
        assert drains[name] + 10 <= 45


def test_prometheus_asks_the_services_and_grafana_asks_prometheus(services: Mapping[str, Any]) -> None:
    targets = yaml.safe_load((ROOT / "deploy/prometheus/targets.yml").read_text())
    for group in targets:
        (target,) = group["targets"]
        host, _, port = target.partition(":")
        assert host == group["labels"]["part"]
        assert [one["target"] for one in services[host]["ports"]] == [int(port)]
    grafana = services["grafana"]["environment"]
    assert grafana["STREAMLAKE_PROMETHEUS_URL"] == "http://prometheus:9090"
    mounted = {volume["target"] for volume in services["grafana"]["volumes"]}
    assert grafana["STREAMLAKE_DASHBOARDS"] in mounted
    used = "".join(path.read_text() for path in (ROOT / "deploy/grafana/provisioning").rglob("*.yml"))
    assert set(re.findall(r"\$(STREAMLAKE_\w+)", re.sub(r"(?m)^#.*$", "", used))) <= set(grafana)


def test_airflow_has_the_dags_and_the_pipelines_that_they_look_for(services: Mapping[str, Any]) -> None:
    for name in ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"):
        mounted = {volume["target"]: volume["source"] for volume in services[name]["volumes"]}
        folder = services[name]["environment"]["STREAMLAKE_PIPELINES"]
        assert Path(mounted["/opt/airflow/dags"]).joinpath("streamlake_replay.py").exists()
        merged = [source for target, source in sorted(mounted.items()) if target.startswith(f"{folder}/orders/")]
        assert [Path(source).name for source in merged] == ["orders.yaml", "platform.yaml", "files"]
        pool = services[name]["environment"]["STREAMLAKE_POOL"]
        assert f"airflow pools set {pool} " in " ".join(services["airflow-init"]["command"])
    assert 'os.environ["STREAMLAKE_PIPELINES"]' in (ROOT / "dags/streamlake_common.py").read_text()
    base = next(one.words[0] for one in reversed(list(instructions(AIRFLOW))) if one.word == "FROM")
    pinned = re.search(r"^apache-airflow==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    assert base.startswith(f"apache/airflow:{pinned[1]}-"), "the version that the DAGs are tested with"


def test_versions_are_those_that_are_tested(services: Mapping[str, Any]) -> None:
    kafka = next(jar.version for jar in read_lock() if jar.artifact == "kafka_2.13")
    assert services["kafka"]["image"] == f"apache/kafka:{kafka}"
    assert {services[name]["image"] for name in OURS} == {f"streamlake:{version('streamlake')}"}
    bases = [one.words[0] for one in instructions(ROOT / "Dockerfile") if one.word == "FROM"]
    assert len(set(bases)) == 1, "it is built on what it runs on"


def test_a_real_broker_starts_with_kafkas_settings(
    services: Mapping[str, Any], kafka_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, own, controller = free_ports(3)
    said = services["kafka"]["environment"]
    settings = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in said.items()
        if name.startswith("KAFKA_") and name not in ("KAFKA_HEAP_OPTS", "KAFKA_LOG_DIRS")
    }
    # As in the container, with ports of this machine in the place of the service's name.
    ports = {"19092": own, "9092": port, "9093": controller}
    for name in ("listeners", "advertised.listeners", "controller.quorum.voters"):
        for old, new in ports.items():
            settings[name] = re.sub(rf":{old}\b", f":{new}", settings[name])
        settings[name] = settings[name].replace("kafka:", "127.0.0.1:").replace("//:", "//127.0.0.1:")
    with LocalKafka(port=port, properties=settings) as kafka:
        kafka.check()
        assert kafka.bootstrap_servers == f"127.0.0.1:{port}"


def test_a_folder_of_the_fake_servers_root_is_a_bucket(
    services: Mapping[str, Any], gcs_parts: None, tmp_path: Path
) -> None:
    (volume,) = services["gcs"]["volumes"]
    bucket = Path(volume["target"])
    (tmp_path / bucket.name).mkdir()
    (port,) = free_ports(1)
    inside = " ".join(services["gcs"]["command"])
    assert f"-filesystem-root {bucket.parent} " in inside
    assert variables()["LAKE_ROOT"].startswith(f"gs://{bucket.name}/")
    command = (
        inside.replace(str(bucket.parent), str(tmp_path)).replace("4443", str(port)).replace("0.0.0.0", "127.0.0.1")
    )
    health = services["gcs"]["healthcheck"]["test"][-1].replace("4443", str(port))

    def answers(url: str) -> bool:
        try:
            with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    with subprocess.Popen([find_binary(), *command.split()], stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: answers(health), "the fake server is healthy")
            assert answers(f"http://127.0.0.1:{port}/storage/v1/b/{bucket.name}")
            assert not answers(f"http://127.0.0.1:{port}/storage/v1/b/another")
        finally:
            server.kill()
