"""Parquet: one row group a slice of the batch, sorted by `_offset`, the payload byte for byte."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq

from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import FileDamagedError
from streamlake.engine.records import Batch, DeadLetter, PayloadKind, TopicPartition
from streamlake.plugins.sinks.file.formats import arrays
from streamlake.plugins.sinks.file.formats.arrays import Column
from streamlake.plugins.sinks.file.formats.base import (
    SLICE_BYTES_MAX,
    TIMESTAMP_TYPES,
    Columns,
    Out,
    Rows,
    rows_of_letters,
    typed_columns,
)

Compression = Literal["zstd", "snappy", "none"]

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


class ParquetFormat:
    """Writes and reads Parquet files. `row_group_bytes_max` counts payload bytes before compression.

    One row group is encoded at a time, so that is also what encoding takes of memory. A file is written to a staged
    name only: ParquetWriter completes its footer on exceptions, too.
    """

    name = "parquet"
    suffix = ".parquet"

    def __init__(
        self,
        columns: Columns = "envelope",
        compression: Compression = "zstd",
        row_group_bytes_max: int = SLICE_BYTES_MAX,
    ) -> None:
        self._columns = columns
        self._compression = compression
        self._row_group_bytes_max = row_group_bytes_max

    def write(self, out: Out, rows: Rows, about: Mapping[str, str]) -> None:
        """Encode accepted rows in the chosen columns."""
        tables = (self._table(part) for part in rows.slices(self._row_group_bytes_max))
        self._write(out, tables, about)

    def write_dead(self, out: Out, letters: Sequence[DeadLetter], about: Mapping[str, str]) -> None:
        """Encode dead letters: the envelope and five columns more; `value` is binary."""
        self._write(out, _dead_tables(letters), about)

    def offsets(self, stored: BinaryIO, file: FileEntry) -> pa.Int64Array | None:
        """The `_offset` column."""
        with _damage(file):
            parquet = pq.ParquetFile(stored)
            if "_offset" not in parquet.schema_arrow.names:
                return None
            column = parquet.read(columns=["_offset"], use_threads=False).column(0)
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

    def dead_letters(self, stored: BinaryIO, file: FileEntry, topic: str) -> Iterator[DeadLetter]:
        """The rows of a dead file."""
        with _damage(file):
            for part in pq.ParquetFile(stored).iter_batches(batch_size=1024, use_threads=False):
                for row in part.cast(_integer_times(part.schema)).to_pylist():
                    yield _letter(row, topic)

    def _table(self, rows: Rows) -> pa.Table:
        if self._columns == "value":
            return pa.table({"value": _payload(rows.batch, rows.payload)})
        if self._columns == "envelope":
            return pa.table(_envelope(rows.batch, rows.payload))
        return pa.table(_typed(rows))

    def _write(self, out: Out, tables: Iterator[pa.Table], about: Mapping[str, str]) -> None:
        """Write each table as one row group."""
        first = next(tables)
        names = first.schema.names
        writer = pq.ParquetWriter(
            cast("IO[bytes]", out),
            first.schema,
            compression=self._compression,
            compression_level=1 if self._compression == "zstd" else None,
            use_dictionary=cast("bool", [name for name in DICTIONARY_COLUMNS if name in names]),  # or a list of names
            column_encoding={name: code for name, code in ENCODINGS.items() if name in names} or None,
            sorting_columns=[pq.SortingColumn(names.index("_offset"))] if "_offset" in names else None,
            write_statistics=cast("bool", _with_statistics(names)),
            # Typed columns may have types that only Arrow's own schema can bring back.
            store_schema=self._columns == "typed",
        )
        with writer:
            # Let go of each before the next one is built: a row group in memory is enough.
            writer.write_table(first)
            del first
            for table in tables:
                writer.write_table(table)
                del table
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
        "_partition": pa.repeat(pa.scalar(batch.source.partition, pa.int32()), len(batch)),
        "_offset": arrays.integers(batch.offsets),
        "_timestamp": arrays.timestamps(batch.timestamps_ms, batch.timestamp_types).cast(TIMESTAMP),
    }


def _payload(batch: Batch, payload: PayloadKind) -> Column:
    """The values; text where they are JSON, which Arrow checks to be UTF-8."""
    values = arrays.binary(batch.values)
    return values.cast(pa.string()) if payload == "json" else values


def _timestamp_types(types: Sequence[int]) -> Column:
    if len(set(types)) == 1:
        return pa.repeat(pa.scalar(TIMESTAMP_TYPES[types[0]]), len(types))
    return pa.array([TIMESTAMP_TYPES[kind] for kind in types], pa.string())


def _dead_tables(letters: Sequence[DeadLetter]) -> Iterator[pa.Table]:
    done = 0
    for rows in rows_of_letters(letters).slices(SLICE_BYTES_MAX):
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


@contextmanager
def _damage(file: FileEntry) -> Iterator[None]:
    """What reading a file can raise, as FileDamagedError."""
    try:
        yield
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise FileDamagedError(f"{file.final} can't be read as Parquet: {error}") from error
