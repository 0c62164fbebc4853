"""The decided answers for all that RFC 8259 leaves open, payload by payload: the table of docs/validation.md."""

from dataclasses import dataclass
from typing import Literal

Answer = Literal["accepted", "malformed", "invalid", "tombstone"]


@dataclass(frozen=True)
class Case:
    """One payload under the row of the table it belongs to. `field` is the JSON pointer a refusal names."""

    row: str
    payload: bytes | None
    answer: Answer
    field: str | None = None

    def __str__(self) -> str:
        return f"{self.row}: {'' if self.payload is None else self.payload[:24]!r}"


def _cases(row: str, answer: Answer, *payloads: bytes | None, field: str | None = None) -> list[Case]:
    return [Case(row, payload, answer, field) for payload in payloads]


def nested(depth: int) -> bytes:
    """An object that nests `depth` levels deep."""
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


CASES = [
    *_cases("empty payload", "malformed", b""),
    *_cases("tombstone", "tombstone", None),
    *_cases("nothing but blanks", "malformed", b" ", b"\r\n\t "),
    *_cases("blanks around the document", "accepted", b' \t\r\n{"a":1}\r\n', b'{ "a" :\n1 }'),
    *_cases("other white space", "malformed", b'\x0b{"a":1}', b'\xc2\xa0{"a":1}', b'{"a":1}\x0c'),
    *_cases("trailing text", "malformed", b'{"a":1} x', b'{"a":1}{"a":2}', b'{"a":1}\n{"a":2}', b'{"a":1}//', b"{}]"),
    *_cases("cut off", "malformed", b'{"a":1', b'{"a":"b', b'{"a":', b"{"),
    *_cases("byte order mark", "malformed", b'\xef\xbb\xbf{"a":1}'),
    *_cases("UTF-16 or UTF-32", "malformed", '{"a":1}'.encode("utf-16"), '{"a":1}'.encode("utf-32-le")),
    *_cases("invalid UTF-8", "malformed", b'{"a":"\xff"}', b'{"a":"\xc0\xaf"}', b'{"a":"\xed\xa0\x80"}', b'{"\xe4":1}'),
    *_cases("lone surrogate", "malformed", b'{"a":"\\ud800"}', b'{"a":"x\\udc00"}', b'{"\\udfff":1}'),
    *_cases("surrogate pair", "accepted", b'{"a":"\\ud83d\\ude00"}', '{"a":"\U0001f600"}'.encode()),
    *_cases("noncharacter", "accepted", b'{"a":"\\uffff"}', '{"a":"\ufdd0"}'.encode()),
    *_cases("raw control character", "malformed", b'{"a":"\0"}', b'{"a":"\n"}', b'{"a":1}\0', b'\0{"a":1}', b"\0{"),
    *_cases("escaped NUL", "accepted", b'{"a":"\\u0000"}', b'{"\\u0000":1}'),
    *_cases("unknown escape", "malformed", b'{"a":"\\x41"}', b'{"a":"\\u12"}'),
    *_cases("NaN or Infinity", "malformed", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":nan}'),
    *_cases("other number spellings", "malformed", b'{"a":01}', b'{"a":1.}', b'{"a":.5}', b'{"a":+1}', b'{"a":0x10}'),
    *_cases("other literals", "malformed", b'{"a":True}', b'{"a":undefined}', b"{'a':1}", b"{a:1}"),
    *_cases("comment or trailing comma", "malformed", b'{"a":1,}', b'{"a":[1,]}', b'/**/{"a":1}'),
    *_cases("-0", "accepted", b'{"a":-0}', b'{"a":-0.0}', b'{"a":[-0e5]}'),
    *_cases("duplicate keys", "accepted", b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"a":{"b":1,"b":"x"}}'),
    *_cases("empty key", "accepted", b'{"":1}'),
    *_cases(
        "integer up to 64 bits",
        "accepted",
        b'{"a":18446744073709551615}',
        b'{"a":-9223372036854775808}',
        b'{"a":9007199254740993}',
        b'{"a":"99999999999999999999999"}',
        b'{"a":"\\"99999999999999999999999"}',
        b'{"a":1234567890123456789012.0}',
        b'{"a":1e-99999999999999999999}',
    ),
    *_cases(
        "integer past 64 bits",
        "invalid",
        b'{"a":18446744073709551616}',
        b'{"a":-9223372036854775809}',
        b'{"a":' + b"1" * 5000 + b"}",
        b'{"a":18446744073709551616,"a":1}',
        b'{"z":"18446744073709551616","a":99999999999999999999}',
        field="/a",
    ),
    *_cases("integer past 64 bits", "invalid", b'{"x/y":[0,{"~":-99999999999999999999}]}', field="/x~1y/1/~0"),
    *_cases(
        "number past the largest double",
        "invalid",
        b'{"a":1e400}',
        b'{"a":-1e400}',
        b'{"a":1.7976931348623159e308}',
        b'{"a":1' + b"0" * 309 + b".0}",
        b'{"a":1' + b"0" * 250 + b"e60}",
        field="/a",
    ),
    *_cases("number past the largest double", "malformed", b'{"a":1e400', b'{"a":1e400,"b":"\\ud800"}'),
    *_cases("number next to zero", "accepted", b'{"a":1e-400}', b'{"a":5e-324}'),
    *_cases("more digits than a double has", "accepted", b'{"a":0.12345678901234567890123}', b'{"a":0.1}'),
    *_cases("number with exponent or fraction", "accepted", b'{"a":1e2}', b'{"a":1.0}', b'{"a":1E+300}'),
    *_cases("64 levels", "accepted", nested(64), b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"),
    *_cases("64 levels", "accepted", b'{"a":"' + b"[" * 99 + b'"}', b'{"a":"\\"' + b"{" * 99 + b'"}', b'{"a":[[],{}]}'),
    *_cases("64 levels", "accepted", b'{"a":[' + b"[]," * 99 + b"[]]}"),
    *_cases("65 levels", "malformed", nested(65), nested(300), nested(2000), b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"),
    *_cases("65 levels", "malformed", b'{"a":' + b"[" * 70 + b"1e400" + b"]" * 70 + b"}", nested(65) + b"}"),
    *_cases("65 levels", "malformed", b'{"]]]]]]":' + nested(65) + b"}"),
    *_cases("array or scalar at the top", "invalid", b"[1]", b" []", b'"a"', b"1", b"true", b"null"),
    *_cases("array or scalar at the top", "malformed", b"[1", b"x"),
]
