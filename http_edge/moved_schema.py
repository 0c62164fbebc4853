"""A JSON Schema made part of a larger document: its definitions stand beside it, and each reference leads to one."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urljoin

DRAFT = "https://json-schema.org/draft/2020-12/schema"
PLACE = "#/components/schemas/"

Pointer = tuple[str, ...]
"""A place in the schema, step by step (RFC 6901)."""

# Where schemas lie inside a schema (JSON Schema 2020-12, Core 10 and 11); elsewhere, as in `const`, are values.
_NAMED = ("$defs", "definitions", "properties", "patternProperties", "dependentSchemas")
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    *("not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
)
# What says where a schema is at home, which is here now; and comments, which are not for readers (Core 8.3).
_LEFT_OUT = frozenset({"$schema", "$id", "$anchor", "$dynamicAnchor", "$vocabulary", "$comment"})
_SAFE = "!$&'()*+,;=:@"  # may stand in a fragment as it is (RFC 3986, 3.5)


class UnmovableError(Exception):
    """The schema can't be made part of another document, for the reason that it says."""


def moved(schema: Mapping[str, Any], name: str, taken: Collection[str]) -> dict[str, Any]:
    """`schema`, JSON values only, as components: itself as `name`, and each of its `$defs` under a name made of both.

    Names in `taken` are somebody else's. Raises UnmovableError: it is of another draft, a reference leads out of it
    or nowhere, or what one leads to is decided only while a value is looked at (`$dynamicRef`).
    """
    try:
        places = _Places(schema)
        definitions = schema.get("$defs", {})
        names: dict[str, str] = {}
        for key in definitions if isinstance(definitions, Mapping) else ():
            names[key] = _unused(f"{name}.{key}", {name, *taken, *names.values()})
        whole = _Moving(places, name, names).of(schema, ())
    except RecursionError:
        raise UnmovableError("it nests too deep") from None
    parts = whole.pop("$defs", {})
    return {name: whole, **{names[key]: part for key, part in parts.items()}}


def _unused(wanted: str, taken: Collection[str]) -> str:
    """The name, in the characters that OpenAPI allows, with a number where somebody has it already."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", wanted)
    name, count = plain, 1
    while name in taken:
        count += 1
        name = f"{plain}_{count}"
    return name


class _Places:
    """Where schemas stand in a schema, and by what they can be referred to."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self.bases: dict[Pointer, str] = {}
        """Each place at which a schema stands, with the URI that its references are relative to."""
        self._resources: dict[str, Pointer] = {"": ()}
        self._anchors: dict[tuple[str, str], Pointer] = {}
        self._dynamic: list[str | None] = []
        self._references: list[tuple[str, str]] = []
        self._note(root, (), "")
        while self._references:
            # What stands under a keyword that nobody knows is a schema where a reference leads there.
            target = self.target(*self._references.pop())
            if target not in self.bases:
                self._note(self._value(target), target, self._base_around(target))

    def target(self, base: str, reference: str) -> Pointer:
        """Where a reference leads that stands in a schema with that base."""
        whole = base + reference if reference.startswith("#") else urljoin(base, reference)
        uri, _, fragment = whole.partition("#")
        start, fragment = self._resources.get(uri), unquote(fragment)
        if start is not None and (not fragment or fragment.startswith("/")):
            steps = fragment.split("/")[1:]
            return (*start, *(step.replace("~1", "/").replace("~0", "~") for step in steps))
        anchored = self._anchors.get((uri, fragment))
        if anchored is None:
            raise UnmovableError(f"the reference {reference[:200]} leads nowhere in it")
        return anchored

    def _note(self, schema: Any, at: Pointer, base: str) -> None:
        """Remember the schema at a place, and all that stand in it."""
        if isinstance(schema, bool):
            return
        if not isinstance(schema, Mapping):
            raise UnmovableError(f"there is no schema at {_fragment(at)}")
        if str(schema.get("$schema", DRAFT)).removesuffix("#") != DRAFT:
            raise UnmovableError(f"it is of another draft than {DRAFT}")
        if isinstance(schema.get("$id"), str):
            base = urljoin(base, schema["$id"]).partition("#")[0]
            self._resources[base] = at
        self.bases[at] = base
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(keyword), str):
                self._anchors[base, schema[keyword]] = at
        self._dynamic.append(schema.get("$dynamicAnchor"))
        self._references += [(base, reference) for reference in _references_of(schema)]
        for steps, part in _parts_of(schema):
            self._note(part, (*at, *steps), base)

    def is_decided_later(self, dynamic_reference: str) -> bool:
        """Whether there is more than one place that a `$dynamicRef` may lead to."""
        return self._dynamic.count(dynamic_reference.rpartition("#")[2]) > 1

    def _value(self, at: Pointer) -> Any:
        value: Any = self._root
        for step in at:
            try:
                value = value[int(step)] if isinstance(value, list) else value[step]
            except (LookupError, TypeError, ValueError):
                raise UnmovableError(f"a reference leads to {_fragment(at)}, where nothing stands") from None
        return value

    def _base_around(self, at: Pointer) -> str:
        return next(self.bases[at[:length]] for length in range(len(at), -1, -1) if at[:length] in self.bases)


