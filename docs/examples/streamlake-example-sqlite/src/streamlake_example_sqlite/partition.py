"""A writer's end of one partition: rows, dead letters and ledger entry in one transaction of SQLite's."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Self
from uuid import uuid4

from streamlake.engine.accounting import Account, Hand, entry_after, given_up, nothing_at
from streamlake.engine.contracts import PartitionJob
from streamlake.engine.entries import CommitRecord, Entry, EntryKind, FileEntry, FileKind, Head, Recovered
from streamlake.engine.errors import FencedError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.names import final_path
from streamlake.engine.records import Batch, DeadLetter, OffsetRange, Verdict
from streamlake_example_sqlite import stored
from streamlake_example_sqlite.database import Database
from streamlake_example_sqlite.ledger import head_of, last_of, unfinished_of
from streamlake_example_sqlite.texts import VERSION, digest, entry_text


class SqlitePartition:
    """`streamlake.engine.contracts.PartitionSink` by a transaction of the storage's own.

    - A batch is staged in memory; the storage hears of it with the commit.
    - The commit is one transaction: rows, letters and entry stand together or not at all. So nothing has to be
      published, rolled forward or collected, and the offset can't be anything but what the rows are.
    - Fencing: inside that transaction our own last entry must still be the newest. Whoever claims appends an entry,
      so an older writer finds another one there, and commits nothing.
    """

    def __init__(self, database: Database, job: PartitionJob) -> None:
        self._database = database
        self._job = job
        self._hand = Hand(VERSION, str(uuid4()), format="sqlite", columns="envelope")
        self._held: Entry | None = None  # what we appended last
        self._staged: dict[str, Sequence[stored.Row]] = {}  # sealed and not committed, by the name in the entry

    def head(self) -> Head:
        """How far this partition is."""
        with self._database.reading() as connection:
            return head_of(connection, self._job.run, self._job.source, self._job.start)

    def claim(self, head: Head) -> Recovered:
        """Append a claim behind whatever is the newest entry by now, and hand back letters that may be unsent."""
        job = self._job
        with self._database.writing() as connection:
            head = head_of(connection, job.run, job.source, job.start)
            epoch = head.last.epoch + 1 if head.last else 1
            unfinished = unfinished_of(connection, job.run, job.source)
            files = unfinished.files if unfinished else ()
            letters = [
                stored.letter_of(row)
                for file in files
                if file.kind == "dead"
                for row in stored.read(connection, job.source.topic, file.final)
            ]
            nothing = nothing_at(job.source, head.next, head.leader_epoch)
            self._held = self._put(connection, head.last, "claim", nothing, epoch)
            failpoint("before_entry_link")
        failpoint("after_entry_link")
        return Recovered(head.next, head.leader_epoch, letters)

    def skip_to(self, next_offset: int, reason: str) -> None:
        """Append a `gap` entry."""
        lost = OffsetRange(self._holding().next, next_offset)
        assert lost, "a gap over no offsets is not written"
        self._append("gap", given_up(self._job.source, lost), reason)

    def stage(self) -> "SqliteBatch":
        """Begin a batch, in memory."""
        self._holding()
        return SqliteBatch(self._job, self._staged)

    def commit(self, record: CommitRecord) -> Entry:
        """Insert rows, letters and entry in one transaction. Raises FencedError, StorageError."""
        return self._append("data", record)

    def publish(self, record: CommitRecord) -> None:
        """Whatever is committed is seen."""

    def close(self) -> None:
        """Append a `close` entry."""
        held = self._holding()
        if held.kind != "close":
            self._append("close", nothing_at(self._job.source, held.next, held.leader_epoch))

    def _append(self, kind: EntryKind, record: CommitRecord, reason: str = "") -> Entry:
        """One transaction, in which our last entry is still the newest. An error ends this writer."""
        held, self._held = self._holding(), None
        assert held.kind != "close", "nothing but another claim follows a close"
        assert record.range.first == held.next, f"{record.range} does not begin at the ledger's {held.next}"
        with self._database.writing() as connection:
            newest = last_of(connection, self._job.run, self._job.source)
            if newest is None or newest.sha256 != held.sha256:
                raise FencedError(
                    f"{self._job.source}: another writer has taken the partition after entry {held.seq} of run "
                    f"{self._job.run}; nothing of this one's {kind} was committed"
                )
            for file in record.files:
                stored.put(connection, file.kind, file.final, self._staged.pop(file.final))
            entry = self._put(connection, held, kind, record, held.epoch, reason)
            failpoint("before_entry_link")
        failpoint("after_entry_link")
        self._held = entry
        return entry

    def _put(
        self,
        connection: sqlite3.Connection,
        before: Entry | None,
        kind: EntryKind,
        record: CommitRecord,
        epoch: int,
        reason: str = "",
    ) -> Entry:
        entry = entry_after(
            before,
            kind,
            record,
            epoch=epoch,
            job=self._job,
            hand=self._hand,
            committed_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            reason=reason,
        )
        text = entry_text(entry)
        place = (entry.run, entry.topic, entry.partition, entry.seq)
        connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", (*place, kind, text))
        return replace(entry, sha256=digest(text))

    def _holding(self) -> Entry:
        assert self._held is not None, "claim first; a writer whose append failed is at its end"
        return self._held


class SqliteBatch:
    """`streamlake.engine.contracts.BatchStage` in memory: the limits of the YAML's `batch:` bound it."""

    def __init__(self, job: PartitionJob, staged: dict[str, Sequence[stored.Row]]) -> None:
        self._job = job
        self._staged = staged
        self._account = Account()
        self._rows: list[stored.Row] = []
        self._letters: list[stored.Row] = []

    def fits(self, part: Batch) -> int:
        """All: an entry has one set of rows, however many they are."""
        return len(part)

    def add(self, part: Batch, verdict: Verdict, dead: Sequence[DeadLetter]) -> None:
        """Keep the accepted and the refused of a slice."""
        self._rows += stored.rows_of(part, verdict)
        self._letters += stored.rows_of_letters(dead)
        self._account.add(part, verdict)

    def seal(self) -> CommitRecord:
        """Hand over to the commit, which makes it durable."""
        pairs: tuple[tuple[FileKind, list[stored.Row]], ...] = (("raw", self._rows), ("dead", self._letters))
        return self._account.record([self._sealed(kind, some) for kind, some in pairs if some])

    def _sealed(self, kind: FileKind, some: list[stored.Row]) -> FileEntry:
        job = self._job
        name = final_path(kind, job.run, job.source, self._account.range, "", ".sqlite")
        self._staged[name] = some
        size, sha256 = stored.size_and_sha256(some)
        least, most = stored.timestamps_of(some)
        payload = job.payload if kind == "raw" else "bytes"
        return FileEntry(kind, name, name, len(some), size, sha256, "", least, most, "envelope", payload)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """What was not sealed goes with this object."""
