"""The quick yes of `jsonschema` never takes what the exact path refuses, and takes what it is there for."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.batches import batch_of
from support.compiled import WAYS, built
from validators import making
from validators.shapes import KEYS, TEXTS
from validators.texts import ODD_BYTES, ODD_TOKENS

from streamlake.plugins.validators.decode import Gate
from streamlake.plugins.validators.schema_decoder import SchemaDecoder, decoder_of
from streamlake.plugins.validators.shapes import shape_of

BOUNDS = st.integers(-9, 60) | st.sampled_from([2**53, -(2**53), 2**53 + 1, 2**63 - 1, 0.5, 1e300, -0.0])
LENGTHS = st.integers(0, 3)
PATTERNS = [
    "^[A-Z]{3}$",
    "^a",
    r"^[0-9]+\.[0-9]{2}$",
    "^[^a]$",
    "a|b",
    r"^\d$",
    "^(a+)+$",
    "^x{1,}y?$",
    "^.$",
    "^$",
    "^a-b ",
]
FORMATS = ["date", "time", "date-time", "uuid", "ipv4", "email"]

STRINGS_OF_NOTE = (
    *("2026-02-28", "2024-02-29", "2023-02-29", "0000-01-01", "2026-04-31", ",996-01-02", "23:59:60Z", "24:00:00Z"),
    *("2026-01-02T03:04:05Z", "2026-01-02t03:04:05.5z", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05+0000"),
    *("2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05-00:00", "1998-12-31T23:59:60Z", "2026-01-02T03:04:05"),
    *(
        "03:04:05.123+01:00",
        "3:04:05Z",
        "03:04:05Z",
        "5e2b1c3a-0d4f-4b6a-8c7d-9e0f1a2b3c4d",
        "ABC",
        "ABC\n",
        "AB\u0660",
    ),
    *("5e2b1c3a0d4f4b6a8c7d9e0f1a2b3c4d", "12.34", "xxy", "a", "127.0.0.1", "a@b.c", "\u0663", "\U0001f600", "e\u0301"),
)


def _some(words: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=words)


def _typed(name: str, words: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return _some(words).map(lambda said: {"type": name, **said})


NUMBER_WORDS: dict[str, st.SearchStrategy[Any]] = {
    "minimum": BOUNDS,
    "maximum": BOUNDS,
    "exclusiveMinimum": BOUNDS,
    "exclusiveMaximum": BOUNDS,
}
STRING_WORDS: dict[str, st.SearchStrategy[Any]] = {"minLength": LENGTHS, "maxLength": LENGTHS}
LEAVES = st.one_of(
    _typed("integer", {**NUMBER_WORDS, "multipleOf": st.sampled_from([1, 3, 0.5])}),
    _typed("number", NUMBER_WORDS),
    _typed("string", STRING_WORDS),
    st.sampled_from(PATTERNS).map(lambda pattern: {"type": "string", "pattern": pattern}),
    st.sampled_from(FORMATS).map(lambda name: {"type": "string", "format": name}),
    st.just({"type": "string", "format": "date", "not": {"pattern": "^0000"}}),
    st.sampled_from(["boolean", "null", ["string", "null"], ["integer", "string", "null"]]).map(
        lambda name: {"type": name}
    ),
    st.lists(st.sampled_from(["O", "x", "", 1, 51, None, True, 1.0]), min_size=1, max_size=3).map(
        lambda some: {"enum": some}
    ),
    st.just({"enum": ["O", 12], "type": "string"}),
    st.sampled_from([{}, {"const": "O"}, {"const": 0}, {"$ref": "#/$defs/Leaf"}, {"$ref": "#"}, {"title": "any"}]),
)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    lists = _typed("array", {"items": inner, "minItems": LENGTHS, "maxItems": LENGTHS})
    maps = inner.map(lambda schema: {"type": "object", "additionalProperties": schema})
    return lists | maps | _objects(inner) | inner.map(lambda schema: {"anyOf": [schema, {"type": "null"}]})


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    fields = draw(st.dictionaries(KEYS, inner, min_size=1, max_size=3))
    must = [name for name in fields if draw(st.booleans())]
    return {"type": "object", "properties": fields, "required": must} | draw(
        st.sampled_from(
            [{"additionalProperties": False}, {"additionalProperties": False}, {}, {"additionalProperties": True}]
        )
    )


SCHEMAS = _objects(st.recursive(LEAVES, _nested, max_leaves=5)).map(
    lambda schema: {**schema, "$defs": {"Leaf": {"type": "integer", "minimum": 0}}}
)


@st.composite
def payloads(draw: st.DrawFn, schema: dict[str, Any]) -> bytes:
    """The text of something near `schema`, sometimes with odd tokens, sometimes with odd bytes in it."""
    data = draw(_texts(schema, schema)).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 5)):
        return data
    at, cut = draw(st.integers(0, len(data))), draw(st.integers(0, 2))
    return data[:at] + draw(st.sampled_from(ODD_BYTES)) + data[at + cut :]


@st.composite
def _texts(draw: st.DrawFn, schema: Any, document: dict[str, Any]) -> str:
    match schema:
        case _ if not draw(st.integers(0, 12)):
            return draw(st.sampled_from(ODD_TOKENS))
        case {"anyOf": [inner, _]}:
            return draw(_texts(inner, document) | st.just("null"))
        case {"$ref": "#/$defs/Leaf"}:
            return draw(_texts(document["$defs"]["Leaf"], document))
        case {"type": "object"}:
            return draw(_object_texts(schema, document))
        case {"type": "array", **words}:
            size = draw(st.integers(0, 4))
            return "[" + ",".join(draw(_texts(words.get("items", {}), document)) for _ in range(size)) + "]"
    return draw(_scalar_texts(schema))


def _scalar_texts(schema: Any) -> st.SearchStrategy[str]:
    match schema:
        case {"enum": values}:
            return st.sampled_from(values).map(json.dumps)
        case {"const": value}:
            return st.just(json.dumps(value))
        case {"type": "integer" | "number", **words}:
            bounds: list[Any] = [words[word] for word in NUMBER_WORDS if word in words] or [0]
            near = st.builds(
                lambda bound, off: bound + off, st.sampled_from(bounds), st.sampled_from([0, 1, -1, 0.5, 3])
            )
            floats = st.floats(allow_nan=False, allow_infinity=False)
            return (near | near | st.integers(-9, 60) | floats).map(json.dumps)
        case {"type": "boolean"}:
            return st.sampled_from(["true", "false"])
        case {"type": "null"}:
            return st.just("null")
    texts = st.builds(
        lambda text, plain: json.dumps(text, ensure_ascii=plain),
        TEXTS | st.sampled_from(STRINGS_OF_NOTE),
        st.booleans(),
    )
    return texts | texts | st.just("null") | st.sampled_from(ODD_TOKENS)


@st.composite
def _object_texts(draw: st.DrawFn, schema: dict[str, Any], document: dict[str, Any]) -> str:
    fields, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    names = [name for name in fields if draw(st.integers(0, 9))]
    if not draw(st.integers(0, 6)):
        names += draw(st.lists(KEYS, min_size=1, max_size=2))
    parts = [f"{json.dumps(name)}:{draw(_texts(fields.get(name, others), document))}" for name in names]
    return "{" + draw(st.sampled_from([",", ", ", " ,\n"])).join(parts) + "}"


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], list[bytes]]:
    schema = draw(SCHEMAS)
    return schema, draw(st.lists(payloads(schema), min_size=1, max_size=6))


def exact(schema: dict[str, Any]) -> Any:
    """The validator of the same schema in words that no decoder can say."""
    wrapped = {
        "allOf": [{key: value for key, value in schema.items() if key != "$defs"}],
        "$defs": schema.get("$defs", {}),
    }
    assert decoder_of(wrapped, Gate(64)) is None
    return making.jsonschema(wrapped)


@settings(max_examples=250, deadline=None)
@given(cases())
@example(
    (
        {"type": "object"},
        [b'{"a":"\xff"}', b'{"\xff":1}', b'{"a":1e400}', b'{"a":1E+400}', b'{"a":18446744073709551616}'],
    )
)
@example(({"type": "object"}, [b'{"a":' + b"9" * 400 + b".5}", b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", b"[]"]))
@example(
    ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, [b'{"a":99999999999999999999999}'])
)
def test_what_the_decoder_decides_is_what_the_exact_path_decides(case: tuple[dict[str, Any], list[bytes]]) -> None:
    schema, batch = case
    exactly = {refusal.index: refusal.reason for refusal in making.refused(exact(schema), *batch)}
    for way in WAYS:
        with built(way):
            quickly = making.refused(making.jsonschema(schema), *batch)
        assert {refusal.index: refusal.reason for refusal in quickly} == exactly, way


@settings(max_examples=250, deadline=None)
@given(cases())
def test_the_columns_of_a_decoder_are_those_of_the_exact_path(case: tuple[dict[str, Any], list[bytes]]) -> None:
    schema, batch = case
    validator = making.jsonschema(schema, columns=True)
    validator._decoder = None
    exactly = validator.validate(batch_of(batch))
    for way in WAYS:
        with built(way):
            quickly = making.jsonschema(schema, columns=True).validate(batch_of(batch))
        assert quickly.refused == exactly.refused, way
        assert pa.table(quickly.columns).equals(pa.table(exactly.columns)), way


def closed(**fields: object) -> dict[str, Any]:
    """An object of these fields, all required, and no others."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def a(text: str) -> bytes:
    return f'{{"a":{text}}}'.encode()


