"""JSON lines, read back: offsets by whole columns, payloads as they were spliced in."""

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import FileDamagedError
from streamlake.engine.records import DeadLetter, TopicPartition
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.formats import arrays, jsontext
from streamlake.plugins.sinks.file.formats.base import NO_TIMESTAMP, TIMESTAMP_TYPES, ColumnsOf
from streamlake.plugins.sinks.file.formats.jsonl_records import (
    bytes_of,
    contents_in,
    header_list,
    lines_of,
    payloads_in,
    records_in,
    refusals_in,
    refused_in,
    typed_in,
)

LINE = "_line"
"""The one column that readers of lines get."""
BLOCK_BYTES = 4 * 2**20
COMPRESSED_BYTES = 2**18  # a multiple of that when decompressed

_BEGIN = re.compile(rb'(\{"_partition":(\d+),"_offset":)(\d+),')
_TIMESTAMP = re.compile(rb'\{"_partition":\d+,"_offset":\d+,"_timestamp":(-?\d+|null),.*\n')
_OFFSET = re.compile(rb'\{"_partition":(\d+),"_offset":(\d+),.*\n')

# Quotes inside of JSON strings are escaped, so none of these can begin within a key or a header.
_BEFORE_VALUE = re.compile(
    rb'\{"_partition":\d+,"_offset":\d+,"_timestamp":(?:-?\d+|null),"_timestamp_type":"\w+","_key":'
    rb'(?:null|\{"base64":"[^"]*"\}|"(?:[^"\\]|\\.)*"),"_headers":(?:null|\[.*?\}\]),"value":'
)


class JsonlReading:
    """Reads what JsonlFormat wrote; the name's ending tells the compression, `file` what a line is."""

    def offsets(self, stored: BinaryIO, file: FileEntry) -> pa.Int64Array | None:
        """The `_offset` of each line; its `_partition` has to be the file's."""
        if file.columns == "value":
            return None
        partition = layout.partition_of(file.final)
        with _damage(file):
            blocks = [_offsets_in(block, partition) for block in _blocks(stored, file)]
            return pa.concat_arrays([_NO_OFFSETS, *blocks])

    def timestamps(self, stored: BinaryIO, file: FileEntry) -> pa.Int64Array | None:
        """The `_timestamp` of each line."""
        if file.columns == "value":
            return None
        with _damage(file):
            return pa.concat_arrays([_NO_OFFSETS, *map(_timestamps_in, _blocks(stored, file))])

    def rows(self, stored: BinaryIO, file: FileEntry) -> int:
        """How many lines there are."""
        with _damage(file):
            return sum(block.count(b"\n") for block in _blocks(stored, file))

    def values(self, stored: BinaryIO, file: FileEntry) -> Iterator[bytes]:
        """The payload of each line."""
        with _damage(file):
            for block in _blocks(stored, file):
                for line in block.split(b"\n")[:-1]:
                    text = line if file.columns == "value" else _spliced(line)
                    yield text if file.payload == "json" else bytes_of(orjson.loads(text)) or b""

    def records(self, stored: BinaryIO, file: FileEntry) -> Iterator[pa.RecordBatch]:
        """The envelope of each line. Holds a block of lines."""
        with _damage(file):
            for block in _blocks(stored, file):
                yield refused_in(block) if file.kind == "dead" else records_in(block, file.payload)

    def contents(self, stored: BinaryIO, file: FileEntry) -> Iterator[pa.RecordBatch]:
        """Offsets with payloads or reasons; of typed columns, whose types are not said, the JSON text as `_json`."""
        partition = layout.partition_of(file.final)
        with _damage(file):
            for block in _blocks(stored, file):
                if file.kind == "dead":
                    yield refusals_in(block)
                elif file.columns == "value":
                    yield payloads_in(block, file.payload)
                elif file.columns == "typed":
                    offsets = _offsets_in(block, partition)
                    yield pa.record_batch([offsets, typed_in(block)], names=["_offset", "_json"])
                else:
                    yield contents_in(block, file.payload)

    def batches(self, stored: BinaryIO, file: FileEntry, columns: ColumnsOf) -> Iterator[pa.RecordBatch]:
        """The lines themselves."""
        columns([LINE])
        with _damage(file):
            for block in _blocks(stored, file):
                yield pa.record_batch({LINE: cast("Any", lines_of(block)).cast(pa.string())})

    def dead_letters(self, stored: BinaryIO, file: FileEntry, topic: str) -> Iterator[DeadLetter]:
        """Each line as a letter."""
        with _damage(file):
            for block in _blocks(stored, file):
                for line in block.splitlines():
                    yield _letter(orjson.loads(line), topic)


