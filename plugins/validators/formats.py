"""Makes `format: date`, `time` and `date-time` mean what RFC 3339 says, where jsonschema-rs takes them too lightly."""

from collections.abc import Mapping
from typing import Any

# jsonschema-rs 0.60.3 takes the six characters before `0` for digits: ",996-01-02" was a date to it. Mended in its
# pull request 1031, which no release has yet. A pattern beside the format costs less than a format in Python.
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
_PATTERNS = {"date": f"^{_DATE}$", "time": f"^{_TIME}$", "date-time": f"^{_DATE}[Tt]{_TIME}$"}

# Where schemas lie inside a schema (JSON Schema 2020-12, Core 10 and 11); elsewhere, as in `const`, are values.
NAMED = ("$defs", "definitions", "properties", "patternProperties", "dependentSchemas")
LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
SINGLE = (
    *("not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
)


def with_strict_formats(schema: Any) -> Any:
    """The schema with a pattern beside each format of a date or time, wherever one stands; the same one otherwise."""
    if not isinstance(schema, Mapping):
        return schema
    strict = dict(schema)
    for keyword in SINGLE:
        if keyword in strict:
            strict[keyword] = with_strict_formats(strict[keyword])
    for keyword in LISTED:
        if isinstance(strict.get(keyword), list):
            strict[keyword] = [with_strict_formats(part) for part in strict[keyword]]
    for keyword in NAMED:
        if isinstance(strict.get(keyword), Mapping):
            strict[keyword] = {name: with_strict_formats(part) for name, part in strict[keyword].items()}
    declared = strict.get("format")
    if isinstance(declared, str) and declared in _PATTERNS:
        parts = strict.get("allOf")
        strict["allOf"] = [*(parts if isinstance(parts, list) else []), {"pattern": _PATTERNS[declared]}]
    return strict
