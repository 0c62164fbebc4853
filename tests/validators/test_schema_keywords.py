"""Words of a JSON Schema that are no keywords are warned of: the draft passes over them in silence."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.engine import streamlake
from support.yaml_file import SMALL

from streamlake.plugins.validators.schema_file import SchemaSource
from streamlake.plugins.validators.schema_keywords import unknown_keywords

NO_EFFECT = "is no keyword of JSON Schema draft 2020-12 and has no effect"


def warned(schema: dict[str, Any]) -> list[str]:
    return list(unknown_keywords(SchemaSource(schema)))


@pytest.mark.parametrize(
    ("schema", "place", "word", "near"),
    [
        ({"propertys": {}}, "propertys", "propertys", "properties"),
        ({"properties": {"id": {"tpye": "integer"}}}, "properties.id.tpye", "tpye", "type"),
        ({"anyOf": [{}, {"requird": []}]}, "anyOf[1].requird", "requird", "required"),
        ({"items": {"$defs": {"a": {"example": 1}}}}, "items.$defs.a.example", "example", "examples"),
    ],
)
def test_a_word_that_is_no_keyword_is_named_with_its_place_and_the_nearest_one(
    schema: dict[str, Any], place: str, word: str, near: str
) -> None:
    assert warned(schema) == [f"validator.schema.{place}: `{word}` {NO_EFFECT}. Did you mean `{near}`?"]


def test_one_word_in_many_places_is_one_warning() -> None:
    schema = {"properties": {name: {"type": "string", "nullable": True} for name in "abc"}}
    assert warned(schema) == [
        f"validator.schema.properties.a.nullable: `nullable` {NO_EFFECT} (in 2 more places, too)."
    ]


def test_values_names_and_words_of_others_are_no_keywords_at_all() -> None:
    of_names = {"propertys": {"const": {"propertys": 1}, "enum": [{"tpye": 1}], "default": {"requird": 1}}}
    assert warned({"properties": of_names, "x-streamlake-decimal": [9, 2], "additionalProperties": False}) == []


def test_validate_warns_with_the_line_and_calls_the_pipeline_valid(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{\n  "type": "object",\n  "propertys": {}\n}\n')
    file = tmp_path / "pipeline.yaml"
    file.write_text(SMALL.replace("{type: json}", "{type: jsonschema, schema: s.json}"))
    found = streamlake("validate", "--offline", "--json", str(file))
    assert found.returncode == 0, found.stdout
    said = json.loads(found.stdout)["warnings"]
    where = f"{file}:8:31: validator.schema: {tmp_path}/s.json:3:16: /propertys"
    assert f"{where}: `propertys` {NO_EFFECT}. Did you mean `properties`?" in said
