"""The committed JSON Schema is the model's own, and says yes and no where loading does."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from support.yaml_file import SMALL

from streamlake.config.load import load_pipeline
from streamlake.config.model import PipelineConfig
from streamlake.config.schema import SCHEMA_FILE, pipeline_schema, schema_text

EXAMPLES = sorted((SCHEMA_FILE.parent / "examples").glob("*.yaml"))


def test_the_committed_schema_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text() == schema_text(), (
        "run: python -m streamlake.config.schema > config/pipeline.schema.json"
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_valid_by_the_schema_and_by_loading(example: Path) -> None:
    assert load_pipeline(example, environ={}).path == example
    jsonschema_rs.validate(pipeline_schema(), yaml.safe_load(example.read_text()))


def test_there_are_examples() -> None:
    assert [path.name for path in EXAMPLES] == ["orders.yaml"]


@pytest.mark.parametrize(
    "change",
    [
        {"batch": {"rows_max": 0}},
        {"batch": {"rows_max": "four"}},
        {"batch": {"bytes_max": "128MiX"}},
        {"batch": {"rows_maxx": 1}},
        {"policies": {"gap": "ignore"}},
        {"http": {}},
        {"validator": {}},
    ],
)
def test_an_editor_sees_what_loading_refuses(change: dict[str, Any]) -> None:
    document = yaml.safe_load(SMALL)
    assert jsonschema_rs.is_valid(pipeline_schema(), document)
    assert not jsonschema_rs.is_valid(pipeline_schema(), document | change)


def test_variables_may_stand_where_numbers_and_words_are_wanted() -> None:
    document = yaml.safe_load(SMALL) | {"batch": {"rows_max": "${ROWS:-5}"}, "policies": {"gap": "${GAP}"}}
    assert jsonschema_rs.is_valid(pipeline_schema(), document)


def test_every_setting_has_a_sentence_and_tells_its_default() -> None:
    sections = [json.loads(schema_text()), *pipeline_schema()["$defs"].values()]
    for section in sections:
        for name, field in section["properties"].items():
            described = field.get("description", section["properties"][name].get("$ref", ""))
            assert described, name
    assert set(PipelineConfig.model_fields) == set(pipeline_schema()["properties"])
    numbers = [
        (name, field)
        for section in pipeline_schema()["$defs"].values()
        for name, field in section["properties"].items()
        if isinstance(field.get("default"), int | float)
    ]
    assert len(numbers) >= 10
    assert [name for name, field in numbers if "Default: " not in field["description"]] == []
