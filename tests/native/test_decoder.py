"""The compiled decoder against what Python says of the same texts: numbers, days, times, patterns, UTF-8, grammar."""

import datetime as dt
import json
import re
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamlake.engine.compiled import compiled
from streamlake.plugins.validators.column_types import BOOLEAN, DATE, INTEGER, NUMBER, STRING, UTC_TIME, Column, Scalar
from streamlake.plugins.validators.native_decoder import NativeDecoder
from streamlake.plugins.validators.shapes import (
    Anything,
    Double,
    Either,
    Field,
    Record,
    Shape,
    Text,
    Truth,
    Whole,
)

pytestmark = pytest.mark.usefixtures("native")

ANY_TEXT = Text(None, None, None, None)
ANY_NUMBER = Either((Whole(-(2**63), 2**63 - 1, None), Double(None, None, None, None)))
OF_FORMAT = {name: Text(None, None, name, None) for name in ("date", "time", "date-time", "uuid")}


def field(shape: Shape, node: Scalar) -> NativeDecoder:
    """A decoder of `{"a": …}` that fills one column."""
    record = Record((Field("a", shape, required=True),), closed=True)
    return NativeDecoder(record, 64, [Column("a", node, nullable=False)])


def held(decoder: NativeDecoder, text: str | bytes) -> list[Any]:
    """What the column holds of the value with this text: nothing where it is doubtful."""
    payload = b'{"a":%b}' % (text.encode() if isinstance(text, str) else text)
    batch, doubtful = decoder.rows([payload])
    batch.validate(full=True)
    assert doubtful == ([] if batch.num_rows else [0])
    assert set(decoder.doubtful([payload])).issubset(doubtful)  # a column may not hold what is allowed
    column: Any = batch.column(0)
    return list(column.to_pylist())


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e6, 1e6).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.from_regex(r"\A-?[0-9]{1,24}(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?\Z"),
)


@settings(max_examples=2000)
@given(NUMBERS)
@example("-0")
@example("0.1")
@example("9007199254740993")
@example("9223372036854775807")
@example("9223372036854775808")
@example("-9223372036854775808")
@example("1e22")
@example("123456789012345678e-22")
@example("2.2250738585072011e-308")
def test_a_number_is_the_one_that_orjson_reads(text: str) -> None:
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        assert held(field(ANY_NUMBER, NUMBER), text) == []
        return
    for found in held(field(ANY_NUMBER, NUMBER), text):
        assert found == read
        assert str(found) == str(float(read))
    for found in held(field(Whole(-(2**63), 2**63 - 1, None), INTEGER), text):
        assert type(read) is int
        assert found == read


@pytest.mark.parametrize(
    "text", ["0", "7", "-12", "1.5", "-0.25", "1e5", "12345.67", "0.1", "1E-7", "9007199254740992"]
)
def test_plain_numbers_are_not_doubtful(text: str) -> None:
    assert held(field(ANY_NUMBER, NUMBER), text) == [float(text)]


DAYS = st.dates().map(str) | st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", fullmatch=True)


@settings(max_examples=1000)
@given(DAYS)
@example("0000-01-01")
@example("1900-02-29")
@example("2000-02-29")
@example("9999-12-31")
def test_a_day_is_the_one_that_python_reads(text: str) -> None:
    try:
        expected = [dt.date.fromisoformat(text)] if text.isascii() else []
    except ValueError:
        expected = []
    assert held(field(OF_FORMAT["date"], DATE), f'"{text}"') == expected


ZONES = st.sampled_from(["Z", "z", "+00:00", "-00:00", "+05:30", "-23:59", "+24:00", "+0100", "", " Z"])
FRACTIONS = st.sampled_from(["", ".0", ".5", ".123456", ".1234560", ".1234567", ".", ".12a"])


@settings(max_examples=1000)
@given(st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 30)), st.sampled_from("Tt "), FRACTIONS, ZONES)  # noqa: DTZ001  (the zone comes as text)
def test_a_moment_is_the_one_that_arrow_reads(moment: dt.datetime, between: str, fraction: str, zone: str) -> None:
    text = f"{moment:%Y-%m-%d}".rjust(10, "0") + between + f"{moment:%H:%M:%S}" + fraction + zone
    found = held(field(OF_FORMAT["date-time"], UTC_TIME), f'"{text}"')
    expected = between in "Tt" and re.fullmatch(
        r"(\.[0-9]{1,6}0*)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])", fraction + zone
    )
    assert bool(found) == bool(expected)
    if found:
        read = pa.array([text.upper()]).cast(pa.timestamp("us", "UTC")) if len(fraction) <= 7 else None
        assert read is None or found == read.to_pylist()


@given(st.text(st.sampled_from("0123456789:.Zz+-T"), max_size=24))
def test_times_are_those_of_their_words(text: str) -> None:
    clock = "([01][0-9]|2[0-3]):[0-5][0-9]"
    expected = re.fullmatch(rf"{clock}:[0-5][0-9](\.[0-9]+)?([Zz]|[+-]{clock})", text)
    assert bool(held(field(OF_FORMAT["time"], STRING), f'"{text}"')) == bool(expected)


