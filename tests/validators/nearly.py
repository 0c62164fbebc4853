"""Payloads that are nearly right: orders, and records with a field of every kind, each with a slip here and there."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from validators import everything
from validators.everything import SCHEMA, Declared
from validators.making import ORDER_MODEL
from validators.texts import ODD_BYTES, ODD_TOKENS

INTEGERS = [
    *("0", "-0", "1", "-1", "50", "51", "12", "9007199254740991", "9007199254740992", "9007199254740993"),
    *("-9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808"),
    *("-9223372036854775809", "18446744073709551615", "18446744073709551616", "1234567890123456789", "1.0", "1e2"),
]
FLOATS = [
    *(
        "0.0",
        "-0",
        "-0.0",
        "1.5",
        "10.25",
        "0.1",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "5e-324",
        "2.5e-324",
    ),
    *("123456789.12345678", "0.12345678901234568", "1e22", "1E+22", "1e+100", "1e308", "1e309", "1e400", "-1e400"),
    *(
        "9007199254740993",
        "9007199254740993.0",
        "1e-400",
        "0.1000000000000000055511151231257827",
        "NaN",
        "Infinity",
        "-Infinity",
    ),
]
TEXTS = [
    *(
        '""',
        '"a"',
        '"O"',
        '"EUR"',
        '"ABC"',
        '"abc"',
        '"12"',
        '"1.5"',
        '"true"',
        '"\\u0041"',
        '"\\u0000"',
        '"\\ud83d\\ude00"',
    ),
    *('"\\ud800"', '"\\udc00x"', '"\u00e4\u00f6"', '"\U0001f600"', '" a "', '"a\\nb"', '"\\/"', '"NaN"', '"1e400"'),
]
DATES = [
    *('"1996-01-02"', '"0000-01-01"', '"0001-01-01"', '"9999-12-31"', '"10000-01-01"', '"2026-02-30"', '"2024-02-29"'),
    *('"2023-02-29"', '"1996-1-2"', '"19960102"', '"820540800"', "820540800", '"1996-01-02T00:00:00"', '"1996-01-02 "'),
]
TIMES = [
    *('"2026-01-02T03:04:05Z"', '"2026-01-02T03:04:05.123456Z"', '"2026-01-02T03:04:05.1234567890Z"'),
    *('"2026-01-02T03:04:05.1234560000Z"', '"2026-01-02T03:04:05+02:00"', '"2026-01-02T03:04:05-00:00"'),
    *('"2026-01-02t03:04:05z"', '"2016-12-31T23:59:60Z"', '"0000-01-01T00:00:00Z"', '"0001-01-01T00:00:00Z"'),
    *('"9999-12-31T23:59:59Z"', '"9999-12-31T23:59:59-23:59"', '"2026-01-02T24:00:00Z"', '"2026-01-02 03:04:05Z"'),
    *('"2026-01-02T03:04:05"', '"2026-01-02T03:04Z"', '"2026-02-29T00:00:00Z"', '"2026-01-02T03:04:05+24:00"', "0"),
]
UUIDS = [
    '"5e2b1c3a-0d4f-4b6a-8c7d-9e0f1a2b3c4d"',
    '"5E2B1C3A-0D4F-4B6A-8C7D-9E0F1A2B3C4D"',
    '"5e2b1c3a0d4f4b6a8c7d9e0f1a2b3c4d"',
    '"x"',
]
DECIMALS = [
    '"12.34"',
    '"12.3"',
    '"12"',
    '"12.345"',
    '"123456789.12"',
    '"1e2"',
    '"NaN"',
    '"-0.00"',
    "12.34",
    "12",
    "12.345",
    "1e2",
]
CHOICES = ['"O"', '"F"', '"P"', '"x"', '""', "null", "1"]
MAPS = [
    "{}",
    '{"a":1}',
    '{"a":1,"b":-2}',
    '{"a":1,"a":2}',
    '{"a":"x","a":2}',
    '{"a":1,"a":"x"}',
    '{"\\u0061":1,"a":2}',
    '{"":0}',
    '{"a":1.5}',
    '{"a":9223372036854775808}',
    "[]",
]
LISTS = ["[]", '["a"]', '["a","b"]', '["a",1]', "[null]", '[["a"]]', '["a","b","c","d"]', "{}"]
UNIONS = ["1", '"a"', "null", "1.0", "true", "[]", '""', "-1", '"12"', "9223372036854775808"]
ANY = [
    "1",
    '"x"',
    "null",
    "[1,[2]]",
    '{"b":{"c":[]}}',
    "1e5",
    "18446744073709551615",
    '{"a":1,"a":2}',
    "[" * 30 + "]" * 30,
    "-0.0",
]
INNER = [
    '{"x":1}',
    '{"x":1,"y":null}',
    '{"x":1,"y":"a"}',
    '{"y":"a"}',
    '{"x":"1"}',
    '{"x":1,"z":2}',
    '{"x":1,"x":2}',
    "{}",
    "null",
    "[]",
    '{"x":null}',
]
BOOLEANS = ["true", "false", "null", "0", "1", '"true"']
SHIFTS = [b"\xef\xbb\xbf", b" ", b"\n", b"\0", b"\xff", b"[", b"x"]

FIELDS: Mapping[str, Sequence[str]] = {
    "count": INTEGERS,
    "limited": INTEGERS,
    "ratio": FLOATS,
    "share": FLOATS,
    "name": TEXTS,
    "code": TEXTS,
    "choice": CHOICES,
    "day": DATES,
    "at": TIMES,
    "id": UUIDS,
    "flag": BOOLEANS,
    "maybe": [*INTEGERS[:4], "null", '"1"'],
    "either": UNIONS,
    "tags": LISTS,
    "open": MAPS,
    "inner": INNER,
    "inners": ["[]", *(f"[{one}]" for one in INNER), '[{"x":1},{"x":2,"y":"b"}]', '[{"x":1},{"x":"2"}]'],
    "any": ANY,
    "amount": DECIMALS,
}
GOOD = {
    "count": "12",
    "limited": "12",
    "ratio": "1.5",
    "share": "0.1",
    "name": '"a"',
    "code": '"ABC"',
    "choice": '"O"',
    "day": '"1996-01-02"',
    "at": TIMES[0],
    "id": UUIDS[0],
    "flag": "true",
    "maybe": "null",
    "either": "1",
    "tags": '["a"]',
    "open": '{"a":1}',
    "inner": '{"x":1}',
    "inners": '[{"x":1}]',
    "any": "1",
    "amount": '"12.34"',
}


@dataclass(frozen=True, slots=True)
class Maker:
    """Records of one kind: for each field a good text and others, and the schema and models that know the fields."""

    name: str
    good: Mapping[str, str]
    fields: Mapping[str, Sequence[str]]
    schema: dict[str, Any]
    models: Sequence[str]


_ITEMS = [
    *(
        '[{"sku":3,"qty":2,"price":5.25}]',
        '[{"sku":3,"qty":2,"price":5}]',
        "[]",
        '[{"sku":3,"qty":51,"price":1.5}]',
        "null",
    ),
    *(
        '[{"sku":3,"qty":2,"price":-0.0}]',
        '[{"sku":3,"qty":2.0,"price":1}]',
        '[{"sku":3,"qty":2,"price":1,"z":0}]',
        "{}",
    ),
    *(
        '[{"sku":3,"qty":2,"qty":3,"price":1e2}]',
        '[{"sku":3,"qty":2}]',
        '[{"sku":9007199254740993,"qty":1,"price":9007199254740993}]',
    ),
]
ORDER = Maker(
    "order",
    {
        "order_id": "7",
        "customer_id": "12",
        "status": '"O"',
        "currency": '"EUR"',
        "total": "10.5",
        "ordered_at": '"1996-01-02"',
        "priority": '"5-LOW"',
        "items": _ITEMS[0],
    },
    {
        "order_id": INTEGERS,
        "customer_id": INTEGERS,
        "status": CHOICES,
        "currency": TEXTS,
        "total": FLOATS,
        "ordered_at": DATES,
        "priority": ['"1-URGENT"', '"6-NONE"', "5", '"\\u0035-LOW"'],
        "items": _ITEMS,
    },
    {},
    [ORDER_MODEL],
)
_DECLARED = set(Declared.model_fields)
DECLARED = Maker(
    "declared",
    {name: text for name, text in GOOD.items() if name in _DECLARED},
    {name: texts for name, texts in FIELDS.items() if name in _DECLARED},
    {**SCHEMA, "properties": {name: words for name, words in SCHEMA["properties"].items() if name in _DECLARED}},
    [f"{everything.__name__}:Strict"],
)
_OTHERS = [f"{everything.__name__}:Declared", f"{everything.__name__}:Everything"]
EVERYTHING = Maker("everything", GOOD, FIELDS, SCHEMA, _OTHERS)


def payloads(maker: Maker, chance: random.Random, rows: int) -> list[bytes]:
    """So many records: most of them good, others with one to three slips.

    A few texts and a few kinds of slips in each batch: with all of them in each one, what the fast paths do with a
    batch that is free of some oddity would never be seen.
    """
    few = {name: chance.sample(texts, min(len(texts), chance.randrange(1, 6))) for name, texts in maker.fields.items()}
    odd = chance.sample(ODD_TOKENS, chance.randrange(1, 5))
    kinds = chance.sample(range(len(_SLIPS)), chance.randrange(1, 4))
    some = _Menu(few, odd, [_SLIPS[kind] for kind in kinds])
    return [_payload(maker, some, chance, slips=max(0, chance.randrange(-8, 4))) for _ in range(rows)]


@dataclass(frozen=True, slots=True)
class _Menu:
    """What one batch chooses from."""

    texts: Mapping[str, Sequence[str]]
    odd: Sequence[str]
    slips: "Sequence[Slip]"

    def text(self, name: str, chance: random.Random) -> str:
        """What might stand in a field of this name."""
        return chance.choice(self.texts.get(name, self.odd))


Fields = list[tuple[str, str]]
Slip = Callable[[Fields, int, _Menu, random.Random], None]


def _missing(fields: Fields, at: int, _menu: _Menu, _chance: random.Random) -> None:
    del fields[at]


def _again(fields: Fields, at: int, menu: _Menu, chance: random.Random) -> None:
    fields.insert(at, (fields[at][0], menu.text(fields[at][0], chance)))


def _unknown(fields: Fields, at: int, menu: _Menu, chance: random.Random) -> None:
    fields.insert(at, (chance.choice(["note", "", "Count", "any "]), chance.choice(menu.odd)))


def _odd(fields: Fields, at: int, menu: _Menu, chance: random.Random) -> None:
    fields[at] = (fields[at][0], chance.choice(menu.odd))


def _other(fields: Fields, at: int, menu: _Menu, chance: random.Random) -> None:
    fields[at] = (fields[at][0], menu.text(fields[at][0], chance))


def _bytes(fields: Fields, at: int, _menu: _Menu, chance: random.Random) -> None:
    fields[at] = (fields[at][0], fields[at][1] + chance.choice(["\udcff", "x", "}", "\0"]))


_SLIPS: Sequence[Slip] = (_missing, _again, _unknown, _odd, _other, _bytes)


def _payload(maker: Maker, menu: _Menu, chance: random.Random, *, slips: int) -> bytes:
    good = maker.good
    fields = [(name, good[name] if chance.randrange(25) else menu.text(name, chance)) for name in maker.fields]
    for _ in range(slips):
        chance.choice(menu.slips)(fields, chance.randrange(len(fields)), menu, chance)
    data = _joined(fields, chance)
    if _bytes not in menu.slips or not slips:
        return data
    match chance.randrange(4):
        case 1:
            return chance.choice(SHIFTS) + data
        case 2:
            return data + chance.choice(SHIFTS)
        case 3:
            return _bytes_changed(data, chance)
    return data


def _joined(fields: Sequence[tuple[str, str]], chance: random.Random) -> bytes:
    comma, colon = chance.choice([(",", ":"), (", ", ": "), (" ,\n", "\t:")])
    parts = [f"{_key(name, chance)}{colon}{text}" for name, text in fields]
    return f"{{{comma.join(parts)}}}".encode("utf-8", "surrogateescape")


def _key(name: str, chance: random.Random) -> str:
    if name and not chance.randrange(60):
        return f'"\\u{ord(name[0]):04x}{name[1:]}"'
    return json.dumps(name)


def _bytes_changed(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + chance.choice(ODD_BYTES) + data[at + chance.randrange(3) :]
