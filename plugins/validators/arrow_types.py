"""Derives typed columns from a JSON Schema, once: which Arrow type holds which field, exactly or not at all."""

from collections.abc import Mapping
from typing import cast

import pyarrow as pa

from streamlake.engine.errors import ConfigError
from streamlake.plugins.validators.column_types import (
    BOOLEAN,
    DATE,
    INTEGER,
    JSON_TEXT,
    NAIVE_TIME,
    NUMBER,
    STRING,
    UTC_TIME,
    Column,
    JsonText,
    ListOf,
    MapOf,
    Node,
    Scalar,
    Struct,
)

DECIMAL_KEYWORD = "x-streamlake-decimal"
"""Beside `type: string`: `[precision, scale]` of decimal numbers written as text."""

NAIVE_KEYWORD = "x-streamlake-naive"
"""Beside `format: date-time`: true where the times have no zone."""

_ANNOTATIONS = {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment"}
# Keywords that put alternatives or further fields beside what `type` and `properties` say.
_COMBINING = {"allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "$dynamicRef"}

Schema = Mapping[str, object]


_BY_TYPE: dict[str, Node] = {"integer": INTEGER, "number": NUMBER, "boolean": BOOLEAN}
_BY_KIND: dict[type, Node] = {str: STRING, int: INTEGER, float: NUMBER, bool: BOOLEAN}


def columns_of(schema: Schema, origin: str) -> tuple[Column, ...]:
    """The columns of the table for records of `schema` (JSON Schema 2020-12 with local `$ref` alone).

    Raises ConfigError, naming `origin`, when the top level is not an object with declared properties.
    """
    # The gate lets only objects through here, so a missing `type` at the top means one.
    derivation = _Derivation(schema)
    merged, refs = derivation.resolved(schema, ("#",))
    node = derivation.node({"type": "object", **merged}, refs)
    if not isinstance(node, Struct):
        raise ConfigError(
            f"{origin} declares no plain object at its top level, so there are no typed columns to make of it: "
            "give it `properties` (without alternatives beside them), or write `columns: envelope` for the sink"
        )
    return node.fields


class _Derivation:
    """One walk through a schema document; `refs` are those on the way down, so that a cycle is seen."""

    def __init__(self, document: Schema) -> None:
        self._document = document

    def column(self, name: str, schema: object, refs: tuple[str, ...], *, nullable: bool) -> Column:
        """The column for a value of `schema`; nullable also where null is allowed."""
        inner, refs, null_allowed = self._without_null(schema, refs)
        nullable = nullable or null_allowed
        node = self.node(inner, refs, nullable=nullable)
        # What becomes JSON text may be null whatever the schema says of it.
        return Column(name, node, nullable or isinstance(node, JsonText))

    def node(self, schema: object, refs: tuple[str, ...], *, nullable: bool = False) -> Node:
        """What holds a value of `schema` that is not null; `nullable`: beside it there may be nulls."""
        merged, refs = self.resolved(schema, refs)
        match _single_type(merged):
            case "array":
                return self._of_array(merged, refs)
            case "object":
                return self._of_object(merged, refs, nullable=nullable)
            case "string":
                return _of_string(merged)
            case kind:
                return _BY_TYPE.get(kind) or _of_values(merged)

    def resolved(self, schema: object, refs: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """`schema` with `$ref` and a lone `allOf` folded in; what can't be folded becomes the schema of anything.

        Keywords beside a `$ref` hold as well as those behind it, so either one's type is a true one; where both
        declare fields, a struct of one would lose the other's.
        """
        if not isinstance(schema, Mapping):
            return {}, refs
        beside: dict[str, object] = dict(schema)
        ref, parts = beside.pop("$ref", None), beside.get("allOf")
        if isinstance(ref, str):
            target = self._target(ref)
            if ref in refs or target is None:
                return {}, refs
            refs = (*refs, ref)
        elif isinstance(parts, list) and len(parts) == 1:
            del beside["allOf"]
            target = parts[0]
        else:
            return beside, refs
        inner, refs = self.resolved(target, refs)
        fields = {"properties", "patternProperties", "additionalProperties", "items", "prefixItems", "required"}
        if fields.intersection(beside) and fields.intersection(inner):
            return {}, refs
        return {**inner, **beside}, refs

    def _target(self, ref: str) -> object | None:
        """What a JSON pointer into this document names; None for every other kind of reference."""
        if not ref.startswith("#") or (len(ref) > 1 and ref[1] != "/"):
            return None
        found: object = self._document
        for step in ref[2:].split("/") if len(ref) > 1 else []:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def _without_null(self, schema: object, refs: tuple[str, ...]) -> tuple[object, tuple[str, ...], bool]:
        """The schema of what is not null, the references behind it, and whether null is allowed."""
        merged, inner_refs = self.resolved(schema, refs)
        declared, values = merged.get("type"), merged.get("enum")
        for keyword in ("anyOf", "oneOf"):
            parts = merged.get(keyword)
            if isinstance(parts, list) and not set(merged) - {keyword, "$defs"} - _ANNOTATIONS:
                others = [part for part in parts if part != {"type": "null"}]
                if len(others) == 1 and len(parts) == 2:
                    return (*self._without_null(others[0], inner_refs)[:2], True)
        nullable = (isinstance(declared, list) and "null" in declared) or (isinstance(values, list) and None in values)
        return schema, refs, nullable

    def _of_array(self, schema: Schema, refs: tuple[str, ...]) -> Node:
        items = schema.get("items")
        if not isinstance(items, Mapping) or schema.get("prefixItems") or _COMBINING.intersection(schema):
            return JSON_TEXT
        item = self.column("item", items, refs, nullable=False)
        return ListOf(pa.list_(item.field), item)

    def _of_object(self, schema: Schema, refs: tuple[str, ...], *, nullable: bool) -> Node:
        declared, open_ = schema.get("properties"), schema.get("additionalProperties")
        if schema.get("patternProperties") or _COMBINING.intersection(schema):
            return JSON_TEXT
        if isinstance(declared, Mapping) and declared:
            if isinstance(open_, Mapping) and open_:
                return JSON_TEXT  # a struct would lose the open fields, a map the types of the declared ones
            required = cast("list[str]", schema.get("required") or [])
            # Parquet writes no null struct whose fields say that they are never null.
            fields = tuple(
                self.column(name, field, refs, nullable=nullable or name not in required)
                for name, field in declared.items()
            )
            return Struct(pa.struct([column.field for column in fields]), fields)
        if isinstance(open_, Mapping):
            item = self.column("value", open_, refs, nullable=False)
            if not isinstance(item.node, JsonText):
                return MapOf(pa.map_(pa.string(), item.field), item)  # type: ignore[call-overload]  # pyarrow takes fields, too
        return JSON_TEXT


def _single_type(schema: Schema) -> str:
    """The one type besides null that holds every value; an empty name where there is none."""
    declared = schema.get("type")
    kinds = {str(one) for one in declared if one != "null"} if isinstance(declared, list) else {str(declared)}
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else ""


def _of_values(schema: Schema) -> Node:
    """By `enum` or `const` alone, where there is no type: their common type."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if not isinstance(values, list):
        return JSON_TEXT
    kinds = {type(value) for value in values if value is not None}
    return _BY_KIND.get(kinds.pop(), JSON_TEXT) if len(kinds) == 1 else JSON_TEXT


def _of_string(schema: Schema) -> Node:
    match schema:
        case {"x-streamlake-decimal": [int(precision), int(scale)]} if 0 <= scale <= precision <= 38:
            return Scalar(pa.decimal128(precision, scale), frozenset({str}), text=True)
        case {"format": "date"}:
            return DATE
        case {"format": "date-time", "x-streamlake-naive": True}:
            return NAIVE_TIME
        case {"format": "date-time"}:
            return UTC_TIME
        case _:
            return STRING
