"""What the clients of a tortured edge send: each request is made from the seed, its client and its number alone."""

import gzip
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

RecordId = tuple[int, int, int]
"""Client, number of its request, index in it."""

LINES, JSON = "application/x-ndjson", "application/json"
_ID = re.compile(rb'\{"client":(\d+),"request":(\d+),"index":(\d+),')


@dataclass(frozen=True)
class Request:
    """One request. `records` are its records as they have to arrive; those at `broken` are no JSON.

    `pieces` is how many its bytes are sent in, with `pause_seconds` between two. One that is `malformed` is refused as
    a whole; of a `summary` only counts are answered.
    """

    client: int
    number: int
    records: Sequence[bytes]
    broken: frozenset[int]
    content_type: str
    zipped: bool
    chunked: bool
    summary: bool
    malformed: bool
    idempotency_key: str | None
    pieces: int
    pause_seconds: float

    @property
    def marks(self) -> Sequence[tuple[bytes, bytes] | None]:
        """Of each record, by what a repetition of it is recognised."""
        key = self.idempotency_key
        return [None if key is None else (key.encode(), b"%d" % index) for index in range(len(self.records))]

    @cached_property
    def body(self) -> bytes:
        """The body as it is sent, before it is cut into chunks."""
        if self.content_type == LINES:
            plain = b"\n".join(self.records)
        elif self.malformed or len(self.records) > 1:
            plain = b"[" + b" , ".join(self.records) + (b",,]" if self.malformed else b"]")
        else:
            (plain,) = self.records
        return gzip.compress(plain, 1) if self.zipped else plain

    def wire(self) -> Sequence[bytes]:
        """All its bytes, in pieces."""
        path = "/ingest/orders?detail=summary" if self.summary else "/ingest/orders"
        head = [f"POST {path} HTTP/1.1", "host: edge", f"content-type: {self.content_type}"]
        head += ["content-encoding: gzip"] if self.zipped else []
        head += [f"idempotency-key: {self.idempotency_key}"] if self.idempotency_key else []
        body = self.body
        if self.chunked:
            head += ["transfer-encoding: chunked"]
            middle = len(body) // 2 + 1
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:middle], body[middle:], b""))
        else:
            head += [f"content-length: {len(body)}"]
        whole = "\r\n".join([*head, "", ""]).encode() + body
        size = len(whole) // self.pieces + 1
        return [whole[first : first + size] for first in range(0, len(whole), size)]


@lru_cache(4096)
def request_of(seed: int, client: int, number: int) -> Request:
    """The request that this client sends as its `number`th, whenever it is asked for."""
    luck = random.Random(f"{seed} {client} {number}")
    kind = luck.choices(["one", "lines", "array", "malformed"], [50, 40, 8, 1])[0]
    count = 1 if kind == "one" else luck.choice([2, 3, 5, 10, 20])
    broken = frozenset(index for index in range(count) if kind in ("one", "lines") and luck.random() < 0.1)
    return Request(
        client=client,
        number=number,
        records=[_record((client, number, index), luck, broken=index in broken) for index in range(count)],
        broken=broken,
        content_type=LINES if kind == "lines" else JSON,
        zipped=luck.random() < 0.2,
        chunked=luck.random() < 0.1,
        summary=luck.random() < 0.2,
        malformed=kind == "malformed",
        idempotency_key=f"{client}-{number}" if luck.random() < 0.3 else None,
        pieces=luck.choice([1, 1, 1, 1, 1, 2, 3]),
        pause_seconds=luck.choice([0.001, 0.02, 0.2]),
    )


def id_of(value: bytes | None) -> RecordId | None:
    """Which record this is, or was before something happened to it."""
    found = _ID.match(value or b"")
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def _record(record: RecordId, luck: random.Random, *, broken: bool) -> bytes:
    size = luck.choice([20_000, 2_000]) if luck.random() < 0.01 else min(1000, int(luck.expovariate(1 / 120)))
    filling = bytes(luck.choices(b"abcdefgh~", k=min(size, 16))) * (size // 16 + 1)
    whole = b'{"client":%d,"request":%d,"index":%d, "filling":"%b"}' % (*record, filling)
    return whole[: -luck.randint(1, 10)] if broken else whole
