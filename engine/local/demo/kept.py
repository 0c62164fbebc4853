"""The servers that a demo leaves running (KEEP=1), and the folder in which the next demo finds and ends them."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from streamlake.engine.errors import LocalError
from streamlake.engine.local.demo.screen import Screen
from streamlake.engine.local.detached import Identity

STOP_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Server:
    """What `streamlake local NAME` runs, its data in the folder `name`; it tells its address as `export VARIABLE=…`."""

    name: str
    title: str
    variable: str

    def command(self, folder: Path) -> list[str]:
        """The arguments that start it with its data in the demo's folder."""
        return ["local", self.name, "--data-dir", str(folder / self.name)]

    def pid(self, folder: Path) -> int | None:
        """The pid that was written down, if it still is that process, whatever it calls itself (as gunicorn does)."""
        try:
            kept = Identity(**json.loads(self.pid_file(folder).read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return kept.pid if Identity.of(kept.pid) == kept else None

    def write_down(self, folder: Path, pid: int) -> None:
        """So that the next demo finds it."""
        identity = Identity.of(pid)
        if identity is not None:  # else it has ended already
            self.pid_file(folder).write_text(json.dumps(asdict(identity)))

    def pid_file(self, folder: Path) -> Path:
        """Where the pid of the one that was left running is written down."""
        return folder / f"{self.name}.pid"


KAFKA = Server("kafka", "Kafka", "KAFKA_BOOTSTRAP_SERVERS")
GCS = Server("gcs", "fake-gcs-server", "STORAGE_EMULATOR_HOST")
ENGINE = Server("engine", "engine", "")
EDGE = Server("edge", "HTTP edge", "")
"""These two are started by `running.py`, with commands of their own."""


@contextmanager
def emptied(folder: Path) -> Iterator[None]:
    """The folder, empty, for one demo at a time. Servers that KEEP=1 left in it are stopped first."""
    folder.mkdir(exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError(f"another demo runs in {folder}: wait for its end") from None
        for server in (EDGE, ENGINE, KAFKA, GCS):  # whoever needs another one comes first
            stop(server, folder)
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class Kept:
    """A server that was started to stay, with its data in `folder`."""

    server: Server
    folder: Path
    streamlake: Sequence[str]

    def start(self) -> str:
        """Start it; its address. Raises LocalError with what it said when it ends instead."""
        output = self.folder / f"{self.server.name}.out"
        pid = start_detached([*self.streamlake, *self.server.command(self.folder)], output)
        self.server.write_down(self.folder, pid)
        return _address(self.server, self.folder, output)

    def stop(self) -> None:
        """See that it is gone; it may be gone already."""
        stop(self.server, self.folder)

    def restart(self) -> None:
        """Stop it in order, and start it again with its data, at its address as long as nobody else has taken that."""
        self.stop()
        self.start()


@contextmanager
def kept(server: Server, folder: Path, streamlake: Sequence[str], screen: Screen) -> Iterator[tuple[Kept, str]]:
    """A server that goes on running after the block, unless Ctrl-C or a failure ends it; and its address."""
    it = Kept(server, folder, streamlake)
    try:
        address = it.start()
        yield it, address
    except (KeyboardInterrupt, LocalError):
        it.stop()
        raise
    pid = server.pid(folder)
    it_stops = f"`kill {pid}` stops it, and so does the next demo"
    screen.say(f"{server.title} runs on at {address} as process {pid}; {it_stops}.")


def start_detached(command: Sequence[str], output: Path, environment: Mapping[str, str] | None = None) -> int:
    """Start a process that is nobody's child and hears no Ctrl-C of this terminal; its pid."""
    shell = ["/bin/sh", "-c", 'out=$1; shift; "$@" > "$out" 2>&1 & echo $!', "sh", str(output), *command]
    started = subprocess.run(  # noqa: S603  our own command
        shell, stdout=subprocess.PIPE, start_new_session=True, text=True, check=True, env=environment
    )
    return int(started.stdout)


def _address(server: Server, folder: Path, output: Path) -> str:
    """Waits for the line that says where it is. Raises LocalError with what it said when it ends instead."""
    while True:
        alive = server.pid(folder) is not None
        text = output.read_text()
        for line in text.splitlines():
            if f"export {server.variable}=" in line:
                return line.partition("=")[2].strip()
        if not alive:
            raise LocalError(text.strip() or f"`streamlake local {server.name}` ended without a word")
        time.sleep(LOOK_SECONDS)


def stop(server: Server, folder: Path) -> None:
    """End the server that was left running with its data in `folder`, if it still runs."""
    pid = server.pid(folder)
    if pid is None:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while server.pid(folder) is not None:
        if time.monotonic() > deadline:
            raise LocalError(f"the {server.title} that KEEP=1 left (process {pid}) does not end: `kill -9 {pid}`")
        time.sleep(LOOK_SECONDS)
