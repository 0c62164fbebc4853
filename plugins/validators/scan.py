"""Looks at the text of one valid JSON document for what a parser would pass over: depth and numbers past 64 bits."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import NoReturn

from streamlake.plugins.validators.wording import pointer_of

DIGITS_AS_ZERO = bytes(ord("0") if chr(byte) in "0123456789" else byte for byte in range(256))

INT_MIN = -(2**63)
INT_NEXT = 2**64  # half-open, as all our ranges: the largest integer is 2^64 - 1

_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
# An integer token of 19 digits or more: not a part of a fraction, an exponent or a number that has either.
_LONG_INTEGER = re.compile(rb"(?<![0-9.eE+-])-?[0-9]{19,}(?![0-9.eE])")
# A number past the largest double, 1.8e308, has an exponent of three digits, or 210 digits before one of two. Looked
# for once every digit is written as 0: many times quicker than a regular expression.
_HUGE_NUMBERS = (b"e000", b"E000", b"e+000", b"E+000", b"0" * 200)
_AS_ZERO_AND_E = DIGITS_AS_ZERO.replace(b"E", b"e").replace(b"+", b"0")


def outside_strings(payload: bytes) -> bytes:
    """What of a valid JSON text lies outside its strings: brackets, commas, colons, numbers and names.

    A few calls into C, whatever the number of strings. Of invalid JSON the answer means nothing.
    """
    if b"\\" in payload:  # an escaped backslash first: in `\\"` the quote ends the string
        payload = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b" ".join(payload.split(b'"')[::2])


def deeper_than(outside: bytes, depth_max: int) -> bool:
    """Whether arrays and objects nest deeper than `depth_max` (a scalar has depth 0, `[]` depth 1).

    Every pass takes the innermost brackets away, so it needs as many passes as there are levels. Most texts with
    many brackets need none: what opens too many in a row is too deep.
    """
    brackets = outside.translate(_BRACKETS, _NO_BRACKETS)
    if b"[" * (depth_max + 1) in brackets:
        return True
    for _ in range(depth_max):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def has_long_integer(outside: bytes) -> bool:
    """Whether an integer lies outside `[-2^63, 2^64)`: orjson makes a float of such a one, without a word."""
    if b"0" * 19 not in outside.translate(DIGITS_AS_ZERO):
        return False
    return any(not _is_64_bit(match) for match in _LONG_INTEGER.findall(outside))


def may_round(payloads: Iterable[bytes]) -> bool:
    """Whether any of the payloads could hold an integer that a double rounds: it has 16 digits or more."""
    return b"0" * 16 in b"\0".join(payloads).translate(DIGITS_AS_ZERO)


def rounded_integer(document: object, columns: object) -> tuple[str | None, int] | None:
    """The first integer of a decoded document that stands in its `columns` only as the double next to it.

    Both are compared by their values alone: a model may rename and move its fields.
    """
    held = {(type(value), value) for _, value in _leaves(columns) if isinstance(value, int | float)}
    for path, value in _leaves(document):
        if not isinstance(value, int) or (int, value) in held:
            continue
        if int(float(value)) != value and (float, float(value)) in held:
            return pointer_of(path), value
    return None


def may_overflow(payload: bytes) -> bool:
    """Whether a number could be larger than any double; cheap, and never wrong when it says no."""
    roughly = payload.translate(_AS_ZERO_AND_E)
    if b"e000" not in roughly and b"0" * 200 not in roughly:
        return False
    digits = payload.translate(DIGITS_AS_ZERO)
    return any(huge in digits for huge in _HUGE_NUMBERS)


def number_out_of_range(payload: bytes) -> tuple[str | None, str] | None:
    """The first number of a JSON text that no 64-bit type holds: its JSON pointer and its text.

    None where there is no such number, or where the text is not JSON (lone surrogates included). Looks at every
    pair of an object, also at those that a later duplicate key hides.
    """
    try:
        document = _DECODER.decode(payload.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    found: tuple[str | None, str] | None = None
    # Depth first in document order; a stack instead of recursion, since nothing has bounded the depth yet.
    stack: list[tuple[tuple[str | int, ...], object]] = [((), document)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, _Unholdable):
            found = found or (pointer_of(path), value.text)
        elif isinstance(value, str):
            if not _is_unicode(value):
                return None
        elif isinstance(value, _Pairs):
            if not all(_is_unicode(key) for key, _ in value):
                return None
            stack.extend(((*path, key), item) for key, item in reversed(value))
        elif isinstance(value, list):
            stack.extend(((*path, index), value[index]) for index in reversed(range(len(value))))
    return found


def _leaves(document: object) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Every scalar of a decoded document with its path, in the order of the document."""
    stack: list[tuple[tuple[str | int, ...], object]] = [((), document)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict):
            stack.extend(((*path, key), item) for key, item in reversed(value.items()))
        elif isinstance(value, list):
            stack.extend(((*path, index), value[index]) for index in reversed(range(len(value))))
        else:
            yield path, value


def _is_unicode(text: str) -> bool:
    """False when a surrogate stands alone: the standard library's decoder lets these pass."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _is_64_bit(token: bytes | str) -> bool:
    """Whether the integer `token` lies in `[-2^63, 2^64)`; its length first: int() refuses 5,000 digits."""
    return len(token) <= 20 and INT_MIN <= int(token) < INT_NEXT


class _Unholdable:
    """Stands for a number that no 64-bit type holds."""

    def __init__(self, text: str) -> None:
        self.text = text


class _Pairs(list[tuple[str, object]]):
    """An object as its pairs, duplicates included."""


def _read_int(text: str) -> object:
    return int(text) if _is_64_bit(text) else _Unholdable(text)


def _read_float(text: str) -> object:
    number = float(text)
    return number if math.isfinite(number) else _Unholdable(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    parse_int=_read_int, parse_float=_read_float, parse_constant=_refuse_constant, object_pairs_hook=_Pairs
)
