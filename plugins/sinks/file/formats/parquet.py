"""Parquet: row groups of a size that readers like, sorted by `_offset`, the payload byte for byte."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import IO, Any, BinaryIO, Literal, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import FileDamagedError
from streamlake.engine.records import Batch, DeadLetter, PayloadKind, TopicPartition
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.formats import arrays
from streamlake.plugins.sinks.file.formats.arrays import Column
from streamlake.plugins.sinks.file.formats.base import (
    NO_TIMESTAMP,
    OWN_COLUMNS,
    PART_BYTES_MAX,
    PART_ROWS,
    REFUSAL_COLUMNS,
    TIMESTAMP_TYPES,
    Columns,
    ColumnsOf,
    Out,
    Rows,
    rows_of_letters,
    typed_columns,
)

Compression = Literal["zstd", "snappy", "none"]

BATCH_ROWS = 250_000

TIMESTAMP = pa.timestamp("ms", "UTC")
DEAD_FIELDS: "list[pa.Field[Any]]" = [
    pa.field("reason", pa.string(), nullable=False),
    pa.field("field", pa.string()),
    pa.field("message", pa.string(), nullable=False),
    pa.field("attempt", pa.int32(), nullable=False),
    pa.field("first_failed_at", TIMESTAMP, nullable=False),
]

# Values and offsets never repeat, so a dictionary would be built and thrown away.
DICTIONARY_COLUMNS = ("_partition", "_timestamp_type", "reason", "field", "message", "attempt")
# No reader looks for a payload or a header that lies between two others.
NO_STATISTICS = ("value", "_headers")
ENCODINGS = {"_offset": "DELTA_BINARY_PACKED"}

_KNOWN_TYPES: Any = pa.array(TIMESTAMP_TYPES, pa.string())


class ParquetFormat:
    """Writes and reads Parquet files. `row_group_bytes_max` counts what the columns take in memory.

    Rows wait as Arrow columns until they make a row group, so that is also what a file takes of memory. A file is
    written to a staged name only: ParquetWriter completes its footer on exceptions, too.
    """

    name = "parquet"
    suffix = ".parquet"

    def __init__(
        self,
        columns: Columns = "envelope",
        compression: Compression = "zstd",
        row_group_bytes_max: int = PART_BYTES_MAX,
    ) -> None:
        self._columns = columns
        self._compression = compression
        self._row_group_bytes_max = row_group_bytes_max

    def writer(self, out: Out) -> "ParquetRows":
        """Begin a file of accepted rows in the chosen columns."""
        return ParquetRows(self._table, partial(self._open, out), self._row_group_bytes_max)

    def write_dead(self, out: Out, letters: Sequence[DeadLetter], about: Mapping[str, str]) -> None:
        """Encode dead letters: the envelope and five columns more; `value` is binary."""
        tables = _dead_tables(letters)
        first = next(tables)
        with self._open(out, first.schema) as writer:
            for table in chain([first], tables):
                writer.write_table(table)
            _say_about(writer, about)

    def offsets(self, stored: BinaryIO, file: FileEntry) -> pa.Int64Array | None:
        """The `_offset` column; the `_partition` of each row has to be the file's."""
        with _damage(file):
            parquet = pq.ParquetFile(stored)
            if "_offset" not in parquet.schema_arrow.names:
                return None
            table = parquet.read(columns=["_partition", "_offset"], use_threads=False)
            partition, column = layout.partition_of(file.final), table.column("_offset")
            ours = pc.equal(table.column("_partition"), pa.scalar(partition, pa.int32()))
            if partition is not None and not pc.all(ours, skip_nulls=False).as_py():
                raise ValueError(f"a row says another partition than {partition}")
            return cast("pa.Int64Array", column.cast(pa.int64()).combine_chunks())

    def timestamps(self, stored: BinaryIO, file: FileEntry) -> pa.Int64Array | None:
        """The `_timestamp` column."""
        with _damage(file):
            parquet = pq.ParquetFile(stored)
            if "_timestamp" not in parquet.schema_arrow.names:
                return None
            column = parquet.read(columns=["_timestamp"], use_threads=False).column(0)
            return cast("pa.Int64Array", column.cast(pa.int64()).combine_chunks())

    def rows(self, stored: BinaryIO, file: FileEntry) -> int:
        """The footer's count."""
        with _damage(file):
            return int(pq.ParquetFile(stored).metadata.num_rows)

    def values(self, stored: BinaryIO, file: FileEntry) -> Iterator[bytes]:
        """The `value` column as bytes; a null as `b""`."""
        with _damage(file):
            for part in pq.ParquetFile(stored).iter_batches(batch_size=8192, columns=["value"], use_threads=False):
                yield from (value or b"" for value in part.column(0).cast(pa.binary()).to_pylist())

    def batches(self, stored: BinaryIO, file: FileEntry, columns: ColumnsOf) -> Iterator[pa.RecordBatch]:
        """The wanted columns; of others no page is read."""
        with _damage(file):
            parquet = pq.ParquetFile(stored)
            names = parquet.schema_arrow.names
        wanted = list(columns(names))  # outside: it is not the file that is at fault there
        with _damage(file):
            # A name with a dot is taken for a place in a struct, too: so more may be read, and is left out again.
            for part in parquet.iter_batches(batch_size=BATCH_ROWS, columns=wanted, use_threads=False):
                yield part.select(wanted)

    def dead_letters(self, stored: BinaryIO, file: FileEntry, topic: str) -> Iterator[DeadLetter]:
        """The rows of a dead file."""
        with _damage(file):
            for part in pq.ParquetFile(stored).iter_batches(batch_size=1024, use_threads=False):
                for row in part.cast(_integer_times(part.schema)).to_pylist():
                    yield _letter(row, topic)

    def records(self, stored: BinaryIO, file: FileEntry) -> Iterator[pa.RecordBatch]:
        """The envelope of each row. Holds a row group."""
        with _damage(file):
            parquet = pq.ParquetFile(stored, read_dictionary=["_timestamp_type"])
            for part in parquet.iter_batches(batch_size=PART_ROWS, columns=arrays.RECORD.names, use_threads=False):
                yield _record(part)

    def contents(self, stored: BinaryIO, file: FileEntry) -> Iterator[pa.RecordBatch]:
        """Offsets and payloads, typed columns, or reasons. Holds a row group."""
        with _damage(file):
            parquet = pq.ParquetFile(stored)
            there = REFUSAL_COLUMNS if file.kind == "dead" else parquet.schema_arrow.names
            wanted = [name for name in there if name == "_offset" or name not in OWN_COLUMNS]
            for part in parquet.iter_batches(batch_size=PART_ROWS, columns=wanted, use_threads=False):
                yield _with_binary_value(part) if file.columns != "typed" and file.kind == "raw" else part

    def _table(self, rows: Rows) -> pa.Table:
        if self._columns == "value":
            return pa.table({"value": _payload(rows.batch, rows.payload)})
        if self._columns == "envelope":
            return pa.table(_envelope(rows.batch, rows.payload))
        return pa.table(_typed(rows))

    def _open(self, out: Out, schema: pa.Schema) -> pq.ParquetWriter:
        names = schema.names
        return pq.ParquetWriter(
            cast("IO[bytes]", out),
            schema,
            compression=self._compression,
            compression_level=1 if self._compression == "zstd" else None,
            use_dictionary=cast("bool", [name for name in DICTIONARY_COLUMNS if name in names]),  # or a list of names
            column_encoding={name: code for name, code in ENCODINGS.items() if name in names} or None,
            sorting_columns=[pq.SortingColumn(names.index("_offset"))] if "_offset" in names else None,
            write_statistics=cast("bool", _with_statistics(names)),
            # Typed columns may have types that only Arrow's own schema can bring back.
            store_schema=self._columns == "typed",
        )


