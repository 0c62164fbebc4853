"""Runs the commands of the demo as a user does, and keeps what they log."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamlake.engine.errors import LocalError
from streamlake.engine.local.demo.screen import Screen

STOP_SECONDS_MAX = 20.0
Event = Mapping[str, Any]


class Commands:
    """Runs `streamlake`, as a process of its own; logs go to the folder `logs`, a file for each that is followed."""

    def __init__(self, streamlake: Sequence[str], environment: Mapping[str, str], logs: Path, screen: Screen) -> None:
        self._streamlake = list(streamlake)
        self._environment = {**os.environ, **environment}
        self._logs = logs
        self._screen = screen
        self._followed = 0

    def run(self, *arguments: str, show: bool = True) -> tuple[int, str]:
        """Run a command to its end: its exit code and standard output. Standard error is shown when it failed."""
        self._screen.command(["streamlake", *arguments])
        done = subprocess.run(  # noqa: S603  our own command
            [*self._streamlake, *arguments], capture_output=True, text=True, env=self._environment, check=False
        )
        if show:
            self._screen.output(done.stdout.splitlines())
        if done.returncode:
            self._screen.output(done.stderr.splitlines())
        return done.returncode, done.stdout

    def must(self, *arguments: str, show: bool = True) -> str:
        """As `run`, for what the rest of the story stands on. Raises LocalError where it fails."""
        code, output = self.run(*arguments, show=show)
        if code:
            raise LocalError(f"`streamlake {' '.join(arguments)}` failed with exit code {code}: the demo stops here")
        return output

    def quietly(self, *arguments: str) -> tuple[int, str]:
        """As `run`, and nothing is told."""
        done = subprocess.run(  # noqa: S603  as above
            [*self._streamlake, *arguments], capture_output=True, text=True, env=self._environment, check=False
        )
        return done.returncode, done.stdout

    @contextmanager
    def running(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """A command beside the story. On any other way out than its end it is ended."""
        self._screen.command(["streamlake", *arguments])
        with subprocess.Popen(  # noqa: S603  as above
            [*self._streamlake, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
        ) as process:
            try:
                yield process
            finally:
                end(process)

    @contextmanager
    def following(self, *arguments: str) -> Iterator[Iterator[Event]]:
        """Run a command and yield its log, line by line as it comes. On any other way out than its end it is ended.

        `{"event": "started", "pid": …}`, then each log line; at last `{"event": "exit", "code": …}`.
        """
        self._followed += 1
        path = self._logs / f"{self._followed}-{arguments[0]}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._screen.command(["streamlake", *arguments])
        command = [*self._streamlake, *arguments, "--log-format", "json"]
        with (
            path.open("w", buffering=1) as log,
            subprocess.Popen(  # noqa: S603  as above
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=self._environment
            ) as process,
        ):
            try:
                yield self._events(process, log.write)
            finally:
                end(process)

    def _events(self, process: "subprocess.Popen[str]", keep: Callable[[str], object]) -> Iterator[Event]:
        assert process.stderr is not None
        yield {"event": "started", "pid": process.pid}
        for line in process.stderr:
            keep(line)
            if line.startswith("{"):
                yield json.loads(line)
            else:
                self._screen.output([line.rstrip()])
        yield {"event": "exit", "code": process.wait()}


def end(process: "subprocess.Popen[str]") -> None:
    """See that it is gone: asked, and after a while forced."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
