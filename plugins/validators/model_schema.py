"""What a pydantic model declares, said as a JSON Schema that allows nothing the model would refuse.

A model that runs code of its own (validators, `__init__`, `model_post_init`, default factories), that changes a value
before it checks it (`strip_whitespace`), or that holds a type not named here has no such schema. It is read from the
model's core schema (https://docs.pydantic.dev/latest/internals/architecture/), which is what pydantic itself runs.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pydantic

from streamlake.plugins.validators.shapes import EXACT_DOUBLE_MAX

Words = dict[str, Any]

# Beside these a core schema says only what decides nothing: titles, references, how to serialise.
_SILENT = frozenset({"type", "metadata", "ref", "serialization", "strict", "expected_title"})
_ITS_OWN_FALSE = ("custom_init", "root_model", "post_init")
_CONFIG = frozenset({"title", "extra_fields_behavior", "strict", "hide_input_in_errors", "validation_error_cause"})
_DATE_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_BOUNDS = {
    "ge": "minimum",
    "le": "maximum",
    "gt": "exclusiveMinimum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_LENGTHS = {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"}
_SIZES = {"min_length": "minItems", "max_length": "maxItems"}


def declared_schema(model: type[pydantic.BaseModel]) -> Words | None:
    """The schema of what `model` surely takes; None where its declarations don't say it all."""
    try:
        return _words(_resolved(model.__pydantic_core_schema__))
    except _UnsayableError:
        return None


class _UnsayableError(Exception):
    """The model does more than these words say."""


def _resolved(core: Any) -> Any:
    """`core` with each reference replaced by what it names: a model that is used in two places is defined once."""
    if core["type"] != "definitions":
        return core
    named = {one["ref"]: one for one in core["definitions"]}

    def replaced(part: Any, within: frozenset[str]) -> Any:
        if isinstance(part, list):
            return [replaced(one, within) for one in part]
        if not isinstance(part, dict):
            return part
        if part.get("type") != "definition-ref":
            return {key: one if key == "metadata" else replaced(one, within) for key, one in part.items()}
        ref = part["schema_ref"]
        if ref in within:  # a model within itself, to any depth
            raise _UnsayableError
        return replaced(named[ref], within | {ref})

    return replaced(core["schema"], frozenset())


def _words(core: Mapping[str, Any]) -> Words:
    make = _MAKERS.get(core["type"])
    if make is None:
        raise _UnsayableError
    return make(core)


def _only(core: Mapping[str, Any], *known: str) -> None:
    """Raise where the core schema says something that is not looked at."""
    if not _SILENT.union(known).issuperset(core):
        raise _UnsayableError


def _said(core: Mapping[str, Any], names: Mapping[str, str]) -> Words:
    return {word: core[name] for name, word in names.items() if core.get(name) is not None}


def _integer(core: Mapping[str, Any]) -> Words:
    _only(core, *_BOUNDS)
    return {"type": "integer", **_said(core, _BOUNDS)}


def _number(core: Mapping[str, Any]) -> Words:
    _only(core, "ge", "le", "gt", "lt", "allow_inf_nan")
    words = _said(core, _BOUNDS)
    # pydantic compares the double next to an integer, the words the integer itself: equal only below this.
    if any(abs(bound) >= EXACT_DOUBLE_MAX for bound in words.values()):
        raise _UnsayableError
    return {"type": "number", **words}


def _string(core: Mapping[str, Any]) -> Words:
    _only(core, *_LENGTHS)
    return {"type": "string", **_said(core, _LENGTHS)}


def _date(core: Mapping[str, Any]) -> Words:
    _only(core)
    return {"type": "string", "format": "date", "not": {"pattern": "^0000"}}


def _chain(core: Mapping[str, Any]) -> Words:
    """A date that has to look like one first, which each that is written like one does."""
    _only(core, "steps")
    first, *others = core["steps"]
    if len(others) != 1 or others[0]["type"] != "date" or _words(first) != {"type": "string", "pattern": _DATE_PATTERN}:
        raise _UnsayableError
    return _words(others[0])


def _literal(core: Mapping[str, Any]) -> Words:
    _only(core, "expected")
    return {"enum": list(core["expected"])}


def _list(core: Mapping[str, Any]) -> Words:
    _only(core, "items_schema", "fail_fast", *_SIZES)
    return {"type": "array", "items": _words(core.get("items_schema", {"type": "any"})), **_said(core, _SIZES)}


def _nullable(core: Mapping[str, Any]) -> Words:
    _only(core, "schema")
    return {"anyOf": [_words(core["schema"]), {"type": "null"}]}


def _plain(words: Words) -> Callable[[Mapping[str, Any]], Words]:
    def make(core: Mapping[str, Any]) -> Words:
        _only(core)
        return words

    return make


def _model(core: Mapping[str, Any]) -> Words:
    _only(core, "cls", "schema", "config", "generic_origin", "frozen", "revalidate_instances", *_ITS_OWN_FALSE)
    config = core.get("config", {})
    if any(core.get(name) for name in _ITS_OWN_FALSE) or not _CONFIG.issuperset(config):
        raise _UnsayableError
    fields = core["schema"]
    if fields["type"] != "model-fields":
        raise _UnsayableError
    _only(fields, "fields", "model_name", "computed_fields", "extra_behavior")
    properties, required = {}, []
    for name, field in fields["fields"].items():
        key, inner, must = _field(name, field)
        properties[key] = inner
        required += [key] if must else []
    extra = fields.get("extra_behavior") or config.get("extra_fields_behavior")
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": extra != "forbid",
    }


def _field(name: str, field: Mapping[str, Any]) -> tuple[str, Words, bool]:
    """The key in the payload, what stands there, and whether it has to."""
    _only(field, "schema", "validation_alias", "serialization_alias", "serialization_exclude", "frozen")
    key, core = field.get("validation_alias", name), field["schema"]
    if not isinstance(key, str):
        raise _UnsayableError
    if core["type"] != "default":
        return key, _words(core), True
    _only(core, "schema", "default", "copy_default")
    return key, _words(core["schema"]), False


_MAKERS: Mapping[str, Callable[[Mapping[str, Any]], Words]] = {
    "any": _plain({}),
    "bool": _plain({"type": "boolean"}),
    "none": _plain({"type": "null"}),
    "int": _integer,
    "float": _number,
    "str": _string,
    "date": _date,
    "chain": _chain,
    "literal": _literal,
    "list": _list,
    "nullable": _nullable,
    "model": _model,
}
