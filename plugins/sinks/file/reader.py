"""The reading side of a root: what `prove`, `dead`, `status` and `gc` know of runs, ledgers and files."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa

from streamlake.engine.codes.ledger import FILE_GONE
from streamlake.engine.entries import Entry, FileEntry, FileFacts, Head, RunIdentity
from streamlake.engine.errors import FileDamagedError
from streamlake.engine.names import place_of, topic_folder, topic_of
from streamlake.engine.records import DeadLetter, TopicPartition
from streamlake.plugins.sinks.file import layout, runs
from streamlake.plugins.sinks.file.backends.base import Backend
from streamlake.plugins.sinks.file.formats.base import ColumnsOf
from streamlake.plugins.sinks.file.formats.registry import reading_of
from streamlake.plugins.sinks.file.ledger import PartitionLedger

READ_BYTES = 2**20


class FileLedger:
    """All that was committed under one root (`engine.contracts.Ledger`, and each of `abilities.py`). Writes nothing."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def runs(self) -> Sequence[RunIdentity]:
        """Every run of this root, oldest first. Raises LedgerDamagedError."""
        return runs.all_of(self._backend)

    def partitions(self, run: str) -> Sequence[TopicPartition]:
        """The partitions that have a ledger in this run, ascending; whoever made its folders may have died then."""
        folder = layout.ledgers_folder(run)
        return sorted(
            TopicPartition(topic_of(topic), int(partition))
            for topic in self._backend.list(folder)
            for partition in self._backend.list(f"{folder}/{topic}")
            if partition.isdigit() and self._backend.has_files(f"{folder}/{topic}/{partition}")
        )

    def head(self, run: str, source: TopicPartition) -> Head:
        """The newest entry; for a ledger without any, the run's start (0 where it has none)."""
        identity = runs.find(self._backend, run)
        start = identity.start_of(source) if identity else None
        return self._ledger(run, source).head(start or 0)

    def entries(self, run: str, source: TopicPartition, first_seq: int = 0) -> Iterator[Entry]:
        """Entries in order, each checked against the hash of the one before. Raises LedgerDamagedError."""
        return self._ledger(run, source).entries(first_seq)

    def inspect(self, file: FileEntry, *, checksum: bool) -> FileFacts | None:
        """The file under its final name, else its staged one, else its final one again; None when it is gone.

        Looked at three times, for an engine may be publishing it just now.
        """
        for path in (file.final, file.staged, file.final):
            stored = self._backend.open(path)
            if stored is not None:
                with stored:
                    sha256 = _sha256(stored) if checksum else None
                    return FileFacts(path, path == file.final, stored.seek(0, 2), sha256)
        return None

    def offsets(self, file: FileEntry) -> pa.Int64Array | None:
        """The `_offset` of each row in file order; None where rows carry none. Raises FileDamagedError."""
        with self._open(file) as stored:
            return reading_of(file.final).offsets(stored, file)

    def timestamps(self, file: FileEntry) -> pa.Int64Array | None:
        """The `_timestamp` of each row in file order, in milliseconds; None where rows carry none."""
        with self._open(file) as stored:
            return reading_of(file.final).timestamps(stored, file)

    def rows(self, file: FileEntry) -> int:
        """How many rows the file really has. Raises FileDamagedError."""
        with self._open(file) as stored:
            return reading_of(file.final).rows(stored, file)

    def values(self, file: FileEntry) -> Iterator[bytes] | None:
        """The payload of each row of a raw file in order; None where columns are typed. Raises FileDamagedError."""
        return None if file.columns == "typed" else self._values(file)

    def batches(self, file: FileEntry, columns: ColumnsOf) -> Iterator[pa.RecordBatch]:
        """The rows of a raw file with the columns that are wanted, JSON lines as `_line`. Raises FileDamagedError."""
        with self._open(file) as stored:
            yield from reading_of(file.final).batches(stored, file, columns)

    def dead_letters(self, file: FileEntry) -> Iterator[DeadLetter]:
        """The letters of a `dead` file in offset order. Raises FileDamagedError."""
        topic = place_of(file.final).topic
        with self._open(file) as stored:
            yield from reading_of(file.final).dead_letters(stored, file, topic)

    def records(self, file: FileEntry) -> Iterator[pa.RecordBatch]:
        """The rows of a dead file or of a raw one's envelope, as they were delivered. Raises FileDamagedError."""
        with self._open(file) as stored:
            yield from reading_of(file.final).records(stored, file)

    def contents(self, file: FileEntry) -> Iterator[pa.RecordBatch]:
        """What rows say: payloads or typed columns, of dead ones the reasons. Raises FileDamagedError."""
        with self._open(file) as stored:
            yield from reading_of(file.final).contents(stored, file)

    def visible(self, topic: str, output: str = "") -> Iterator[str]:
        """Every name that lies under `raw/<topic>` and `dead/<topic>` of an output, whoever put it there."""
        for kind in ("raw", "dead"):
            yield from self._backend.walk("/".join(filter(None, (output, kind, topic_folder(topic)))))

    def _ledger(self, run: str, source: TopicPartition) -> PartitionLedger:
        return PartitionLedger(self._backend, run, source)

    def _values(self, file: FileEntry) -> Iterator[bytes]:
        with self._open(file) as stored:
            yield from reading_of(file.final).values(stored, file)

    @contextmanager
    def _open(self, file: FileEntry) -> Iterator[BinaryIO]:
        """The file under whichever name it has. Raises FileDamagedError when it is gone."""
        for path in (file.final, file.staged, file.final):
            stored = self._backend.open(path)
            if stored is not None:
                with stored:
                    yield stored
                return
        raise FileDamagedError(f"{file.final} is gone, and so is its staged {file.staged}", code=FILE_GONE)


def _sha256(stored: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stored.read(READ_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
