"""JSON Schema: what is accepted, how a refusal speaks, and which schemas are no use."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from validators import making

from streamlake.engine.errors import ConfigError
from streamlake.plugins.validators.jsonschema import JsonSchemaValidator

_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
RFC_3339 = {
    "date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "time": re.compile(_TIME),
    "date-time": re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt]{_TIME}"),
}


def record(**properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def the_refusal(schema: dict[str, Any], payload: bytes) -> tuple[str | None, str]:
    (refusal,) = making.refused(making.jsonschema(schema), payload)
    assert refusal.reason == "invalid"
    return refusal.field, refusal.message


def problem(schema: object) -> str:
    with pytest.raises(ConfigError) as caught:
        making.jsonschema(schema)
    return str(caught.value)


@pytest.mark.parametrize(
    ("schema", "payload", "field", "message"),
    [
        (
            record(a={"maximum": 50}),
            b'{"a":51}',
            "/a",
            "/a breaks `maximum` with 51: it is greater than the maximum of 50",
        ),
        (record(a={"type": "integer"}), b'{"a":"x"}', "/a", '/a breaks `type` with "x": it is not of type "integer"'),
        (
            record(a={"items": {"enum": ["b"]}}),
            b'{"a":["b",{"c":1}]}',
            "/a/1",
            '/a/1 breaks `enum` with {"c":1}: it is not',
        ),
        (
            record(a={"format": "date"}),
            b'{"a":"2026-02-30"}',
            "/a",
            '/a breaks `format` with "2026-02-30": it is not a "date"',
        ),
        ({"required": ["a/b"]}, b"{}", "/a~1b", '/a~1b breaks `required`: "a/b" is a required property'),
        ({**record(a={}), "additionalProperties": False}, b'{"~":1}', "/~0", "/~0 breaks `additionalProperties`: "),
        ({"unevaluatedProperties": False}, b'{"b":1}', "/b", "/b breaks `unevaluatedProperties`: "),
        ({"minProperties": 1}, b"{}", None, "the record breaks `minProperties` with {}: "),
        (record(a={"anyOf": [{"type": "null"}, {"type": "string"}]}), b'{"a":1}', "/a", "/a breaks `anyOf` with 1: "),
    ],
)
def test_a_refusal_names_field_rule_and_value(
    schema: dict[str, Any], payload: bytes, field: str | None, message: str
) -> None:
    found_field, found = the_refusal(schema, payload)
    assert found_field == field
    assert found.startswith(message)


def test_a_long_value_and_a_long_message_are_cut() -> None:
    _, message = the_refusal(record(a={"enum": ["y" * 400]}), json.dumps({"a": "x" * 5000}).encode())
    assert len(message) == 300
    assert f'"{"x" * 118}…' in message
    field, message = the_refusal({**record(a={}), "additionalProperties": False}, json.dumps({"k" * 5000: 1}).encode())
    assert field is not None
    assert (len(field), len(message)) == (200, 300)


def test_a_message_is_one_line_that_a_header_can_carry() -> None:
    _, message = the_refusal(record(a={"const": 1}), '{"a":"\\n\\u0000\\u007f ä"}'.encode())
    assert message.encode().decode() == message
    assert message.isprintable()


@pytest.mark.parametrize(
    "payload",
    [b'{"a":"2016-12-31T23:59:60Z"}', b'{"a":"2026-01-02t03:04:05.123456789+05:30"}', b'{"a":7}', b"{}"],
)
def test_formats_are_asserted_of_strings_and_of_nothing_else(payload: bytes) -> None:
    validator = making.jsonschema(record(a={"format": "date-time"}))
    assert not making.refused(validator, payload)
    assert making.refused(validator, b'{"a":"2026-01-02 03:04:05"}')


@pytest.mark.parametrize("sign", "*+,-./:a \u0660\uff10")
@pytest.mark.parametrize(
    ("form", "good"),
    [
        ("date", "2026-01-02"),
        ("time", "03:04:05.25+05:30"),
        ("date-time", "2026-01-02T03:04:05Z"),
        ("date-time", "2026-01-02t03:04:05.123456-05:30"),
    ],
)
def test_only_digits_are_digits_in_dates_and_times(form: str, good: str, sign: str) -> None:
    # jsonschema-rs 0.60 by itself accepts ",996-01-02".
    validator = making.jsonschema(record(a={"items": {"anyOf": [{"format": form, "allOf": [{"minLength": 9}]}]}}))
    texts = [good[:at] + sign + good[at + 1 :] for at, char in enumerate(good) if char.isdigit()]
    # A dot or a sign may begin the fraction or the zone one place early; that is another good time.
    odd = [text for text in texts if not RFC_3339[form].fullmatch(text)]
    assert odd
    assert not making.refused(validator, json.dumps({"a": [good]}).encode())
    refused = making.refused(validator, *(json.dumps({"a": [text]}).encode() for text in odd))
    assert len(refused) == len(odd)


def test_a_value_that_looks_like_a_schema_stays_the_value_it_is() -> None:
    value = {"format": "date"}
    schema = record(a={"const": value}, b={"enum": [value]}, format={"type": "string"})
    assert not making.refused(making.jsonschema(schema), json.dumps({"a": value, "b": value, "format": "x"}).encode())


def test_local_references_and_recursion_work() -> None:
    schema = {
        "$ref": "#/$defs/n",
        "$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}, "v": {"type": "null"}}}},
    }
    refused = making.refused(making.jsonschema(schema), b'{"next":{"next":{"v":null}}}', b'{"next":{"next":{"v":0}}}')
    assert [refusal.field for refusal in refused] == ["/next/next/v"]


@pytest.fixture
def asked() -> Iterator[tuple[int, list[str]]]:
    """The port of a web server on this host that has a schema for everybody, and the paths it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port, paths
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("reference", ["http://127.0.0.1:{port}/x.json", "file://{folder}/other.json", "other.json"])
def test_a_reference_that_leaves_the_schema_is_refused_and_never_fetched(
    reference: str, asked: tuple[int, list[str]], tmp_path: Path
) -> None:
    (tmp_path / "other.json").write_text("{}")
    port, paths = asked
    target = reference.format(port=port, folder=tmp_path)
    with pytest.raises(ConfigError, match=r"`\$ref` may point into the schema itself only") as caught:
        JsonSchemaValidator.from_options({"schema": record(a={"$ref": target})}, columns=False, base_dir=tmp_path)
    assert target in str(caught.value)
    assert paths == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (record(a={"type": "objekt"}), [".properties.a.type is", '"objekt" is no type', "Did you mean `object`"]),
        (record(a={"pattern": "("}), [".properties.a.pattern is", "no regular expression"]),
        (record(a={"$ref": "#/$defs/nowhere"}), [".properties.a.$ref is", '"#/$defs/nowhere" does not exist']),
        (record(a={"$ref": "#nobody"}), [".properties.a.$ref is", '"#nobody" does not exist']),
        (record(a={"format": "datetime"}), [".properties.a.format is", "datetime", "unknown_formats: ignore"]),
        (record(a={"minimum": "1"}), [".properties.a.minimum is", '"1" breaks `type`']),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, ["draft-07", "2020-12"]),
        ({"$schema": 7}, ["$schema", "7"]),
    ],
)
def test_a_schema_that_is_no_use_says_where_and_why(schema: dict[str, Any], words: list[str]) -> None:
    text = problem(schema)
    assert all(word in text for word in words), text
    assert "\n" not in text