def _parts_of(schema: Mapping[str, Any]) -> Iterator[tuple[Pointer, Any]]:
    """The schemas right below a schema, each with the steps to it."""
    for keyword in _SINGLE:
        if keyword in schema:
            yield (keyword,), schema[keyword]
    for keyword in _LISTED:
        if isinstance(schema.get(keyword), list):
            yield from (((keyword, str(index)), part) for index, part in enumerate(schema[keyword]))
    for keyword in _NAMED:
        if isinstance(schema.get(keyword), Mapping):
            yield from (((keyword, key), part) for key, part in schema[keyword].items())


def _references_of(schema: Mapping[str, Any]) -> list[str]:
    """All that a schema refers to itself, not by the schemas in it."""
    mapping = _mapping(schema)
    found = [schema.get("$ref"), schema.get("$dynamicRef"), *(one for one in mapping.values() if _is_reference(one))]
    return [reference for reference in found if isinstance(reference, str)]


def _mapping(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What OpenAPI's `discriminator` maps, which pydantic writes for unions."""
    discriminator = schema.get("discriminator")
    mapping = discriminator.get("mapping") if isinstance(discriminator, Mapping) else None
    return mapping if isinstance(mapping, Mapping) else {}


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("#")


class _Moving:
    """Writes the schema anew for its place in the document."""

    def __init__(self, places: _Places, name: str, names: Mapping[str, str]) -> None:
        self._places, self._name, self._names = places, name, names

    def of(self, value: Any, at: Pointer) -> Any:
        """What stands at a place, with the references in it."""
        if isinstance(value, list):
            return [self.of(one, (*at, str(index))) for index, one in enumerate(value)]
        if not isinstance(value, Mapping):
            return value
        base = self._places.bases.get(at)
        if base is None:  # names of schemas, or a value
            return {key: self.of(one, (*at, key)) for key, one in value.items()}
        made = {key: self.of(one, (*at, key)) for key, one in value.items() if key not in _LEFT_OUT}
        if isinstance(dynamic := made.pop("$dynamicRef", None), str):
            if "$ref" in made or self._places.is_decided_later(dynamic):
                raise UnmovableError(f"what {dynamic[:200]} leads to is decided by each value")
            made["$ref"] = dynamic
        if isinstance(made.get("$ref"), str):
            made["$ref"] = self._led(base, made["$ref"])
        if mapping := _mapping(made):
            led = {key: self._led(base, one) if _is_reference(one) else one for key, one in mapping.items()}
            made["discriminator"] = {**made["discriminator"], "mapping": led}
        return made

    def _led(self, base: str, reference: str) -> str:
        """The reference, as it stands in the document."""
        target = self._places.target(base, reference)
        if target[:1] != ("$defs",):
            return f"{PLACE}{self._name}{_fragment(target)}"
        if len(target) == 1:
            raise UnmovableError("a reference leads to all definitions at once")
        return f"{PLACE}{self._names[target[1]]}{_fragment(target[2:])}"


def _fragment(at: Pointer) -> str:
    return "".join(f"/{quote(step.replace('~', '~0').replace('/', '~1'), safe=_SAFE)}" for step in at)
