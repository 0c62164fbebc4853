"""What a sink and its ledger may be able to do beside what `contracts.py` asks of every one.

A sink without an ability works, and an operation that needs it says what is missing. Standard library only.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from streamlake.engine.contracts import Ledger, Sink
from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import ConfigError
from streamlake.engine.records import ArrowColumns


class Notes(Protocol):
    """Small documents of a root beside what landed, each written once and never changed. Names are paths.

    The first folder of a name is `quality`, or one that begins with `_`, so that engines that read the root leave it
    out, and is not one in which the sink keeps anything of its own; each call raises ConfigError for another name.
    Neither readers nor `Ledger.visible` see notes. Raises StorageError.
    """

    def read(self, name: str) -> bytes | None:
        """What stands under that name; None where nothing does. Sees what any writer has finished before."""

    def read_all(self, names: Sequence[str]) -> Sequence[bytes | None]:
        """`read` of each, in their order."""

    def names(self, folder: str) -> Sequence[str]:
        """What lies directly below a folder, notes and folders, ascending; none where there is no such folder."""

    def write(self, name: str, data: bytes) -> bytes:
        """Write `data` unless something stands there; what stands there now, durable, whole or not at all.

        Of any number of racing writers all get the bytes of one of them.
        """


@runtime_checkable
class NoteKeeper(Protocol):
    """What a sink has, too, that keeps notes: for `complete`, `dead redrive`, and the results of `quality run`."""

    def notes(self) -> Notes:
        """Those of the root; touches no storage."""


def notes_of(sink: object, why: str) -> Notes:
    """The notes of a sink; `why` says what they are needed for. Raises ConfigError where it keeps none."""
    if isinstance(sink, NoteKeeper):
        return sink.notes()
    raise ConfigError(
        f"sink.type: {type(sink).__name__} keeps no notes (it has no `notes`, see `NoteKeeper` in "
        f"streamlake.engine.abilities): {why}"
    )


@runtime_checkable
class ColumnLedger(Protocol):
    """What a `Ledger` has, too, of whose rows some columns can be read: for the checks of rows of `quality run`."""

    def batches(self, file: FileEntry, columns: Callable[[Sequence[str]], Sequence[str]]) -> Iterator[ArrowColumns]:
        """The rows of a raw file in order; of lines of JSON `_line` alone, the text. Raises FileDamagedError.

        `columns` is handed what the file has, and answers with what is wanted: no more is read than that needs.
        """


@runtime_checkable
class RecordLedger(Protocol):
    """What a `Ledger` has, too, whose rows can be read again whole: for `replay run --source lake` and `replay diff`.

    A sink may do without; then these two say so. Both answer in parts of some thousand rows, in file order, and hold
    no more than a part (of Parquet a row group) in memory. Both raise FileDamagedError.
    """

    def records(self, file: FileEntry) -> Iterator[ArrowColumns]:
        """The rows as they were delivered, byte for byte; of a dead file, or a raw one whose columns are `envelope`.

        Columns: `_offset` int64, `_timestamp` int64 (milliseconds, -1 for none), `_timestamp_type` int8 (librdkafka's
        number), `_key` and `value` binary, `_headers` a list of structs of `name` string and `value` binary, null for
        a record without any.
        """

    def contents(self, file: FileEntry) -> Iterator[ArrowColumns]:
        """What each row says without the record's own, to be compared with another file's.

        Columns of a raw file: `_offset` int64 where rows carry one; then the payload as `value` binary, or where
        columns are `typed` the validator's own, as the file has them. Of a dead one: `_offset`, `reason` string,
        `field` string or null.
        """


class RunLedger(Ledger, Protocol):
    """The ledger of a `RunKeeper`."""

    def visible(self, topic: str, output: str = "") -> Iterator[str]:
        """What lies below the folder `output`; without one, below the root."""


class RunKeeper(Sink, Protocol):
    """A sink that keeps several runs apart, as replays, backfills and `offsets reset` need it: one that has `move`.

    It honours `PartitionJob.output`, `PartitionSink.close(final=True)` and `Ledger.visible(topic, output)`.
    """

    def move(self, files: Sequence[FileEntry]) -> Sequence[bool]:
        """Give committed rows another name: of each from `staged` to `final`; can be repeated, also by several at once.

        False where there is nothing under either name. Durable when it returns. Raises StorageError when other rows
        stand under the new name.
        """

    def collect(self, run: str) -> int:
        """Free what a run that has ended has staged and does not need; how many bytes that were."""

    def settle(self, run: str, fate: str) -> str:
        """Decide once what becomes of a run that has an output of its own; the fate that stands, which may be another.

        `fate` is `generations.DELETED`, or the name of the live generation that is about to take the run over. Whoever
        asks first decides; but where a generation of that name was registered that takes over another run, it is
        undecided again, but for who still asks for that name: he is answered with it, and told when he registers it.
        Raises StorageError.
        """

    def forget(self, run: str) -> bool:
        """Delete what a run that has an output of its own has landed, and who it was; can be repeated.

        False where there is no such run (any more). From its first step on nobody finds the run, and `register_run`
        raises ForeignRootError for its name, for ever. Its ledger was closed for good, and stays: both keep a writer
        that wakes up late from landing anything.
        """
