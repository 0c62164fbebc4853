"""A decoder that takes only what a JSON Schema allows, where the schema can be said in types: the quick yes.

What it takes, the gate (`decode.py`) and jsonschema-rs would accept. What it refuses is no more than doubtful, and they
decide it: so it may be stricter than the schema (no `1.0` for an integer, no leap second), never laxer. A schema with a
word that can't be said exactly has no decoder at all.

Of what it passes over, msgspec looks at the grammar alone: not at UTF-8, and not at how large a number is. So one that
passes over anything (`closed` is False: undeclared fields, values of no type) may be shown only what `Gate.admit` let
through and `Gate.readable` found harmless.
"""

import datetime as dt
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import length_hint, or_
from typing import Annotated, Any, Literal, cast

import msgspec

from streamlake.engine.records import Refusal
from streamlake.plugins.validators.decode import Admitted, Gate, TopLevel
from streamlake.plugins.validators.scan import INT_MIN

Schema = Mapping[str, Any]

INT64_MAX = 2**63 - 1
EXACT_DOUBLE_MAX = 2**53
"""Up to here a double holds every integer: a bound beyond it could be rounded."""

HOPELESS_AFTER = 1000
"""Records. Once more than half of so many were doubtful, the rest of the batch is not tried."""

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

# What is surely of a format. The 29th of February is left to who can count, and so is a leap second.
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_MONTH_DAY = "((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
_TIME = rf"{_CLOCK}:[0-5][0-9](\.[0-9]+)?([Zz]|[+-]{_CLOCK})"
_FORMATS = {
    "time": _TIME,
    "date-time": f"(?!0000)[0-9]{{4}}-{_MONTH_DAY}[Tt]{_TIME}",
    "uuid": "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}
_NO_YEAR_0 = {"pattern": "^0000"}
"""RFC 3339 knows a year 0, Python's dates do not: what the schema of a pydantic model says beside `format: date`."""

# Patterns that mean to Python what they mean to ECMA-262, and that take it linear time: anchored, no groups, and one
# count at most that is open.
_ATOM = (
    r"""(?:[A-Za-z0-9_ :/@#%&=,;<>~"'!-]"""
    r"""|\\[./+*?()\[\]{}|^$-]"""
    r"""|\[(?:[A-Z]-[A-Z]|[a-z]-[a-z]|[0-9]-[0-9]|[A-Za-z0-9_ :/@#%=,;"'!.+*?(){}$])+\])"""
)
_FIXED = rf"(?:{_ATOM}(?:\{{[0-9]{{1,3}}\}})?)*"
_PATTERN = re.compile(rf"\^{_FIXED}(?:{_ATOM}(?:[*+?]|\{{[0-9]{{1,3}},[0-9]{{0,3}}\}}){_FIXED})?\$?")


class SchemaDecoder:
    """Made by `decoder_of`."""

    def __init__(self, kind: object, *, closed: bool) -> None:
        self.closed = closed
        self._decode: Callable[[Any], object] = msgspec.json.Decoder(cast("type[object]", kind)).decode

    def doubtful(self, payloads: Sequence[bytes | None]) -> list[int]:
        """The indices of those that it does not take, ascending."""
        return self._decode_into(deque[object](maxlen=0), payloads)  # what was decoded is let go at once

    def records(self, payloads: Sequence[bytes | None]) -> tuple[list[object], list[int]]:
        """What it makes of those that it takes, in their order, and the indices of the others, ascending.

        An object with declared fields is a msgspec.Struct; what is missing in it is None.
        """
        taken: list[object] = []
        return taken, self._decode_into(taken, payloads)

    def _decode_into(self, taken: list[object] | deque[object], payloads: Sequence[bytes | None]) -> list[int]:
        left, found = iter(payloads), list[int]()
        decoded = map(self._decode, left)
        while True:
            try:
                taken.extend(decoded)
            except (ValueError, TypeError, RecursionError):  # msgspec's own are ValueErrors; None is a TypeError
                # A map that raised goes on with its next item.
                at = len(payloads) - length_hint(left) - 1
                found.append(at)
                if len(found) > max(HOPELESS_AFTER, at + 1) / 2:
                    return [*found, *range(at + 1, len(payloads))]
            else:
                return found


def undecided(
    decoder: SchemaDecoder | None, gate: Gate, values: Sequence[bytes | None], refused: dict[int, Refusal]
) -> Iterator[Admitted]:
    """A batch's payloads without those that the decoder takes and those that the gate refuses: they go to `refused`."""
    if decoder is not None and decoder.closed:
        # What a closed decoder takes, nothing else has to look at.
        doubtful = decoder.doubtful(values)
        yield from gate.admit([values[index] for index in doubtful], refused, doubtful)
        return
    for piece in gate.admit(values, refused):
        if decoder is not None and gate.readable(piece):
            yield piece.take(decoder.doubtful(piece.values))
        else:
            yield piece


def decoder_of(schema: Schema, depth_max: int, top_level: TopLevel) -> SchemaDecoder | None:
    """The decoder for records of `schema` that the gate would let through; None where types can't say it exactly."""
    types = _Types(schema)
    try:
        kind = types.kind(schema, (), depth_max)
        if top_level == "object" and not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            return None
        return SchemaDecoder(kind, closed=types.closed)
    except (_InexpressibleError, ValueError, TypeError, RecursionError):  # all but the first: msgspec's own limits
        return None


class _InexpressibleError(Exception):
    """No type says exactly this."""


class _Types:
    """One walk through a schema document; `refs` are those on the way down, so that a cycle is seen."""

    def __init__(self, document: Schema) -> None:
        self._document = document
        self.closed = True

    def kind(self, schema: object, refs: tuple[str, ...], levels: int) -> Any:
        """The type of what `schema` allows; `levels` is how deep it may still nest."""
        if schema is True:
            schema = {}
        if not isinstance(schema, dict):
            raise _InexpressibleError
        words = {word: value for word, value in schema.items() if word not in _ANNOTATIONS}
        if "const" in words:
            words["enum"] = [words.pop("const")]
        match words:
            case _ if not words:
                self.closed = False
                return Any
            case {"$ref": str(ref)} if len(words) == 1:
                return self._behind(ref, refs, levels)
            case {"anyOf": list(parts)} if len(words) == 1:
                return _union(self.kind(part, refs, levels) for part in parts)
            case {"enum": list(values)}:
                return _literal(values, words)
            case {"type": names}:
                return self._of_types(names if isinstance(names, list) else [names], words, refs, levels)
        raise _InexpressibleError

    def _behind(self, ref: str, refs: tuple[str, ...], levels: int) -> Any:
        prefix, name = ref[: len("#/$defs/")], ref[len("#/$defs/") :]
        target = self._document.get("$defs", {}).get(name)
        if prefix != "#/$defs/" or target is None or ref in refs:
            raise _InexpressibleError
        return self.kind(target, (*refs, ref), levels)

    def _of_types(self, names: list[str], words: Schema, refs: tuple[str, ...], levels: int) -> Any:
        known = frozenset({"type"}).union(*(_WORDS.get(name, ()) for name in names))
        if not known.issuperset(words):
            raise _InexpressibleError
        return _union(self._of_type(name, words, refs, levels) for name in names)

    def _of_type(self, name: str, words: Schema, refs: tuple[str, ...], levels: int) -> Any:
        match name:
            case "string":
                return _string(words)
            case "integer":
                return _integer(words)
            case "number":
                return _integer(words) | _double(words)
            case "boolean" | "null":
                return bool if name == "boolean" else None
            case "array" | "object" if levels:
                make = self._array if name == "array" else self._object
                return make(words, refs, levels - 1)
        raise _InexpressibleError

    def _array(self, words: Schema, refs: tuple[str, ...], levels: int) -> Any:
        item = self.kind(words.get("items", True), refs, levels)
        return _limited(
            list.__class_getitem__(item), {"min_length": words.get("minItems"), "max_length": words.get("maxItems")}
        )

    def _object(self, words: Schema, refs: tuple[str, ...], levels: int) -> Any:
        declared, required = words.get("properties", {}), words.get("required", [])
        others = words.get("additionalProperties", True)
        if isinstance(others, dict) and others:
            if declared or required:
                raise _InexpressibleError
            return dict.__class_getitem__((str, self.kind(others, refs, levels)))
        if not set(required).issubset(declared):
            raise _InexpressibleError
        if others is not False:
            self.closed = False
        fields: list[Any] = []
        for number, (name, field) in enumerate(declared.items()):
            kind = self.kind(field, refs, levels)
            fields.append((f"f{number}", kind) if name in required else (f"f{number}", kind, None))
        return msgspec.defstruct(
            "Record",
            sorted(fields, key=len),
            rename={f"f{number}": name for number, name in enumerate(declared)},
            forbid_unknown_fields=others is False,
            gc=False,
        )


def _union(kinds: Iterable[Any]) -> Any:
    return reduce(or_, kinds)


def _literal(values: list[object], words: Schema) -> Any:
    """One of `values`; a `type` beside them must not take any of them away."""
    names = words.get("type", list(_CLASSES))
    allowed = {_CLASSES.get(name) for name in (names if isinstance(names, list) else [names])}
    # By their own class: True is an int to isinstance, and 1.0 is none of msgspec's literals.
    if not {"enum", "type"}.issuperset(words) or not values or not {type(value) for value in values}.issubset(allowed):
        raise _InexpressibleError
    return Literal[tuple(values)]


def _string(words: Schema) -> Any:
    lengths = {"min_length": words.get("minLength"), "max_length": words.get("maxLength")}
    declared, pattern = words.get("format"), words.get("pattern")
    if "not" in words and not (words["not"] == _NO_YEAR_0 and declared in {"date", "date-time"}):
        raise _InexpressibleError
    if declared is None and pattern is None:
        return _limited(str, lengths)
    if declared == "date" and pattern is None and lengths == {"min_length": None, "max_length": None}:
        return dt.date
    if declared in _FORMATS and pattern is None:
        return _limited(str, lengths | {"pattern": rf"^{_FORMATS[declared]}\Z"})
    if declared is None and isinstance(pattern, str) and _PATTERN.fullmatch(pattern):
        # To Python a `$` also stands before a line break at the end.
        ends = pattern.endswith("$") and not pattern.endswith(r"\$")
        return _limited(str, lengths | {"pattern": rf"{pattern[:-1]}\Z" if ends else pattern})
    raise _InexpressibleError


def _integer(words: Schema) -> Any:
    """An integer that fits 64 bits with a sign; a larger one is doubtful."""
    low = max(
        [INT_MIN, *_each(words, "minimum", math.ceil), *_each(words, "exclusiveMinimum", lambda b: math.floor(b) + 1)]
    )
    high = min(
        [INT64_MAX, *_each(words, "maximum", math.floor), *_each(words, "exclusiveMaximum", lambda b: math.ceil(b) - 1)]
    )
    if low > high:
        raise _InexpressibleError
    multiple = words.get("multipleOf")
    if multiple is not None and (type(multiple) is not int or not 0 < multiple <= INT64_MAX):
        raise _InexpressibleError
    return _limited(int, {"ge": low, "le": high, "multiple_of": multiple})


def _double(words: Schema) -> Any:
    names = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
    limits = {name: bound for name, word in names.items() for bound in _each(words, word, float)}
    if {"ge", "gt"}.issubset(limits) or {"le", "lt"}.issubset(limits):
        raise _InexpressibleError
    return _limited(float, limits)


def _each(words: Schema, word: str, taken: Callable[[Any], Any]) -> list[Any]:
    """None or one: a bound that stands in the schema, as `taken` takes it."""
    bound = words.get(word)
    if bound is None:
        return []
    if type(bound) not in (int, float) or abs(bound) > EXACT_DOUBLE_MAX:
        raise _InexpressibleError
    return [taken(bound)]


def _limited(kind: Any, limits: Mapping[str, Any]) -> Any:
    said = {name: limit for name, limit in limits.items() if limit is not None}
    return Annotated[kind, msgspec.Meta(**said)] if said else kind
