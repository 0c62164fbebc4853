"""Sinks that break the contract, each in one way: the file sink with one of its answers or deeds changed."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self
from uuid import uuid4

import pyarrow as pa

from streamlake.engine.contracts import PartitionJob
from streamlake.engine.entries import CommitRecord, Entry, FileEntry, FileFacts, Head, Recovered, RunIdentity
from streamlake.engine.errors import FencedError, ForeignRootError, StorageError
from streamlake.engine.records import Batch, DeadLetter, TopicPartition, Verdict
from streamlake.plugins.sinks.file.backends.local import LocalBackend
from streamlake.plugins.sinks.file.backends.memory import MemoryBackend
from streamlake.plugins.sinks.file.batch import StagedBatch
from streamlake.plugins.sinks.file.partition import FilePartitionSink
from streamlake.plugins.sinks.file.reader import FileLedger
from streamlake.plugins.sinks.file.sink import FileSink

_NEVER = threading.Event()
A_MOMENT = 0.05  # seconds that a mutant leaves others to come between


class End(FilePartitionSink):
    """A partition's end that a mutant changes."""


class Stage(StagedBatch):
    """A batch's stage that a mutant changes."""


class BrokenSink(FileSink):
    """The file sink with other parts."""

    end: ClassVar[type[FilePartitionSink]] = FilePartitionSink
    staging: ClassVar[type[StagedBatch]] = StagedBatch
    reading: ClassVar[type[FileLedger]] = FileLedger

    def partition(self, job: PartitionJob) -> FilePartitionSink:
        """With the mutant's end, and its stage."""
        self._backend.check()
        made, staging = self.end(self._backend, job, self._options), self.staging

        def stage() -> StagedBatch:
            batch = staging(made._stager, made._holding().epoch, made._refuse_if_fenced)
            batch.__dict__["end"] = made
            return batch

        made.__dict__["stage"] = stage
        return made

    def ledger(self) -> FileLedger:
        """With the mutant's ledger."""
        return self.reading(self._backend)


# Runs and options -----------------------------------------------------------------------------------------------------


class TakesAnyOption(BrokenSink):
    @classmethod
    def from_options(cls, options: Mapping[str, object], *, base_dir: Path) -> Self:
        return super().from_options({k: v for k, v in options.items() if k != "no_such_option"}, base_dir=base_dir)


class LetsAnybodyIn(BrokenSink):
    def register_run(self, identity: RunIdentity) -> RunIdentity:
        try:
            return super().register_run(identity)
        except ForeignRootError:
            return identity


class BelievesWhoComesLast(BrokenSink):
    def register_run(self, identity: RunIdentity) -> RunIdentity:
        super().register_run(identity)
        return identity


class ForgetsWhereARunEnds(BrokenSink):
    def find_run(self, run: str) -> RunIdentity | None:
        found = super().find_run(run)
        return found and replace(found, ends={})


class FindsNoRun(BrokenSink):
    def find_run(self, run: str) -> RunIdentity | None:
        del run
        return None


class MixesPartitions(BrokenSink):
    def partition(self, job: PartitionJob) -> FilePartitionSink:
        return super().partition(replace(job, source=TopicPartition(job.source.topic, 3)))


class KeepsItToItself(BrokenSink):
    def partition(self, job: PartitionJob) -> FilePartitionSink:
        return super().partition(replace(job, run=f"own-{uuid4().hex[:8]}"))


# A partition's end ----------------------------------------------------------------------------------------------------


class BeginsAtZero(BrokenSink):
    class end(End):  # noqa: N801
        def head(self) -> Head:
            head = super().head()
            return replace(head, next=0) if head.seq < 0 else head


class LooksAndWrites(BrokenSink):
    class end(End):  # noqa: N801
        def head(self) -> Head:
            head = super().head()
            if self._held is None and head.seq < 0:
                self._take(head)
            return head


class CountsNoClaims(BrokenSink):
    class end(End):  # noqa: N801
        def head(self) -> Head:
            return replace(super().head(), claims=0)


class NeverCloses(BrokenSink):
    class end(End):  # noqa: N801
        def close(self, *, final: bool = False) -> None:
            pass


class ClaimsAgainWhenFenced(BrokenSink):
    class end(End):  # noqa: N801
        def commit(self, record: CommitRecord) -> Entry:
            try:
                return super().commit(record)
            except FencedError:
                self._take(self.head())
                return super().commit(record)


