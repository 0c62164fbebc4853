"""Dead letters for a person and for a program: whatever the record holds, the terminal is safe."""

from collections.abc import Iterator

from streamlake.engine.operations.dead_types import FoundLetter

HEX_BYTES_MAX = 4096
ROW_CHARS_MAX = 120


ROW = ("refused at", "place", "reason", "field", "message")


def letter_row(found: FoundLetter) -> tuple[str, ...]:
    """A table's row: when, where from, why, and the message, cut."""
    letter = found.letter
    where = f"{letter.source}/{letter.offset}"
    at = found.refused_at.isoformat(timespec="seconds")
    message = printable(letter.message)
    cut = message if len(message) <= ROW_CHARS_MAX else f"{message[:ROW_CHARS_MAX]}…"
    return (at, where, letter.reason, printable(letter.field or "-"), cut)


def letter_lines(found: FoundLetter) -> Iterator[str]:
    """Everything about a letter, a line for each fact, then its value."""
    letter = found.letter
    yield f"place            {letter.source}/{letter.offset}"
    yield f"reason           {letter.reason}"
    yield f"field            {printable(letter.field or '-')}"
    yield f"message          {printable(letter.message)}"
    yield f"attempt          {letter.attempt}"
    yield f"first failed at  {letter.first_failed_at_ms} ms since 1970"
    yield f"refused at       {found.refused_at.isoformat()}"
    version = f" (fingerprint {printable(found.fingerprint)})" if found.fingerprint else ""
    yield f"validator        {printable(found.validator)}{version}"
    yield f"run              {printable(found.run)}"
    yield f"found in         {printable(found.found_in)}"
    yield f"timestamp        {letter.timestamp_ms} ms since 1970 (type {letter.timestamp_type})"
    yield f"key              {_short(letter.key)}"
    for name, value in letter.headers:
        yield f"header           {printable(name)}: {_short(value)}"
    if found.truncated is not None:
        yield f"left out         {printable(found.truncated)}"
    yield from _value_lines(letter.value)


def printable(text: str) -> str:
    r"""The text with everything that a terminal would obey or hide (escapes, line breaks, bidi marks) as `\x1b`."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode() for char in text
    )


def _value_lines(value: bytes | None) -> Iterator[str]:
    if value is None:
        yield "value            none"
        return
    text = _text(value)
    if text is not None:
        yield f"value            {len(value):,} bytes, text:"
        yield from text.split("\n")
        return
    yield f"value            {len(value):,} bytes, in hexadecimal:"
    for at in range(0, min(len(value), HEX_BYTES_MAX), 16):
        row = value[at : at + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{at:08x}  {row.hex(' '):<47}  {shown}"
    if len(value) > HEX_BYTES_MAX:
        yield f"… {len(value) - HEX_BYTES_MAX:,} bytes more (--raw writes all)"


def _short(value: bytes | None) -> str:
    if value is None:
        return "none"
    text = _text(value)
    return f"0x{value.hex()}" if text is None or "\n" in text else text


def _text(value: bytes) -> str | None:
    """The bytes as text that a terminal can be given: UTF-8, nothing in it but printable characters and new lines."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if text.replace("\n", "").replace("\t", "").isprintable() else None
