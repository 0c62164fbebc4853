"""Dead letters written into one file, whole: Parquet or JSON lines, there at once or not at all."""

import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamlake.engine.durable import sync_folder
from streamlake.engine.errors import StorageError, UsageError
from streamlake.engine.operations.dead_json import letter_json
from streamlake.engine.operations.dead_types import FoundLetter

ROW_GROUP_ROWS = 10_000
ROW_GROUP_BYTES = 16 * 2**20
"""What is gathered of keys, values and headers before it is written; a single letter may pass it."""

_MILLISECONDS, _MICROSECONDS = pa.timestamp("ms", "UTC"), pa.timestamp("us", "UTC")
_HEADER = pa.struct([("name", pa.string()), ("value", pa.binary())])
_COLUMNS: list["pa.Field[Any]"] = [
    pa.field("topic", pa.string(), nullable=False),
    pa.field("partition", pa.int32(), nullable=False),
    pa.field("offset", pa.int64(), nullable=False),
    pa.field("timestamp", _MILLISECONDS),
    pa.field("timestamp_type", pa.int8(), nullable=False),
    pa.field("key", pa.binary()),
    pa.field("value", pa.binary()),
    pa.field("headers", pa.list_(_HEADER), nullable=False),
    pa.field("reason", pa.string(), nullable=False),
    pa.field("field", pa.string()),
    pa.field("message", pa.string(), nullable=False),
    pa.field("attempt", pa.int32(), nullable=False),
    pa.field("first_failed_at", _MILLISECONDS),
    pa.field("refused_at", _MICROSECONDS, nullable=False),
    pa.field("run", pa.string(), nullable=False),
    pa.field("validator", pa.string(), nullable=False),
    pa.field("fingerprint", pa.string(), nullable=False),
    pa.field("found_in", pa.string(), nullable=False),
    pa.field("truncated", pa.string()),
]
SCHEMA = pa.schema(_COLUMNS)
"""The columns of an export in Parquet; docs/operations/dead-letters.md says what they mean."""


@dataclass(frozen=True, slots=True)
class DeadExport:
    """What was written: how many letters, and how long the file is."""

    path: Path
    letters: int
    bytes: int


def export_letters(letters: Iterable[FoundLetter], path: Path, *, overwrite: bool = False) -> DeadExport:
    """Write letters to `path`, whose ending (`.parquet`, `.jsonl`) says the format; without any, a file of none.

    The file appears under its name when it is complete and on the disk; memory is that of a row group. Raises
    UsageError where the path has no format or a file is there already, StorageError where it can't be written.
    """
    if path.suffix not in _WRITE:
        raise UsageError(f"{path}: must end in {' or '.join(_WRITE)}, which says the format")
    if path.exists() and not overwrite:  # before anything is read
        raise _there_already(path)
    with _appearing(path, overwrite=overwrite) as out:
        return DeadExport(path, _WRITE[path.suffix](out, _portions(letters)), out.tell())


def _write_parquet(out: IO[bytes], portions: Iterable[Sequence[FoundLetter]]) -> int:
    """A row group for each portion. Returns how many rows."""
    rows = 0
    with pq.ParquetWriter(out, SCHEMA, compression="zstd") as writer:
        for portion in portions:
            writer.write_table(pa.Table.from_pylist([_row(found) for found in portion], SCHEMA))
            rows += len(portion)
    return rows


def _write_jsonl(out: IO[bytes], portions: Iterable[Sequence[FoundLetter]]) -> int:
    """The line of `dead list --json` for each letter. Returns how many."""
    lines = 0
    for portion in portions:
        out.writelines(json.dumps(letter_json(found)).encode() + b"\n" for found in portion)
        lines += len(portion)
    return lines


_Write = Callable[[IO[bytes], Iterable[Sequence[FoundLetter]]], int]
_WRITE: Mapping[str, _Write] = {".parquet": _write_parquet, ".jsonl": _write_jsonl}


def _row(found: FoundLetter) -> dict[str, Any]:
    letter = found.letter
    return {
        "topic": letter.source.topic,
        "partition": letter.source.partition,
        "offset": letter.offset,
        "timestamp": None if letter.timestamp_ms < 0 else letter.timestamp_ms,  # Kafka's -1: it has none
        "timestamp_type": letter.timestamp_type,
        "key": letter.key,
        "value": letter.value,
        "headers": [{"name": name, "value": value} for name, value in letter.headers],
        "reason": letter.reason,
        "field": letter.field,
        "message": letter.message,
        "attempt": letter.attempt,
        "first_failed_at": letter.first_failed_at_ms,
        "refused_at": found.refused_at,
        "run": found.run,
        "validator": found.validator,
        "fingerprint": found.fingerprint,
        "found_in": found.found_in,
        "truncated": found.truncated,
    }


def _portions(letters: Iterable[FoundLetter]) -> Iterator[Sequence[FoundLetter]]:
    """The letters in portions of a row group's size."""
    portion, size = list[FoundLetter](), 0
    for found in letters:
        letter = found.letter
        portion.append(found)
        size += (
            len(letter.value or b"") + len(letter.key or b"") + sum(len(value or b"") for _, value in letter.headers)
        )
        if size >= ROW_GROUP_BYTES or len(portion) == ROW_GROUP_ROWS:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


@contextmanager
def _appearing(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """A file that gets its name when all is written and on the disk; after any error there is nothing of it."""
    path = path.resolve()  # a link stays a link
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    try:
        with temporary.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        if overwrite:
            temporary.replace(path)
        else:
            os.link(temporary, path)  # unlike a rename it fails where somebody was faster
        sync_folder(path.parent)
    except FileExistsError:
        raise _there_already(path) from None
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _there_already(path: Path) -> UsageError:
    return UsageError(f"{path} is there already: choose another name, or overwrite it (--force)")
