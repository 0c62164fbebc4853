"""Rows and dead letters: made of what is staged, put into their tables, read back, and summed up."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from streamlake.engine.entries import FileKind
from streamlake.engine.records import Batch, DeadLetter, Header, TopicPartition, Verdict

Row = tuple[object, ...]
"""The columns of a table behind `name`, in order."""

TABLE_OF = {"raw": "records", "dead": "dead_letters"}
COLUMNS = {"raw": 8, "dead": 13}


def rows_of(part: Batch, verdict: Verdict) -> Iterator[Row]:
    """The accepted messages of a slice."""
    for index in verdict.accepted(len(part)):
        yield (
            part.source.topic,
            part.source.partition,
            part.offsets[index],
            part.timestamps_ms[index],
            part.timestamp_types[index],
            part.keys[index],
            _headers_text(part.headers[index] or ()),
            part.values[index],
        )


def rows_of_letters(letters: Iterable[DeadLetter]) -> Iterator[Row]:
    """Refused messages, each with its reason."""
    for letter in letters:
        yield (
            letter.source.topic,
            letter.source.partition,
            letter.offset,
            letter.timestamp_ms,
            letter.timestamp_type,
            letter.key,
            _headers_text(letter.headers),
            letter.value,
            letter.reason,
            letter.field,
            letter.message,
            letter.attempt,
            letter.first_failed_at_ms,
        )


def put(connection: sqlite3.Connection, kind: FileKind, name: str, rows: Iterable[Row]) -> None:
    """Insert a set of rows under their name."""
    marks = ", ".join("?" * (1 + COLUMNS[kind]))
    connection.executemany(f"INSERT INTO {TABLE_OF[kind]} VALUES ({marks})", ((name, *row) for row in rows))  # noqa: S608  two names of ours


def read(connection: sqlite3.Connection, topic: str, name: str) -> Iterator[Row]:
    """A set of rows as they are now, in the order of offsets; `raw/…` are records, `dead/…` letters."""
    table = TABLE_OF[name.partition("/")[0]]
    found = connection.execute(f"SELECT * FROM {table} WHERE topic = ? AND name = ? ORDER BY position", (topic, name))  # noqa: S608  as above
    return (row[1:] for row in found)


def names(connection: sqlite3.Connection, topic: str) -> Iterator[str]:
    """Every name that a row of this topic has."""
    for table in TABLE_OF.values():
        found = connection.execute(f"SELECT DISTINCT name FROM {table} WHERE topic = ?", (topic,))  # noqa: S608  as above
        yield from (str(name) for (name,) in found)


def letter_of(row: Sequence[object]) -> DeadLetter:
    """A row of `dead_letters` as the letter it was."""
    topic, partition, offset, ms, kind, key, headers, value, *why = row
    assert isinstance(topic, str)
    assert isinstance(partition, int)
    return DeadLetter(TopicPartition(topic, partition), offset, ms, kind, key, value, _headers(headers), *why)  # type: ignore[arg-type]  # SQLite gives back what was put in


def size_and_sha256(rows: Iterable[Row]) -> tuple[int, str]:
    """The size of a set of rows and a checksum over all that is in it, made the same way before and after."""
    size, digest = 0, hashlib.sha256()
    for row in rows:
        data = repr(row).encode()
        size += len(data)
        digest.update(data)
    return size, digest.hexdigest()


def timestamps_of(rows: Sequence[Row]) -> tuple[int | None, int | None]:
    """The least and the greatest timestamp of records that have one."""
    stamps = [row[3] for row in rows if row[4]]
    known = [stamp for stamp in stamps if isinstance(stamp, int)]
    return min(known, default=None), max(known, default=None)


def _headers_text(headers: Sequence[Header]) -> str:
    return json.dumps([(name, None if value is None else value.hex()) for name, value in headers])


def _headers(text: object) -> tuple[Header, ...]:
    pairs = json.loads(str(text))
    return tuple((name, None if value is None else bytes.fromhex(value)) for name, value in pairs)
