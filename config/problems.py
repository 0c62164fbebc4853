"""Turns what pydantic found into one sentence a problem: where, what, the value, and what is allowed."""

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from streamlake.config.document import Document, Problem, path_of
from streamlake.config.secrets import is_secret
from streamlake.config.texts import told
from streamlake.config.values import Filled, Loc, SeveralProblemsError


def problems_of(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Problem]:
    """A sentence for each problem, but for values of which it is known that they could not be read."""
    found: list[Problem] = []
    for details in error.errors():
        for loc, sentence, key in _explained(details, model):
            if loc not in document.unread:
                found.append(problem_at(loc, sentence, document, key=key))
    return found


def meant(error: ValidationError, model: type[BaseModel]) -> Mapping[Loc, str]:
    """The words that were written in other letters (`sasl_ssl`), as they should be, by their places."""
    found: dict[Loc, str] = {}
    for details in error.errors():
        if details["type"] == "literal_error":
            written = str(details["input"]).casefold()
            same = [word for word in _words(details["ctx"]) if word.casefold() == written]
            found |= {untagged(details["loc"], model): word for word in same}
    return found


def _words(context: Mapping[str, Any]) -> list[str]:
    """The words of a literal_error, which pydantic tells in one text."""
    return re.findall(r"'([^']+)'", context["expected"])


def problem_at(loc: Loc, sentence: str, document: Document, *, key: bool) -> Problem:
    """The sentence about the value at `loc`, or about its key, with the path in front."""
    place = document.place_of(loc, key=key)
    # What --set names is not named twice; what it only lies beside or above, as a password that is missing, is.
    named = place.is_override and loc in document.values
    return Problem(place, sentence if named else f"{path_of(loc, document.tree)}: {sentence}")


def _explained(details: ErrorDetails, model: type[BaseModel]) -> Iterator[tuple[Loc, str, bool]]:
    """Place, sentence and whether it is about the key rather than the value."""
    kind, context, within = details["type"], details.get("ctx", {}), details["loc"]
    loc, model_of_key = untagged(within, model), model_at(within[:-1], model)
    cause = context.get("error")
    if isinstance(cause, SeveralProblemsError):
        for below, sentence in cause.problems:
            yield (*loc, *below), sentence, True
    elif loc[-1:] == ("[key]",):
        yield loc[:-1], f"{_shown((), details['input'])} {cause}", True
    elif kind == "extra_forbidden":
        yield loc, _unknown_key(str(loc[-1]), model_of_key, model), True
    elif kind == "missing":
        yield loc, f"is missing. {_description(str(loc[-1]), model_of_key)}".rstrip(), True
    elif kind == "union_tag_not_found":
        yield (*loc, "type"), f"is missing: one of {', '.join(_tags_at(loc, model))}", True
    elif kind == "union_tag_invalid":
        yield (*loc, "type"), _unknown_type(context["tag"], _tags_at(loc, model)), False
    elif kind == "value_error":
        yield loc, f"{_shown(loc, details['input'])} {cause}", False
    elif kind == "string_type" and (why := _as_text(within[-1:], details["input"], model_of_key)):
        yield loc, f"{_shown(loc, details['input'])} {why}", False
    else:
        yield loc, f"{_shown(loc, details['input'])} {_wanted(kind, context, details)}{_as_in(loc, details)}", False


def _as_text(name: Loc, value: object, here: type[BaseModel] | None) -> str | None:
    """What would be wrong with a number if it were put in quotes; None where nothing would, or it is none."""
    field = here.model_fields.get(str(*name)) if here else None
    if field is None or not isinstance(value, int | float):
        return None
    text: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    try:
        text.validate_python(_AS_YAML.get(str(value), str(value)))
    except ValidationError as error:
        return next((str(one["ctx"]["error"]) for one in error.errors() if one["type"] == "value_error"), None)
    return None


