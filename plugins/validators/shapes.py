"""What a JSON Schema allows, as shapes that a decoder can be made of; or that no shapes say it exactly.

A shape may be stricter than its schema (no `1.0` for an integer, no leap second), never laxer: whoever decides by
shapes has a quick yes, and everything else is no more than doubtful. A schema with a word that can't be said exactly
has no shape at all.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streamlake.plugins.validators.scan import INT_MIN

Schema = Mapping[str, Any]

INT64_MAX = 2**63 - 1
EXACT_DOUBLE_MAX = 2**53
"""Up to here a double holds every integer: a bound beyond it could be rounded."""

# Words that decide nothing, and for each type those that decide something of it: on other types they say nothing.
_ANNOTATIONS = frozenset(
    [
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
        *("$comment", "$schema", "$defs"),
    ]
)
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_WORDS = {
    "string": frozenset(["minLength", "maxLength", "pattern", "format", "not"]),
    "integer": frozenset([*_BOUNDS, "multipleOf", "format"]),  # a format is of strings alone; OpenAPI has int64
    "number": frozenset([*_BOUNDS, "format"]),
    "boolean": frozenset[str](),
    "null": frozenset[str](),
    "array": frozenset(["items", "minItems", "maxItems"]),
    "object": frozenset(["properties", "required", "additionalProperties"]),
}
_CLASSES = {"string": str, "integer": int, "number": int, "null": type(None)}
_FORMATS = frozenset({"date", "time", "date-time", "uuid"})
_NO_YEAR_0 = {"pattern": "^0000"}
"""RFC 3339 knows a year 0, Python's dates do not: what the schema of a pydantic model says beside `format: date`."""

# Patterns that mean to Python what they mean to ECMA-262, and that take it linear time: anchored, no groups, and one
# count at most that is open.
ATOM = (
    r"""(?:[A-Za-z0-9_ :/@#%&=,;<>~"'!-]"""
    r"""|\\[./+*?()\[\]{}|^$-]"""
    r"""|\[(?:[A-Z]-[A-Z]|[a-z]-[a-z]|[0-9]-[0-9]|[A-Za-z0-9_ :/@#%=,;"'!.+*?(){}$])+\])"""
)
_FIXED = rf"(?:{ATOM}(?:\{{[0-9]{{1,3}}\}})?)*"
_PATTERN = re.compile(rf"\^{_FIXED}(?:{ATOM}(?:[*+?]|\{{[0-9]{{1,3}},[0-9]{{0,3}}\}}){_FIXED})?\$?")


class InexpressibleError(Exception):
    """No shape, or no decoder, says exactly this."""


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON value."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """`null`."""


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string of so many characters that has a format, or matches a pattern: `^`, and atoms with counts."""

    length_min: int | None
    length_max: int | None
    format: str | None
    pattern: str | None


@dataclass(frozen=True, slots=True)
class Whole:
    """A number without fraction and exponent, within bounds that are allowed themselves, and within 64 bits."""

    least: int
    most: int
    multiple_of: int | None


