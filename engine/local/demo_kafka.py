"""The demo's folder and its Kafka: one of its own, one that stays (KEEP=1), or one that was there before."""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from streamlake.engine.errors import LocalError
from streamlake.engine.local.demo_screen import Screen
from streamlake.engine.local.java import find_java
from streamlake.engine.local.kafka import LocalKafka

PID_FILE = "kafka.pid"
READY = "export KAFKA_BOOTSTRAP_SERVERS="
STOP_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.1


@contextmanager
def emptied(folder: Path) -> Iterator[None]:
    """The folder, empty, for one demo at a time. A Kafka that KEEP=1 left in it is stopped first."""
    folder.mkdir(exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError(f"another demo runs in {folder}: wait for its end") from None
        _stop_kept(folder)
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield
    finally:
        os.close(handle)


@contextmanager
def own_kafka(folder: Path, screen: Screen) -> Iterator[str]:
    """A Kafka with its data in `folder` for as long as the block runs, whatever ends it; its address."""
    _introduce(screen, folder)
    with LocalKafka(data_dir=folder / "kafka", say=screen.say) as kafka:
        yield kafka.bootstrap_servers


@contextmanager
def kept_kafka(folder: Path, streamlake: Sequence[str], screen: Screen) -> Iterator[str]:
    """A Kafka that goes on running after the block, unless Ctrl-C or a failure to start ends it; its address."""
    _introduce(screen, folder)
    output = folder / "kafka.out"
    pid = _start_detached([*streamlake, "local", "kafka", "--data-dir", str(folder / "kafka")], output)
    (folder / PID_FILE).write_text(str(pid))
    try:
        yield _address(folder, output)
    except (KeyboardInterrupt, LocalError):
        _stop_kept(folder)
        raise
    screen.say(f"Kafka runs on as process {pid}; `kill {pid}` stops it, and so does the next demo.")


def _start_detached(command: Sequence[str], output: Path) -> int:
    """Start a process that is nobody's child and hears no Ctrl-C of this terminal; its pid."""
    shell = ["/bin/sh", "-c", 'out=$1; shift; "$@" > "$out" 2>&1 & echo $!', "sh", str(output), *command]
    started = subprocess.run(  # noqa: S603  our own command
        shell, stdout=subprocess.PIPE, start_new_session=True, text=True, check=True
    )
    return int(started.stdout)


def _introduce(screen: Screen, folder: Path) -> None:
    java = find_java()
    screen.step("A real Apache Kafka, on this machine")
    screen.say(
        f"Java {java.version} is {java.path}. The first time Kafka's jars are fetched, 45 MB; later from a cache."
    )
    screen.command(["streamlake", "local", "kafka", "--data-dir", str(folder / "kafka")])


def _address(folder: Path, output: Path) -> str:
    """Waits for the line that says where Kafka is. Raises LocalError with what it said when it ends instead."""
    while True:
        alive = _kept_pid(folder) is not None
        text = output.read_text()
        for line in text.splitlines():
            if READY in line:
                return line.partition("=")[2].strip()
        if not alive:
            raise LocalError(text.strip() or "`streamlake local kafka` ended without a word")
        time.sleep(LOOK_SECONDS)


def _stop_kept(folder: Path) -> None:
    """End the Kafka that was left running with its data in `folder`, if it still runs."""
    pid = _kept_pid(folder)
    if pid is None:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while _kept_pid(folder) is not None:
        if time.monotonic() > deadline:
            raise LocalError(f"the Kafka that KEEP=1 left (process {pid}) does not end: `kill -9 {pid}`")
        time.sleep(LOOK_SECONDS)


def _kept_pid(folder: Path) -> int | None:
    """The pid that was written down, if that process still is what it was."""
    try:
        pid = int((folder / PID_FILE).read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if str(folder / "kafka").encode() in command else None
