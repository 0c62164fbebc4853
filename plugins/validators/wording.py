"""How a refusal speaks: JSON pointers, values and messages, each with a length that a Kafka header can take."""

import re
from collections.abc import Iterable

import orjson

MESSAGE_CHARS_MAX = 300
VALUE_CHARS_MAX = 120
FIELD_CHARS_MAX = 200

_BLANKS = re.compile(r"[\s\x00-\x1f\x7f]+")


def message_of(text: str) -> str:
    """`text` on one line, encodable as UTF-8, of at most 300 characters."""
    return capped(text if text.isprintable() else _BLANKS.sub(" ", text).strip(), MESSAGE_CHARS_MAX)


def shown(value: object) -> str:
    """A value as JSON (what JSON can't say, by its `repr`) of at most 120 characters."""
    try:
        text = orjson.dumps(value, default=repr).decode()
    except TypeError:  # orjson.JSONEncodeError is one
        text = repr(value)
    return capped(text, VALUE_CHARS_MAX)


def pointer_of(path: Iterable[str | int]) -> str | None:
    """The path as a JSON pointer (RFC 6901) of at most 200 characters; None for the whole record."""
    pointer = "".join([f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path])
    return capped(pointer, FIELD_CHARS_MAX) or None


def capped(text: str, chars_max: int) -> str:
    """`text` cut to `chars_max` characters; lone surrogates, which no header can carry, are escaped."""
    encodable = text[: chars_max + 1]
    if not encodable.isascii():
        encodable = encodable.encode("utf-8", "backslashreplace").decode()
    return encodable if len(encodable) <= chars_max else f"{encodable[: chars_max - 1]}…"
