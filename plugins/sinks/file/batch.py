"""One batch on its way into staged files: accepted rows slice by slice, dead letters with the batch's end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Self

import pyarrow as pa

from streamlake.engine.accounting import Account
from streamlake.engine.entries import CommitRecord, FileEntry
from streamlake.engine.errors import StorageError, ValidatorError
from streamlake.engine.records import Batch, DeadLetter, PayloadKind, Verdict
from streamlake.plugins.sinks.file import partitioning
from streamlake.plugins.sinks.file.formats.base import Rows
from streamlake.plugins.sinks.file.staging import Span, StagedFile, Stager

HELD_BYTES_MAX = 64 * 2**20
"""What all raw files of a batch together may hold back in memory: by the records' own time there can be many."""


class StagedBatch:
    """`streamlake.engine.contracts.BatchStage`: a raw file for each partition value, one for all dead letters."""

    def __init__(self, stager: Stager, epoch: int, refuse_if_fenced: Callable[[], None]) -> None:
        self._stager = stager
        self._epoch = epoch
        self._refuse_if_fenced = refuse_if_fenced
        self._begun_at = stager.now()
        self._raw: dict[str, RawFile] = {}  # by folder
        self._letters: list[DeadLetter] = []
        self._account = Account()
        self._open = ExitStack()

    def fits(self, part: Batch) -> int:
        """How many of the first messages of `part` make no more files than an entry may have."""
        return partitioning.fitting(part, self._stager.options.partition_by, self._raw)

    def add(self, part: Batch, verdict: Verdict, dead: Sequence[DeadLetter]) -> None:
        """Encode the accepted ones, and keep the dead letters."""
        assert len(dead) == len(verdict.refused), "one dead letter for each refusal"
        rows = accepted_rows(part, verdict, self._stager.job.payload)
        with self._fenced_or_failed():
            for folder, indices in partitioning.groups_of(
                rows.batch, self._stager.options.partition_by, self._begun_at
            ):
                self._raw_file(folder).add(rows if indices is None else rows.take(indices))
            self._hold_less()
        self._letters += dead
        self._account.add(part, verdict)

    def seal(self) -> CommitRecord:
        """Finish every file; the entry's files are ordered by folder, the dead letters' last."""
        with self._fenced_or_failed():
            # All are finished before one is sealed: where that takes a request, all of them are under way together.
            about = self._stager.about(self._account.range)
            dead = self._written_letters(about) if self._letters else None
            for file in self._raw.values():
                file.writer.finish(about)
                file.staged.finish()
            files = [self._sealed(folder, file) for folder, file in sorted(self._raw.items())]
            if dead is not None:
                files.append(self._sealed_letters(dead))
        return self._account.record(files)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.__exit__(None, None, None)

    @contextmanager
    def _fenced_or_failed(self) -> Iterator[None]:
        """An error of the storage is FencedError where a newer owner collects what we stage, under our hands."""
        try:
            yield
        except StorageError:
            self._refuse_if_fenced()
            raise

    def _create(self) -> StagedFile:
        return self._open.enter_context(self._stager.create(self._epoch))

    def _raw_file(self, folder: str) -> "RawFile":
        if folder not in self._raw:
            self._raw[folder] = RawFile(self._create(), self._stager)
        return self._raw[folder]

    def _hold_less(self) -> None:
        """Let the largest write a row group early while all together hold back too much."""
        while len(self._raw) > 1 and sum(file.writer.held_bytes for file in self._raw.values()) > HELD_BYTES_MAX:
            max(self._raw.values(), key=lambda file: file.writer.held_bytes).writer.flush()

    def _sealed(self, folder: str, file: "RawFile") -> FileEntry:
        file.staged.seal()
        self._stager.job.beat()
        covered = self._account.range
        return self._stager.entry(file.staged, "raw", folder, covered, file.rows, file.timestamps_ms, file.payload)

    def _written_letters(self, about: Mapping[str, str]) -> StagedFile:
        staged = self._create()
        self._stager.format.write_dead(staged.out, self._letters, about)
        staged.finish()
        return staged

    def _sealed_letters(self, staged: StagedFile) -> FileEntry:
        staged.seal()
        stager, letters, covered = self._stager, self._letters, self._account.range
        stamps = Span()
        stamps.add([letter.timestamp_ms for letter in letters if letter.timestamp_type])
        folder = partitioning.ingestion_folder(stager.options.partition_by, self._begun_at)
        return stager.entry(staged, "dead", folder, covered, len(letters), stamps, "bytes")


class RawFile:
    """One file of accepted rows, which come in the order of their offsets."""

    def __init__(self, staged: StagedFile, stager: Stager) -> None:
        self.staged = staged
        self.payload: PayloadKind = stager.job.payload
        self.writer = stager.format.writer(staged.out)
        self.rows = 0
        self._columns: pa.Schema | None = None  # of the validator's columns, where rows are typed
        self.timestamps_ms = Span()  # of the records that have one

    def add(self, rows: Rows) -> None:
        """Encode some more."""
        self._check_columns(rows)
        batch = rows.batch
        stamps = batch.timestamps_ms
        if 0 in batch.timestamp_types:
            stamps = [ms for ms, kind in zip(stamps, batch.timestamp_types, strict=True) if kind]
        self.writer.add(rows)
        self.timestamps_ms.add(stamps)
        self.rows += len(batch)

    def _check_columns(self, rows: Rows) -> None:
        """Raise ValidatorError where the validator's columns are others than before: a file has one schema."""
        if rows.columns is None:
            return
        before, now = self._columns, rows.columns.schema
        self._columns = now
        if before is not None and before != now:
            differ = [f"{field.name}: {field.type}" for field in now if field not in list(before)] or now.names
            raise ValidatorError(
                f"the validator's columns are not the same for all records: now it has {', '.join(differ)}; before, "
                f"{', '.join(f'{field.name}: {field.type}' for field in before)}. Name each column's type where they "
                "are made; nothing of the batch was landed"
            )


def accepted_rows(batch: Batch, verdict: Verdict, payload: PayloadKind) -> Rows:
    """The accepted messages of `batch`, with the validator's columns where there are some."""
    columns = None if verdict.columns is None else pa.table(verdict.columns)
    if not verdict.refused and not verdict.skipped:
        return Rows(batch, payload, columns)
    out = [*(refusal.index for refusal in verdict.refused), *verdict.skipped]
    return Rows(batch.without(out), payload, columns)
