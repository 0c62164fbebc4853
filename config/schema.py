"""The JSON Schema of a pipeline's YAML, for editors.

The committed `pipeline.schema.json` is made by `make docs`; a test compares the two.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from streamlake.config.model import PipelineConfig
from streamlake.config.values import VARIABLE_SCHEMA
from streamlake.engine.contracts import PluginOption

SCHEMA_FILE = Path(__file__).with_name("pipeline.schema.json")


PluginOptions = Mapping[str, Mapping[str, Sequence[PluginOption]]]
"""Of `validator` and `sink`: each plugin's options by its type."""


def pipeline_schema(options: PluginOptions = MappingProxyType({})) -> dict[str, Any]:
    """The schema (draft 2020-12). Where a number may stand, a variable `${…}` may, too.

    Of plugins' `options` it has the texts, by `type`: what they may be only the plugin knows.
    """
    schema = _limits_by_their_names(PipelineConfig.model_json_schema(schema_generator=_Generator))
    told = [
        _told(kind, of_kind) for plugins in options.values() for kind, of_kind in sorted(plugins.items()) if of_kind
    ]
    if told:
        schema["$defs"]["PluginSettings"]["allOf"] = told
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "A StreamLake pipeline"}


def schema_text(options: PluginOptions) -> str:
    """The schema as it is committed."""
    return json.dumps(pipeline_schema(options), indent=2, ensure_ascii=False) + "\n"


def _told(kind: str, options: Sequence[PluginOption]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for option in options:
        *sections, name = option.name.split(".")
        place = properties
        for section in sections:
            place = place.setdefault(section, {"properties": {}})["properties"]
        default = f" Default: {option.default}." if option.default else ""
        place[name] = {"description": option.meaning.replace(" Change it ", f"{default} Change it ", 1)}
    return {"if": {"properties": {"type": {"const": kind}}}, "then": {"properties": properties}}


_LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def _limits_by_their_names(schema: Any) -> Any:
    """Behind a function that reads `${…}` or `64MiB`, pydantic leaves a limit under its own name."""
    if isinstance(schema, list):
        return [_limits_by_their_names(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {_LIMITS.get(key, key): _limits_by_their_names(value) for key, value in schema.items()}


class _Generator(GenerateJsonSchema):
    """pydantic's schema, with variables allowed and without the titles that only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's signature
        """No field gets a title: an editor shows the description."""
        return False

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """A whole number with its limits, or a variable."""
        return {"anyOf": [super().int_schema(schema), VARIABLE_SCHEMA]}

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        """A number with its limits, or a variable."""
        return {"anyOf": [super().float_schema(schema), VARIABLE_SCHEMA]}

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """One of some words, or a variable."""
        return {"anyOf": [super().literal_schema(schema), VARIABLE_SCHEMA]}