PATTERNS = [
    *("^[A-Z]{3}$", "^a", r"^[0-9]+\.[0-9]{2}$", r"^ab*a$", r"^[a-c]{2,3}ab$", "^x?y", r"^a{0,}b{2}$", "^$", "^"),
    *(r"^a\$$", r"^[.]{1}a*$", "^[0-9]{2,}-a$"),
]


@settings(max_examples=1500)
@given(st.sampled_from(PATTERNS), st.text(st.sampled_from("aAbBcxy0129.-$é\n"), max_size=8))
def test_a_pattern_matches_what_python_matches(pattern: str, text: str) -> None:
    decoder = field(Text(None, None, None, pattern), STRING)
    meant = pattern[:-1] + r"\Z" if pattern.endswith("$") and not pattern.endswith(r"\$") else pattern
    expected = "\n" not in text and re.search(meant, text) is not None  # what is escaped is left to others
    assert held(decoder, json.dumps(text, ensure_ascii=False)) == ([text] if expected else [])


@settings(max_examples=1000)
@given(st.binary(max_size=24) | st.text(max_size=12).map(str.encode))
@example(b"\xed\xa0\x80")
@example(b"\xf4\x90\x80\x80")
@example(b"\xc0\x80")
@example(b"0123456789abcde\xe2\x82\xac0123456789abcdef")
def test_a_string_is_the_one_that_orjson_reads(inside: bytes) -> None:
    payload = b'"%b"' % inside
    try:
        read = orjson.loads(payload)
    except orjson.JSONDecodeError:
        assert held(field(ANY_TEXT, STRING), payload) == []
        return
    assert held(field(ANY_TEXT, STRING), payload) == [read]


@settings(max_examples=500)
@given(st.text(max_size=8))
def test_escapes_are_what_they_stand_for(text: str) -> None:
    assert held(field(ANY_TEXT, STRING), json.dumps(text)) == [text]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**64) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@settings(max_examples=1000)
@given(JSON, st.data())
def test_anything_taken_is_json_to_orjson(document: Any, data: st.DataObject) -> None:
    text = json.dumps(
        {"a": document}, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 1]))
    )
    payload = text.encode("utf-8", "replace")
    at = data.draw(st.integers(0, len(payload)))
    broken = (
        payload[:at] + data.draw(st.sampled_from([b"", b",", b"}", b"\x00", b'"', b"\\", b"0"])) + payload[at + 1 :]
    )
    decoder = NativeDecoder(Record((), closed=False), 64, None)
    for each in (payload, broken):
        if not decoder.doubtful([each]):
            assert isinstance(orjson.loads(each), dict)


def test_a_duplicate_and_an_escaped_name_are_doubtful() -> None:
    decoder = NativeDecoder(Record((Field("a", Anything(), required=False),), closed=False), 64, None)
    assert decoder.doubtful([b'{"a":1}', b'{"a":1,"a":2}', b'{"\\u0061":1}', b'{"b":1,"b":2}']) == [1, 2]


def test_what_a_doubtful_record_left_in_columns_is_taken_back() -> None:
    shape = Record((Field("a", Truth(), required=True), Field("b", ANY_TEXT, required=False)), closed=True)
    columns = [Column("a", BOOLEAN, nullable=False), Column("b", STRING, nullable=True)]
    good, half = b'{"a":true,"b":"x"}', b'{"a":false,"b":"yyyy"'
    batch, doubtful = NativeDecoder(shape, 64, columns).rows([half, good, half, b'{"a":false}', None, half])
    batch.validate(full=True)
    assert doubtful == [0, 2, 4, 5]
    assert batch.to_pylist() == [{"a": True, "b": "x"}, {"a": False, "b": None}]


def test_depth_is_counted() -> None:
    decoder = NativeDecoder(Record((), closed=False), 3, None)
    assert decoder.doubtful([b'{"a":[[]]}', b'{"a":[[[]]]}', b'{"a":[{"b":[]}]}']) == [1, 2]


@pytest.mark.parametrize(
    ("rule", "depth_max", "columns"),
    [
        ((127, None, None, None, None, None), 201, None),
        ((64, None, None, None, None, (((b"a", True, (4,)),), True, None)), 9, None),
        ((16, (0, 0, 0, (True, ((b"short", 1, 1),)), ()), None, None, None, None), 9, None),
        ((64, None, None, None, None, ((), True, None)), 9, (7, ((1, ()),))),
        ((32, None, None, None, (None, -1, -1), None), 9, (6, ((1, ()),))),
        (
            (64, None, None, None, None, (tuple((b"%d" % n, True, (1,) + (None,) * 5) for n in range(65)), True, None)),
            9,
            None,
        ),
    ],
    ids=["depth", "tuple", "atom", "columns", "items", "fields"],
)
def test_rules_that_are_none_are_refused(rule: Any, depth_max: int, columns: Any) -> None:
    native = compiled()
    assert native is not None
    with pytest.raises((TypeError, ValueError)):
        native.Decoder(rule, depth_max, columns)
