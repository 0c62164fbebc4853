"""Runs the commands of the demo, and follows the one that lands: to kill one of its workers in the middle."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import ProxyHandler, build_opener

from streamlake.engine.errors import LocalError
from streamlake.engine.local.demo_screen import Screen

COMMITS_BEFORE_THE_KILL = 2  # of the partition whose worker is killed
PART_BEFORE_THE_KILL = 0.3  # of all records: so the others are at work, too
STOP_SECONDS_MAX = 20.0
Event = Mapping[str, Any]


class Commands:
    """Runs `streamlake` as a user does: as a process of its own, with the settings of `environment` on top."""

    def __init__(self, streamlake: Sequence[str], environment: Mapping[str, str], screen: Screen) -> None:
        self._streamlake = list(streamlake)
        self._environment = {**os.environ, **environment}
        self._screen = screen

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

    @contextmanager
    def following(self, *arguments: str) -> Iterator[Iterator[Event]]:
        """Run a command and yield its log, line by line as it comes. On any other way out than its end it is ended."""
        self._screen.command(["streamlake", *arguments])
        command = [*self._streamlake, *arguments, "--log-format", "json"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=self._environment) as process:  # noqa: S603  as above
            try:
                yield self._events(process)
            finally:
                _end(process)

    def _events(self, process: "subprocess.Popen[str]") -> Iterator[Event]:
        """Each log line; at last `{"event": "exit", "code": …}`."""
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("{"):
                yield json.loads(line)
            else:
                self._screen.output([line.rstrip()])
        yield {"event": "exit", "code": process.wait()}


@dataclass
class Landing:
    """What was seen of a run: its exit code, the commits of each partition in order, and the worker that was killed."""

    exit_code: int = -1
    records: int = 0
    commits: Counter[str] = field(default_factory=Counter)
    killed: str = ""
    commits_before: int = 0  # of its partition, when the supervisor had seen the death

    @property
    def in_the_middle(self) -> bool:
        """Whether a worker was killed after its first commit and before its partition's last one."""
        return 0 < self.commits_before < self.commits[self.killed]


def _end(process: "subprocess.Popen[str]") -> None:
    """See that it is gone: asked, and after a while forced."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()


def land(commands: Commands, arguments: Sequence[str], listen: str, records: int, screen: Screen) -> Landing:
    """Run `streamlake run --until-end`, kill -9 one worker in the middle, and tell what happens meanwhile."""
    landing = Landing()
    told = 0
    with commands.following(*arguments) as events:
        for event in events:
            match event["event"]:
                case "assigned":
                    names = [name.rpartition("/")[2] for name in event["partitions"]]
                    screen.event(f"the group gave us the partitions {', '.join(names)}: one worker process each")
                case "committed":
                    _committed(landing, event, screen)
                    if not landing.killed and _in_the_middle(landing, event, records):
                        _kill(landing, event, listen, screen)
                    if landing.records * 5 // records > told:
                        told = landing.records * 5 // records
                        screen.event(f"{landing.records:,} of {records:,} offsets are committed")
                case "worker ended":
                    if event["partition"] == landing.killed:
                        landing.commits_before = landing.commits[landing.killed]
                    screen.event(f"the supervisor has seen it: {event['partition']}: {event['why']}")
                case "exit":
                    landing.exit_code = event["code"]
                case _ if event.get("level") in ("error", "critical"):
                    screen.event(" ".join(f"{name}={value}" for name, value in event.items()))
    return landing


def _committed(landing: Landing, event: Event, screen: Screen) -> None:
    partition = event["partition"]
    landing.commits[partition] += 1
    landing.records += event["landed"] + event["refused"] + event["skipped"]
    if landing.commits[partition] == 1:
        screen.event(
            f"{partition}: first commit: [{event['first']}, {event['next']}) = {event['landed']:,} landed, "
            f"{event['refused']} refused, {event['skipped']} skipped"
        )
    elif partition == landing.killed and landing.commits[partition] == landing.commits_before + 1:
        screen.event(f"{partition}: its new worker goes on where the ledger ends: [{event['first']}, {event['next']})")


def _in_the_middle(landing: Landing, event: Event, records: int) -> bool:
    """Whether the partition that just committed has begun, and is not ahead of the others."""
    commits = landing.commits[event["partition"]]
    average = sum(landing.commits.values()) / len(landing.commits)
    begun = landing.records >= PART_BEFORE_THE_KILL * records and commits >= COMMITS_BEFORE_THE_KILL
    return begun and commits <= average


def _kill(landing: Landing, event: Event, listen: str, screen: Screen) -> None:
    """SIGKILL to the worker of the partition that just committed; tried again at another's commit if it is gone."""
    partition = event["partition"]
    pid = _pid_of(partition, listen)
    if pid is None:
        return
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    landing.killed = partition
    screen.command(["kill", "-9", str(pid)])
    screen.event(f"that was the worker of {partition}, after its commit up to offset {event['next']}")


def _pid_of(partition: str, listen: str) -> int | None:
    """The worker's process id as the engine's /status tells it."""
    try:
        with build_opener(ProxyHandler({})).open(f"http://{listen}/status", timeout=5) as answer:
            for state in json.load(answer)["partitions"]:
                if f"{state['topic']}/{state['partition']}" == partition:
                    pid: int | None = state["pid"]
                    return pid
    except (OSError, ValueError):
        return None
    return None