def test_an_unknown_format_can_be_let_pass() -> None:
    validator = making.jsonschema(record(a={"format": "int64"}), unknown_formats="ignore")
    assert not making.refused(validator, b'{"a":1}')


def test_a_schema_file_is_found_beside_the_yaml_and_its_faults_are_named(tmp_path: Path) -> None:
    def made(name: str) -> JsonSchemaValidator:
        return JsonSchemaValidator.from_options({"schema": name}, columns=False, base_dir=tmp_path)

    (tmp_path / "good.json").write_text('{"required":["a"]}')
    assert making.refused(made("good.json"), b"{}")
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    for name, words in {
        "gone.json": "can't be read: No such file",
        "text.json": "is not JSON",
        "list.json": r"holds \[\]; a schema is a JSON object",
    }.items():
        with pytest.raises(ConfigError, match=words) as caught:
            made(name)
        assert str(tmp_path / name) in str(caught.value)


def test_refused_ones_cost_the_accepted_nothing() -> None:
    validator = making.jsonschema(record(a={"type": "integer"}))
    batch = [b'{"a":1}', b'{"a":"x"}', b"{", b'{"a":2}', None, b'{"a":null}', b'{"a":3}'] * 300
    expected = [i for i in range(len(batch)) if i % 7 in (1, 2, 4, 5)]
    assert [refusal.index for refusal in making.refused(validator, *batch)] == expected


def test_each_fault_of_a_schema_file_is_told_with_its_line_and_column(tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text(
        '{\n\t"type": "object",\n  "properties": {\n    "é": {"type": "intger"},\n    "a/b": {"pattern": "[a, {"},\n'
        '    "c": {"anyOf": [{}, [], {"minimum": "{"}]}\n  }, "required": "é"\n}\n'
    )
    assert places(file) == [
        "4:19: /properties/é/type",
        "5:24: /properties/a~1b/pattern",
        "6:25: /properties/c/anyOf/1",
        "6:41: /properties/c/anyOf/2/minimum",
        "7:18: /required",
    ]
    file.write_text(
        '{"properties": {"a": {"$ref": "#/$defs/x"},\n "b": {"format": "int64"},\n "c": {"$ref": "#/$defs/y"},\n'
        ' "d": {"$ref": "#/$defs/x"}}}'
    )
    assert places(file) == ["1:31: /properties/a/$ref", "2:18: /properties/b/format", "3:16: /properties/c/$ref"]
    file.write_text('{"type": "object",\n "properties": {"a": }}')
    assert places(file) == ["2:22: is not JSON: unexpected character"]


def places(file: Path) -> list[str]:
    """Line, column and place in the schema of each problem, by lines."""
    with pytest.raises(ConfigError) as caught:
        JsonSchemaValidator.from_options({"schema": file.name}, columns=False, base_dir=file.parent)
    said = [problem.removeprefix(f"validator.schema: {file}:") for problem in caught.value.problems]
    return sorted(text.partition(" is no usable")[0].partition(", expected")[0] for text in said)


def test_other_wrong_options_do_not_hide_what_is_wrong_with_the_schema(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        JsonSchemaValidator.from_options({"schema": "gone.json", "model": "x:Y"}, columns=False, base_dir=tmp_path)
    unknown, gone = caught.value.problems
    assert "validator.model" in unknown
    assert "gone.json can't be read" in gone
