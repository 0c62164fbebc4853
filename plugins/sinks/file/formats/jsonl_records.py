"""Lines of the envelope as records again, by whole columns: a line meets Python where its text needs unescaping.

The optional package `streamlake-native` takes blocks in which no text does; Arrow takes all others, and finds what is
wrong with them.

Where a field ends is found by what stands before the next one. Quotes within JSON strings are escaped, so neither can
`,"_headers":` stand in a key, nor `],"value":` in a header: the first of each in a line is the one.
"""

import struct
from base64 import b64decode
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from streamlake.engine.compiled import compiled
from streamlake.engine.records import Header, PayloadKind
from streamlake.plugins.sinks.file.formats import arrays, jsontext
from streamlake.plugins.sinks.file.formats.arrays import Column
from streamlake.plugins.sinks.file.formats.base import NO_TIMESTAMP, REFUSAL_COLUMNS, TIMESTAMP_TYPES

_POSITION = (b'{"_partition":', b'_offset":', b'_timestamp":', b'_timestamp_type":')
_NO_HEADERS = b'null,"value":'
_KNOWN_TYPES: Any = pa.array([b'"%b"' % name.encode() for name in TIMESTAMP_TYPES], pa.binary())


def records_in(block: bytes, payload: PayloadKind) -> pa.RecordBatch:
    """Whole lines of accepted rows as RECORD. Raises ValueError where one is no envelope."""
    native = compiled()
    found = None if native is None else native.envelopes(block, payload != "json")
    if found is not None:
        offsets, stamps, kinds, keys, headers, values = found
        texts = pa.nulls(len(keys), pa.binary()) if headers is None else arrays.binary(headers)
        columns = [_numbers(offsets, pa.int64()), _numbers(stamps, pa.int64()), _numbers(kinds, pa.int8())]
        columns += [arrays.binary(keys), _headers(texts), arrays.binary(values)]
        return pa.record_batch(columns, schema=arrays.RECORD)
    head, rest = _head_and_rest(block)
    position, keys = _split(head, b',"_key":')
    _, offsets, stamps, kinds = _fields(position, b',"', _POSITION)
    headers, values = _headers_and_values(rest)
    columns = [_integers(offsets), *_times(stamps, kinds), _strings(keys), _headers(headers)]
    return pa.record_batch([*columns, _payload(values, payload)], schema=arrays.RECORD)


def contents_in(block: bytes, payload: PayloadKind) -> pa.RecordBatch:
    """Offset and payload of whole lines of accepted rows. Raises ValueError where one is no envelope."""
    native = compiled()
    found = None if native is None else native.contents(block, payload != "json")
    if found is not None:
        columns = [_numbers(found[0], pa.int64()), arrays.binary(found[1])]
        return pa.record_batch(columns, names=["_offset", "value"])
    head, rest = _head_and_rest(block)
    place, _ = _split(head, b',"_timestamp":')
    _, offsets = _fields(place, b',"', _POSITION[:2])
    _, values = _headers_and_values(rest)
    return pa.record_batch([_integers(offsets), _payload(values, payload)], names=["_offset", "value"])


def refused_in(block: bytes) -> pa.RecordBatch:
    """Whole lines of dead letters as RECORD, line by line."""
    rows = [orjson.loads(line) for line in block.splitlines()]
    kinds = [TIMESTAMP_TYPES.index(row["_timestamp_type"]) for row in rows]
    columns = [
        pa.array([row["_offset"] for row in rows], pa.int64()),
        pa.array([NO_TIMESTAMP if row["_timestamp"] is None else row["_timestamp"] for row in rows], pa.int64()),
        pa.array(kinds, pa.int8()),
        arrays.binary([bytes_of(row["_key"]) for row in rows]),
        arrays.headers([header_list(row["_headers"]) or None for row in rows]),
        arrays.binary([bytes_of(row["value"]) for row in rows]),
    ]
    return pa.record_batch(columns, schema=arrays.RECORD)


def refusals_in(block: bytes) -> pa.RecordBatch:
    """Why each of whole lines of dead letters was refused, line by line."""
    rows = [orjson.loads(line) for line in block.splitlines()]
    kinds = (pa.int64(), pa.string(), pa.string())
    columns = [pa.array([row[name] for row in rows], kind) for name, kind in zip(REFUSAL_COLUMNS, kinds, strict=True)]
    return pa.record_batch(columns, names=list(REFUSAL_COLUMNS))


def payloads_in(block: bytes, payload: PayloadKind) -> pa.RecordBatch:
    """Whole lines that are payloads alone."""
    lines = lines_of(block)
    return pa.record_batch([_payload(lines, payload)], names=["value"])


def typed_in(block: bytes) -> Column:
    """The JSON text of each line's own fields: what follows its headers."""
    _, rest = _split(lines_of(block), b',"_headers":')
    return rest


def lines_of(block: bytes, end: bytes = b"\n") -> Column:
    """The lines of a block that ends with `end` as binary, without their ends."""
    ends = struct.pack("=2i", 0, len(block) - len(end))
    whole: Any = pa.Array.from_buffers(pa.binary(), 1, [None, pa.py_buffer(ends), pa.py_buffer(block)])
    return cast("Column", cast("Any", pc.split_pattern(whole, pattern=cast("Any", end))).values)


def bytes_of(value: Any) -> bytes | None:
    """The bytes that `jsontext.string` wrote as this."""
    if isinstance(value, str):
        return value.encode()
    return None if value is None else b64decode(value["base64"], validate=True)


