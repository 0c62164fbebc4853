"""Gets a contender what it needs, once: packages in an environment of its own, jars by a lock file."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from streamlake.engine.errors import LocalError
from streamlake.engine.local.artifacts import kafka_jars
from streamlake.engine.local.cache import cache_folder

LOCKS = Path(__file__).parent / "jars"


class UnavailableError(Exception):
    """It can't be had on this machine; the text says why."""


def python_with(requirements: Sequence[str], say: Callable[[str], None]) -> str:
    """The Python of an environment with exactly these packages; our own where there are none."""
    if not requirements:
        return sys.executable
    name = hashlib.sha256("\n".join((sys.version, *requirements)).encode()).hexdigest()[:16]
    folder = cache_folder() / "peers" / name
    folder.parent.mkdir(exist_ok=True)
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if not complete.exists():
        say(f"installing {', '.join(requirements)}, once")
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements])
        complete.touch()
    return str(python)


def jars_of(name: str, but: Path | None = None) -> str:
    """A class path with the jars of that lock file, without those whose artifact stands in the folder `but`."""
    try:
        jars = kafka_jars(lock_path=LOCKS / name / "jgo.lock.toml")
    except LocalError as error:
        raise UnavailableError(str(error)) from error
    there = {jar.name.rpartition("-")[0] for jar in but.glob("*.jar")} if but else set()
    return ":".join(str(jar) for jar in jars if jar.name.rpartition("-")[0] not in there)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"{' '.join(command[-3:])}: {(done.stderr or done.stdout).strip()[-300:]}")
