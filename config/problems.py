"""Turns what pydantic found into one sentence a problem: where, what, the value, and what is allowed."""

import re
import types
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from streamlake.config.document import Document, path_of
from streamlake.config.values import Filled, Loc, SeveralProblemsError

SECRET_WORDS = re.compile(r"password|secret|token|credential|jaas|api_?key|private", re.IGNORECASE)
"""A setting whose name has one of these in it is never shown."""


def problems_of(
    error: ValidationError, document: Document, model: type[BaseModel], known: Mapping[Loc, str]
) -> list[str]:
    """One sentence for each problem, in the order of the file's lines; `known` has those of some values already."""
    found = [(by_line(document.place_of(loc)), sentence) for loc, sentence in known.items()]
    for details in error.errors():
        for loc, sentence, key in _explained(details, model):
            if loc in known:
                continue
            place = document.place_of(loc, key=key)
            path = "" if place.startswith("--set") else f"{path_of(loc, document.tree)}: "
            found.append((by_line(place), f"{place}: {path}{sentence}"))
    return [sentence for _, sentence in sorted(found)]


def by_line(place: str) -> tuple[object, ...]:
    """Sorts `x.yaml:9:1` before `x.yaml:10:1`, and all of the file before `--set`."""
    name, *numbers = place.rsplit(":", 2)
    return (name.startswith("--set"), *(int(number) for number in numbers if number.isdecimal()))


def _explained(details: ErrorDetails, model: type[BaseModel]) -> Iterator[tuple[Loc, str, bool]]:
    """Place, sentence and whether it is about the key rather than the value."""
    loc = details["loc"]
    kind = details["type"]
    context = details.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, SeveralProblemsError):
        for below, sentence in cause.problems:
            yield (*loc, *below), sentence, True
    elif kind == "extra_forbidden":
        yield loc, _unknown_key(loc, model), True
    elif kind == "missing":
        yield loc, f"is missing. {_description(loc, model)}".rstrip(), True
    elif kind == "value_error":
        yield loc, f"{_shown(loc, details['input'])} {cause}", False
    else:
        yield loc, f"{_shown(loc, details['input'])} {_wanted(kind, context, details)}", False


def _wanted(kind: str, context: dict[str, Any], details: ErrorDetails) -> str:
    """What would be right, by pydantic's error type (https://docs.pydantic.dev/latest/errors/validation_errors)."""
    fixed = {
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_type": "must be a number",
        "string_type": "must be text",
        "path_type": "must be a path",
        "tuple_type": "must be a list",
        "list_type": "must be a list",
        "dict_type": "must be a mapping: `key: value` lines",
        "model_type": "must be a mapping: `key: value` lines",
        "model_attributes_type": "must be a mapping: `key: value` lines",
    }
    if kind in fixed:
        return fixed[kind]
    if kind == "literal_error":
        near = get_close_matches(str(details["input"]), re.findall(r"'([^']+)'", context["expected"]), 1)
        return f"must be {context['expected']}" + (f"; did you mean {near[0]}?" if near else "")
    limits = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for name, words in limits.items():
        if name in context:
            return f"must be {words} {context[name]}"
    if kind == "string_too_short":
        return "must not be empty"
    return f"is refused: {details['msg']}"


def _shown(loc: Loc, value: object) -> str:
    """The value as a reader may see it, short, and never a secret."""
    named_secret = any(isinstance(step, str) and SECRET_WORDS.search(step) for step in loc) or "properties" in loc
    if named_secret or (isinstance(value, Filled) and value.secret):
        return "(not shown)"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(str(value)) if isinstance(value, str) else _AS_YAML.get(str(value), str(value))
    short = text if len(text) <= 80 else f"{text[:79]}…"
    return f"{short} (from {value.wanted})" if isinstance(value, Filled) else short


_AS_YAML = {"None": "(nothing)", "True": "true", "False": "false"}


def _unknown_key(loc: Loc, model: type[BaseModel]) -> str:
    key = str(loc[-1])
    here = model_at(loc[:-1], model)
    known = list(here.model_fields) if here else []
    near = get_close_matches(key, known, 1, 0.6)
    if near:
        return f"unknown key; did you mean {near[0]}?"
    elsewhere = [path for path, name in _all_keys(model) if name == key]
    if elsewhere:
        return f"unknown key here; it belongs to {' or '.join(elsewhere)}"
    return f"unknown key; known here: {', '.join(known)}"


def _description(loc: Loc, model: type[BaseModel]) -> str:
    here = model_at(loc[:-1], model)
    field = here.model_fields.get(str(loc[-1])) if here else None
    return (field.description if field else None) or ""


def model_at(loc: Loc, model: type[BaseModel]) -> type[BaseModel] | None:
    """The model that describes the mapping at `loc`, or None where anything may stand."""
    here: type[BaseModel] | None = model
    named = False  # what comes next is a name in a mapping of models
    for step in loc:
        if isinstance(step, int) or named:
            named = False
            continue  # the items of a list or mapping share the model that its key already led to
        field = here.model_fields.get(step) if here else None
        here = _model_in(field.annotation) if field else None
        named = here is not None and get_origin(field.annotation if field else None) is dict
    return here


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Union, types.UnionType, Annotated, tuple, dict}:
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None


def _all_keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        if prefix:
            yield prefix, name
        below = _model_in(field.annotation)
        if below is not None:
            yield from _all_keys(below, f"{prefix}.{name}" if prefix else name)
