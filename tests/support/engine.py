"""Runs `streamlake` as a user does, in processes of its own, and waits for what it says instead of sleeping."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import psutil
import yaml

STREAMLAKE = str(Path(sys.executable).with_name("streamlake"))
WAIT_SECONDS = 90.0
AWAY = "127.0.0.1:1"
"""Where no broker is."""


def pipeline_yaml(folder: Path, servers: str, topic: str, **changes: Any) -> Path:
    """A pipeline for tests: short batches, a group of its own, files under `folder/lake`.

    `changes` replace settings by dotted path with `__` for the dot: `batch__rows_max=10`.
    """
    tree: dict[str, Any] = {
        "pipeline": "orders",
        "kafka": {
            "bootstrap_servers": servers,
            "group_id": f"streamlake.{topic}",
            "topics": [{"name": topic}],
            # A killed engine's partitions are free again after the session time-out: 45 s would be long for a test.
            "properties": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "fetch.wait.max.ms": 50},
        },
        "validator": {"type": "json"},
        "sink": {"type": "file", "root": str(folder / "lake"), "format": "jsonl", "compression": "none"},
        "batch": {"rows_max": 100, "seconds_max": 0.5},
        "dead_letters": {"topic": {"name": f"{topic}.dlq"}},
        "workers": {"drain_seconds": 10, "restarts_max": 20},
    }
    for path, value in changes.items():
        section = tree
        *parents, last = path.split("__")
        for name in parents:
            section = section.setdefault(name, {})
        if value is None:
            section.pop(last, None)
        else:
            section[last] = value
    file = folder / "pipeline.yaml"
    file.write_text(yaml.safe_dump(tree))
    return file


class Engine:
    """One `streamlake run` (or another `verb`) process; its log lines (JSON) are collected as they come.

    It logs at debug, where each end of a worker is said: at info the same again is counted.

    It leads a process group of its own, so that all of it can be frozen or killed at once, and whatever its end was,
    nothing of it outlives the `with`. What it says is held against `assert_speaks_plainly` there.
    """

    def __init__(
        self,
        pipeline: Path,
        *arguments: str,
        env: dict[str, str] | None = None,
        program: str | Sequence[str] = STREAMLAKE,
        verb: str = "run",
    ) -> None:
        self.lines: list[dict[str, Any]] = []
        self.text: list[str] = []
        self._changed = threading.Condition()
        words = [program] if isinstance(program, str) else program
        self.process = subprocess.Popen(
            [*words, *verb.split(), str(pipeline), "--log-format", "json", "--log-level", "debug", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.kill_everything()
        self._reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        if kind is None:
            assert_speaks_plainly("".join(self.text))

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.text.append(line)
                if line.startswith("{"):
                    self.lines.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(
        self,
        what: str,
        matches: Callable[[dict[str, Any]], bool] = lambda _: True,
        count: int = 1,
        seconds: float = WAIT_SECONDS,
    ) -> dict[str, Any]:
        """Wait until `count` log lines with event `what` have come that match; the last of them."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.lines if line.get("event") == what and matches(line)]

        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= count, seconds):
                raise AssertionError(f"no {what!r} ({count}) within {seconds:g} s; the log:\n{self.log()}")
            return found()[count - 1]

    def events(self, what: str, **fields: Any) -> list[dict[str, Any]]:
        """The log lines so far with event `what` and these fields."""
        with self._changed:
            return [line for line in self.lines if {**line, **fields, "event": what} == line]

    def workers(self) -> list[psutil.Process]:
        """The worker processes, by pid: everything below the forkserver."""
        return sorted((each for each in self.family() if _is_worker(each)), key=lambda process: process.pid)

    def family(self) -> list[psutil.Process]:
        """Every process of this engine that is alive, whether or not its supervisor still is."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return os.getpgid(process.pid) == self.process.pid and process.status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False

    def signal(self, number: int) -> None:
        """Send a signal to the supervisor."""
        self.process.send_signal(number)

    def signal_everything(self, number: int) -> None:
        """Send a signal to the supervisor and all below it, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def wait(self, seconds: float = WAIT_SECONDS) -> int:
        """Wait for its end; the exit code."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not ended within {seconds:g} s; the log:\n{self.log()}") from None
        self._reader.join(10)
        return code

    def stop(self) -> None:
        """Ask it to leave, as an init system does; it has to succeed."""
        self.signal(signal.SIGTERM)
        code = self.wait()
        assert code == 0, self.log()

    def kill_everything(self) -> None:
        """SIGKILL the supervisor and everything below it at once, as a power cut would."""
        self.signal_everything(signal.SIGKILL)
        self.process.wait(30)
        gone_within(self.family(), 30)

    def log(self) -> str:
        """All it has said."""
        return "".join(self.text[-200:])


def _is_worker(process: psutil.Process) -> bool:
    """A forkserver's child: its parent is the forkserver, not the supervisor."""
    try:
        parent = process.parent()
        if parent is None or process.pid == parent.pid:
            return False
        return parent.name() == "forkserver" or "forkserver" in " ".join(parent.cmdline())
    except psutil.NoSuchProcess:
        return False


def gone_within(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait up to `seconds` until they have ended, reaped or not; those that have not."""
    deadline = time.monotonic() + seconds
    alive = [process for process in processes if _is_alive(process)]
    while alive and time.monotonic() < deadline:
        psutil.wait_procs(alive, timeout=0.02)
        alive = [process for process in alive if _is_alive(process)]
    return alive


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


BUGS_SHOW_AS = ("Traceback (most recent call last)", "Exception ignored in", "Fatal Python error", "this is a bug of")


def assert_speaks_plainly(text: str) -> None:
    """Whatever happens, a user reads sentences: no traceback, and nothing that the interpreter prints by itself."""
    for bug in BUGS_SHOW_AS:
        assert bug not in text, f"{bug!r} in what the user reads:\n{text[-20_000:]}"


def streamlake(
    *arguments: str, env: dict[str, str] | None = None, seconds: float = WAIT_SECONDS, program: str = STREAMLAKE
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; standard output and error are kept."""
    done = subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert_speaks_plainly(done.stdout + done.stderr)
    return done


def run_until_end(
    pipeline: Path, *arguments: str, env: dict[str, str] | None = None, seconds: float = WAIT_SECONDS
) -> Engine:
    """A bounded run that has to succeed."""
    with Engine(pipeline, "--until-end", *arguments, env=env) as engine:
        code = engine.wait(seconds)
        assert code == 0, engine.log()
        return engine


def proof(pipeline: Path, *arguments: str) -> dict[str, Any]:
    """What `streamlake prove --json` says; it has to pass."""
    done = streamlake("prove", str(pipeline), "--json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def landed_values(folder: Path) -> list[tuple[int, int, Any]]:
    """`(partition, offset, value)` of every row under `lake/raw`, read without our code, in file order."""
    rows = []
    for file in sorted((folder / "lake" / "raw").rglob("*.jsonl")):
        for line in file.read_bytes().splitlines():
            row = json.loads(line)
            rows.append((row["_partition"], row["_offset"], row["value"]))
    return rows


def offsets_landed(folder: Path, partition: int = 0) -> Sequence[int]:
    """The offsets of one partition's rows, ascending, repeats kept."""
    return sorted(offset for number, offset, _ in landed_values(folder) if number == partition)
