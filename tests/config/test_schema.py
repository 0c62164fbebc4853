"""The committed JSON Schema is the model's own, and says yes and no where loading does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest
import yaml
from pydantic import BaseModel
from support.yaml_file import SMALL

from streamlake.config.load import load_pipeline
from streamlake.config.model import PipelineConfig
from streamlake.config.schema import SCHEMA_FILE, pipeline_schema, schema_text
from streamlake.engine.operations.configuration import plugin_options

EXAMPLES = sorted((SCHEMA_FILE.parent / "examples").glob("*.yaml"))


def test_the_committed_schema_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text() == schema_text(plugin_options()), "run: make docs"


def test_an_editor_gets_the_texts_of_a_plugin_s_options_by_its_type() -> None:
    schema = pipeline_schema(plugin_options())
    told = {one["if"]["properties"]["type"]["const"]: one["then"] for one in schema["$defs"]["PluginSettings"]["allOf"]}
    assert set(told) == {"json", "jsonschema", "pydantic", "file"}
    root = told["file"]["properties"]["root"]["description"]
    assert root.startswith("Where files land: ")
    credentials = told["file"]["properties"]["gcs"]["properties"]["credentials"]["description"]
    assert " Default: default. Change it where " in credentials
    texts = re.findall(r"'description': (.*?)\}", str(told))
    assert len(texts) > 20
    assert [text for text in texts if " Change it " not in text] == []
    document = yaml.safe_load(SMALL)
    assert jsonschema_rs.is_valid(schema, document | {"sink": {"type": "file", "root": 7, "more": 1}}), "the plugin's"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_valid_by_the_schema_and_by_loading(example: Path, tmp_path: Path) -> None:
    copy = tmp_path / example.name
    copy.write_text(example.read_text())
    secret = tmp_path / "secrets" / "kafka-password"  # of secure.yaml
    secret.parent.mkdir()
    secret.write_text("x")
    assert load_pipeline(copy, environ={}).files == str(copy)
    jsonschema_rs.validate(pipeline_schema(), yaml.safe_load(example.read_text()))


def test_there_are_examples() -> None:
    assert {"orders.yaml", "typed.yaml", "jsonl.yaml", "own-model.yaml", "many-topics.yaml"} <= {
        path.name for path in EXAMPLES
    }


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
    sections = [pipeline_schema(), *pipeline_schema()["$defs"].values()]
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


def test_every_number_has_a_least_and_a_most() -> None:
    """Whatever is counted, measured or waited for is bounded; what is compared with a record's own values is not."""
    values_of_records = {"AcceptedRange.min_value", "AcceptedRange.max_value", "AcceptedValues.values"}
    unbounded = []
    for model in _models(PipelineConfig, set()):
        for name, field in model.model_fields.items():
            kinds = [*_within(field.annotation), *field.metadata]
            limits = {
                limit for kind in kinds for limit in ("ge", "gt", "le", "lt") if getattr(kind, limit, None) is not None
            }
            is_number = int in kinds or float in kinds
            if is_number and not (limits & {"ge", "gt"} and limits & {"le", "lt"}):
                unbounded.append(f"{model.__name__}.{name}")
    assert set(unbounded) == values_of_records


def _models(model: type[BaseModel], seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    seen.add(model)
    for field in model.model_fields.values():
        for kind in _within(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
                _models(kind, seen)
    return seen


def _within(annotation: object) -> Iterator[object]:
    """The types and what is said about them, however deep they stand; a Field's own metadata, too."""
    yield annotation
    for part in (*get_args(annotation), *getattr(annotation, "metadata", ())):
        yield from _within(part)