class TakesAStaleHeadForLost(BrokenSink):
    class end(End):  # noqa: N801
        def claim(self, head: Head) -> Recovered:
            if head.seq != self.head().seq:
                raise FencedError("somebody was here")
            return super().claim(head)


class PublishesOnce(BrokenSink):
    class end(End):  # noqa: N801
        def publish(self, record: CommitRecord) -> None:
            if not self._unpublished:
                raise StorageError("it is published already")
            super().publish(record)


class CommitsAnywhere(BrokenSink):
    class end(End):  # noqa: N801
        def commit(self, record: CommitRecord) -> Entry:
            self._held = replace(self._holding(), next=record.range.first)
            return super().commit(record)


class FinishesNothing(BrokenSink):
    class end(End):  # noqa: N801
        def claim(self, head: Head) -> Recovered:
            found, _ = self._take(head)
            letters = [one for file in self._last_files(head) if file.kind == "dead" for one in self._staged(file)]
            return Recovered(found.next, found.leader_epoch, letters)

        def _last_files(self, head: Head) -> Sequence[FileEntry]:
            last = self._ledger.unfinished(head)
            return last.files if last else ()

        def _staged(self, file: FileEntry) -> Iterator[DeadLetter]:
            return FileLedger(self._backend).dead_letters(file)


class WaitsForWhoStages(BrokenSink):
    open_stages: ClassVar[set[TopicPartition]] = set()

    class end(End):  # noqa: N801
        def claim(self, head: Head) -> Recovered:
            if self._job.source in WaitsForWhoStages.open_stages:
                raise StorageError("the database is locked")
            return super().claim(head)

    class staging(Stage):  # noqa: N801
        def __enter__(self) -> Self:
            WaitsForWhoStages.open_stages.add(self._stager.job.source)
            return super().__enter__()

        def __exit__(self, *exc: object) -> None:
            WaitsForWhoStages.open_stages.discard(self._stager.job.source)
            super().__exit__(*exc)


class ForgetsLetters(BrokenSink):
    class end(End):  # noqa: N801
        def claim(self, head: Head) -> Recovered:
            return replace(super().claim(head), unsent=())


class ForgetsLettersAtAGap(BrokenSink):
    class end(End):  # noqa: N801
        def claim(self, head: Head) -> Recovered:
            found = super().claim(head)
            return replace(found, unsent=()) if head.last and head.last.kind == "gap" else found


class WritesDownNoHoles(BrokenSink):
    class end(End):  # noqa: N801
        def commit(self, record: CommitRecord) -> Entry:
            entry = super().commit(record)
            return replace(entry, holes=())


class GivesUpWithoutAReason(BrokenSink):
    class end(End):  # noqa: N801
        def skip_to(self, next_offset: int, reason: str) -> None:
            super().skip_to(next_offset, reason and "")


class ForgetsTheEpoch(BrokenSink):
    class end(End):  # noqa: N801
        def claim(self, head: Head) -> Recovered:
            return super().claim(replace(head, leader_epoch=None))


class ShowsBeforeItCommits(BrokenSink):
    class end(End):  # noqa: N801
        def commit(self, record: CommitRecord) -> Entry:
            for file in record.files:
                self._backend.publish(file)
            _NEVER.wait(A_MOMENT)
            return super().commit(record)


# A stage --------------------------------------------------------------------------------------------------------------


class LandsWhatWasGivenUp(BrokenSink):
    class staging(Stage):  # noqa: N801
        sealed = False

        def seal(self) -> CommitRecord:
            self.sealed = True
            return super().seal()

        def __exit__(self, *exc: object) -> None:
            if not self.sealed:
                end: FilePartitionSink = self.__dict__["end"]
                record = self.seal()
                end.commit(record)
                end.publish(record)
            super().__exit__(*exc)


class ShowsWhatIsSealed(BrokenSink):
    class staging(Stage):  # noqa: N801
        def seal(self) -> CommitRecord:
            record = super().seal()
            for file in record.files:
                self._stager._backend.publish(file)
            return record


class Changing(Stage):
    """Changes what is added."""

    def changed(self, value: bytes) -> bytes:
        """What stands for a payload."""
        return value

    def add(self, part: Batch, verdict: Verdict, dead: Sequence[DeadLetter]) -> None:
        values = [None if value is None else self.changed(value) for value in part.values]
        super().add(replace(part, values=values), verdict, dead)


