"""JSON lines, written: a fixed layout with the offset first, the payload spliced in as it came."""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Literal, Protocol

import orjson
import pyarrow as pa
import zstandard

from streamlake.engine.records import Batch, DeadLetter
from streamlake.plugins.sinks.file.formats import arrays, jsontext
from streamlake.plugins.sinks.file.formats.base import (
    PART_BYTES_MAX,
    TIMESTAMP_TYPES,
    Columns,
    Out,
    Rows,
    rows_of_letters,
    typed_columns,
)
from streamlake.plugins.sinks.file.formats.jsontext import Text, constant, joined

Compression = Literal["none", "gzip", "zstd"]

SUFFIXES: dict[Compression, str] = {"none": ".jsonl", "gzip": ".jsonl.gz", "zstd": ".jsonl.zst"}


class JsonlFormat:
    """Writes JSON lines, plain or as one gzip or zstd stream."""

    name = "jsonl"

    def __init__(self, columns: Columns = "envelope", compression: Compression = "none") -> None:
        self._columns = columns
        self._compression = compression
        self.suffix = SUFFIXES[compression]

    def writer(self, out: Out) -> "JsonLines":
        """Begin a file of accepted rows in the chosen columns."""
        return JsonLines(self._lines, _Stream(out, self._compression))

    def write_dead(
        self,
        out: Out,
        letters: Sequence[DeadLetter],
        about: Mapping[str, str],  # noqa: ARG002 - lines have no place for it
    ) -> None:
        """Encode dead letters: the envelope and five fields more; `value` is text or base64."""
        stream = _Stream(out, self._compression)
        for lines in _dead_lines(letters):
            stream.write(lines)
        stream.end()

    def _lines(self, rows: Rows) -> pa.BinaryArray:
        if self._columns == "value":
            return joined(_payload(rows), constant(b"\n"))
        if self._columns == "envelope":
            return joined(*_envelope(rows.batch, _payload(rows)), constant(b"}\n"))
        typed = arrays.binary([_object(row) for row in typed_columns(rows).to_pylist()])
        return joined(*_position(rows.batch), *_key_and_headers(rows.batch), constant(b","), typed, constant(b"\n"))


class JsonLines:
    """One file of accepted rows (`base.RowWriter`); holds nothing back but what the compressor does."""

    held_bytes = 0

    def __init__(self, lines_of: Callable[[Rows], pa.BinaryArray], stream: "_Stream") -> None:
        self._lines_of = lines_of
        self._stream = stream

    def add(self, rows: Rows) -> None:
        """Write the rows' lines."""
        for part in rows.parts(PART_BYTES_MAX):
            self._stream.write(self._lines_of(part))

    def flush(self) -> None:
        """Nothing is held back."""

    def finish(self, about: Mapping[str, str]) -> None:  # noqa: ARG002 - lines have no place for it
        """End the stream."""
        self._stream.end()


class _Stream:
    """Lines as one compressed stream."""

    def __init__(self, out: Out, compression: Compression) -> None:
        self._out = out
        self._compressor = _compressor(compression)

    def write(self, lines: pa.BinaryArray) -> None:
        """Add at least one line."""
        # The text of all lines, one after the other, is the array's own buffer.
        text = lines.buffers()[2]
        assert text is not None, "there is at least one line"
        self._out.write(self._compressor.compress(memoryview(text)))

    def end(self) -> None:
        """Write what the compressor holds back."""
        self._out.write(self._compressor.flush())


class Compressor(Protocol):
    """One stream of compressed bytes."""

    def compress(self, data: memoryview, /) -> bytes | memoryview:
        """Take `data`; what can be written now."""

    def flush(self) -> bytes:
        """The end of the stream."""


class Plain:
    """No compression."""

    def compress(self, data: memoryview, /) -> memoryview:
        """`data` itself."""
        return data

    def flush(self) -> bytes:
        """Nothing."""
        return b""


def _compressor(compression: Compression) -> Compressor:
    if compression == "gzip":
        return zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS | 16)  # 16: with gzip's header and no time in it
    if compression == "zstd":
        return zstandard.ZstdCompressor(level=1).compressobj()
    return Plain()


def _envelope(batch: Batch, value: Text) -> list[Text]:
    """The envelope's fields (DESIGN §10) up to the value, the object still open."""
    return [
        *_position(batch),
        constant(b',"_timestamp_type":'),
        _timestamp_types(batch.timestamp_types),
        *_key_and_headers(batch),
        constant(b',"value":'),
        value,
    ]


def _position(batch: Batch) -> list[Text]:
    return [
        constant(b'{"_partition":%d,"_offset":' % batch.source.partition),
        jsontext.numbers(arrays.integers(batch.offsets)),
        constant(b',"_timestamp":'),
        jsontext.numbers(arrays.timestamps(batch.timestamps_ms, batch.timestamp_types)),
    ]


def _key_and_headers(batch: Batch) -> list[Text]:
    return [
        constant(b',"_key":'),
        jsontext.strings(batch.keys),
        constant(b',"_headers":'),
        jsontext.headers(batch.headers),
    ]


def _payload(rows: Rows) -> Text:
    values = rows.batch.values
    return jsontext.spliced(values) if rows.payload == "json" else jsontext.strings(values)


def _timestamp_types(types: Sequence[int]) -> Text:
    texts = [b'"%b"' % name.encode() for name in TIMESTAMP_TYPES]
    if len(set(types)) == 1:
        return constant(texts[types[0]])
    return arrays.binary([texts[kind] for kind in types])


def _object(row: dict[str, object]) -> bytes:
    """A row's own fields without the opening brace: the rest of an object that is open already."""
    return orjson.dumps(row, default=_foreign, option=orjson.OPT_UTC_Z)[1:]


def _foreign(value: object) -> orjson.Fragment | str:
    """A value of a typed column for which JSON has no type: decimals keep every digit."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value) if value.is_finite() else "null")
    if isinstance(value, bytes):
        return orjson.Fragment(jsontext.string(value))
    return str(value)


def _dead_lines(letters: Sequence[DeadLetter]) -> Iterator[pa.BinaryArray]:
    done = 0
    for rows in rows_of_letters(letters).parts(PART_BYTES_MAX):
        part = letters[done : done + len(rows.batch)]
        done += len(part)
        why = arrays.binary([_why(letter) for letter in part])
        yield joined(*_envelope(rows.batch, _payload(rows)), constant(b","), why, constant(b"\n"))


def _why(letter: DeadLetter) -> bytes:
    return _object(
        {
            "reason": letter.reason,
            "field": letter.field,
            "message": letter.message,
            "attempt": letter.attempt,
            "first_failed_at": letter.first_failed_at_ms,
        }
    )