class ParquetRows:
    """One file of accepted rows (`base.RowWriter`): held back as Arrow tables until they make a row group."""

    def __init__(
        self,
        table_of: Callable[[Rows], pa.Table],
        open_writer: Callable[[pa.Schema], pq.ParquetWriter],
        row_group_bytes_max: int,
    ) -> None:
        self.held_bytes = 0
        self._table_of = table_of
        self._open_writer = open_writer
        self._row_group_bytes_max = row_group_bytes_max
        self._held: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: Rows) -> None:
        """Make columns of the rows; write a row group when there are enough."""
        for part in rows.parts(self._row_group_bytes_max):
            table = self._table_of(part)
            if self._held and self.held_bytes + table.nbytes > self._row_group_bytes_max:
                self.flush()
            self._held.append(table)
            self.held_bytes += table.nbytes

    def flush(self) -> None:
        """Write what is held back as a row group; nothing where it was written already."""
        if not self._held:
            return
        table = pa.concat_tables(self._held)
        self._held, self.held_bytes = [], 0
        if self._writer is None:
            self._writer = self._open_writer(table.schema)
        self._writer.write_table(table)

    def finish(self, about: Mapping[str, str]) -> None:
        """Write the last row group and the footer."""
        self.flush()
        assert self._writer is not None, "a file has a row at least"
        _say_about(self._writer, about)
        self._writer.close()


def _say_about(writer: pq.ParquetWriter, about: Mapping[str, str]) -> None:
    writer.add_key_value_metadata({f"streamlake.{key}": value for key, value in about.items()})


def _with_statistics(names: Sequence[str]) -> bool | list[str]:
    """Which columns have statistics: all of typed ones (a list would have to name every leaf), else the envelope's."""
    return "value" not in names or [name for name in names if name not in NO_STATISTICS]