TEXT = {"type": "string"}
NOT_QUITE = [
    (closed(a={**TEXT, "pattern": "^[A-Z]{3}$"}), a('"ABC\\n"')),
    (closed(a={**TEXT, "pattern": r"^a\$"}), a(r'"a\\Z"')),
    (closed(a={**TEXT, "format": "uuid"}), a('"5e2b1c3a-0d4f-4b6a-8c7d-9e0f1a2b3c4d\\n"')),
    (closed(a={**TEXT, "format": "uuid"}), a('"5e2b1c3a0d4f4b6a8c7d9e0f1a2b3c4d"')),
    (closed(a={**TEXT, "format": "date"}), a('"2026-04-31"')),
    (closed(a={**TEXT, "format": "date-time"}), a('"2026-04-31T00:00:00Z"')),
    (closed(a={**TEXT, "format": "date-time"}), a('"2023-02-29T00:00:00Z"')),
    (closed(a={**TEXT, "format": "date-time"}), a('"2026-01-02 03:04:05Z"')),
    (closed(a={**TEXT, "format": "date-time", "not": {"pattern": "^0000"}}), a('"0000-01-02T03:04:05Z"')),
    (closed(a={**TEXT, "minLength": 2}), a('"\U0001f600"')),
    (closed(a={**TEXT, "contentEncoding": "base64", "minLength": 2}), a('"x"')),
    (closed(a={"type": "integer"}), a("18446744073709551616")),
    (closed(a={"type": "number"}), a("18446744073709551616")),
    (closed(a={"type": "number"}), a("1e400")),
    (closed(a={"type": "number", "minimum": 2**53 + 1}), a("9007199254740992.0")),
    (closed(a={"type": "number", "exclusiveMaximum": 0}), a("-0")),
    (closed(a={"type": "integer", "multipleOf": 0.5, "minimum": 2}), a("1")),
    (closed(a={"type": "array", "uniqueItems": True}), a("[1,1]")),
    (closed(a={"type": "array", "items": {"enum": [1]}}), a("[true]")),
    (closed(a={"enum": ["x", 1], "type": "string"}), a("1")),
    ({**closed(a={}), "minProperties": 2}, a("1")),
    ({"type": "object", "required": ["b"]}, a("1")),
    ({"type": ["object", "array"]}, b"[]"),
    ({"type": "object"}, b"[]"),
    (closed(a={"type": ["string", "null"], "format": "date", "not": {"pattern": "^0000"}}), a("null")),
    (closed(a={"type": ["string", "integer"], "format": "date", "not": {"pattern": "^0000"}}), a("5")),
    (closed(a={"type": ["integer", "number"], "multipleOf": 5}), a("1.5")),
    (closed(a={"type": ["number", "integer"], "multipleOf": 5}), a("1.5")),
    (closed(a={"$ref": "#/$defs/a~1b"}) | {"$defs": {"a~1b": {}, "a/b": {"type": "integer"}}}, a('"x"')),
    (closed(a={"$ref": "#/$defs/a%20b"}) | {"$defs": {"a%20b": {}, "a b": {"type": "integer"}}}, a('"x"')),
    ({"type": ["object", "array"], "items": {"type": "integer"}, "additionalProperties": False}, b"[1]"),
]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("schema", "payload"), NOT_QUITE, ids=[f"{payload!r}" for _, payload in NOT_QUITE])
def test_what_is_nearly_allowed_is_refused(schema: dict[str, Any], payload: bytes) -> None:
    assert len(making.refused(making.jsonschema(schema), payload)) == 1


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("required", [["a"], []])
def test_a_record_that_is_null_is_no_row(required: list[str]) -> None:
    schema = {"type": ["object", "null"], "properties": {"a": {"type": "integer"}}, "required": required}
    verdict = making.jsonschema(schema, columns=True, top_level="any").validate(batch_of([b"null", a("1")]))
    assert [refusal.index for refusal in verdict.refused] == [0]
    assert pa.table(verdict.columns).to_pylist() == [{"a": 1}]


