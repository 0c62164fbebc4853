"""Breaks a good order, in each of the ways in which records of the real world are broken."""

import re
from collections.abc import Callable

ONE_MIB = 1024 * 1024

DEPTH = 2_000
"""Levels of nested arrays in a too deep record: beyond every sensible limit, and still only 4 kB."""


def _bad_utf8(order: bytes, _oversize_bytes: int) -> bytes:
    return order.replace(b'"priority":"', b'"priority":"\xff\xfe', 1)


def _cut_off(order: bytes, _oversize_bytes: int) -> bytes:
    return order[: len(order) // 2]


def _wrong_type(order: bytes, _oversize_bytes: int) -> bytes:
    return re.sub(rb'"customer_id":(\d+)', rb'"customer_id":"no. \1"', order, count=1)


def _missing_field(order: bytes, _oversize_bytes: int) -> bytes:
    return re.sub(rb'"customer_id":\d+,', b"", order, count=1)


def _negative_amount(order: bytes, _oversize_bytes: int) -> bytes:
    return order.replace(b'"total":', b'"total":-', 1)


def _unknown_currency(order: bytes, _oversize_bytes: int) -> bytes:
    # Well-formed, and none that an order may have.
    return re.sub(rb'"currency":"[A-Z]{3}"', b'"currency":"XTS"', order, count=1)  # ISO 4217's code for tests


def _bad_date(order: bytes, _oversize_bytes: int) -> bytes:
    return re.sub(rb'("ordered_at":"\d{4})-\d\d-\d\d', rb"\1-02-30", order, count=1)


def _too_deep(order: bytes, _oversize_bytes: int) -> bytes:
    head, _, _ = order.partition(b'"items":')
    return head + b'"items":' + b"[" * DEPTH + b"]" * DEPTH + b"}"


def _too_large(order: bytes, oversize_bytes: int) -> bytes:
    """A good order but for its number of items: nothing else is wrong with it."""
    head, _, items = order.partition(b'"items":[')
    item = items[: items.index(b"}") + 1] + b","
    missing_bytes = oversize_bytes + 1 - len(order)
    return head + b'"items":[' + item * -(-missing_bytes // len(item)) + items


def _empty(_order: bytes, _oversize_bytes: int) -> bytes:
    return b""


BREAKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "bad_utf8": _bad_utf8,
    "cut_off": _cut_off,
    "wrong_type": _wrong_type,
    "missing_field": _missing_field,
    "negative_amount": _negative_amount,
    "unknown_currency": _unknown_currency,
    "bad_date": _bad_date,
    "too_deep": _too_deep,
    "too_large": _too_large,
    "empty": _empty,
}
"""Kind to a function of a good order and of the largest size in bytes that is not yet too large."""

BROKEN_KINDS: tuple[str, ...] = tuple(BREAKERS)
"""The kinds in the order in which they take turns."""
