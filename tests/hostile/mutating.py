"""Real orders, mutated fast: bytes flipped, cut, doubled and swapped, tokens replaced by what parsers differ on."""

import random
import re
from collections.abc import Callable, Iterator, Sequence

from validators.texts import ODD_BYTES, ODD_TOKENS

from streamlake.engine.local.orders import orders

ORDERS = 10_000
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[{}\[\],:]')
ODD = [token.encode("utf-8", "surrogatepass") for token in ODD_TOKENS]
BLANKS = (b" ", b"\n", b"\r\n", b"\t", b"\xa0", b"\x0c")


def mutated(seed: int, records: int) -> Iterator[bytes]:
    """`records` payloads, the same for the same seed: one in twenty is a real order as it was."""
    luck = random.Random(seed)
    real = [value for batch in orders(ORDERS) for _, value in batch if value is not None]
    for _ in range(records):
        data = luck.choice(real)
        for _ in range(luck.choice((1, 1, 1, 1, 2, 3, 5)) if luck.random() > 0.05 else 0):
            data = luck.choice(MUTATIONS)(luck, data, real)
        yield data


def _cut(luck: random.Random, data: bytes) -> tuple[int, int]:
    at = luck.randrange(len(data) + 1)
    return at, min(len(data), at + luck.choice((0, 1, 1, 2, 8, 64)))


def _flip(luck: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    changed[luck.randrange(len(data))] ^= 1 << luck.randrange(8)
    return bytes(changed)


def _insert(luck: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, until = _cut(luck, data)
    return data[:at] + luck.choice((*ODD_BYTES, *ODD, luck.randbytes(3))) + data[until if luck.random() < 0.5 else at :]


def _remove(luck: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, until = _cut(luck, data)
    return data[:at] + data[until:]


def _repeat(luck: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, until = _cut(luck, data)
    return data[:until] + data[at:until] * luck.choice((1, 2, 50)) + data[until:]


def _splice(luck: random.Random, data: bytes, real: Sequence[bytes]) -> bytes:
    other = luck.choice(real)
    return data[: luck.randrange(len(data) + 1)] + other[luck.randrange(len(other)) :]


def _truncate(luck: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: luck.randrange(len(data) + 1)]


def _token(luck: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """A token becomes an odd one; nine times in ten the text stays JSON in form."""
    tokens = list(TOKEN.finditer(data))
    if not tokens:
        return data
    values = [token for token in tokens if token[0][:1] not in b"{}[],:"]
    token = luck.choice(values if values and luck.random() < 0.9 else tokens)
    return data[: token.start()] + luck.choice(ODD) + data[token.end() :]


def _swap(luck: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Two tokens change places."""
    tokens = list(TOKEN.finditer(data))
    if len(tokens) < 2:
        return data
    one, other = sorted(luck.sample(tokens, 2), key=lambda token: token.start())
    between = data[one.end() : other.start()]
    return data[: one.start()] + other[0] + between + one[0] + data[other.end() :]


def _escape(luck: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """A letter is written as an escape, which changes nothing; or as half of one."""
    letters = [match.start() for match in re.finditer(rb"[A-Za-z]", data)]
    if not letters:
        return data
    at = luck.choice(letters)
    return data[:at] + luck.choice((b"\\u%04x", b"\\u%04X", b"\\u%03x")) % data[at] + data[at + 1 :]


def _blank(luck: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """White space, of which some is none in JSON, at the side of a token."""
    ends = [0, *(match.end() for match in TOKEN.finditer(data))]
    at = luck.choice(ends)
    return data[:at] + luck.choice(BLANKS) + data[at:]


def _again(luck: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """A key comes twice, with an odd value first or last."""
    keys = re.findall(rb'"[a-z_]+":', data)
    if not keys:
        return data
    pair = luck.choice(keys) + luck.choice(ODD)
    return data.replace(b"{", b"{" + pair + b",", 1) if luck.random() < 0.5 else data[:-1] + b"," + pair + b"}"


MUTATIONS: Sequence[Callable[[random.Random, bytes, Sequence[bytes]], bytes]] = (
    _flip,
    _insert,
    _remove,
    _repeat,
    _splice,
    _truncate,
    _token,
    _token,
    _token,
    _swap,
    _escape,
    _blank,
    _again,
)
