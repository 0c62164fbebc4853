"""The reading side: what `streamlake prove`, `status` and `dead` ask, answered from the rows as they are now."""

import sqlite3
from collections.abc import Iterator, Sequence

import pyarrow as pa

from streamlake.engine.accounting import FIRST_PREVIOUS
from streamlake.engine.entries import Entry, FileEntry, FileFacts, Head, RunIdentity
from streamlake.engine.errors import FileDamagedError, LedgerDamagedError
from streamlake.engine.names import topic_of
from streamlake.engine.records import DeadLetter, TopicPartition
from streamlake_example_sqlite import stored
from streamlake_example_sqlite.database import Database
from streamlake_example_sqlite.texts import entry_of, identity_of

BODIES = "SELECT body FROM entries WHERE run = ? AND topic = ? AND partition = ?"


class SqliteLedger:
    """All that was committed in one database (`streamlake.engine.contracts.Ledger`). Writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def runs(self) -> Sequence[RunIdentity]:
        """Every run, oldest first."""
        if not self._database.path.exists():
            return ()
        with self._database.reading() as connection:
            found = [identity_of(text) for (text,) in connection.execute("SELECT identity FROM runs")]
        return sorted(found, key=lambda identity: (identity.created_at, identity.run))

    def partitions(self, run: str) -> Sequence[TopicPartition]:
        """The partitions that have an entry in this run."""
        with self._database.reading() as connection:
            found = connection.execute("SELECT DISTINCT topic, partition FROM entries WHERE run = ?", (run,))
            return sorted(TopicPartition(topic, partition) for topic, partition in found)

    def head(self, run: str, source: TopicPartition) -> Head:
        """The newest entry; without one, the run's start."""
        identity = next((one for one in self.runs() if one.run == run), None)
        start = identity.start_of(source) if identity else None
        with self._database.reading() as connection:
            return head_of(connection, run, source, start or 0)

    def entries(self, run: str, source: TopicPartition, first_seq: int = 0) -> Iterator[Entry]:
        """Entries in order, each checked against the hash of the one before. Raises LedgerDamagedError."""
        place = (run, source.topic, source.partition)
        before: Entry | None = None
        with self._database.reading() as connection:
            found = connection.execute(f"{BODIES} AND seq >= ? ORDER BY seq", (*place, max(0, first_seq - 1)))
            for (text,) in found:
                entry = entry_of(text)
                seq = before.seq + 1 if before else max(0, first_seq - 1)
                previous = before.sha256 if before else FIRST_PREVIOUS if seq == 0 else entry.previous_sha256
                if (entry.seq, entry.previous_sha256) != (seq, previous):
                    raise LedgerDamagedError(f"{source}: entry {seq} of run {run} is missing, or was altered")
                before = entry
                if entry.seq >= first_seq:
                    yield entry

    def inspect(self, file: FileEntry, *, checksum: bool) -> FileFacts | None:
        """What stands under this name now; the size takes a look at every row, as the checksum does."""
        with self._database.reading() as connection:
            size, sha256 = stored.size_and_sha256(stored.read(connection, _topic_of(file), file.final))
        return FileFacts(file.final, True, size, sha256 if checksum else None) if size else None

    def offsets(self, file: FileEntry) -> pa.Int64Array:
        """The offset of each row."""
        return pa.array([row[2] for row in self._rows(file)], pa.int64())

    def rows(self, file: FileEntry) -> int:
        """How many rows there are."""
        return sum(1 for _ in self._rows(file))

    def values(self, file: FileEntry) -> Iterator[bytes]:
        """The payload of each row."""
        for row in self._rows(file):
            assert isinstance(row[7], bytes)
            yield row[7]

    def dead_letters(self, file: FileEntry) -> Iterator[DeadLetter]:
        """The letters in offset order."""
        return map(stored.letter_of, self._rows(file))

    def visible(self, topic: str) -> Iterator[str]:
        """Every name that any row of this topic has, whoever inserted it."""
        with self._database.reading() as connection:
            yield from stored.names(connection, topic)

    def _rows(self, file: FileEntry) -> Iterator[stored.Row]:
        found = False
        with self._database.reading() as connection:
            for row in stored.read(connection, _topic_of(file), file.final):
                found = True
                yield row
        if not found:
            raise FileDamagedError(f"{self._database.path}: no row of {file.final} is left")


def head_of(connection: sqlite3.Connection, run: str, source: TopicPartition, start: int) -> Head:
    """How far a partition is, within the caller's transaction."""
    last = last_of(connection, run, source)
    if last is None:
        return Head(seq=-1, next=start, leader_epoch=None, topic_id=None, claims=0)
    place = (run, source.topic, source.partition)
    others = (
        "SELECT coalesce(max(seq), -1) FROM entries WHERE run = ? AND topic = ? AND partition = ? AND kind <> 'claim'"
    )
    (other,) = connection.execute(others, place).fetchone()
    return Head(last.seq, last.next, last.leader_epoch, last.topic_id, last.seq - other, last)


def last_of(connection: sqlite3.Connection, run: str, source: TopicPartition) -> Entry | None:
    """The newest entry."""
    place = (run, source.topic, source.partition)
    found = connection.execute(f"{BODIES} ORDER BY seq DESC LIMIT 1", place).fetchone()
    return entry_of(found[0]) if found else None


def unfinished_of(connection: sqlite3.Connection, run: str, source: TopicPartition) -> Entry | None:
    """The last data entry, unless a `close` follows: its letters may not have been sent."""
    place = (run, source.topic, source.partition)
    newest = f"{BODIES} AND kind IN ('data', 'close') ORDER BY seq DESC LIMIT 1"
    found = connection.execute(newest, place).fetchone()
    entry = entry_of(found[0]) if found else None
    return entry if entry is not None and entry.kind == "data" else None


def _topic_of(file: FileEntry) -> str:
    return topic_of(file.final.split("/")[1])
