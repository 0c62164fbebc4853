"""How what a file has becomes what checks look at: for each shape of rows, the SELECT that takes a batch of them in.

Names of anybody's data are in no statement but in quotes: a file's columns come as r0, r1, …, fields are JSON pointers.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from streamlake.config.columns import ColumnPath
from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import ConfigError
from streamlake.engine.operations.quality_database import BATCH, text

LINE = "_line"
"""What a file of JSON lines has: see `ColumnLedger`."""

ENVELOPE = ("_partition", "_offset", "_timestamp", "_timestamp_type", "_key", "_headers")
OWN_COLUMNS = {
    "envelope": ENVELOPE,
    "typed": tuple(name for name in ENVELOPE if name != "_timestamp_type"),
    "value": (),
}
"""The record's own columns by `sink.columns`."""
PLACE = ("_partition", "_offset")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is taken in: a column of JSON for each of `columns`, and what queries name, as it is.

    `names` are all words of queries that may be columns; a query with a `*` wants `everything`. `queries`: whether
    there are any.
    """

    columns: Sequence[ColumnPath]
    names: frozenset[str] = frozenset()
    everything: bool = False
    queries: bool = False

    def named(self, column: str) -> bool:
        """Whether a query may name this column. SQL does not tell letters by their case."""
        return self.queries and (self.everything or column.lower() in {name.lower() for name in self.names})


class Shape(ABC):
    """Files whose rows are alike: which of their columns are read, and how a batch of those is taken in."""

    def __init__(self, wanted: Wanted, file: FileEntry, names: Sequence[str]) -> None:
        self.wanted, self.columns, self.payload = wanted, file.columns, file.payload
        self.names = tuple(names)
        for column in wanted.columns:
            if column.own is not None and column.own not in (*PLACE, *OWN_COLUMNS[file.columns]):
                raise ConfigError(f"quality: rows of `columns: {file.columns}` have no {column.own} ({file.final})")
            if file.columns == "typed" and column.own is None and not column.steps:
                raise ConfigError(f"quality: $ is the whole payload, which typed rows don't have ({file.final})")

    @property
    def placed(self) -> bool:
        """Whether rows say themselves where they come from; else the ledger does: `place_partition`, `place_offset`."""
        return self.columns != "value"

    @property
    def needs_text(self) -> bool:
        """Whether the payload, which may be any bytes, has to come as text, too: `payload_text`."""
        return False

    @property
    @abstractmethod
    def read(self) -> Sequence[str]:
        """The columns that are read of a file, and no more: they come as r0, r1, and so on."""

    @property
    @abstractmethod
    def queried(self) -> Sequence[tuple[str, str]]:
        """What queries see beside a row's place: names and expressions."""

    def lacks(self, column: ColumnPath) -> bool:
        """Whether these files have no such column, as they themselves say."""
        del column
        return False

    def select(self, topic: str) -> str:
        """The statement that reads BATCH: each row's place, c0, c1 and so on as JSON, q0 and so on as they are."""
        partition, offset = map(self._own, PLACE) if self.placed else ("place_partition", "place_offset")
        listed = [f"{text(topic)} AS _topic", f"{partition}::INTEGER AS _partition", f"{offset}::BIGINT AS _offset"]
        for index, column in enumerate(self.wanted.columns):
            listed.append(f"nullif({self._column(column)}, 'null'::JSON) AS c{index}")
        listed += [f"{expression} AS q{index}" for index, (_, expression) in enumerate(self.queried)]
        pointers = ", ".join(text(column.pointer or "$") for column in self._of_payload)
        # A payload that is no JSON has no fields.
        fields = f"CASE WHEN json_valid(payload) THEN json_extract(payload, [{pointers}]) END" if pointers else "NULL"
        inner = f"SELECT *, {self._payload if pointers else 'NULL'} AS payload FROM {BATCH}"
        return f"SELECT {', '.join(listed)} FROM (SELECT *, {fields} AS fields FROM ({inner}))"

    @cached_property
    def _of_payload(self) -> Sequence[ColumnPath]:
        """The columns that are fields of the payload, as JSON: they are taken out of it all at once."""
        return [column for column in self.wanted.columns if column.own is None]

    def _column(self, column: ColumnPath) -> str:
        """A checked column as JSON."""
        if column.own in PLACE and not self.placed:
            return f"to_json({column.own.replace('_', 'place_', 1)})"
        if column.own is not None:
            return f"to_json({self._own(column.own)})"
        return f"fields[{self._of_payload.index(column) + 1}]"

    @property
    @abstractmethod
    def _payload(self) -> str:
        """The payload as text."""

    @abstractmethod
    def _own(self, name: str) -> str:
        """One of the record's own columns."""


