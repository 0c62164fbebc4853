"""`make up | down | status | logs`, with real processes: what starts, what is said, what is left."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from support.source import ROOT
from support.waiting import wait_until

from streamlake.engine.errors import LocalError
from streamlake.engine.local.detached import Detached, Identity
from streamlake.engine.local.platform import main
from streamlake.engine.local.platform_settings import ORDERS, PLATFORM, PORTS, Settings
from streamlake.engine.local.port_owner import owner_of
from streamlake.engine.local.ports import free_ports

ORDER = {"order_id": 4711, "customer_id": 7, "status": "O"}
PARTS = ("kafka", "gcs", "engine", "edge", "prometheus")


@dataclass(frozen=True)
class Clone:
    """The platform of a folder and ports of its own."""

    folder: Path
    environment: Mapping[str, str]

    def make(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run the command as the Makefile does."""
        return subprocess.run(
            [sys.executable, "-m", "streamlake.engine.local.platform", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment, **more},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    def streamlake(self, verb: str, *options: str) -> str:
        """What a command says, with the variables that `up` has written for a shell."""
        program = str(Path(sys.executable).with_name("streamlake"))
        script = '. $0/env; exec "$@"'
        pipeline = ("config/examples/orders.yaml", "deploy/pipeline/platform.yaml")
        command = ["sh", "-c", script, str(self.folder), program, verb, *pipeline, *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def process(self, name: str) -> Detached:
        return Detached(name, self.folder / "run")

    def port(self, name: str) -> int:
        return int(self.environment[name])

    def get(self, port: str, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port(port), timeout=10)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    """Nothing of it outlives the test."""
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    made = Clone(
        tmp_path, {"PLATFORM_FOLDER": str(tmp_path), "STREAMLAKE_BATCH_SECONDS": "2", "WITHOUT": "airflow", **ports}
    )
    yield made
    assert made.make("down").returncode == 0


def test_the_whole_platform_goes_up_lands_a_posted_order_and_goes_down(
    clone: Clone, kafka_parts: None, gcs_parts: None, prometheus: str
) -> None:
    up = clone.make("up")
    assert up.returncode == 0, up.stderr
    assert all(f"{name:<11} ready in" in up.stdout for name in PARTS), up.stdout
    status = clone.make("status")
    assert status.returncode == 0, status.stdout
    assert status.stdout.count("healthy    ") == len(PARTS)

    # An order over HTTP, with the variables that `up` has written for a shell.
    order = json.dumps({**ORDER, "lines": "none"})
    connection = http.client.HTTPConnection("127.0.0.1", clone.port("EDGE_PORT"), timeout=30)
    connection.request("POST", "/ingest/orders", order, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert answer["refused"] == 1, answer
    told = clone.streamlake("produce", "--generate", "orders", "--records", "200", "--broken", "2%")
    assert "200 of 200 records acknowledged" in told

    def landed() -> int:
        partitions = clone.get("ENGINE_PORT", "/status")["partitions"]
        return sum(one["landed"] + one["refused"] + one["skipped"] for one in partitions)

    wait_until(lambda: landed() == 200, lambda: str(landed()))
    assert "proven: 200 offsets = " in clone.streamlake("prove", "--kafka")
    assert (clone.folder / "gcs" / "objects" / "streamlake" / "lake" / "raw").is_dir()

    # Prometheus asks both, by the same file as in docker-compose.yml.
    def healthy() -> Mapping[str, str]:
        targets = clone.get("PROMETHEUS_PORT", "/api/v1/targets?state=active")["data"]["activeTargets"]
        return {target["labels"]["part"]: target["health"] for target in targets}

    wait_until(lambda: healthy() == {"engine": "up", "edge": "up"}, lambda: str(healthy()))
    for panel in json.loads((ROOT / "deploy/grafana/dashboards/streamlake.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            asked = target["expr"].replace("$__rate_interval", "1m").replace("$", ".*")
            told = clone.get("PROMETHEUS_PORT", f"/api/v1/query?query={quote(asked)}")
            assert told["status"] == "success", (asked, told)

    assert "assigned" in clone.make("logs", "engine").stdout

    # One that has died is said, and started again beside the others.
    pids = {name: clone.process(name).pid for name in PARTS}
    assert pids["engine"] is not None
    os.kill(pids["engine"], signal.SIGKILL)
    wait_until(lambda: clone.process("engine").pid is None, "the engine is gone")
    status = clone.make("status")
    assert (status.returncode, "engine      has ended by itself" in status.stdout) == (1, True), status.stdout
    up = clone.make("up", EDGE_PORT="")  # as it was: `up` knows its ports
    assert up.returncode == 0, up.stderr
    assert up.stdout.count("runs already") == len(PARTS) - 1, up.stdout
    assert {name: clone.process(name).pid for name in PARTS if name != "engine"} == {
        name: pid for name, pid in pids.items() if name != "engine"
    }

    check_that_other_settings_are_refused(clone)
    check_that_a_sick_part_keeps_no_other_one_down(clone)

    down = clone.make("down")
    assert (down.returncode, down.stdout.count("stopped")) == (0, len(PARTS)), down.stdout
    assert clone.make("down").stdout.count("did not run") >= len(PARTS)
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(clone.folder).encode() in _read(path)]
    assert left == []


def check_that_other_settings_are_refused(clone: Clone) -> None:
    """Nothing of them is kept."""
    moved = clone.make("up", EDGE_PORT=str(free_ports(1)[0]))
    assert moved.returncode == 1
    assert f"run with other settings (EDGE_PORT is {clone.port('EDGE_PORT')}): `make down` first" in moved.stderr
    assert clone.make("status", EDGE_PORT="").returncode == 0


def check_that_a_sick_part_keeps_no_other_one_down(clone: Clone) -> None:
    """The engine hangs, the edge has died."""
    os.kill(clone.process("edge").pid or 0, signal.SIGKILL)
    os.kill(clone.process("engine").pid or 0, signal.SIGSTOP)
    up = clone.make("up")
    os.kill(clone.process("engine").pid or 0, signal.SIGCONT)
    assert (up.returncode, "engine is not healthy after 15 s" in up.stderr) == (1, True), up.stderr
    assert "edge        ready in" in up.stdout
    assert "Not all of it is healthy" in up.stdout


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_airflow_is_a_part_with_the_dags_and_the_pipeline(clone: Clone, airflow_parts: None) -> None:
    others = "kafka,gcs,engine,edge,prometheus,grafana"
    up = clone.make("up", WITHOUT=others)
    assert up.returncode == 0, up.stderr
    assert "airflow     ready in" in up.stdout
    merged = {path.name: path.resolve() for path in (clone.folder / "pipelines" / "orders").iterdir()}
    assert merged == {"1-orders.yaml": (ROOT / ORDERS).resolve(), "2-platform.yaml": (ROOT / PLATFORM).resolve()}
    status = clone.make("status", WITHOUT="")
    assert status.returncode == 0, "what `up` left out is not missed"
    pid = clone.process("airflow").pid
    assert clone.make("down", WITHOUT="").returncode == 0
    assert Identity.of(pid or 0) is None
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if str(clone.folder).encode() in _read(path)]
    assert left == []


def test_a_port_that_is_taken_is_said_with_its_owner(clone: Clone) -> None:
    with socket.create_server(("127.0.0.1", clone.port("KAFKA_PORT"))):
        up = clone.make("up")
    assert up.returncode == 1
    assert f"kafka: port {clone.port('KAFKA_PORT')} is taken by process {os.getpid()} (" in up.stderr
    assert "make up KAFKA_PORT=" in up.stderr
    assert not clone.process("kafka").was_started


def test_a_part_that_dies_at_its_start_is_said_with_the_end_of_its_log(clone: Clone, kafka_parts: None) -> None:
    (clone.folder / "kafka").mkdir()
    (clone.folder / "kafka" / "somebody's").write_text("file")
    up = clone.make("up")
    assert up.returncode == 1
    assert "kafka ended at its start; its log ends with:" in up.stderr
    assert "holds something that is not ours (somebody's)" in up.stderr
    status = clone.make("status")
    assert status.returncode == 1
    assert "kafka       has ended by itself; make logs PART=kafka shows why" in status.stdout


def test_two_at_once_do_not_work_against_each_other(clone: Clone) -> None:
    import fcntl  # noqa: PLC0415

    handle = os.open(clone.folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)  # the least that keeps an exclusive one away
        up = clone.make("up")
    finally:
        os.close(handle)
    assert (up.returncode, "another `make up` or `make down` works in" in up.stderr) == (1, True)


def test_what_is_not_there_is_left_out_with_how_to_get_it(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", "/nowhere")
    from streamlake.engine.local.platform_parts import all_parts  # noqa: PLC0415

    missing = {part.name: part.missing for part in all_parts(Settings.read(clone.environment)) if part.missing}
    assert "apt-get install prometheus" in missing["prometheus"]
    assert missing["airflow"] == "WITHOUT names it"
    assert set(missing) == {"prometheus", "grafana", "airflow"}


def test_a_lake_of_ones_own_takes_the_place_of_the_fake_server(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    settings = Settings.read({**clone.environment, "LAKE_ROOT": "gs://ours/lake"})
    assert settings.variables["STREAMLAKE_ROOT"] == "gs://ours/lake"
    assert "STORAGE_EMULATOR_HOST" not in settings.variables
    settings.keep()
    again = Settings.read({"PLATFORM_FOLDER": str(clone.folder)})
    assert (again.lake_root, dict(again.ports)) == ("gs://ours/lake", dict(settings.ports))


def test_a_wrong_variable_word_or_folder_is_said(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(LocalError, match="KAFKA_PORT is 'x': a port is a number from 1 to 65535"):
        Settings.read({**clone.environment, "KAFKA_PORT": "x"})
    with pytest.raises(LocalError, match="KAFKA_PORT and GCS_PORT are the same port"):
        Settings.read({**clone.environment, "KAFKA_PORT": clone.environment["GCS_PORT"]})
    assert main(["logs", "kafak"], clone.environment) == 2
    assert "there is no part 'kafak': there are kafka, gcs" in capsys.readouterr().err
    assert main(["up"], {**clone.environment, "WITHOUT": "airflow,kafak"}) == 2
    assert "WITHOUT names kafak; there are kafka, gcs, engine" in capsys.readouterr().err
    assert main(["sideways"], clone.environment) == 2
    monkeypatch.chdir(tmp_path)
    assert main(["up"], clone.environment) == 1
    assert "runs in a clone of the repository" in capsys.readouterr().err


def test_the_owner_of_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert owner_of(server.getsockname()[1]).startswith(f"process {os.getpid()} (")
    (free,) = free_ports(1)
    assert owner_of(free) == "another process"
