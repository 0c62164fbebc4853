"""From a batch and its verdict to staged files: encoded, durable, read back, and not yet visible to anybody."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import google_crc32c
import pyarrow as pa

from streamlake.engine.contracts import PartitionJob
from streamlake.engine.entries import FileEntry, FileKind
from streamlake.engine.errors import StorageError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.records import Batch, DeadLetter, OffsetRange, PayloadKind, Verdict
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import Backend, Staging, Stored
from streamlake.plugins.sinks.file.formats.base import Out, Rows
from streamlake.plugins.sinks.file.options import FileSinkOptions
from streamlake.plugins.sinks.file.partitioning import groups_of, ingestion_folder


@dataclass(frozen=True, slots=True)
class Content:
    """What one file will hold."""

    kind: FileKind
    rows: int
    timestamps_ms: Sequence[int]  # of the records that have one
    columns: str
    payload: PayloadKind
    encode: Callable[[Out], None]


class Stager:
    """Writes the files of one partition, each under a staged name that is used once."""

    def __init__(
        self,
        backend: Backend,
        job: PartitionJob,
        options: FileSinkOptions,
        *,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self.options = options
        self._backend = backend
        self._job = job
        self._format = options.make_format()
        self._now = now
        self._new_id = new_id

    def stage(self, batch: Batch, verdict: Verdict, dead: Sequence[DeadLetter], epoch: int) -> list[FileEntry]:
        """The files of a batch: one for each partition value of its accepted rows, one for all dead letters."""
        by, now, files = self.options.partition_by, self._now(), []
        rows = accepted_rows(batch, verdict, self._job.payload)
        for folder, indices in groups_of(rows.batch, by, now):
            part = rows if indices is None else rows.take(indices)
            files.append(self._write(self._raw(part), batch.range, folder, epoch))
        if dead:
            files.append(self._write(self._dead(dead, batch.range), batch.range, ingestion_folder(by, now), epoch))
        return files

    def _raw(self, rows: Rows) -> Content:
        batch, about = rows.batch, self._about(rows.batch.range)
        stamped = batch.timestamps_ms
        if 0 in batch.timestamp_types:
            stamped = [ms for ms, kind in zip(stamped, batch.timestamp_types, strict=True) if kind]

        def encode(out: Out) -> None:
            self._format.write(out, rows, about)

        return Content("raw", len(batch), stamped, self.options.columns, rows.payload, encode)

    def _dead(self, letters: Sequence[DeadLetter], offsets: OffsetRange) -> Content:
        about = self._about(offsets)
        stamped = [letter.timestamp_ms for letter in letters if letter.timestamp_type]

        def encode(out: Out) -> None:
            self._format.write_dead(out, letters, about)

        return Content("dead", len(letters), stamped, "envelope", "bytes", encode)

    def _write(self, content: Content, offsets: OffsetRange, folder: str, epoch: int) -> FileEntry:
        """Encode into a staged file, make it durable, and compare with what the storage then says it has."""
        job, suffix = self._job, self._format.suffix
        staged = f"{layout.epoch_folder(job.run, job.source, epoch)}/{self._new_id()}{suffix}"
        job.beat()
        with self._backend.create(staged) as staging:
            out = Measured(staging)
            content.encode(out)
            staging.seal()
        failpoint("after_stage_write")
        stored = self._backend.stored(staged)
        if stored != Stored(out.bytes, out.crc32c):
            raise StorageError(
                f"{staged} was written with {out.bytes} bytes, crc32c {out.crc32c}; the storage has {stored}: "
                "nothing was committed, the batch will be read again"
            )
        job.beat()
        return FileEntry(
            kind=content.kind,
            staged=staged,
            final=layout.final_path(content.kind, job.run, job.source, offsets, folder, suffix),
            rows=content.rows,
            bytes=out.bytes,
            sha256=out.sha256,
            crc32c=out.crc32c,
            timestamp_ms_min=min(content.timestamps_ms, default=None),
            timestamp_ms_max=max(content.timestamps_ms, default=None),
            columns=content.columns,
            payload=content.payload,
        )

    def _about(self, offsets: OffsetRange) -> dict[str, str]:
        job = self._job
        return {
            "run": job.run,
            "topic": job.source.topic,
            "topic_id": job.topic_id,
            "partition": str(job.source.partition),
            "first": str(offsets.first),
            "next": str(offsets.next),
            "validator": job.validator,
            "fingerprint": job.fingerprint,
        }


class Measured:
    """Counts and hashes what goes through it into a staged file; enough of a file for pyarrow to write to."""

    closed = False

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._sha256 = hashlib.sha256()
        self._crc32c = 0
        self.bytes = 0

    def write(self, data: bytes | memoryview, /) -> int:
        """Pass on all of `data`."""
        self._sha256.update(data)
        self._crc32c = google_crc32c.extend(self._crc32c, bytes(data) if isinstance(data, memoryview) else data)
        self.bytes += len(data)
        return self._staging.write(data)

    def tell(self) -> int:
        """How many bytes went through."""
        return self.bytes

    def writable(self) -> bool:
        """Yes."""
        return True

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The staged file is sealed by its owner, not by an encoder."""

    @property
    def sha256(self) -> str:
        """Of all that was written, in hexadecimal."""
        return self._sha256.hexdigest()

    @property
    def crc32c(self) -> str:
        """Of all that was written, as 8 hexadecimal digits."""
        return f"{self._crc32c:08x}"


def accepted_rows(batch: Batch, verdict: Verdict, payload: PayloadKind) -> Rows:
    """The accepted messages of `batch`, with the validator's columns where there are some."""
    columns = None if verdict.columns is None else pa.table(verdict.columns)
    if not verdict.refused and not verdict.skipped:
        return Rows(batch, payload, columns)
    out = [*(refusal.index for refusal in verdict.refused), *verdict.skipped]
    return Rows(batch.without(out), payload, columns)
