"""The JSON gate a second time, slow and by other means: what the real one is held against.

The standard library's decoder, told to keep every pair and every number as text, and a walk over the result.
"""

import json
import math
from typing import Any

from validators.cases import Answer

DEPTH_MAX = 64


def answer(payload: bytes | None, *, top_level: str = "object") -> Answer:
    """What docs/validation.md says of a payload."""
    if payload is None:
        return "tombstone"
    try:
        document = _DECODER.decode(payload.decode("utf-8").strip(" \t\r\n"))
    except (ValueError, RecursionError):
        return "malformed"
    found: set[Answer] = set()
    deepest = _look(document, found)
    if "malformed" in found or deepest > DEPTH_MAX:
        return "malformed"
    if "invalid" in found or (top_level == "object" and not isinstance(document, Pairs)):
        return "invalid"
    return "accepted"


class Pairs(list[tuple[str, Any]]):
    """An object with its duplicates."""


class Integer(str):
    """The text of an integer."""

    __slots__ = ()


class Fraction(str):
    """The text of a number with a fraction or an exponent."""

    __slots__ = ()


def _look(value: Any, found: set[Answer]) -> int:
    """Add what is wrong with the value to `found`; how deep it nests."""
    match value:
        case Integer():
            if len(value) > 21 or not -(2**63) <= int(value) < 2**64:
                found.add("invalid")
        case Fraction():
            if not math.isfinite(float(value)):
                found.add("invalid")
        case str():
            if any(0xD800 <= ord(char) <= 0xDFFF for char in value):
                found.add("malformed")
        case Pairs():
            return 1 + max((max(_look(key, found), _look(item, found)) for key, item in value), default=0)
        case list():
            return 1 + max((_look(item, found) for item in value), default=0)
    return 0


def _no_constant(name: str) -> None:
    raise ValueError(name)


_DECODER = json.JSONDecoder(
    parse_int=Integer, parse_float=Fraction, parse_constant=_no_constant, object_pairs_hook=Pairs
)