def _envelope(batch: Batch, payload: PayloadKind) -> dict[str, Column]:
    """The envelope's columns (DESIGN §10)."""
    return {
        **_position(batch),
        "_timestamp_type": _timestamp_types(batch.timestamp_types),
        "_key": arrays.binary(batch.keys),
        "_headers": arrays.headers(batch.headers),
        "value": _payload(batch, payload),
    }


def _typed(rows: Rows) -> dict[str, Any]:
    """The validator's columns beside the record's own."""
    columns = typed_columns(rows)
    return {
        **_position(rows.batch),
        "_key": arrays.binary(rows.batch.keys),
        "_headers": arrays.headers(rows.batch.headers),
        **dict(zip(columns.column_names, columns.columns, strict=True)),
    }


def _position(batch: Batch) -> dict[str, Column]:
    return {
        "_partition": arrays.constant(batch.source.partition, pa.int32(), len(batch)),
        "_offset": arrays.integers(batch.offsets),
        "_timestamp": arrays.timestamps(batch.timestamps_ms, batch.timestamp_types).view(TIMESTAMP),
    }


def _payload(batch: Batch, payload: PayloadKind) -> Column:
    """The values; text where they are JSON, which Arrow checks to be UTF-8."""
    values = arrays.payloads(batch.values)
    return values.cast(pa.string()) if payload == "json" else values


def _timestamp_types(types: Sequence[int]) -> Column:
    if types and types.count(types[0]) == len(types):
        return arrays.constant(TIMESTAMP_TYPES[types[0]], pa.string(), len(types))
    return pa.array([TIMESTAMP_TYPES[kind] for kind in types], pa.string())


def _dead_tables(letters: Sequence[DeadLetter]) -> Iterator[pa.Table]:
    done = 0
    for rows in rows_of_letters(letters).parts(PART_BYTES_MAX):
        part = letters[done : done + len(rows.batch)]
        done += len(part)
        yield pa.table({**_envelope(rows.batch, "bytes"), **_why(part)})


def _why(letters: Sequence[DeadLetter]) -> dict[str, Column]:
    columns: list[list[Any]] = [
        [letter.reason for letter in letters],
        [letter.field for letter in letters],
        [letter.message for letter in letters],
        [letter.attempt for letter in letters],
        [letter.first_failed_at_ms for letter in letters],
    ]
    return {field.name: pa.array(column, field.type) for field, column in zip(DEAD_FIELDS, columns, strict=True)}


def _integer_times(schema: pa.Schema) -> pa.Schema:
    """`schema` with milliseconds for timestamps: a datetime can't hold every one that Kafka can."""
    fields = [field.with_type(pa.int64()) if pa.types.is_timestamp(field.type) else field for field in schema]
    return pa.schema(fields)


def _letter(row: dict[str, Any], topic: str) -> DeadLetter:
    kind = TIMESTAMP_TYPES.index(row["_timestamp_type"])
    return DeadLetter(
        source=TopicPartition(topic, row["_partition"]),
        offset=row["_offset"],
        timestamp_ms=-1 if row["_timestamp"] is None else row["_timestamp"],
        timestamp_type=kind,
        key=row["_key"],
        value=row["value"],
        headers=tuple((header["name"], header["value"]) for header in row["_headers"] or ()),
        reason=row["reason"],
        field=row["field"],
        message=row["message"],
        attempt=row["attempt"],
        first_failed_at_ms=row["first_failed_at"],
    )


def _record(part: pa.RecordBatch) -> pa.RecordBatch:
    """Rows of the envelope as RECORD."""
    stamps: Any = part.column("_timestamp").cast(pa.int64())
    columns: list[Any] = [
        part.column("_offset"),
        stamps.fill_null(NO_TIMESTAMP) if stamps.null_count else stamps,
        _kinds(part.column("_timestamp_type")),
        part.column("_key"),
        part.column("_headers").cast(arrays.HEADERS),
        part.column("value").cast(pa.binary()),
    ]
    return pa.record_batch(columns, schema=arrays.RECORD)


def _kinds(names: Any) -> Column:
    """Librdkafka's number of each timestamp type, of which a part of a file mostly has but one."""
    numbers: Any = pc.index_in(names.dictionary, value_set=_KNOWN_TYPES)
    if names.null_count or numbers.null_count:
        raise ValueError("a timestamp type is none of Kafka's")
    if len(numbers) == 1:
        return arrays.constant(numbers[0].as_py(), pa.int8(), len(names))
    return cast("Column", numbers.cast(pa.int8()).take(names.indices))


def _with_binary_value(part: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        part.column(name).cast(pa.binary()) if name == "value" else part.column(name) for name in part.schema.names
    ]
    return pa.record_batch(columns, names=part.schema.names)


@contextmanager
def _damage(file: FileEntry) -> Iterator[None]:
    """What reading a file can raise, as FileDamagedError."""
    try:
        yield
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise FileDamagedError(f"{file.final} can't be read as Parquet: {error}") from error
