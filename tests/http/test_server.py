"""How the edge's processes start, are replaced and end: gunicorn, its workers, their sockets."""

import contextlib
import datetime as dt
import http.client
import itertools
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from gunicorn.config import Config
from support.edge import JSON, RunningEdge, edge_yaml
from support.engine import streamlake
from support.shared import SharedKafka
from support.waiting import wait_until

from streamlake.config.load import load_pipeline
from streamlake.engine.errors import ConfigError
from streamlake.engine.local.ports import free_ports
from streamlake.http_edge import checking

ORDER = b'{"id":1}'
DESKS_USED_MAX = 6
"""Two workers, the two that end, and as many that end late."""


def workers_of(edge: RunningEdge) -> list[int]:
    return sorted(child.pid for child in psutil.Process(edge.process.pid).children())


def test_clients_that_keep_their_connection_are_spread_over_the_workers(kafka: SharedKafka, tmp_path: Path) -> None:
    path = edge_yaml(tmp_path, kafka.bootstrap_servers, http__workers=2, http__header_seconds=120)
    with RunningEdge(path) as edge, contextlib.ExitStack() as open_sockets:
        wait_until(lambda: len(workers_of(edge)) == 2, edge.log)
        pids = set(workers_of(edge))
        for _ in range(64):
            open_sockets.enter_context(edge.connect())

        def spread() -> Counter[int]:
            return Counter(
                pid
                for pid in pids
                for one in psutil.Process(pid).net_connections("tcp")
                if one.status == psutil.CONN_ESTABLISHED and one.laddr.port == edge.address[1]
            )

        wait_until(lambda: spread().total() >= 64, edge.log)
        # Each of 64 goes to either by a hash: fewer than 12 come once in ten million runs.
        assert min(spread()[pid] for pid in pids) >= 12


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_ends_is_replaced_and_what_connects_meanwhile_waits(
    kafka: SharedKafka, tmp_path: Path, number: signal.Signals
) -> None:
    with RunningEdge(edge_yaml(tmp_path, kafka.bootstrap_servers)) as edge:
        (before,) = workers_of(edge)
        os.kill(before, number)
        wait_until(lambda: workers_of(edge) not in ([before], []), edge.log)
        wait_until(lambda: edge.post(ORDER).status == 202, edge.log)
        assert edge.end() == 0


def test_a_worker_that_can_not_begin_is_tried_once_a_second_until_it_can(kafka: SharedKafka, tmp_path: Path) -> None:
    path = edge_yaml(tmp_path, kafka.bootstrap_servers, http__auth="none")
    module = tmp_path / "checks.py"
    module.write_text("from pydantic import BaseModel\nclass Order(BaseModel):\n    id: int\n")
    tree = yaml.safe_load(path.read_text())
    tree |= {"python_path": ["."], "validator": {"type": "pydantic", "model": "checks:Order"}}
    path.write_text(yaml.safe_dump(tree))
    with RunningEdge(path) as edge:
        kept = module.read_text()
        module.write_text("class Order: half a file")  # as it is being written
        (worker,) = workers_of(edge)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: len(_failed_starts(edge)) >= 3, edge.log)
        ends = _failed_starts(edge)
        assert min((after - before).total_seconds() for before, after in itertools.pairwise(ends)) >= 1.0
        module.write_text(kept)
        assert edge.post(ORDER).status == 202, "who came meanwhile has waited"
        assert edge.end() == 0


