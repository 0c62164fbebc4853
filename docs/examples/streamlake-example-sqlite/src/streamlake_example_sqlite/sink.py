"""The sink `sqlite`: one database file as a root."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from streamlake.engine.contracts import PartitionJob, PluginOption
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ConfigError, ForeignRootError
from streamlake_example_sqlite.database import Database
from streamlake_example_sqlite.ledger import SqliteLedger
from streamlake_example_sqlite.partition import SqlitePartition
from streamlake_example_sqlite.texts import identity_of, identity_text

BUSY_SECONDS = 30.0

OPTIONS = (
    PluginOption("root", "path", None, "the database file; a relative path starts where the YAML lies"),
    PluginOption("busy_seconds", "number", f"{BUSY_SECONDS:g}", "how long a transaction waits for another one's end"),
)


class SqliteSink:
    """One database (`streamlake.engine.contracts.Sink`)."""

    contract_version = 1
    one_process = False

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def options(cls) -> Sequence[PluginOption]:
        """For `streamlake plugins sqlite`."""
        return OPTIONS

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, base_dir: Path) -> Self:
        """Make one from the YAML's `sink:` section. Raises ConfigError with every problem; touches no file."""
        known = [option.name for option in OPTIONS]
        problems = [f"sink.{name}: the sink sqlite has {', '.join(known)}" for name in options if name not in known]
        root, busy_seconds = options.get("root"), options.get("busy_seconds", BUSY_SECONDS)
        if not isinstance(root, str) or not root or "://" in root:
            problems.append(f"sink.root: {root!r} is no path of a database file; for instance orders.db")
        if isinstance(busy_seconds, bool) or not isinstance(busy_seconds, int | float) or not 0 < busy_seconds <= 600:
            problems.append(f"sink.busy_seconds: {busy_seconds!r} is no number of seconds up to 600")
        if problems:
            raise ConfigError(*problems)
        assert isinstance(busy_seconds, int | float)
        return cls(Database(base_dir / str(root), float(busy_seconds)))

    def register_run(self, identity: RunIdentity) -> RunIdentity:
        """Write who this run is, once; the identity that stands there. Raises ForeignRootError."""
        self._database.make()
        with self._database.writing() as connection:
            row = (identity.run, identity_text(identity))
            connection.execute("INSERT INTO runs VALUES (?, ?) ON CONFLICT DO NOTHING", row)
        standing = self.find_run(identity.run)
        assert standing is not None, "it was just written"
        _refuse_foreign(standing, identity, self._database.path)
        return standing

    def find_run(self, run: str) -> RunIdentity | None:
        """The identity that stands there, or None; makes no file."""
        if not self._database.path.exists():
            return None
        with self._database.reading() as connection:
            found = connection.execute("SELECT identity FROM runs WHERE run = ?", (run,)).fetchone()
        return identity_of(found[0]) if found else None

    def partition(self, job: PartitionJob) -> SqlitePartition:
        """A writer's end of one partition."""
        return SqlitePartition(self._database, job)

    def ledger(self) -> SqliteLedger:
        """The reading side."""
        return SqliteLedger(self._database)


def _refuse_foreign(standing: RunIdentity, ours: RunIdentity, path: Path) -> None:
    """Raise ForeignRootError where `standing` is another pipeline, group or cluster, or knows another topic."""
    shared = standing.topic_ids.keys() & ours.topic_ids.keys()
    there = _Who(standing.pipeline, standing.group_id, standing.cluster_id, {t: standing.topic_ids[t] for t in shared})
    here = _Who(ours.pipeline, ours.group_id, ours.cluster_id, {topic: ours.topic_ids[topic] for topic in shared})
    if there != here or not shared:
        raise ForeignRootError(f"{path} belongs to somebody else: {there} there, {here} here. Nothing was claimed")


@dataclass(frozen=True)
class _Who:
    """What must be the same."""

    pipeline: str
    group_id: str
    cluster_id: str
    topic_ids: Mapping[str, str]

    def __str__(self) -> str:
        return json.dumps(vars(self), sort_keys=True)