TAKEN = [
    (closed(a={"type": "number", "exclusiveMinimum": 0, "maximum": 10.5}), a("10.5")),
    (closed(a={"type": "integer", "minimum": -(2**53)}), a("-9007199254740992")),
    (closed(a={"type": "integer", "format": "date"}), a("1")),
    (closed(a={**TEXT, "format": "date", "not": {"pattern": "^0000"}}), a('"2024-02-29"')),
    (closed(a={**TEXT, "format": "date-time"}), a('"2026-12-31T23:59:59.123456789+05:30"')),
    (closed(a={**TEXT, "pattern": "^[A-Z]{2}-[0-9]+$"}), a('"AB-1234"')),
    (closed(a={"type": ["string", "null"], "maxLength": 3}), a("null")),
    (closed(a={"anyOf": [{"type": "integer"}, {"type": "null"}]}), a("7")),
    (closed(a={"const": "x"}), a('"x"')),
    (closed(a={"type": "object", "additionalProperties": TEXT}), a('{"\u00e4":"b"}')),
    (closed(a={"$ref": "#/$defs/B"}) | {"$defs": {"B": {"type": "boolean"}}}, a("true")),
    ({"type": "object"}, a('[{"b":1.5}]')),
    ({"type": "object", "properties": {"b": TEXT}}, a("1")),
]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("schema", "payload"), TAKEN, ids=[f"{payload!r}" for _, payload in TAKEN])
def test_what_shapes_can_say_is_taken(schema: dict[str, Any], payload: bytes) -> None:
    decoder = decoder_of(schema, Gate(64))
    assert decoder is not None
    assert decoder.doubtful([payload, b"{", payload]) == [1]
    assert not making.refused(making.jsonschema(schema), payload)


def test_where_most_are_doubtful_the_rest_is_left_to_the_exact_path() -> None:
    decoder = SchemaDecoder(shape_of(closed(a={"type": "integer"}), 64))
    good, doubtful = a("1"), a("1.0")
    assert decoder.doubtful([doubtful] * 1000 + [good] * 1000) == list(range(2000))
    assert decoder.doubtful([good] * 1000 + [doubtful] * 900 + [good]) == list(range(1000, 1900))


@pytest.mark.usefixtures("way")
def test_a_schema_that_nests_deeper_than_the_gate_allows_has_no_decoder() -> None:
    schema = closed(a=closed(b={"type": "array", "items": {"type": "integer"}}))
    assert decoder_of(schema, Gate(3)) is not None
    assert decoder_of(schema, Gate(2)) is None
