"""What is posted: orders of 237 bytes, many different ones, as whole HTTP requests that only have to be written."""

import json
import random

RECORD_BYTES = 237
KINDS = {"single": "application/json", "lines": "application/x-ndjson"}
_HEAD = "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"


def order(dice: random.Random) -> bytes:
    """An order that the sample model accepts; each number has always as many digits."""
    items = [
        {"sku": dice.randint(1_000_000, 9_999_999), "qty": dice.randint(10, 50), "price": _money(dice, 1_000)}
        for _ in range(2)
    ]
    document = {
        "order_id": dice.randint(10**11, 10**12 - 1),
        "customer_id": dice.randint(10**7, 10**8 - 1),
        "status": dice.choice("OFP"),
        "currency": dice.choice(("USD", "EUR", "GBP", "JPY", "CHF")),
        "total": _money(dice, 1_000_000),
        "ordered_at": f"{dice.randint(1992, 1998)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}",
        "priority": dice.choice(("1-URGENT", "3-MEDIUM")),
        "items": items,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def requests(path: str, kind: str, count: int, records: int) -> list[bytes]:
    """`count` requests of `records` orders each, all of the same length; the same ones every time."""
    dice = random.Random(7)
    made = []
    for _ in range(count):
        body = b"\n".join(order(dice) for _ in range(records))
        made.append(_HEAD.format(path=path, kind=KINDS[kind], length=len(body)).encode() + body)
    return made


def _money(dice: random.Random, least: int) -> float:
    """With two digits behind the point, whatever they are."""
    return dice.randint(least, 10 * least - 1) + dice.choice((0.25, 0.75))