def test_a_worker_is_recycled_without_losing_a_request(kafka: SharedKafka, tmp_path: Path) -> None:
    path = edge_yaml(tmp_path, kafka.bootstrap_servers, http__workers=2)
    with RunningEdge(path, "--", "--max-requests", "40") as edge:
        seen = set(workers_of(edge))
        statuses: Counter[int] = Counter()

        def posting() -> None:
            with contextlib.closing(http.client.HTTPConnection(*edge.address, timeout=30)) as connection:
                for _ in range(120):
                    connection.request("POST", "/ingest/orders", ORDER, {"content-type": JSON})
                    answer = connection.getresponse()
                    answer.read()
                    statuses[answer.status] += 1  # closed where the answer says so, and opened by the next request

        threads = [threading.Thread(target=posting) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen |= set(workers_of(edge))
        assert statuses == {202: 960}, "each has its answer, and none was told to come again"
        assert len(seen) > 2, "workers were recycled"
        found: list[Path] = []

        def counted() -> bool:
            with contextlib.suppress(psutil.NoSuchProcess, IndexError):  # it may be its turn to end
                opened = psutil.Process(workers_of(edge)[-1]).open_files()
                found[:] = [Path(one.path) for one in opened if one.path.endswith(".db")]
            return bool(found)

        wait_until(counted, edge.log)
        files = list(found[0].parent.glob("*.db"))
        assert len(files) <= 4 * DESKS_USED_MAX, "what a worker counts goes on in the files of the one before"
        assert edge.end() == 0


def test_an_address_that_is_taken_is_told(kafka: SharedKafka, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = streamlake("serve", str(edge_yaml(tmp_path, kafka.bootstrap_servers, http__listen=listen)))
    assert done.returncode == 78
    assert f"http.listen: can't listen on {listen}: Address already in use" in done.stderr


def test_a_second_server_on_the_same_port_does_not_take_half_of_the_requests(
    kafka: SharedKafka, tmp_path: Path
) -> None:
    path = edge_yaml(tmp_path, kafka.bootstrap_servers, http__listen=f"127.0.0.1:{free_ports(1)[0]}")
    with RunningEdge(path):
        done = streamlake("serve", str(path))
    assert (done.returncode, "Address already in use" in done.stderr) == (78, True)


@pytest.mark.parametrize(
    ("changes", "arguments", "code", "says"),
    [
        (
            {"http__streams": {"orders": {"validator": {"type": "pydantic", "model": "nobody.s:Order"}}}},
            (),
            78,
            "nobody",
        ),
        ({"http": None}, (), 78, "http: is missing"),
        ({"kafka__properties": {"retries": 0}}, (), 78, "kafka.properties: librdkafka refuses the settings"),
        ({"kafka__properties": {"linger.ms": 5000}}, (), 78, "linger.ms is 5000, and must be below"),
        ({}, ("--", "--certfile", "nobody.pem", "--keyfile", "nobody.key"), 78, "nobody.pem"),
        ({}, ("--", "--bind", "127.0.0.1:1"), 2, "bind: said by the YAML's http:"),
        ({}, ("--", "--nonsense"), 2, "--nonsense"),
        ({}, ("--", "-c", "gunicorn.conf.py"), 2, "--config: does nothing here"),
        ({}, ("--", "--proxy-protocol"), 2, "--proxy-protocol: does nothing here"),
    ],
)
def test_what_can_not_be_served_is_a_sentence(
    tmp_path: Path, changes: dict[str, object], arguments: tuple[str, ...], code: int, says: str
) -> None:
    tree = {
        "pipeline": "orders",
        "kafka": {"bootstrap_servers": "127.0.0.1:1", "group_id": "g", "topics": [{"name": "t"}]},
        "validator": {"type": "json"},
        "sink": {"type": "file", "root": "lake"},
        "dead_letters": {"topic": {"name": "d"}},
        "http": {"listen": "127.0.0.1:0", "streams": {"orders": {}}},
    }
    for path, value in changes.items():
        section, _, name = path.partition("__")
        if name:
            tree[section][name] = value  # type: ignore[index]  # a tree of mappings
        else:
            del tree[section]
    file = tmp_path / "pipeline.yaml"
    file.write_text(yaml.safe_dump(tree))
    done = streamlake("serve", str(file), *arguments)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr


def test_a_model_whose_import_never_ends_holds_up_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endless.py").write_text("import threading\nthreading.Event().wait()\n")
    tree = {
        "pipeline": "orders",
        "python_path": ["."],
        "kafka": {"bootstrap_servers": "127.0.0.1:1", "group_id": "g", "topics": [{"name": "t"}]},
        "validator": {"type": "pydantic", "model": "endless:Order"},
        "sink": {"type": "file", "root": "lake"},
        "dead_letters": {"topic": {"name": "d"}},
        "http": {"listen": "127.0.0.1:0", "streams": {"orders": {}}},
    }
    file = tmp_path / "pipeline.yaml"
    file.write_text(yaml.safe_dump(tree))
    monkeypatch.setattr(checking, "CHECK_SECONDS", 0.5)
    with pytest.raises(ConfigError, match="took more than 0"):
        checking.check(load_pipeline(file), Config())


def test_gunicorn_s_own_tls_serves(kafka: SharedKafka, tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    path = edge_yaml(tmp_path, kafka.bootstrap_servers)
    with RunningEdge(path, "--", "--certfile", str(certificate), "--keyfile", str(key), ready=False) as edge:
        assert edge.url.startswith("https://")
        context = ssl.create_default_context(cafile=str(certificate))

        def posted() -> int:
            made = http.client.HTTPSConnection("localhost", edge.address[1], timeout=30, context=context)
            with contextlib.closing(made) as connection:
                connection.request("POST", "/ingest/orders", ORDER, {"content-type": JSON})
                return connection.getresponse().status

        wait_until(lambda: posted() == 202, edge.log)


def test_a_gunicorn_of_one_s_own_serves(kafka: SharedKafka, tmp_path: Path) -> None:
    path, port = edge_yaml(tmp_path, kafka.bootstrap_servers), free_ports(1)[0]
    command = [str(Path(sys.executable).with_name("gunicorn")), "streamlake.http_edge.asgi:app"]
    command += ["-k", "streamlake.http_edge.worker.EdgeWorker", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    environment = {**os.environ, "STREAMLAKE_PIPELINE": str(path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as gunicorn, _ended(gunicorn):

        def posted() -> int:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                try:
                    connection.request("POST", "/ingest/orders", ORDER, {"content-type": JSON})
                except ConnectionRefusedError:
                    return 0
                return connection.getresponse().status

        wait_until(lambda: posted() == 202, "an answer")
        gunicorn.send_signal(signal.SIGTERM)
        _, said = gunicorn.communicate(timeout=60)
    assert gunicorn.returncode == 0, said
    assert "Traceback" not in said


def _failed_starts(edge: RunningEdge) -> list[dt.datetime]:
    return [dt.datetime.fromisoformat(line["timestamp"]) for line in edge.events("a worker can't begin")]


@contextlib.contextmanager
def _ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """It does not outlive a test that fails."""
    try:
        yield
    finally:
        process.terminate()


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, key_file = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key_file
