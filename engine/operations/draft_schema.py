"""A JSON Schema drafted from documents: what all of them allow, and nothing that the next one may well break.

Every document that it was drafted from fits it. What is guessed beyond types asks for evidence, which the numbers below
say; ranges of numbers and lengths of texts are told in comments and demanded of nobody.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

Schema = dict[str, Any]
Fits = Callable[[str, Sequence[str]], bool]
"""Whether all of some texts are of a `format`, to the validator that will check it."""

EVIDENCE_MIN = 3
"""Objects, or different texts: of fewer nothing is demanded but the type."""

ENUM_VALUES_MAX = 12
ENUM_TEXTS_MIN = 100
ENUM_TIMES_MIN = 5
"""Each value so often: where the rarest was seen five times, one that was never seen is rarely there."""
ENUM_CHARS_MAX = 40

NAMES_MAX = 500
MAP_NAMES_MIN = 50
MAP_SHARE_MAX = 0.1
"""Many names, each in few objects, are data (ids, days) and no fields: one schema for all their values."""

DEPTH_MAX = 20
PLACES_MAX = 2_000
"""Beyond either, what is there is not looked into."""

FORMATS: Mapping[str, "re.Pattern[str]"] = {
    "date-time": re.compile(r"\d{4}-\d\d-\d\d[Tt]\S+"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "uuid": re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    "ipv4": re.compile(r"\d{1,3}(\.\d{1,3}){3}"),
    "email": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+"),
    "uri": re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+"),
}
"""What a text has to look like before the validator is asked: to it `1:2` is a URI, too."""

_NAMES = {
    "null": "null",
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a number",
    "string": "a text",
    "object": "an object",
    "array": "an array",
}
_TYPES = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
_TYPES |= {dict: "object", list: "array"}


@dataclass(frozen=True, slots=True)
class Field:
    """One place of the documents: a JSON pointer (`*` for items and names that are data), and what was seen there.

    `seen` of `of` is how often it was there: of records at the top level, of the objects around it below.
    """

    pointer: str
    type: str
    seen: int
    of: int
    note: str


def draft_schema(documents: Sequence[Mapping[str, Any]], fits: Fits) -> tuple[Schema, Sequence[Field]]:
    """A schema that each of `documents` (JSON objects, parsed) fits, and what it says of each place, in its order."""
    drafter = _Drafter(fits)
    schema = drafter.of(documents, "", "records")
    return schema, drafter.fields


class _Drafter:
    """One draft; collects `fields` on its way down."""

    def __init__(self, fits: Fits) -> None:
        self._fits = fits
        self.fields: list[Field] = []

    def of(self, values: Sequence[Any], pointer: str, around: str) -> Schema:
        """The schema of what was seen at one place; `around` names what these values are when they hold fields."""
        if pointer.count("/") > DEPTH_MAX or len(self.fields) > PLACES_MAX:
            return {"$comment": "Not looked into: too deep, or too many places before it."}
        kinds = _kinds(values)
        schema: Schema = {"type": kinds[0] if len(kinds) == 1 else kinds}
        if "string" in kinds:
            schema |= self._of_texts([value for value in values if isinstance(value, str)], kinds)
        if "object" in kinds:
            schema |= self._of_objects([value for value in values if isinstance(value, dict)], pointer, around)
        if "array" in kinds:
            schema |= self._of_arrays([value for value in values if isinstance(value, list)], pointer)
        return schema

    def _of_texts(self, texts: Sequence[str], kinds: Sequence[str]) -> Schema:
        counts = Counter(texts)
        if len(counts) >= EVIDENCE_MIN:
            for name, pattern in FORMATS.items():
                if all(map(pattern.fullmatch, counts)) and self._fits(name, list(counts)):
                    return {"format": name}
        if set(kinds) <= {"string", "null"} and _are_few(counts):
            return {"enum": [*sorted(counts), *([None] if "null" in kinds else [])]}
        return {}

    def _of_objects(self, objects: Sequence[Mapping[str, Any]], pointer: str, around: str) -> Schema:
        fields: dict[str, list[Any]] = {}
        for name, value in chain.from_iterable(one.items() for one in objects):
            fields.setdefault(name, []).append(value)
        if _are_data(fields, len(objects)):
            values = list(chain.from_iterable(fields.values()))
            note = f"{len(fields):,} different names, taken for data: one schema for all their values."
            return {
                "$comment": note,
                "additionalProperties": self._place(values, f"{pointer}/*", len(values), "values"),
            }
        drafted: Schema = {
            "properties": {
                name: self._place(values, f"{pointer}/{_escaped(name)}", len(objects), around)
                for name, values in fields.items()
            }
        }
        always = [name for name, values in fields.items() if len(values) == len(objects)]
        return drafted | ({"required": always} if always and len(objects) >= EVIDENCE_MIN else {})

    def _of_arrays(self, arrays: Sequence[Sequence[Any]], pointer: str) -> Schema:
        items = list(chain.from_iterable(arrays))
        return {"items": self._place(items, f"{pointer}/*", len(items), "items")} if items else {}

    def _place(self, values: Sequence[Any], pointer: str, of: int, around: str) -> Schema:
        """The schema at one place, with what was seen there as its comment; noted before what lies below it."""
        at = len(self.fields)
        self.fields.append(Field(pointer, "", len(values), of, ""))
        schema = self.of(values, pointer, "objects")
        note = _note(values, schema)
        kind = schema.get("type", "anything")
        self.fields[at] = Field(pointer, kind if isinstance(kind, str) else " | ".join(kind), len(values), of, note)
        said = [f"Seen in {len(values):,} of {of:,} {around}: {note}.", schema.pop("$comment", "")]
        return {"$comment": " ".join(filter(None, said)), **schema}


def _kinds(values: Sequence[Any]) -> list[str]:
    """The types of JSON Schema that were seen, null last; a number where there are integers and others."""
    found = {_TYPES[type(value)] for value in values}
    if "number" in found:
        found.discard("integer")
    return sorted(found, key=lambda kind: (kind == "null", kind))


def _are_few(counts: Mapping[str, int]) -> bool:
    """Whether the values are so few, and each so frequent, that there are hardly any others."""
    return (
        2 <= len(counts) <= ENUM_VALUES_MAX
        and sum(counts.values()) >= ENUM_TEXTS_MIN
        and min(counts.values()) >= ENUM_TIMES_MIN
        and max(map(len, counts)) <= ENUM_CHARS_MAX
    )


def _are_data(fields: Mapping[str, Sequence[Any]], objects: int) -> bool:
    """Whether names are data."""
    share = sum(map(len, fields.values())) / max(1, len(fields) * objects)
    return len(fields) > NAMES_MAX or (len(fields) >= MAP_NAMES_MIN and share < MAP_SHARE_MAX)


def _note(values: Sequence[Any], schema: Schema) -> str:
    """What was seen, for a person: how sure the types are, and what was guessed."""
    counts = Counter(_TYPES[type(value)] for value in values)
    kinds = ", ".join(f"{count:,} times {_NAMES[kind]}" for kind, count in counts.most_common())
    return "; ".join([f"always {_NAMES[next(iter(counts))]}" if len(counts) == 1 else kinds, *_details(values, schema)])


def _details(values: Sequence[Any], schema: Schema) -> Iterator[str]:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    texts = Counter(value for value in values if isinstance(value, str))
    if numbers:
        yield f"from {min(numbers)} to {max(numbers)}"
    if "format" in schema:
        yield f"all {len(texts):,} different ones are of the format {schema['format']}"
    elif "enum" in schema:
        yield f"{len(texts)} values, the rarest {min(texts.values()):,} times"
    elif len(texts) == 1 and len(values) >= EVIDENCE_MIN:
        yield "the same one each time"
    elif texts:
        yield f"{len(texts):,} different ones"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
