"""What a file format does: encode a batch of accepted rows or of dead letters, and read either back."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO, Literal, Protocol

import pyarrow as pa

from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import ConfigError
from streamlake.engine.packed import bytes_of
from streamlake.engine.records import Batch, DeadLetter, OffsetRange, PayloadKind

Columns = Literal["envelope", "typed", "value"]
COLUMNS: tuple[Columns, ...] = ("envelope", "typed", "value")

PART_BYTES_MAX = 16 * 2**20
PART_ROWS_MAX = 1_000_000

PART_ROWS = 8192
"""How many rows are read back together."""


ColumnsOf = Callable[[Sequence[str]], Sequence[str]]
"""Is handed the names of a file's columns, and answers with those that are wanted."""


class Out(Protocol):
    """Where encoded bytes go."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Take all of `data`."""


OWN_COLUMNS = ("_partition", "_offset", "_timestamp", "_timestamp_type", "_key", "_headers")

REFUSAL_COLUMNS = ("_offset", "reason", "field")

TIMESTAMP_TYPES = ("NoTimestampType", "CreateTime", "LogAppendTime")
"""Kafka's names (org.apache.kafka.common.record.TimestampType) for librdkafka's 0, 1 and 2."""

NO_TIMESTAMP = -1
"""What a record without a timestamp (type 0) says of milliseconds."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The accepted messages of one file, and the validator's columns for them where rows are `typed`."""

    batch: Batch
    payload: PayloadKind
    columns: pa.Table | None = None

    def parts(self, bytes_max: int) -> "Iterator[Rows]":
        """The rows in consecutive parts with payloads of up to `bytes_max`, at least one row each."""
        batch = self.batch
        if len(batch) <= PART_ROWS_MAX and bytes_of(batch.values) <= bytes_max:
            yield self
            return
        ends = list(accumulate(len(value or b"") for value in batch.values))
        first = 0
        while first < len(batch):
            taken = ends[first - 1] if first else 0
            last = min(max(bisect_right(ends, taken + bytes_max), first + 1), first + PART_ROWS_MAX)
            yield self._part(first, last)
            first = last

    def take(self, indices: Sequence[int]) -> "Rows":
        """The rows at `indices`, ascending."""
        columns = None if self.columns is None else self.columns.take(pa.array(indices, pa.int64()))
        return Rows(self.batch.take(indices), self.payload, columns)

    def _part(self, first: int, last: int) -> "Rows":
        if (first, last) == (0, len(self.batch)):
            return self
        batch, part = self.batch, slice(first, last)
        cut = Batch(
            batch.source,
            batch.range,
            batch.leader_epoch,
            batch.offsets[part],
            batch.timestamps_ms[part],
            batch.timestamp_types[part],
            batch.keys[part],
            batch.values[part],
            batch.headers[part],
        )
        return Rows(cut, self.payload, None if self.columns is None else self.columns.slice(first, last - first))


def typed_columns(rows: Rows) -> pa.Table:
    """The validator's columns. Raises ConfigError where one has a name of our own."""
    assert rows.columns is not None, "typed rows need the validator's columns"
    assert rows.columns.num_rows == len(rows.batch), "one row of columns for each accepted message"
    taken = sorted(set(OWN_COLUMNS).intersection(rows.columns.column_names))
    if taken:
        raise ConfigError(f"sink.columns typed: the model's {', '.join(taken)} is a name of StreamLake's own columns")
    return rows.columns


def rows_of_letters(letters: Sequence[DeadLetter]) -> Rows:
    """Dead letters as rows of the envelope, in their order."""
    first, last = letters[0], letters[-1]
    batch = Batch(
        source=first.source,
        range=OffsetRange(first.offset, last.offset + 1),
        leader_epoch=None,
        offsets=[letter.offset for letter in letters],
        timestamps_ms=[letter.timestamp_ms for letter in letters],
        timestamp_types=[letter.timestamp_type for letter in letters],
        keys=[letter.key for letter in letters],
        values=[letter.value for letter in letters],
        headers=[letter.headers or None for letter in letters],
    )
    return Rows(batch, "bytes")


class RowWriter(Protocol):
    """Encodes one file's accepted rows as they come."""

    held_bytes: int
    """What it holds back in memory until `flush` or `finish`."""

    def add(self, rows: Rows) -> None:
        """Encode some more; at least one row."""

    def flush(self) -> None:
        """Write what is held back, before it would be its time."""

    def finish(self, about: Mapping[str, str]) -> None:
        """Write what is left; `about` goes into the file where the format has a place for it."""


class Format(Protocol):
    """One file format with its options. Encoding is pure: rows and `about` alone decide the bytes."""

    name: str
    suffix: str

    def writer(self, out: Out) -> RowWriter:
        """Begin a file of accepted rows."""

    def write_dead(self, out: Out, letters: Sequence[DeadLetter], about: Mapping[str, str]) -> None:
        """Encode dead letters: the envelope, with the value as it was, and why each was refused."""


class Reading(Protocol):
    """The reading side of a format. `file` says what the rows are. Raises FileDamagedError."""

    def timestamps(self, stored: BinaryIO, file: FileEntry) -> pa.Int64Array | None:
        """The `_timestamp` of each row in file order, in milliseconds, null for a record without; None without it."""

    def offsets(self, stored: BinaryIO, file: FileEntry) -> pa.Int64Array | None:
        """The offset of each row; None where rows carry none."""

    def rows(self, stored: BinaryIO, file: FileEntry) -> int:
        """How many rows there are."""

    def values(self, stored: BinaryIO, file: FileEntry) -> Iterator[bytes]:
        """The payload of each row; not for typed columns."""

    def batches(self, stored: BinaryIO, file: FileEntry, columns: ColumnsOf) -> Iterator[pa.RecordBatch]:
        """The rows with those of their columns that are wanted (`abilities.ColumnLedger`)."""

    def dead_letters(self, stored: BinaryIO, file: FileEntry, topic: str) -> Iterator[DeadLetter]:
        """The letters of a dead file of `topic`."""

    def records(self, stored: BinaryIO, file: FileEntry) -> Iterator[pa.RecordBatch]:
        """The rows as they were delivered (RECORD), part by part; of the envelope only."""

    def contents(self, stored: BinaryIO, file: FileEntry) -> Iterator[pa.RecordBatch]:
        """Offsets and payloads, typed columns, or reasons, part by part (`abilities.RecordLedger`)."""
