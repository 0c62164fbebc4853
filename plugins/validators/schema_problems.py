"""Everything that makes a JSON Schema unusable, each with its place: by the draft's own schema, then by compiling."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jsonschema_rs

from streamlake.plugins.validators.options import nearest
from streamlake.plugins.validators.schema_file import JsonObject, SchemaSource
from streamlake.plugins.validators.wording import message_of, shown

DRAFT = "https://json-schema.org/draft/2020-12/schema"
TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"]

Path = Sequence[str | int]


def schema_problems(source: SchemaSource, compiled: Callable[[JsonObject], object]) -> Iterator[str]:
    """A sentence for each of them; `compiled` makes a validator of a schema, or raises what jsonschema-rs raises."""
    described = jsonschema_rs.Draft202012Validator({"$ref": DRAFT}, validate_formats=True)
    # Of each place the first: where an array stands for a schema, each vocabulary of the draft says so.
    misshapen = {tuple(error.instance_path): error for error in reversed(list(described.iter_errors(source.schema)))}
    for error in reversed(misshapen.values()):
        yield _sentence(source, error.instance_path, f"{shown(error.instance)} {_said(error)}")
    if misshapen:
        return  # it can't be compiled, whatever else there is
    schema = copy.deepcopy(source.schema)
    while (problem := _refused(schema, compiled)) is not None:
        places = list(_places_of(schema, problem.wrong)) if problem.wrong else []
        yield _sentence(source, places[0] if places else (), problem.said)
        if not places:
            return
        for *above, keyword in places:
            del _at(schema, above)[keyword]


class _Problem:
    """What compiling a schema says: a sentence, and the keyword and value that are wrong, where it names them."""

    def __init__(self, said: str, wrong: tuple[str, str] | None = None) -> None:
        self.said, self.wrong = said, wrong


def _refused(schema: JsonObject, compiled: Callable[[JsonObject], object]) -> _Problem | None:
    try:
        compiled(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return _explained(str(getattr(error, "message", error)))
    return None


def _explained(message: str) -> _Problem:
    """Its own words cut where they speak of fetching and of options that nobody has here, with what to do."""
    said = message_of(message.partition(" and retrieving it failed")[0].partition(". Adjust")[0])
    quoted = said.partition("'")[2].rpartition("'")[0]
    if "is not present in a registry" in message:
        hint = " A `$ref` may point into the schema itself only (`#/$defs/…`); nothing is ever fetched."
        return _Problem(f"{said}.{hint}", ("$ref", quoted))
    if said.startswith(("Pointer '", "Anchor '")):
        return _Problem(f'"#{quoted}" does not exist in the schema.', ("$ref", f"#{quoted}"))
    if "Unknown format" in message:
        return _Problem(f"{said}. Mend the name, or write `unknown_formats: ignore`.", ("format", quoted))
    return _Problem(f"{said}.")


def _sentence(source: SchemaSource, path: Path, said: str) -> str:
    return f"{source.place(path)} is no usable JSON Schema: {said}"


def _said(error: jsonschema_rs.ValidationError) -> str:
    """What is wrong with a value of the schema; of a type the types that there are, for jsonschema-rs names two."""
    if list(error.instance_path)[-1:] == ["type"] and isinstance(error.instance, str):
        return f"is no type; there are {', '.join(TYPES)}.{nearest(error.instance, TYPES)}"
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Format):
        return f"is no {'regular expression' if error.kind.format == 'regex' else error.kind.format}."
    return f"breaks `{error.kind.name}`: {message_of(error.message)}."


def _places_of(part: Any, wrong: tuple[str, str], path: Path = ()) -> Iterator[Path]:
    """Where in a schema the keyword stands with this value, or with a part of the document that the value names."""
    keyword, value = wrong
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for step, item in items:
        if step == keyword and isinstance(item, str) and value in {item, item.partition("#")[0]}:
            yield (*path, step)
        yield from _places_of(item, wrong, (*path, step))


def _at(part: Any, path: Path) -> Any:
    for step in path:
        part = part[step]
    return part
