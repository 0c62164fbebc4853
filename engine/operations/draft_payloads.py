"""What a payload that is no JSON object looks like: named by its first bytes, and never more surely than they allow."""

import re
from typing import NamedTuple

import orjson

TEXT_SHOWN = 40
BYTES_SHOWN = 8
FRAME_BYTES = 5  # a schema registry's: magic byte 0, then the schema's id as four bytes
FRAMED = "Avro or Protobuf behind a schema registry's header"

_PRINTABLE = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")


class Look(NamedTuple):
    """What a payload seems to be, and what of it shows that."""

    kind: str
    detail: str


def look_of(payload: bytes | None) -> Look:
    """What a payload seems to be that no validator of JSON objects takes."""
    if payload is None:
        return Look("tombstone", "no value at all")
    if not payload:
        return Look("empty", "a value of no bytes")
    if payload.startswith(b"\0") and len(payload) > FRAME_BYTES:
        number = f"magic byte 0, schema id {int.from_bytes(payload[1:FRAME_BYTES])}"
        framed_json = payload[FRAME_BYTES:].lstrip().startswith((b"{", b"[")) and _is_json(payload[FRAME_BYTES:])
        return Look("JSON behind a schema registry's header" if framed_json else FRAMED, number)
    if payload.startswith(b"Obj\x01"):
        return Look("Avro file", "begins with Obj and 1")
    return _of_text(payload) or _of_bytes(payload)


def _of_text(payload: bytes) -> Look | None:
    """As text; None where it is none."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    if not _PRINTABLE.fullmatch(text):
        return None
    shown = text if len(text) <= TEXT_SHOWN else f"{text[: TEXT_SHOWN - 1]}…"
    begin = text.lstrip()[:1]
    if _is_json(payload):
        return Look("JSON, but no object" if begin != "{" else "JSON that no validator takes", shown)
    if begin in ("{", "["):
        return Look("broken JSON", shown)
    return Look("XML" if begin == "<" else "plain text", shown)


def _of_bytes(payload: bytes) -> Look:
    shown = f"0x{payload[:BYTES_SHOWN].hex()}{'…' if len(payload) > BYTES_SHOWN else ''}"
    return Look("binary, perhaps Protobuf" if is_like_protobuf(payload) else "binary", shown)


def _is_json(payload: bytes) -> bool:
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    return True


def is_like_protobuf(payload: bytes) -> bool:
    """Whether the bytes are fields of Protobuf's wire format from the first to the last: no proof, but a hint."""
    at, fields = 0, 0
    while at < len(payload):
        tag, at = _varint(payload, at)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 2**29:
            return False
        if wire == 0:
            value, at = _varint(payload, at)
            at = at if value >= 0 else len(payload) + 1
        elif wire == 2:
            length, at = _varint(payload, at)
            at = at + length if length >= 0 else len(payload) + 1
        else:
            at += {1: 8, 5: 4}.get(wire, len(payload) + 1)
        fields += 1
    return at == len(payload) and fields > 0


def _varint(payload: bytes, at: int) -> tuple[int, int]:
    """A number of up to ten bytes and where the next thing begins; -1 where there is none."""
    value = 0
    for shift, byte in enumerate(payload[at : at + 10]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    return -1, len(payload) + 1