class NormalisesPayloads(BrokenSink):
    class staging(Changing):  # noqa: N801
        def changed(self, value: bytes) -> bytes:
            return json.dumps(json.loads(value), ensure_ascii=False).encode()


class TrimsPayloads(BrokenSink):
    class staging(Changing):  # noqa: N801
        def changed(self, value: bytes) -> bytes:
            return value.strip()


class TakesPayloadsForText(BrokenSink):
    class staging(Changing):  # noqa: N801
        def changed(self, value: bytes) -> bytes:
            return value.decode("utf-8", "replace").encode()


class LosesARow(BrokenSink):
    class staging(Stage):  # noqa: N801
        def add(self, part: Batch, verdict: Verdict, dead: Sequence[DeadLetter]) -> None:
            super().add(part, replace(verdict, skipped=verdict.accepted(len(part))[-1:]), dead)


class TakesATombstoneForEmpty(BrokenSink):
    class staging(Stage):  # noqa: N801
        def add(self, part: Batch, verdict: Verdict, dead: Sequence[DeadLetter]) -> None:
            super().add(part, verdict, [replace(letter, value=letter.value or b"") for letter in dead])


# A ledger -------------------------------------------------------------------------------------------------------------


class ReadsNoChain(BrokenSink):
    class reading(FileLedger):  # noqa: N801
        def entries(self, run: str, source: TopicPartition, first_seq: int = 0) -> Iterator[Entry]:
            return (replace(entry, previous_sha256="") for entry in super().entries(run, source, first_seq))


class ReadsFromTheBeginning(BrokenSink):
    class reading(FileLedger):  # noqa: N801
        def entries(self, run: str, source: TopicPartition, first_seq: int = 0) -> Iterator[Entry]:
            return super().entries(run, source, first_seq * 0)


class TellsTheEntryAgain(BrokenSink):
    class reading(FileLedger):  # noqa: N801
        def inspect(self, file: FileEntry, *, checksum: bool) -> FileFacts | None:
            return FileFacts(file.final, True, file.bytes, file.sha256 if checksum else None)


class SeesWhatIsNotThere(BrokenSink):
    class reading(FileLedger):  # noqa: N801
        def visible(self, topic: str, output: str = "") -> Iterator[str]:
            yield from super().visible(topic, output)
            yield f"raw/{topic}/else"


class CountsItsRowsWrong(BrokenSink):
    class reading(FileLedger):  # noqa: N801
        def rows(self, file: FileEntry) -> int:
            return super().rows(file) + 1


class ReadsOffsetsWrong(BrokenSink):
    class reading(FileLedger):  # noqa: N801
        def offsets(self, file: FileEntry) -> Any:
            found = super().offsets(file)
            return None if found is None else found.take(list(range(len(found)))[::-1])


class GivesAnEmptyKeyForNone(BrokenSink):
    class reading(FileLedger):  # noqa: N801
        def records(self, file: FileEntry) -> Iterator[pa.RecordBatch]:
            for part in super().records(file):
                yield part.set_column(part.schema.names.index("_key"), "_key", part.column("_key").fill_null(b""))


class ForgetsWhy(BrokenSink):
    class reading(FileLedger):  # noqa: N801
        def contents(self, file: FileEntry) -> Iterator[pa.RecordBatch]:
            return (part.slice(0, 0) if file.kind == "dead" else part for part in super().contents(file))


# A storage ------------------------------------------------------------------------------------------------------------


def _looks_and_then_writes(backend: Any, put_if_absent: Any, path: str, data: bytes, stage: str) -> bool:
    free = backend.read(path) is None
    _NEVER.wait(A_MOMENT)
    if free:
        backend.delete(path)
        put_if_absent(path, data, stage=stage)
    return free


class RacyMemory(MemoryBackend):
    def put_if_absent(self, path: str, data: bytes, *, stage: str) -> bool:
        return _looks_and_then_writes(self, super().put_if_absent, path, data, stage)


class RacyDisk(LocalBackend):
    def put_if_absent(self, path: str, data: bytes, *, stage: str) -> bool:
        return _looks_and_then_writes(self, super().put_if_absent, path, data, stage)


class RacesInMemory(BrokenSink):
    def __init__(self, options: Any, backend: Any) -> None:
        super().__init__(options, RacyMemory(backend._root))


class RacesOnDisk(BrokenSink):
    def __init__(self, options: Any, backend: Any) -> None:
        del backend
        super().__init__(options, RacyDisk(Path(options.root)))