def header_list(headers: Any) -> tuple[Header, ...]:
    """What stands under `_headers`; none for null."""
    return tuple((header["name"], bytes_of(header["value"])) for header in headers or ())


def _head_and_rest(block: bytes) -> tuple[Column, Column]:
    """The lines without their last brace, up to `,"_headers":` and from there on."""
    if not block.endswith(b"}\n"):
        raise ValueError("a line is no envelope")
    # A payload has no line break. Where another line than the last has no brace, a row is missing to the entry's count.
    return _split(lines_of(block, b"}\n"), b',"_headers":')


def _numbers(numbers: bytes, kind: pa.DataType) -> Column:
    rows = len(numbers) * 8 // kind.bit_width
    return cast("Column", pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(numbers)]))


def _integers(digits: Column) -> Column:
    return digits.cast(pa.string()).cast(pa.int64())


def _payload(texts: Column, payload: PayloadKind) -> Column:
    return texts if payload == "json" else _strings(texts)


def _split(texts: Column, at: bytes) -> tuple[Column, Column]:
    """What stands before the first `at` in each text, and what behind it. Raises ValueError where there is none."""
    before, behind = _parts(cast("Any", pc).split_pattern(texts, pattern=at, max_splits=1), 2)
    return before, behind


def _fields(texts: Column, between: bytes, begins: Sequence[bytes]) -> list[Column]:
    """What follows each of `begins` in texts of as many parts. Raises ValueError for any other."""
    parts = _parts(cast("Any", pc).split_pattern(texts, pattern=between), len(begins))
    return [_behind(part, begin) for part, begin in zip(parts, begins, strict=True)]


def _parts(lists: Any, count: int) -> list[Column]:
    if not pc.all(pc.equal(pc.list_value_length(lists), pa.scalar(count, pa.int32()))).as_py():
        raise ValueError("a line is no envelope")
    return [cast("Column", pc.list_element(lists, number)) for number in range(count)]


def _behind(texts: Column, begin: bytes) -> Column:
    """The texts without what each of them has to begin with. Raises ValueError."""
    if not pc.all(pc.starts_with(cast("Any", texts), cast("Any", begin))).as_py():
        raise ValueError("a line is no envelope")
    # Not by `binary_slice`: without an end it fails on nearly empty rests (Arrow 26).
    return cast("Column", cast("Any", pc).binary_replace_slice(texts, 0, len(begin), b""))


def _times(stamps: Column, kinds: Column) -> tuple[Column, Column]:
    """Milliseconds, and librdkafka's number of the type."""
    numbers: Any = pc.index_in(kinds, value_set=_KNOWN_TYPES)
    if numbers.null_count:
        raise ValueError("a timestamp type is none of Kafka's")
    texts: Any = _where(stamps, pc.not_equal(stamps, jsontext.NULL))
    return _integers(texts).fill_null(NO_TIMESTAMP), numbers.cast(pa.int8())


def _headers_and_values(rest: Column) -> tuple[Column, Column]:
    """What stands behind `"_headers":`, taken apart: headers without their `]`, null for none, and the value."""
    some: Any = pc.starts_with(cast("Any", rest), cast("Any", b"["))
    with_headers = pc.sum(some).as_py()
    if not with_headers:
        return pa.nulls(len(rest), pa.binary()), _behind(rest, _NO_HEADERS)
    if with_headers == len(rest):
        return _split(rest, b'],"value":')
    # Each kind by itself, and both put together in the order of their lines.
    kinds = [rest.filter(some), rest.filter(pc.invert(some))]
    (some_headers, some_values), (no_headers, other_values) = map(_headers_and_values, kinds)
    lines: list[Any] = [pc.indices_nonzero(some), pc.indices_nonzero(pc.invert(some))]
    order = pc.sort_indices(pa.concat_arrays(lines))
    headers, values = pa.concat_arrays([some_headers, no_headers]), pa.concat_arrays([some_values, other_values])
    return headers.take(order), values.take(order)


def _headers(texts: Column) -> Column:
    if texts.null_count == len(texts):
        return arrays.constant(None, arrays.HEADERS, len(texts))
    found = cast("list[bytes | None]", texts.to_pylist())
    return arrays.headers([None if text is None else _decoded_headers(text) for text in found])


@lru_cache(maxsize=64)  # neighbours often have equal ones, and then share one object
def _decoded_headers(text: bytes) -> tuple[Header, ...]:
    return header_list(orjson.loads(text + b"]"))


def _strings(texts: Column) -> Column:
    """What `jsontext.strings` wrote: at once where no text needs unescaping."""
    some: Any = pc.not_equal(texts, jsontext.NULL)
    present: Any = _where(texts, some)
    find: Callable[..., Any] = pc.match_substring
    quoted = pc.starts_with(present, cast("Any", b'"'))
    if pc.all(quoted).as_py() is not False and not pc.any(find(present, b"\\")).as_py():
        # So the only quotes are the first byte and the last.
        return cast("Column", cast("Any", pc).replace_substring(present, b'"', b""))
    return arrays.binary([bytes_of(orjson.loads(text)) for text in cast("list[bytes]", texts.to_pylist())])


def _where(texts: Column, some: Any) -> Column:
    """The texts, null where `some` is false."""
    return cast("Column", pc.if_else(some, texts, pa.scalar(None, pa.binary())))
