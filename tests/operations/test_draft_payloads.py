"""What payloads that are no JSON objects are taken for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlake.engine.operations.draft_payloads import FRAMED, is_like_protobuf, look_of

PROTOBUF = bytes.fromhex("089601 12076f726465722d31 1d00002041 210000000000000840")
"""1: 150, 2: "order-1", 3: a float, 4: a double."""


@pytest.mark.parametrize(
    ("payload", "kind", "detail"),
    [
        (None, "tombstone", "no value at all"),
        (b"", "empty", "a value of no bytes"),
        (b"\0\0\0\0\x07\x02\x04ab", FRAMED, "magic byte 0, schema id 7"),
        (b"\0\0\0\0\x07" + PROTOBUF, FRAMED, "magic byte 0, schema id 7"),
        (b'\0\0\0\x01\0 {"a": 1}', "JSON behind a schema registry's header", "magic byte 0, schema id 256"),
        (b"Obj\x01\x04\x14avro", "Avro file", "begins with Obj and 1"),
        (b"[1, 2]", "JSON, but no object", "[1, 2]"),
        (b"17", "JSON, but no object", "17"),
        (b'{"id": 99999999999999999999999}', "JSON that no validator takes", '{"id": 99999999999999999999999}'),
        (b'{"id": 1', "broken JSON", '{"id": 1'),
        (b"<order/>", "XML", "<order/>"),
        ("größer; 5\n".encode(), "plain text", "größer; 5\n"),
        (b"a" * 41, "plain text", "a" * 39 + "…"),
        (PROTOBUF, "binary, perhaps Protobuf", "0x08960112076f7264…"),
        (b"\xff\xfe\x00", "binary", "0xfffe00"),
        (b"a\x00b", "binary", "0x610062"),
    ],
)
def test_a_payload_is_named_by_what_it_shows(payload: bytes | None, kind: str, detail: str) -> None:
    assert look_of(payload) == (kind, detail)


@given(st.binary(max_size=40))
def test_any_bytes_are_something(payload: bytes) -> None:
    kind, detail = look_of(payload)
    assert kind
    assert len(detail) <= 41


@pytest.mark.parametrize("cut", range(1, len(PROTOBUF)))
def test_protobuf_that_is_cut_off_inside_of_a_field_is_none(cut: int) -> None:
    ends_of_fields = {3, 12, 17}
    assert is_like_protobuf(PROTOBUF[:cut]) == (cut in ends_of_fields)
