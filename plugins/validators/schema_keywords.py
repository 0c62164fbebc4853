"""Finds words in a JSON Schema that are no keywords: the draft passes over them, and a misspelt rule checks nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from streamlake.engine.counted import counted
from streamlake.plugins.validators.formats import LISTED, NAMED, SINGLE
from streamlake.plugins.validators.options import nearest
from streamlake.plugins.validators.schema_file import SchemaSource
from streamlake.plugins.validators.wording import message_of

# Draft 2020-12: Core 8, Validation 6 to 9. Words of older drafts that have no effect any more are not among them.
_OTHERS = (
    *("$id", "$schema", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "$comment"),
    *("type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
    *("maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains"),
    *("maxProperties", "minProperties", "required", "dependentRequired", "dependencies"),
    *("format", "contentEncoding", "contentMediaType"),
    *("title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples"),
)
_KNOWN = [*SINGLE, *LISTED, *NAMED, *_OTHERS]
_OWN = "x-"
"""How a word begins that is meant for somebody else."""

Path = tuple[str | int, ...]


def unknown_keywords(source: SchemaSource) -> Iterator[str]:
    """A sentence for each of them, with its first place and the keyword that is nearest."""
    places: dict[str, list[Path]] = {}
    for path, schema in _schemas(source.schema, ()):
        for word in schema:
            if word not in _KNOWN and not word.startswith(_OWN):
                places.setdefault(word, []).append((*path, word))
    for word, (first, *others) in places.items():
        more = f" (in {counted(len(others), 'more place')}, too)" if others else ""
        said = f"`{message_of(word)}` is no keyword of JSON Schema draft 2020-12 and has no effect{more}."
        yield f"{source.place(first)}: {said}{nearest(word, _KNOWN)}"


def _schemas(schema: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The schema and all that lie in it, each with its path; `true` and `false` are left out."""
    if not isinstance(schema, Mapping):
        return
    yield path, schema
    for keyword, value in schema.items():
        if keyword in SINGLE:
            yield from _schemas(value, (*path, keyword))
        elif keyword in LISTED and isinstance(value, list):
            for index, part in enumerate(value):
                yield from _schemas(part, (*path, keyword, index))
        elif keyword in NAMED and isinstance(value, Mapping):
            for name, part in value.items():
                yield from _schemas(part, (*path, keyword, name))