def _wanted(kind: str, context: dict[str, Any], details: ErrorDetails) -> str:
    """What would be right, by pydantic's error type (https://docs.pydantic.dev/latest/errors/validation_errors)."""
    fixed = {
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_type": "must be a number",
        "string_type": "must be text",
        "path_type": "must be a path",
        "tuple_type": _A_LIST,
        "list_type": _A_LIST,
        "dict_type": _A_MAPPING,
        "model_type": _A_MAPPING,
        "model_attributes_type": _A_MAPPING,
    }
    if kind in fixed:
        return fixed[kind] + _unquoted(kind, details["input"])
    if kind == "literal_error":
        near = _nearest(str(details["input"]), _words(context))
        return f"must be {context['expected']}" + (f"; did you mean {near}?" if near else "")
    limits = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for name, words in limits.items():
        if name in context:
            return f"must be {words} {_with_unit(context[name], details)}"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_too_long":
        return f"has {len(details['input'])} characters and must have {context['max_length']} at most"
    return f"is refused: {details['msg']}"


_A_LIST = "must be a list: [a, b], or `- ` before each item"
_A_MAPPING = "must be a mapping: `key: value` lines"
_MAPPINGS = {
    "topics": "{{name: {}}}",
    "topic": "{{name: {}}}",
    "validator": "{{type: {}}}",
    "sink": "{{type: file, root: {}}}",
    "dead_letters": "{{topic: {{name: {}}}}}",
    "security": "{{protocol: {}}}",
    "metrics": "{{listen: {}}}",
}
"""How a mapping is written by whom has only said what is most important in it."""


def _as_in(loc: Loc, details: ErrorDetails) -> str:
    """`; write {name: orders}`: what was meant, for a single value where a list or mapping belongs, or the reverse."""
    kind, value = details["type"], details["input"]
    name = next((step for step in reversed(loc) if isinstance(step, str)), "")
    if isinstance(value, Filled) or _shown(loc, value) == "(not shown)":
        return ""
    if isinstance(value, str) and kind in {"model_type", "model_attributes_type"} and name in _MAPPINGS:
        return f"; write {_MAPPINGS[name].format(value)}"
    if isinstance(value, str) and kind in {"tuple_type", "list_type"}:
        return f"; write [{_MAPPINGS[name].format(value) if name in _MAPPINGS else value}]"
    if kind == "string_type" and isinstance(value, list) and all(type(item) in {str, int} for item in value):
        return f"; several have commas between: {','.join(map(str, value))}" if name.endswith("servers") else ""
    if kind == "string_type" and isinstance(value, int | float):
        return f"; in quotes it is: {_shown(loc, _AS_YAML.get(str(value), str(value)))}"
    return ""


_UNITS = (
    (("bytes", "body", "decompressed"), ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))),
    (
        ("seconds", "window", "lateness", "age"),
        ((86_400, "d"), (3600, "h"), (60, "m")),
    ),
)


def _with_unit(limit: float, details: ErrorDetails) -> str:
    """A limit of bytes or seconds as its author would write it, too: `86400 (1d)`."""
    name = str(details["loc"][-1]) if details["loc"] else ""
    for words, units in _UNITS:
        for size, unit in units if any(word in name for word in words) else ():
            if limit >= size and limit % size == 0:
                return (
                    f"{limit:g} ({limit / size:g}{unit})" if limit < 10**6 else f"{limit:.0f} ({limit / size:g}{unit})"
                )
    return str(limit)


def _unquoted(kind: str, value: object) -> str:
    """A number in quotes is a text, and so is one with a per cent sign."""
    if kind not in {"int_type", "float_type"} or not isinstance(value, str) or isinstance(value, Filled):
        return ""
    if kind == "float_type" and (found := re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*%", value)):
        return f"; write {float(found[1]) / 100:g}"
    return "; write it without quotes" if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) else ""