@dataclass(frozen=True, slots=True)
class Double:
    """A number with a fraction or an exponent; None for no bound."""

    least: float | None
    most: float | None
    above: float | None
    below: float | None


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of these values: strings, integers, None."""

    values: tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """An array."""

    item: "Shape"
    items_min: int | None
    items_max: int | None


@dataclass(frozen=True, slots=True)
class Field:
    """A declared field of a record."""

    name: str
    shape: "Shape"
    required: bool


@dataclass(frozen=True, slots=True)
class Record:
    """An object with declared fields; `closed`: no others are allowed."""

    fields: tuple[Field, ...]
    closed: bool


@dataclass(frozen=True, slots=True)
class Pairs:
    """An object whose keys may be any, and whose values are all of one shape."""

    value: "Shape"


@dataclass(frozen=True, slots=True)
class Either:
    """What one of these allows."""

    parts: tuple["Shape", ...]


Shape = Anything | Nothing | Truth | Text | Whole | Double | OneOf | Items | Record | Pairs | Either


def shape_of(schema: Schema, depth_max: int) -> Shape:
    """The shape of records of `schema` that nest `depth_max` levels at most. Raises InexpressibleError."""
    return _Shapes(schema).shape(schema, (), depth_max)


class _Shapes:
    """One walk through a schema document; `refs` are those on the way down, so that a cycle is seen."""

    def __init__(self, document: Schema) -> None:
        self._document = document

    def shape(self, schema: object, refs: tuple[str, ...], levels: int) -> Shape:
        """The shape of what `schema` allows; `levels` is how deep it may still nest."""
        if schema is True:
            schema = {}
        if not isinstance(schema, dict):
            raise InexpressibleError
        words = {word: value for word, value in schema.items() if word not in _ANNOTATIONS}
        if "const" in words:
            words["enum"] = [words.pop("const")]
        match words:
            case _ if not words:
                return Anything()
            case {"$ref": str(ref)} if len(words) == 1:
                return self._behind(ref, refs, levels)
            case {"anyOf": list(parts)} if len(words) == 1:
                return Either(tuple(self.shape(part, refs, levels) for part in parts))
            case {"enum": list(values)}:
                return _one_of(values, words)
            case {"type": names}:
                return self._of_types(names if isinstance(names, list) else [names], words, refs, levels)
        raise InexpressibleError

    def _behind(self, ref: str, refs: tuple[str, ...], levels: int) -> Shape:
        prefix, name = ref[: len("#/$defs/")], ref[len("#/$defs/") :]
        target = self._document.get("$defs", {}).get(name)
        escaped = not {"/", "~", "%"}.isdisjoint(name)  # a JSON pointer, which is not read here
        if prefix != "#/$defs/" or target is None or ref in refs or escaped:
            raise InexpressibleError
        return self.shape(target, (*refs, ref), levels)

    def _of_types(self, names: list[str], words: Schema, refs: tuple[str, ...], levels: int) -> Shape:
        known = frozenset({"type"}).union(*(_WORDS.get(name, ()) for name in names))
        if not known.issuperset(words) or ("not" in words and names != ["string"]):
            raise InexpressibleError  # a `not` with a pattern refuses all that is no string
        return _either(tuple(self._of_type(name, words, refs, levels) for name in names))

    def _of_type(self, name: str, words: Schema, refs: tuple[str, ...], levels: int) -> Shape:
        match name:
            case "string":
                return _text(words)
            case "integer":
                return _whole(words)
            case "number" if "multipleOf" not in words:  # said for an integer beside it, and so for this one
                return Either((_whole(words), _double(words)))
            case "boolean" | "null":
                return Truth() if name == "boolean" else Nothing()
            case "array" if levels:
                item = self.shape(words.get("items", True), refs, levels - 1)
                return Items(item, words.get("minItems"), words.get("maxItems"))
            case "object" if levels:
                return self._object(words, refs, levels - 1)
        raise InexpressibleError

    def _object(self, words: Schema, refs: tuple[str, ...], levels: int) -> Shape:
        declared, required = words.get("properties", {}), words.get("required", [])
        others = words.get("additionalProperties", True)
        if isinstance(others, dict) and others:
            if declared or required:
                raise InexpressibleError
            return Pairs(self.shape(others, refs, levels))
        if not set(required).issubset(declared):
            raise InexpressibleError
        fields = [Field(name, self.shape(field, refs, levels), name in required) for name, field in declared.items()]
        return Record(tuple(fields), closed=others is False)


def _either(parts: tuple[Shape, ...]) -> Shape:
    return parts[0] if len(parts) == 1 else Either(parts)


def _one_of(values: list[Any], words: Schema) -> Shape:
    """One of `values`; a `type` beside them must not take any of them away."""
    names = words.get("type", list(_CLASSES))
    allowed = {_CLASSES.get(name) for name in (names if isinstance(names, list) else [names])}
    # By their own class: True is an int to isinstance, and 1.0 is no integer that is written as one.
    if not {"enum", "type"}.issuperset(words) or not values or not {type(value) for value in values}.issubset(allowed):
        raise InexpressibleError
    return OneOf(tuple(values))


def _text(words: Schema) -> Text:
    length_min, length_max = words.get("minLength"), words.get("maxLength")
    declared, pattern = words.get("format"), words.get("pattern")
    if "not" in words and not (words["not"] == _NO_YEAR_0 and declared in {"date", "date-time"}):
        raise InexpressibleError
    if declared is not None and (declared not in _FORMATS or pattern is not None):
        raise InexpressibleError
    if pattern is not None and not (isinstance(pattern, str) and _PATTERN.fullmatch(pattern)):
        raise InexpressibleError
    return Text(length_min, length_max, declared, pattern)


def _whole(words: Schema) -> Whole:
    """An integer that fits 64 bits with a sign; a larger one is doubtful."""
    low = max(
        [INT_MIN, *_each(words, "minimum", math.ceil), *_each(words, "exclusiveMinimum", lambda b: math.floor(b) + 1)]
    )
    high = min(
        [INT64_MAX, *_each(words, "maximum", math.floor), *_each(words, "exclusiveMaximum", lambda b: math.ceil(b) - 1)]
    )
    if low > high:
        raise InexpressibleError
    multiple = words.get("multipleOf")
    if multiple is not None and (type(multiple) is not int or not 0 < multiple <= INT64_MAX):
        raise InexpressibleError
    return Whole(low, high, multiple)


def _double(words: Schema) -> Double:
    names = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    least, most, above, below = (next(iter(_each(words, name, float)), None) for name in names)
    if None not in (least, above) or None not in (most, below):
        raise InexpressibleError
    return Double(least, most, above, below)


def _each(words: Schema, word: str, taken: Callable[[Any], Any]) -> list[Any]:
    """None or one: a bound that stands in the schema, as `taken` takes it."""
    bound = words.get(word)
    if bound is None:
        return []
    if type(bound) not in (int, float) or abs(bound) > EXACT_DOUBLE_MAX:
        raise InexpressibleError
    return [taken(bound)]
