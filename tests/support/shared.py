"""What the session's fixtures hand out, by a name that tests can import."""

import uuid
from dataclasses import dataclass
from pathlib import Path

from streamlake.engine.local.gcs import LocalGcs


@dataclass(frozen=True)
class SharedKafka:
    """A cluster that other tests use, too: make topics and groups of your own, and leave its nodes alone."""

    bootstrap_servers: str


@dataclass(frozen=True)
class SharedGcs:
    """A fake-gcs-server that other tests use, too: make buckets of your own, and leave the server alone."""

    _server: LocalGcs

    @property
    def endpoint(self) -> str:
        """For STORAGE_EMULATOR_HOST."""
        return self._server.endpoint

    def folder_of(self, bucket: str) -> Path:
        """Where its objects lie, as a tree of files."""
        return self._server.folder / "objects" / bucket

    def new_bucket(self) -> str:
        """A bucket's name that nobody else has."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self._server.make_bucket(name)
        return name
