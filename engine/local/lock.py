"""The committed lock file: which jars are Apache Kafka, and the bytes that each must have."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlake.engine.errors import LocalError

LOCK_PATH = Path(__file__).parent / "jgo.lock.toml"


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One jar: its Maven coordinate and the SHA-256 (lower-case hex) that its bytes must have."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """What it is called in a repository and in our folder."""
        return f"{self.artifact}-{self.version}.jar"

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def read_lock(lock_path: Path = LOCK_PATH) -> list[LockedJar]:
    """The jars that jgo's lock file names. Raises LocalError when one has no sha256: nothing unverified is run."""
    entries: list[dict[str, Any]] = tomllib.loads(lock_path.read_text())["dependencies"]
    for entry in entries:
        if "sha256" not in entry or entry["packaging"] != "jar" or "classifier" in entry:
            raise LocalError(f"{lock_path} has an entry that can't be used: {entry}; make the lock file again")
    return [LockedJar(e["groupId"], e["artifactId"], e["version"], e["sha256"]) for e in entries]
