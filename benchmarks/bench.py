"""What the measurements share: a Kafka, a folder, the `streamlake` command, and ways to run and to meter it."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from figures import Busy, cpu_seconds

HERE = Path(__file__).parent
PIPELINE = str(HERE / "orders.yaml")
STREAMLAKE = str(Path(sys.executable).with_name("streamlake"))
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Bench:
    """`folder` goes in the end. `seconds` is how long a light load is watched. `say` tells what is being done."""

    servers: str
    folder: Path
    records: int
    repeats: int
    idle_partitions: int
    seconds: int
    say: Callable[[str], None]
    busy: Busy = field(default_factory=Busy)

    def topic(self, name: str) -> str:
        """A name that nobody else has, on a cluster that may not be ours alone."""
        return f"bench-{name}-{uuid.uuid4().hex[:8]}"

    def environment(self, topic: str, **more: str) -> dict[str, str]:
        """For `streamlake` and the programs here: which topic, and a new root and group, so that all begins anew.

        Python may keep its bytecode, as it does for everybody but in some containers: else each start compiles again.
        """
        unique = f"{topic}-{uuid.uuid4().hex[:8]}"
        named = {"KAFKA_BOOTSTRAP_SERVERS": self.servers, "BENCH_NAME": topic, "BENCH_GROUP": unique}
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**inherited, **named, "BENCH_ROOT": (self.folder / unique).as_uri(), **more}


@dataclass(frozen=True, slots=True)
class Metered:
    """What a command cost with all its descendants (`metered.py`): seconds; `said` is what it printed."""

    cpu: float
    wall: float
    said: str


def streamlake(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a command that has to succeed; its standard output."""
    return run([STREAMLAKE, *arguments], environment)


def program(name: str, environment: Mapping[str, str], *arguments: object) -> dict[str, Any]:
    """Run one of the programs here; the JSON that it prints."""
    found: dict[str, Any] = json.loads(run([sys.executable, str(HERE / name), *map(str, arguments)], environment))
    return found


def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a command to its end. Ends the benchmark, with what it said, where it fails."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(
            f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    return done.stdout


def metered(
    bench: Bench, environment: Mapping[str, str], *arguments: str, look: Callable[[int], None] = lambda _: None
) -> Metered:
    """Run `streamlake` and meter it; `look` is called ten times a second with a pid above all its processes."""
    return metered_command(bench, environment, [STREAMLAKE, *arguments], look=look)


def metered_command(
    bench: Bench, environment: Mapping[str, str], command: Sequence[str], look: Callable[[int], None] = lambda _: None
) -> Metered:
    """The same for any command."""
    before = cpu_seconds()
    with subprocess.Popen(
        [sys.executable, str(HERE / "metered.py"), *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said = _collect(process, look)
    after = cpu_seconds()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with exit code {process.returncode}:\n{said[0][-2000:]}{said[1][-4000:]}")
    *lines, last = said[0].splitlines()
    cost = json.loads(last)
    bench.busy.add(before, after, cost["cpu"])
    return Metered(cost["cpu"], cost["wall"], "\n".join(lines))


def _collect(process: "subprocess.Popen[str]", look: Callable[[int], None]) -> tuple[str, str]:
    while True:
        try:
            return process.communicate(timeout=LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            look(process.pid)
