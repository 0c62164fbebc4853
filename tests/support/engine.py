"""Runs `streamlake` as a user does, in processes of its own, and waits for what it says instead of sleeping."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import psutil
import yaml

STREAMLAKE = str(Path(sys.executable).with_name("streamlake"))
WAIT_SECONDS = 90.0


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
            "properties": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500},
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
    """One `streamlake run` process; its log lines (JSON) are collected as they come."""

    def __init__(self, pipeline: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.lines: list[dict[str, Any]] = []
        self.text: list[str] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [STREAMLAKE, "run", str(pipeline), "--log-format", "json", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_everything()
        self._reader.join(10)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.text.append(line)
                if line.startswith("{"):
                    self.lines.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, what: str, matches: Callable[[dict[str, Any]], bool] = lambda _: True, count: int = 1) -> None:
        """Wait until `count` log lines with event `what` have come that match."""

        def found() -> bool:
            return sum(1 for line in self.lines if line.get("event") == what and matches(line)) >= count

        with self._changed:
            if not self._changed.wait_for(found, WAIT_SECONDS):
                raise AssertionError(f"no {what!r} ({count}) within {WAIT_SECONDS:g} s; the log:\n{self.log()}")

    def workers(self) -> list[psutil.Process]:
        """The worker processes, by pid: everything below the forkserver."""
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [child for child in children if child.is_running() and _is_worker(child)]

    def signal(self, number: int) -> None:
        """Send a signal to the supervisor."""
        self.process.send_signal(number)

    def wait(self, seconds: float = WAIT_SECONDS) -> int:
        """Wait for its end; the exit code."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not ended within {seconds:g} s; the log:\n{self.log()}") from None
        self._reader.join(10)
        return code

    def kill_everything(self) -> None:
        """SIGKILL the supervisor and everything below it, as a power cut would."""
        try:
            family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            family = []
        for process in family:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        self.process.wait(30)

    def log(self) -> str:
        """All it has said."""
        return "".join(self.text[-200:])


def _is_worker(process: psutil.Process) -> bool:
    """A forkserver's child: its parent is the forkserver, not the supervisor."""
    try:
        parent = process.parent()
        return parent is not None and "forkserver" in " ".join(parent.cmdline()) and process.pid != parent.pid
    except psutil.NoSuchProcess:
        return False


def streamlake(
    *arguments: str, env: dict[str, str] | None = None, seconds: float = WAIT_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; standard output and error are kept."""
    return subprocess.run(
        [STREAMLAKE, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        env={**os.environ, **(env or {})},
        check=False,
    )


def run_until_end(pipeline: Path, *arguments: str, env: dict[str, str] | None = None) -> Engine:
    """A bounded run that has to succeed."""
    with Engine(pipeline, "--until-end", *arguments, env=env) as engine:
        code = engine.wait()
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