_NO_OFFSETS = pa.array([], pa.int64())


def _offsets_in(block: bytes, partition: int | None) -> pa.Int64Array:
    """The offsets of whole lines, by Arrow where all are equally long, which is all but always; else one by one.

    `partition` is what each line has to say; None where nobody knows.
    """
    column, partitions = _equally_long(block)
    if column is None:
        found = _OFFSET.findall(block)
        if len(found) != block.count(b"\n"):
            raise ValueError("a line does not begin with partition and offset")
        partitions, column = {said for said, _ in found}, arrays.binary([offset for _, offset in found])
    if partition is not None and partitions - {b"%d" % partition}:
        raise ValueError(f"a row says another partition than {partition}")
    return cast("pa.Int64Array", column.cast(pa.string()).cast(pa.int64()))


def _timestamps_in(block: bytes) -> pa.Int64Array:
    found = _TIMESTAMP.findall(block)
    if len(found) != block.count(b"\n"):
        raise ValueError("a line does not begin with partition, offset and timestamp")
    return pa.array([None if text == b"null" else int(text) for text in found], pa.int64())


def _equally_long(block: bytes) -> tuple["arrays.Column | None", set[bytes]]:
    """The digits of each line's offset where all lines begin alike and have as many digits as the first.

    With them the partition that all lines say.
    """
    begin = _BEGIN.match(block)
    if begin is None:
        return None, set()
    prefix, (first, following) = cast("Any", begin[1]), begin.span(3)
    lines: Any = lines_of(block)
    digits: Any = pc.binary_slice(lines, first, following).cast(pa.string())
    ended = pc.equal(pc.binary_slice(lines, following, following + 1), jsontext.constant(b","))
    alike = pc.and_(pc.and_(pc.starts_with(lines, prefix), ended), pc.ascii_is_decimal(digits))
    return (cast("arrays.Column", digits), {begin[2]}) if pc.all(alike).as_py() else (None, set())


def _spliced(line: bytes) -> bytes:
    match = _BEFORE_VALUE.match(line)
    if match is None or not line.endswith(b"}"):
        raise ValueError("a line is no envelope")
    return line[match.end() : -1]


def _letter(row: dict[str, Any], topic: str) -> DeadLetter:
    return DeadLetter(
        source=TopicPartition(topic, row["_partition"]),
        offset=row["_offset"],
        timestamp_ms=NO_TIMESTAMP if row["_timestamp"] is None else row["_timestamp"],
        timestamp_type=TIMESTAMP_TYPES.index(row["_timestamp_type"]),
        key=bytes_of(row["_key"]),
        value=bytes_of(row["value"]),
        headers=header_list(row["_headers"]),
        reason=row["reason"],
        field=row["field"],
        message=row["message"],
        attempt=row["attempt"],
        first_failed_at_ms=row["first_failed_at"],
    )


def _blocks(stored: BinaryIO, file: FileEntry) -> Iterator[bytes]:
    """The decompressed content in blocks of whole lines."""
    rest = b""
    for content in _decompressed(stored, file):
        end = content.rfind(b"\n") + 1
        if end:
            yield b"".join((rest, memoryview(content)[:end]))
            rest = content[end:]
        else:
            rest += content
    if rest:
        raise ValueError("it ends within a line")


def _decompressed(stored: BinaryIO, file: FileEntry) -> Iterator[bytes]:
    """The content in pieces. Raises ValueError when the compressed stream ends early, which readers may not notice."""
    if not file.final.endswith((".gz", ".zst")):
        yield from iter(lambda: stored.read(BLOCK_BYTES), b"")
        return
    gzipped = file.final.endswith(".gz")
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16) if gzipped else zstandard.ZstdDecompressor().decompressobj()
    while compressed := stored.read(COMPRESSED_BYTES):
        yield stream.decompress(compressed)
    if not stream.eof:
        raise ValueError("its compressed stream was cut short")


@contextmanager
def _damage(file: FileEntry) -> Iterator[None]:
    """What reading a file can raise, as FileDamagedError."""
    try:
        yield
    except (zstandard.ZstdError, zlib.error, EOFError, OSError, KeyError, TypeError, ValueError) as error:
        raise FileDamagedError(f"{file.final} can't be read as JSON lines: {error}") from error
