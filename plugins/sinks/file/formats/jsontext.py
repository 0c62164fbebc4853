"""Columns as JSON text, joined into lines by Arrow: no row meets Python unless its text needs an escape."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from streamlake.engine.records import Header
from streamlake.plugins.sinks.file.formats import arrays

Text: TypeAlias = "pa.BinaryArray | pa.BinaryScalar"
"""JSON text, one a row or the same for all rows."""

# ASCII that stands in a JSON string as it is (RFC 8259, 7): no control characters, no quote, no backslash.
_PLAIN = bytes(code for code in range(0x20, 0x7F) if code not in b'"\\')


def constant(text: bytes) -> pa.BinaryScalar:
    """The same text in every row."""
    return pa.scalar(text, pa.binary())


NULL = constant(b"null")


def joined(*parts: Text) -> pa.BinaryArray:
    """Row by row, the parts one after the other; null where one of them is."""
    columns: list[Any] = [*parts, constant(b"")]
    return cast("pa.BinaryArray", pc.binary_join_element_wise(*columns))


def or_null(texts: arrays.Column) -> pa.BinaryArray:
    """`texts` with JSON's `null` where there is none."""
    return cast("pa.BinaryArray", pc.fill_null(texts, NULL))


def numbers(items: arrays.Column) -> pa.BinaryArray:
    """Integers in decimal; `null` for null."""
    return or_null(items.cast(pa.string()).cast(pa.binary()))


def strings(items: Sequence[bytes | None]) -> pa.BinaryArray:
    """Bytes as JSON strings, as `{"base64":"…"}` where they are no UTF-8, as `null` for None."""
    column = arrays.binary(items)
    data = column.buffers()[2]
    if data is None or not data.to_pybytes().translate(None, _PLAIN):
        return or_null(joined(constant(b'"'), column, constant(b'"')))
    return arrays.binary([string(item) for item in items])


def string(item: bytes | None) -> bytes:
    """One value as `strings` writes it."""
    if item is None:
        return b"null"
    try:
        return orjson.dumps(item.decode())
    except UnicodeDecodeError:
        return b'{"base64":"%b"}' % b64encode(item)


def headers(items: Sequence[Sequence[Header] | None]) -> Text:
    """Header lists as `[{"name":…,"value":…},…]`; `null` for a record without any."""
    return cast("Text", arrays.for_each_distinct(items, _headers)) if any(items) else NULL


def _headers(items: Sequence[Sequence[Header] | None]) -> arrays.Column:
    flat, offsets = arrays.flat_headers(items)
    names = strings([name.encode() for name, _ in flat])
    values = strings([value for _, value in flat])
    pairs = joined(constant(b'{"name":'), names, constant(b',"value":'), values, constant(b"}"))
    lists: Any = pa.ListArray.from_arrays(offsets, pairs)
    texts = cast("pa.BinaryArray", pc.binary_join(lists, constant(b",")))
    return or_null(joined(constant(b"["), texts, constant(b"]")))


def spliced(items: Sequence[bytes | None]) -> pa.BinaryArray:
    """JSON payloads as they are, on one line each: a raw line break can only stand between tokens."""
    column: Any = arrays.binary(items)
    data = column.buffers()[2]
    content = b"" if data is None else data.to_pybytes()
    for line_break in (b"\n", b"\r"):
        if line_break in content:
            column = pc.replace_substring(column, line_break, b" ")
    return or_null(column)