def _shown(loc: Loc, value: object) -> str:
    """The value as a reader may see it, short, and never a secret."""
    if is_secret(loc) or (isinstance(value, Filled) and value.secret) or "-----BEGIN" in str(value):
        return "(not shown)"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(str(value)) if isinstance(value, str) else _AS_YAML.get(str(value), str(value))
    short = text if len(text) <= 80 else f"{text[:79]}…"
    return f"{short} (from {value.wanted})" if isinstance(value, Filled) else short


_AS_YAML = {"None": "(nothing)", "True": "true", "False": "false"}


def _unknown_type(tag: str, known: Sequence[str]) -> str:
    near = _nearest(tag, known)
    return f"{tag!r} is no type; " + (f"did you mean {near}?" if near else f"there are {', '.join(known)}")


def _nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that was meant; `sasl_ssl` is as near to SASL_SSL as can be."""
    by_small_letters = {one.casefold(): one for one in known}
    near = get_close_matches(word.casefold(), by_small_letters, 1)
    return by_small_letters[near[0]] if near else None


def _unknown_key(key: str, here: type[BaseModel] | None, model: type[BaseModel]) -> str:
    known = list(here.model_fields) if here else []
    near = _nearest(key, known)
    if near:
        return f"unknown key; did you mean {near}?"
    elsewhere = [path for path, name in _all_keys(model) if name == key]
    if elsewhere:
        return f"unknown key here; it belongs to {' or '.join(elsewhere)}"
    return f"unknown key; known here: {', '.join(known)}"


def _description(key: str, here: type[BaseModel] | None) -> str:
    field = here.model_fields.get(key) if here else None
    return told((field.description if field else None) or "")[0]


def model_at(loc: Loc, model: type[BaseModel]) -> type[BaseModel] | None:
    """The model that describes the mapping at `loc`, or None where anything may stand; `loc` is pydantic's own."""
    return _followed(loc, model)[1]


def untagged(loc: Loc, model: type[BaseModel]) -> Loc:
    """Pydantic's place as a place in the YAML: without the steps that only say which `type` a mapping is of."""
    return _followed(loc, model)[0]


def _followed(loc: Loc, model: type[BaseModel]) -> tuple[Loc, type[BaseModel] | None]:
    """The place in the YAML, and the model that is there."""
    here: type[BaseModel] | None = model
    by_tag: Mapping[str, type[BaseModel]] = {}
    named = False  # what comes next is a name in a mapping of models
    place: list[str | int] = []
    for step in loc:
        if step in by_tag:
            here, by_tag = by_tag[str(step)], {}
            continue
        place.append(step)
        if isinstance(step, int) or named:
            named = False
            continue  # the items of a list or mapping share the model that its key already led to
        field = here.model_fields.get(step) if here else None
        here, by_tag = (_model_in(field.annotation), _tagged(field.annotation)) if field else (None, {})
        named = here is not None and get_origin(field.annotation if field else None) is dict
    return tuple(place), here


def _tags_at(loc: Loc, model: type[BaseModel]) -> Sequence[str]:
    """The types that a mapping in the list at `loc` may be of."""
    *parents, last = [step for step in loc if isinstance(step, str)]
    here = model_at(tuple(parents), model)
    return list(_tagged(here.model_fields[last].annotation)) if here else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    return next(_models_in(annotation), None)


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {Union, types.UnionType, Annotated, tuple, dict}:
        for part in get_args(annotation):
            yield from _models_in(part)


def _tagged(annotation: object) -> Mapping[str, type[BaseModel]]:
    """The models of a list whose items say by `type` which of several they are; none where there is one alone."""
    models = list(_models_in(annotation))
    return {get_args(one.model_fields["type"].annotation)[0]: one for one in models} if len(models) > 1 else {}


def _all_keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        if prefix:
            yield prefix, name
        below = _model_in(field.annotation)
        if below is not None:
            yield from _all_keys(below, f"{prefix}.{name}" if prefix else name)
