"""Takes the rows of a range into the database, once: of each file the columns that a check or a query looks at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa

from streamlake.config.columns import ColumnPath
from streamlake.engine.abilities import ColumnLedger
from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, FileEntry
from streamlake.engine.errors import ConfigError, FileDamagedError
from streamlake.engine.operations.proof_rows import expected_spans
from streamlake.engine.operations.quality_database import Database, identifier
from streamlake.engine.operations.quality_shapes import Shape, Wanted, shape_of
from streamlake.engine.operations.spans import spans_of, without


@dataclass
class Rows:
    """The rows of a range in the tables `<name>_0`, `<name>_1`, …: one for each shape that files have.

    `lacking` are the columns that no file has, by the files' own word.
    """

    database: Database
    ledger: Ledger
    wanted: Wanted
    name: str
    files: int = 0
    count: int = 0
    unplaced: int = 0
    _tables: dict[object, tuple[str, Shape]] = field(default_factory=dict)
    _had: set[ColumnPath] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not isinstance(self.ledger, ColumnLedger):
            raise ConfigError(
                f"quality: a sink whose ledger has no `batches` ({type(self.ledger).__name__}) can't be checked row by "
                "row; row_count, freshness, refused_ratio and volume work with every sink"
            )

    def take(self, entry: Entry) -> None:
        """Take in the landed rows of an entry. Raises FileDamagedError, StorageError, ConfigError, QualityError."""
        files = [file for file in entry.files if file.kind == "raw"]
        for file in files:
            self.files += 1
            offsets = self._offsets(entry, file, alone=len(files) == 1)
            done = 0
            for batch, shape in self._batches(file):
                part = None if offsets is None else offsets[done : done + len(batch)]
                done += len(batch)
                if offsets is not None and done > len(offsets):
                    raise FileDamagedError(
                        f"{file.final} has more than the {file.rows:,} rows that landed: see `prove`"
                    )
                self._insert(entry, shape, _prepared(batch, shape, entry.partition, part))
            self.count += done

    @property
    def lacking(self) -> Sequence[ColumnPath]:
        """Wanted columns that no file has; none where there are no files."""
        return [column for column in self.wanted.columns if column not in self._had] if self._tables else []

    @property
    def names(self) -> Sequence[str]:
        """What the files call their columns."""
        return sorted({name for _, shape in self._tables.values() for name in shape.names})

    @property
    def checked(self) -> str:
        """A query over all rows: _topic, _partition, _offset, and c0, c1, … as JSON (NULL where there is nothing)."""
        columns = ", ".join(["_topic", "_partition", "_offset", *(f"c{at}" for at in range(len(self.wanted.columns)))])
        return " UNION ALL ".join(f"SELECT {columns} FROM {table}" for table, _ in self._tables.values())

    @property
    def queried(self) -> str:
        """A query over all rows as the YAML's queries see them: _topic, and what files have, as far as it is named."""
        return " UNION ALL BY NAME ".join(_as_queried(table, shape) for table, shape in self._tables.values())

    def _batches(self, file: FileEntry) -> Iterator[tuple[pa.RecordBatch, Shape]]:
        shapes: list[Shape] = []

        def wanted_of(names: Sequence[str]) -> Sequence[str]:
            shapes.append(shape_of(self.wanted, file, names))
            return shapes[0].read

        for batch in cast("ColumnLedger", self.ledger).batches(file, wanted_of):
            yield cast("pa.RecordBatch", batch), shapes[0]
        self._had.update(column for column in self.wanted.columns if not shapes[0].lacks(column))

    def _insert(self, entry: Entry, shape: Shape, table: pa.Table) -> None:
        key = (type(shape), shape.columns, shape.payload, tuple(shape.names), str(table.schema))
        known = self._tables.get(key)
        name = known[0] if known else f"{self.name}_{len(self._tables)}"
        begin = f"INSERT INTO {name}" if known else f"CREATE TABLE {name} AS"
        self.database.take(f"{begin} {shape.select(entry.topic)}", table)
        self._tables[key] = (name, shape)

    def _offsets(self, entry: Entry, file: FileEntry, *, alone: bool) -> "pa.Array[Any] | None":
        """The offset of each row of a file that does not say it: what is left, where one file has it all."""
        if file.columns != "value":
            return None
        if not alone:
            self.unplaced += file.rows
            return None
        dead = [self.ledger.offsets(one) for one in entry.files if one.kind == "dead"]
        refused = spans_of(cast("Any", dead[0])) if dead else []
        left = without(expected_spans(entry), refused)
        return pa.array([offset for first, following in left for offset in range(first, following)], pa.int64())


def _prepared(batch: pa.RecordBatch, shape: Shape, partition: int, offsets: "pa.Array[Any] | None") -> pa.Table:
    """The batch under names of ours, with the place of its rows where they don't say it, and bytes as text."""
    columns: dict[str, Any] = {f"r{index}": batch.column(name) for index, name in enumerate(shape.read)}
    if not shape.placed:
        columns["place_partition"] = pa.repeat(pa.scalar(partition, pa.int32()), len(batch))
        columns["place_offset"] = pa.nulls(len(batch), pa.int64()) if offsets is None else offsets
    if shape.needs_text:
        columns["payload_text"] = _as_text(batch.column("value"))
    for index, name in enumerate(shape.read):
        if name == "_key":
            columns[f"r{index}"] = _as_text(batch.column(name))
    return pa.table(columns)


def _as_text(column: Any) -> Any:
    r"""Bytes as text; what is no UTF-8 has its odd bytes written out, as `\xff`."""
    if not pa.types.is_binary(column.type):
        return column
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        texts = [None if one is None else one.decode(errors="backslashreplace") for one in column.to_pylist()]
        return pa.array(texts, pa.string())


def _as_queried(table: str, shape: Shape) -> str:
    columns = [f"q{index} AS {identifier(name)}" for index, (name, _) in enumerate(shape.queried)]
    return f"SELECT {', '.join(['_topic', '_partition', '_offset', *columns])} FROM {table}"
