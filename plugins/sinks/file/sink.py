"""The file sink: a root, its runs, and the ends for its partitions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from streamlake.engine.contracts import CONTRACT_VERSION, PartitionJob, PluginOption
from streamlake.engine.entries import FileEntry, RunIdentity
from streamlake.plugins.sinks.file import layout, runs
from streamlake.plugins.sinks.file.backends.base import Backend
from streamlake.plugins.sinks.file.notes import FileNotes
from streamlake.plugins.sinks.file.options import OPTIONS, FileSinkOptions
from streamlake.plugins.sinks.file.partition import FilePartitionSink
from streamlake.plugins.sinks.file.reader import FileLedger


class FileSink:
    """One root on one backend (`streamlake.engine.contracts.Sink`). Holds no threads, no open files, no cache."""

    contract_version = CONTRACT_VERSION

    def __init__(self, options: FileSinkOptions, backend: Backend) -> None:
        self._options = options
        self._backend = backend
        self.one_process = backend.one_process

    @classmethod
    def options(cls) -> Sequence[PluginOption]:
        """What the section may hold beside `type`."""
        return OPTIONS

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, base_dir: Path) -> Self:
        """Make one from the YAML's `sink:` section. Raises ConfigError; touches no storage."""
        parsed = FileSinkOptions.parse(options)
        return cls(parsed, parsed.make_backend(base_dir))

    def register_run(self, identity: RunIdentity) -> RunIdentity:
        """Write who this run is, once; the identity that stands there. Raises ForeignRootError, ConfigError."""
        self._backend.check()
        return runs.register(self._backend, identity)

    def find_run(self, run: str) -> RunIdentity | None:
        """The identity that stands there, or None. Reads only. Raises ConfigError for a root that can't be one."""
        self._backend.check()
        return runs.find(self._backend, run)

    def probe(self) -> Sequence[str]:
        """Try in the storage what landing needs; a sentence for each thing that does not work."""
        self._backend.check()
        return self._backend.probe()

    def partition(self, job: PartitionJob) -> FilePartitionSink:
        """The end for one partition, with a writer of its own. Raises ConfigError."""
        self._backend.check()
        return FilePartitionSink(self._backend, job, self._options)

    def notes(self) -> FileNotes:
        """Small files beside what landed, each written once."""
        return FileNotes(self._backend)

    def move(self, files: Sequence[FileEntry]) -> Sequence[bool]:
        """Rename committed files from `staged` to `final`; can be repeated. False: under neither name."""
        return self._backend.publish_all(files)

    def collect(self, run: str) -> int:
        """Free what a run that has ended has staged and does not need; how many bytes that were."""
        return runs.clear(self._backend, layout.staging_folder(run))

    def settle(self, run: str, fate: str) -> str:
        """Decide once what becomes of a run: the fate that stands."""
        return runs.settle(self._backend, run, fate)

    def forget(self, run: str) -> bool:
        """Delete a run that has a folder of its own, who it was last of all; False where there is none."""
        return runs.forget(self._backend, run)

    def ledger(self) -> FileLedger:
        """The reading side of the whole root."""
        return FileLedger(self._backend)
