"""Texts that are nearly orders, nearly JSON, or neither: what property tests are fed with."""

import json
from typing import Any

from hypothesis import strategies as st

GOOD: dict[str, Any] = {
    "order_id": 7,
    "customer_id": 12,
    "status": "O",
    "currency": "EUR",
    "total": 10.5,
    "ordered_at": "1996-01-02",
    "priority": "5-LOW",
    "items": [{"sku": 3, "qty": 2, "price": 5.25}, {"sku": 4, "qty": 50, "price": 0}],
}

INTEGERS = ("order_id", "customer_id", "sku", "qty")
"""The integer fields of an order and its items."""

# What a sender may get wrong, as the text that stands where a value was.
ODD_TOKENS = (
    *("null", "true", "0", "-0", "-0.0", "-1", "1.0", "1.5", "1e2", "1e400", "-1e400", "1e-400", "NaN", "Infinity"),
    *("01", "+1", "1.", ".5", "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808"),
    *("-9223372036854775809", "18446744073709551615", "18446744073709551616", "99999999999999999999999", "51"),
    *('""', '"12"', '"O"', '"x"', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"\u00e4"', '"18446744073709551616"'),
    *('"0000-01-01"', '"0001-01-01"', '"2026-02-30"', '"1767312000"', '"2026-01-02T00:00:00"', '"20260102"', '"\t"'),
    *(
        "[]",
        "{}",
        "[[]]",
        '{"a":1}',
        '{"a":1,"a":2}',
        "",
        "[" * 70 + "]" * 70,
        "[" * 63 + "]" * 63,
        '"]]"',
        '"{"',
        "//",
    ),
)
ODD_BYTES = (
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\\",
    b'"',
    b",",
    b"{",
    b"}",
    b"[",
    b"]",
    b" ",
    b"\n",
    b"\x0b",
    b"9" * 20,
)


def has_whole_floats(payload: bytes) -> bool:
    """Whether an integer field holds a whole number written as a float: there validators differ by their standards.

    JSON Schema calls 1.0 an integer, a strict pydantic model does not; `test_orders.py` shows it.
    """
    try:
        document = json.loads(payload)
        parts = [document, *(part for part in document["items"] if isinstance(part, dict))]
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return any(isinstance(part.get(name), float) for part in parts for name in INTEGERS)


@st.composite
def odd_orders(draw: st.DrawFn) -> bytes:
    """A good order in which a value, a key or some bytes were replaced, left out, added or repeated."""
    order = json.loads(json.dumps(GOOD))
    place = draw(st.sampled_from([order, order, order["items"][0], order["items"][1]]))
    key = draw(st.sampled_from(sorted(place)))
    match draw(st.sampled_from(["value", "value", "value", "missing", "unknown", "again", "bytes"])):
        case "value":
            place[key] = "@@"
            return json.dumps(order).replace('"@@"', draw(st.sampled_from(ODD_TOKENS)), 1).encode()
        case "missing":
            del place[key]
            return json.dumps(order).encode()
        case "unknown":
            place[draw(st.sampled_from(["new", "", "a/b~", "\u00e4", "Status"]))] = draw(st.integers() | st.text())
            return json.dumps(order).encode()
        case "again":
            token, name = draw(st.sampled_from(ODD_TOKENS)), json.dumps(key)
            again = f"{name}:{token},{name}:" if draw(st.booleans()) else f"{name}:"
            late = "" if ":" in again[len(name) + 1 :] else f",{name}:{token}"
            text = json.dumps(order)[:-1] if place is order else json.dumps(order)
            return (text.replace(f"{name}: ", again, 1) + (late + "}" if place is order else "")).encode()
        case _:
            data = json.dumps(order).encode()
            at, cut = draw(st.integers(0, len(data))), draw(st.integers(0, 2))
            return data[:at] + draw(st.sampled_from(ODD_BYTES)) + data[at + cut :]


def _container(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    keys = st.sampled_from(['"a"', '"b"', '"\\u0061"', '""', '"]"', '"\\ud800"', '"\\\\"', '"\\""'])
    arrays = st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
    pairs = st.tuples(keys, inner).map(":".join)
    return arrays | st.lists(pairs, max_size=4).map(lambda items: f"{{{', '.join(items)}}}")


json_texts = st.recursive(st.sampled_from(ODD_TOKENS), _container, max_leaves=8).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)
payloads = st.none() | st.binary(max_size=12) | json_texts | odd_orders()
