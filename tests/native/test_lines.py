"""Lines that were landed are read back by the compiled way as by Arrow's, or are left to it."""

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.compiled import built

from streamlake.engine.compiled import compiled
from streamlake.engine.records import Batch, Header, OffsetRange, PayloadKind, TopicPartition
from streamlake.plugins.sinks.file.formats.base import NO_TIMESTAMP, Rows
from streamlake.plugins.sinks.file.formats.jsonl import JsonlFormat
from streamlake.plugins.sinks.file.formats.jsonl_records import contents_in, records_in

pytestmark = pytest.mark.usefixtures("native")

Read = Callable[[bytes, PayloadKind], pa.RecordBatch]

WORDS = ("", "a", "k-17", "ä€", 'q"', "\\", "\n", "\x00", '],"value":', ',"_headers":', "null", "}", "{")
TEXTS = st.sampled_from(WORDS)
ITEMS = st.none() | TEXTS.map(str.encode) | st.binary(max_size=6)
HEADERS = st.none() | st.lists(st.tuples(TEXTS, ITEMS), min_size=1, max_size=3).map(tuple)
JSON = st.recursive(st.none() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=2)).map(
    lambda value: json.dumps(value, ensure_ascii=False).encode()
)
STAMPS = st.sampled_from([(NO_TIMESTAMP, 0), (0, 1), (1_767_312_000_123, 1), (-5, 2), (253_402_300_799_999, 2)])
POSITIONS = st.sampled_from([0, 9, 10, 2**31, 10**17, 10**18 - 2, 10**18])
Row = tuple[tuple[int, int], bytes | None, tuple[Header, ...] | None]
ROWS = st.lists(st.tuples(STAMPS, ITEMS, HEADERS), min_size=1, max_size=4)


def lines(rows: list[Row], values: list[bytes | None], payload: PayloadKind, first: int) -> bytes:
    """As they are landed."""
    taken = rows[: len(values)]
    covered = OffsetRange(first, first + len(taken))
    batch = Batch(
        TopicPartition("orders", 3),
        covered,
        0,
        list(range(covered.first, covered.next)),
        [stamp for (stamp, _), *_ in taken],
        [kind for (_, kind), *_ in taken],
        [key for _, key, _ in taken],
        values[: len(taken)],
        [headers for *_, headers in taken],
    )
    out = io.BytesIO()
    writer = JsonlFormat().writer(out)
    writer.add(Rows(batch, payload))
    writer.finish({})
    return out.getvalue()


def read(way: str, reading: Read, block: bytes, payload: PayloadKind) -> pa.RecordBatch | str:
    """The rows, or what is wrong with a line."""
    with built(way):
        try:
            return reading(block, payload)
        except (ValueError, TypeError, KeyError) as error:
            return type(error).__name__


def is_taken(reading: Read, block: bytes, payload: PayloadKind) -> bool:
    """Whether the compiled way takes the block."""
    native = compiled()
    assert native is not None
    found = (native.envelopes if reading is records_in else native.contents)(block, payload != "json")
    return found is not None


def agree(block: bytes, payload: PayloadKind) -> None:
    for reading in (records_in, contents_in):
        fast, exact = (read(way, reading, block, payload) for way in ("compiled", "pure"))
        if isinstance(exact, pa.RecordBatch):
            exact.validate(full=True)
            assert isinstance(fast, pa.RecordBatch)
            fast.validate(full=True)
            assert fast.equals(exact, check_metadata=True)
        else:
            assert fast == exact


@given(ROWS, st.lists(JSON, min_size=4, max_size=4), POSITIONS)
@example([((5, 1), b"", (("a", None),)), ((5, 1), None, None)], [b"{}", b"null"], 9)
def test_json_lines(rows: list[Row], values: list[bytes | None], first: int) -> None:
    agree(lines(rows, values, "json", first), "json")


@given(ROWS, st.lists(ITEMS, min_size=4, max_size=4), POSITIONS)
def test_lines_with_bytes(rows: list[Row], values: list[bytes | None], first: int) -> None:
    agree(lines(rows, values, "bytes", first), "bytes")


