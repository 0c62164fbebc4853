"""The OpenAPI document: it is one, it has every answer that may come, and it tells nothing of the machine."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31
from support.idle_edge import NUMBERED, ORDER, STREAMS, described, edge_of, with_keys

from streamlake.engine.records import Batch, PayloadKind, Verdict
from streamlake.http_edge.openapi import UNDOCUMENTED, record_schemas
from streamlake.http_edge.problems import PROBLEM_TYPE, TITLES

HERE = f"{__name__}:"


class Silent:
    """A stranger's validator that says nothing of what it takes."""

    payload: PayloadKind = "bytes"
    fingerprint = "silent"

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, columns: bool, base_dir: Path) -> "Silent":
        del options, columns, base_dir
        return cls()

    def validate(self, batch: Batch) -> Verdict:
        del batch
        return Verdict()


class Broken(Silent):
    """One that fails when it is asked."""

    def json_schema(self) -> object:
        raise RuntimeError("no")


class Odd(Silent):
    """One whose answer is no JSON."""

    def json_schema(self) -> object:
        return {"enum": [Silent]}


class Bare(Silent):
    """One whose answer is a schema, and no object."""

    def json_schema(self) -> object:
        return True


class Astray(Silent):
    """One whose answer leads elsewhere."""

    def json_schema(self) -> object:
        return {"$ref": "https://example.org/other.json"}


def kinds_in(responses: Mapping[str, Any]) -> Iterator[str]:
    """The kinds of problems that these responses name."""
    for response in responses.values():
        if PROBLEM_TYPE in response["content"]:
            kinds = response["content"][PROBLEM_TYPE]["schema"]["properties"]["type"]["enum"]
            yield from (kind.removeprefix("/docs#") for kind in kinds)


def in_document(found: Mapping[str, Any], schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    """The schema, where it stands: its references lead into the document."""
    return jsonschema_rs.validator_for({**schema, "components": found["components"]})


@pytest.mark.parametrize("keys", [False, True])
def test_the_document_is_openapi_3_1_and_each_schema_in_it_is_one(keys: bool, tmp_path: Path) -> None:
    found = described(edge_of(tmp_path, STREAMS, **(with_keys(tmp_path) if keys else {})))
    jsonschema_rs.validate(OPENAPI_31, found)
    for schema in found["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
    assert list(found["paths"])[:4] == [f"/ingest/{name}" for name in sorted(STREAMS)]
    assert ("securitySchemes" in found["components"]) is keys
    assert all(("security" in found["paths"][f"/ingest/{name}"]["post"]) is keys for name in STREAMS)


def test_every_reference_leads_to_something(tmp_path: Path) -> None:
    found = described(edge_of(tmp_path, STREAMS))
    references = list(all_references(found))
    assert references
    for reference in references:
        place: Any = found
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def all_references(value: Any) -> Iterator[str]:
    """Every reference in the document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    for one in value if isinstance(value, list) else ():
        yield from all_references(one)


def test_a_kind_of_problem_is_in_the_document_or_answers_what_is_not(tmp_path: Path) -> None:
    posts = described(edge_of(tmp_path, STREAMS, **with_keys(tmp_path)))["paths"]
    named = set(kinds_in(posts["/ingest/orders"]["post"]["responses"]))
    assert named == set(TITLES) - set(UNDOCUMENTED)
    assert named - set(kinds_in(posts["/ingest/bytes"]["post"]["responses"])) == {"rate-limit"}
    for kind in named:
        assert kind in set(kinds_in({"one": posts["/ingest/orders"]["post"]["responses"][str(TITLES[kind][0])]}))


def test_without_keys_no_answer_is_about_them(tmp_path: Path) -> None:
    post = described(edge_of(tmp_path, STREAMS))["paths"]["/ingest/orders"]["post"]
    assert not {"401", "403"} & set(post["responses"])


def test_a_body_is_a_record_or_an_array_of_as_many_as_are_taken(tmp_path: Path) -> None:
    found = described(edge_of(tmp_path, {**STREAMS, "orders": {"records_max": 3}}))

    def takes(stream: str, body: object) -> bool:
        content = found["paths"][f"/ingest/{stream}"]["post"]["requestBody"]["content"]
        return in_document(found, content["application/json"]["schema"]).is_valid(body)

    assert takes("orders", {})
    assert takes("orders", [{}, {}, {}])
    assert not takes("orders", [{}, {}, {}, {}])
    assert not takes("orders", [])
    assert not takes("orders", [[]])
    assert takes("orders.Item", {"id": 1})
    assert not takes("orders.Item", [{"id": "1"}])
    assert takes("json", 1)
    assert takes("json", [[]])
    assert not takes("json", [])


def test_streams_and_definitions_with_one_name_are_two_schemas(tmp_path: Path) -> None:
    edge = edge_of(tmp_path, {"orders": {"validator": ORDER}, "orders.Item": {"validator": {"type": "json"}}})
    records = record_schemas(edge)
    assert list(records["orders"]) == ["record.orders", "record.orders.Item_2"]
    assert list(records["orders.Item"]) == ["record.orders.Item"]
    assert records["orders"]["record.orders"]["properties"]["items"]["items"] == {
        "$ref": "#/components/schemas/record.orders.Item_2"
    }


def test_definitions_of_two_streams_are_two_schemas(tmp_path: Path) -> None:
    def of(name: str) -> dict[str, Any]:
        schema = {"$defs": {name: {"const": name}}, "properties": {"id": {"$ref": f"#/$defs/{name}"}}}
        return {"validator": {"type": "jsonschema", "schema": schema}}

    records = record_schemas(edge_of(tmp_path, {"a": of("b.c"), "a.b": of("c")}))
    assert records["a"]["record.a.b.c"] == {"const": "b.c"}
    assert records["a.b"]["record.a.b.c_2"] == {"const": "c"}


@pytest.mark.parametrize("name", ["Silent", "Broken", "Odd", "Bare", "Astray"])
def test_a_validator_that_says_nothing_of_use_is_one_that_takes_anything(name: str, tmp_path: Path) -> None:
    edge = edge_of(tmp_path, {"orders": {"validator": {"type": f"{HERE}{name}"}}})
    assert record_schemas(edge) == {"orders": {"record.orders": {}}}


def test_the_document_tells_no_path_of_the_machine(tmp_path: Path) -> None:
    schema = {**NUMBERED, "$id": (tmp_path / "numbered.json").as_uri(), "$comment": f"of {tmp_path}"}
    (tmp_path / "numbered.json").write_text(json.dumps(schema))
    streams = {"orders": {"validator": {"type": "jsonschema", "schema": "numbered.json"}}}
    text = json.dumps(described(edge_of(tmp_path, streams, **with_keys(tmp_path))))
    assert "integer" in text
    assert str(tmp_path) not in text
    assert "127.0.0.1" not in text
