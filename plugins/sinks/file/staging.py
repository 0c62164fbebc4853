"""Staged files: each under a name that is used once, measured as it is written, durable and read back when sealed."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Self

import google_crc32c

from streamlake.engine.codes.storage import NOT_AS_WRITTEN
from streamlake.engine.contracts import PartitionJob
from streamlake.engine.entries import FileEntry, FileKind
from streamlake.engine.errors import StorageError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.names import final_path
from streamlake.engine.records import OffsetRange, PayloadKind
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import Backend, Staging, Stored
from streamlake.plugins.sinks.file.formats import arrays
from streamlake.plugins.sinks.file.options import FileSinkOptions


class Stager:
    """Creates the files of one partition, and says what stands in each."""

    def __init__(
        self,
        backend: Backend,
        job: PartitionJob,
        options: FileSinkOptions,
        *,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self.job = job
        self.options = options
        self.now = now
        self.format = options.make_format()
        self._backend = backend
        self._new_id = new_id

    def create(self, epoch: int) -> "StagedFile":
        """A new file of this epoch; nobody looks at it before an entry names it."""
        job = self.job
        staged = f"{layout.epoch_folder(job.run, job.source, epoch)}/{self._new_id()}{self.format.suffix}"
        job.beat()
        return StagedFile(self._backend, staged)

    def entry(
        self,
        file: "StagedFile",
        kind: FileKind,
        folder: str,
        offsets: OffsetRange,
        rows: int,
        timestamps_ms: "Span",
        payload: PayloadKind,
    ) -> FileEntry:
        """What the ledger will say of a sealed file whose rows lie in `folder` and within `offsets`."""
        job = self.job
        return FileEntry(
            kind=kind,
            staged=file.path,
            final=final_path(kind, job.run, job.source, offsets, folder, self.format.suffix, job.output),
            rows=rows,
            bytes=file.out.bytes,
            sha256=file.out.sha256,
            crc32c=file.out.crc32c,
            timestamp_ms_min=timestamps_ms.least,
            timestamp_ms_max=timestamps_ms.most,
            columns=self.options.columns if kind == "raw" else "envelope",
            payload=payload,
        )

    def about(self, offsets: OffsetRange) -> dict[str, str]:
        """What a file says of itself, where its format has a place for it."""
        job = self.job
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


class StagedFile:
    """One file being written; leaving the `with` without `seal` drops it."""

    def __init__(self, backend: Backend, path: str) -> None:
        self.path = path
        self._staging = backend.create(path)
        self.out = Measured(self._staging)

    def finish(self) -> None:
        """No more comes: begin to make it durable."""
        self._staging.finish()

    def seal(self) -> None:
        """Make the file durable, and compare it with what the storage then says it has."""
        self._staging.seal()
        failpoint("after_stage_write")
        stored = self._staging.stored()
        if stored != Stored(self.out.bytes, self.out.crc32c):
            raise StorageError(
                f"{self.path} was written with {self.out.bytes} bytes, crc32c {self.out.crc32c}; the storage has "
                f"{stored}: nothing was committed, the batch will be read again",
                code=NOT_AS_WRITTEN,
            )

    def __enter__(self) -> Self:
        self._staging.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.out.drop()
        self._staging.__exit__(*exc)


class Span:
    """The least and the most of some numbers; None of none."""

    least: int | None = None
    most: int | None = None

    def add(self, numbers: Sequence[int]) -> None:
        """Take some more into account."""
        if numbers:
            least, most = arrays.least_and_most(numbers)
            self.least = least if self.least is None else min(least, self.least)
            self.most = most if self.most is None else max(most, self.most)


class Measured:
    """Counts and hashes what goes through it into a staged file; enough of a file for pyarrow to write to."""

    closed = False

    def __init__(self, staging: Staging) -> None:
        self._staging: Staging | None = staging
        self._sha256 = hashlib.sha256()
        self._crc32c = 0
        self.bytes = 0

    def write(self, data: bytes | memoryview, /) -> int:
        """Pass on all of `data`."""
        if self._staging is None:
            return len(data)
        self._sha256.update(data)
        self._crc32c = google_crc32c.extend(self._crc32c, bytes(data) if isinstance(data, memoryview) else data)
        self.bytes += len(data)
        return self._staging.write(data)

    def drop(self) -> None:
        """Let nothing more through: a ParquetWriter that is let go writes its footer still."""
        self._staging = None

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