@given(ROWS, st.lists(JSON, min_size=4, max_size=4), st.data())
def test_lines_that_were_altered(rows: list[Row], values: list[bytes | None], data: st.DataObject) -> None:
    block = lines(rows, values, "json", 9)
    at = data.draw(st.integers(0, len(block)))
    gone = data.draw(st.integers(0, 12))
    put = data.draw(st.binary(max_size=3) | st.sampled_from([b"\n", b"}\n", b'"', b"null", b'],"value":', block]))
    agree(block[:at] + put + block[at + gone :], data.draw(st.sampled_from(["json", "bytes"])))


PLAIN: list[Row] = [((5, 1), b"k", None), ((NO_TIMESTAMP, 0), None, None), ((7, 2), b"", (("trace", b"1"),))]


@pytest.mark.parametrize("reading", [records_in, contents_in])
@pytest.mark.parametrize(
    ("payload", "values"), [("json", [b'{"a":"\\n"}', b"null", b"[]"]), ("bytes", [b"a b", None, b""])]
)
def test_what_needs_no_unescaping_is_taken(reading: Read, payload: PayloadKind, values: list[bytes | None]) -> None:
    block = lines(PLAIN, values, payload, 10**17)
    assert is_taken(reading, block, payload)
    agree(block, payload)


@pytest.mark.parametrize(
    ("key", "offset"), [(b'"', 0), (b"\n", 0), (b"\xff", 0), (b"k", 10**18)], ids=["quote", "control", "bytes", "long"]
)
def test_what_does_is_left_to_arrow(key: bytes, offset: int) -> None:
    block = lines([((5, 1), key, None)], [b"{}"], "json", offset)
    assert not is_taken(records_in, block, "json")
    agree(block, "json")


@pytest.mark.parametrize("reading", [records_in, contents_in])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"c"}\n', b'"c"\n'),
        (b'"c"}\n', b'"c"}'),
        (b'"c"}\n', b'"c"x}\n'),
        (b'"c"}\n', b'"c}\n'),
        (b'"a"}\n', b'"a"\n'),
        (b'"a"}\n', b"a}\n"),
        (b'"_partition":3', b'"_partition":'),
        (b'"_offset":9', b'"_offset":-9'),
        (b'],"value":', b',"value":'),
        (b'"_headers":null', b'"_headers":0'),
    ],
)
def test_a_line_that_is_not_whole_is_left_to_arrow(reading: Read, before: bytes, after: bytes) -> None:
    block = lines(PLAIN, [b"a", b"b", b"c"], "bytes", 9)
    assert before in block
    assert not is_taken(reading, block.replace(before, after), "bytes")
    agree(block.replace(before, after), "bytes")


@pytest.mark.parametrize("reading", [records_in, contents_in])
@pytest.mark.parametrize(("before", "after"), [(b"[2]}\n", b"[2]\n"), (b"[0]}\n", b"[0]\n"), (b"[2]}\n", b"[2]}")])
def test_json_without_its_brace_is_left_to_arrow(reading: Read, before: bytes, after: bytes) -> None:
    block = lines(PLAIN, [b"[0]", b"[1]", b"[2]"], "json", 9)
    assert not is_taken(reading, block.replace(before, after), "json")
    agree(block.replace(before, after), "json")


@pytest.mark.parametrize("block", [b"", b"{}\n", b"\n", b"x", b"}\n"])
@pytest.mark.parametrize("reading", [records_in, contents_in])
def test_what_is_no_line_of_the_envelope_is_left_to_arrow(reading: Read, block: bytes) -> None:
    assert not is_taken(reading, block, "json")
    agree(block, "json")


@pytest.mark.parametrize("arguments", [(), (b"",), ("text", True), (None, True)])
def test_other_arguments_are_refused(arguments: tuple[Any, ...]) -> None:
    native = compiled()
    assert native is not None
    for function in (native.envelopes, native.contents):
        with pytest.raises(TypeError):
            function(*arguments)
