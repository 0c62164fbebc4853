"""The database: its tables, how it is opened, and where SQLite's errors become StreamLake's."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from streamlake.engine.errors import StorageError

TABLES = """
CREATE TABLE IF NOT EXISTS runs (run TEXT PRIMARY KEY, identity TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS entries (
    run TEXT, topic TEXT, partition INTEGER, seq INTEGER, kind TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (run, topic, partition, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS records (
    name TEXT, topic TEXT, partition INTEGER, position INTEGER, timestamp_ms INTEGER, timestamp_type INTEGER,
    key BLOB, headers TEXT, value BLOB
);
CREATE INDEX IF NOT EXISTS records_by_name ON records (topic, name, position);

CREATE TABLE IF NOT EXISTS dead_letters (
    name TEXT, topic TEXT, partition INTEGER, position INTEGER, timestamp_ms INTEGER, timestamp_type INTEGER,
    key BLOB, headers TEXT, value BLOB,
    reason TEXT, field TEXT, message TEXT, attempt INTEGER, first_failed_at_ms INTEGER
);
CREATE INDEX IF NOT EXISTS dead_letters_by_name ON dead_letters (topic, name, position);
"""
"""`name` tells which ledger entry a row was committed with; `position` is the Kafka offset."""


@dataclass(frozen=True, slots=True)
class Database:
    """One file. Every call opens a connection of its own: nothing is held by a worker that is frozen or gone."""

    path: Path
    busy_seconds: float

    def make(self) -> None:
        """Make the file and its tables, where they are not there yet. Raises StorageError."""
        with self._errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=self.busy_seconds)) as connection:
                # Readers (`prove`) and the writer do not wait for each other then; the file remembers it.
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(TABLES)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view. Raises StorageError, also where there is no file."""
        with self._open() as connection:
            connection.execute("PRAGMA query_only = 1")
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, of one writer at a time: committed and on the disk when the `with` ends, or not at all."""
        with self._open() as connection:
            connection.execute("PRAGMA synchronous = FULL")
            # IMMEDIATE: what is read in the transaction is still true when it commits.
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            address = f"{self.path.absolute().as_uri()}?mode=rw"  # never made by accident, where it was deleted
            with closing(
                sqlite3.connect(address, uri=True, timeout=self.busy_seconds, isolation_level=None)
            ) as connection:
                yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"{self.path}: {error}") from error
