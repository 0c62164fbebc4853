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
    with output.open("wb") as file:
        command = [*streamlake, "local", "kafka", "--data-dir", str(folder / "kafka")]
        # In a session of its own a Ctrl-C on the terminal does not reach it.
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)  # noqa: S603  our own command
    (folder / PID_FILE).write_text(str(process.pid))
    try:
        yield _address(process, output)
    except (KeyboardInterrupt, LocalError):
        process.terminate()
        process.wait(STOP_SECONDS_MAX)
        raise
    screen.say(f"Kafka runs on as process {process.pid}; `kill {process.pid}` stops it, and so does the next demo.")


def _introduce(screen: Screen, folder: Path) -> None:
    java = find_java()
    screen.step("A real Apache Kafka, on this machine")
    screen.say(
        f"Java {java.version} is {java.path}. The first time Kafka's jars are fetched, 45 MB; later from a cache."
    )
    screen.command(["streamlake", "local", "kafka", "--data-dir", str(folder / "kafka")])


def _address(process: "subprocess.Popen[bytes]", output: Path) -> str:
    """Waits for the line that says where Kafka is. Raises LocalError with what it said when it ends instead."""
    while True:
        ended = process.poll() is not None
        text = output.read_text()
        for line in text.splitlines():
            if READY in line:
                return line.partition("=")[2].strip()
        if ended:
            raise LocalError(text.strip() or "`streamlake local kafka` ended without a word")
        time.sleep(LOOK_SECONDS)


def _stop_kept(folder: Path) -> None:
    """End the Kafka of the demo before, by its pid, if that process still is what it was."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError):
        pid = int((folder / PID_FILE).read_text())
        if str(folder / "kafka").encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while time.monotonic() < deadline:
            os.kill(pid, 0)  # raises ProcessLookupError when it is gone
            time.sleep(LOOK_SECONDS)
        raise LocalError(f"the Kafka that KEEP=1 left (process {pid}) does not end: `kill -9 {pid}`")