class Lines(Shape):
    """JSON lines: there is the line alone, and everything is a field of it."""

    read = (LINE,)

    @cached_property
    def queried(self) -> Sequence[tuple[str, str]]:
        """The record's own columns with their types, the payload and typed columns as JSON."""
        own = [name for name in OWN_COLUMNS[self.columns] if name not in PLACE]
        found = [(name, self._own(name)) for name in own if self.wanted.named(name)]
        if self.columns == "typed":  # which there are, nobody says: those that are named
            others = sorted(self.wanted.names - {*OWN_COLUMNS["typed"], "_topic"})
            return found + [
                (name, f"nullif(json_extract(r0, {text(_pointer(name))}), 'null'::JSON)") for name in others
            ]
        return [*found, ("value", f"TRY_CAST({self._payload} AS JSON)")] if self.wanted.named("value") else found

    @property
    def _payload(self) -> str:
        value = "json_extract(r0, '/value')" if self.columns == "envelope" else "r0::JSON"
        return f"({value} ->> '$')" if self.payload == "bytes" else f"{value}::VARCHAR"

    def _own(self, name: str) -> str:
        field = f"json_extract_string(r0, {text(_pointer(name))})"
        return {
            "_timestamp": f"make_timestamptz({field}::BIGINT * 1000)",
            "_headers": f"json_extract(r0, '/{name}')",
        }.get(name, field)


class Columns(Shape):
    """Columns of their own, as Parquet has them."""

    @cached_property
    def read(self) -> Sequence[str]:
        """Those that a check or a query looks at, and where the row comes from."""
        found = [name for name in self.names if self._is_read(name)]
        return found or self.names[:1]  # rows have to be counted by something

    @cached_property
    def queried(self) -> Sequence[tuple[str, str]]:
        """The file's columns, as they are; a JSON payload as JSON."""
        return list(self._queried())

    @property
    def needs_text(self) -> bool:
        """Where fields of bytes are looked at."""
        return self.columns != "typed" and self.payload == "bytes" and bool(self._of_payload)

    def lacks(self, column: ColumnPath) -> bool:
        """Whether a typed column of that name is in none of them."""
        return self.columns == "typed" and column.own is None and column.steps[0] not in self.names

    def _queried(self) -> Iterator[tuple[str, str]]:
        for index, name in enumerate(self.read):
            if name in PLACE or not self.wanted.named(name):
                continue
            json = self.columns != "typed" and name == "value" and self.payload == "json"
            yield name, f"TRY_CAST(r{index} AS JSON)" if json else f"r{index}"

    def _is_read(self, name: str) -> bool:
        if name in PLACE or self.wanted.named(name):
            return True
        if any(column.own == name for column in self.wanted.columns):
            return True
        fields = [column for column in self.wanted.columns if column.own is None]
        if self.columns == "typed":
            return any(column.steps[0] == name for column in fields) and name not in OWN_COLUMNS["typed"]
        return name == "value" and bool(fields)

    def _column(self, column: ColumnPath) -> str:
        if self.columns != "typed" or column.own is not None:
            return super()._column(column)
        if self.lacks(column):
            return "NULL::JSON"
        whole = f"to_json(r{self.read.index(column.steps[0])})"
        below = ColumnPath(None, column.steps[1:]).pointer
        return f"json_extract({whole}, {text(below)})" if below else whole

    @cached_property
    def _of_payload(self) -> Sequence[ColumnPath]:
        return () if self.columns == "typed" else [one for one in self.wanted.columns if one.own is None]

    @property
    def _payload(self) -> str:
        return "payload_text" if self.needs_text else f"r{self.read.index('value')}"

    def _own(self, name: str) -> str:
        return f"r{self.read.index(name)}"


def shape_of(wanted: Wanted, file: FileEntry, names: Sequence[str]) -> Shape:
    """The shape of a file that has columns of these names. Raises ConfigError for a column that it can't have."""
    return (Lines if tuple(names) == (LINE,) else Columns)(wanted, file, names)


def _pointer(name: str) -> str:
    return ColumnPath(None, (name,)).pointer
