"""How many records an API key may still send: a token bucket for each key and stream, shared by all workers."""

import mmap
import struct
import time
import zlib
from dataclasses import dataclass

SLOTS = 65_536
_TIME = struct.Struct("=d")


@dataclass(frozen=True, slots=True)
class Bucket:
    """`rate` tokens (records) a second flow in, up to `burst`."""

    rate: float
    burst: float


class Quotas:
    """The buckets of all keys, in memory that the workers of one server share: made before they are forked.

    Of each bucket one number is kept, the time at which it will be full again (the generic cell rate algorithm).
    Nobody locks: two workers that take at the same instant may let a request through that came one too early, and
    none is refused wrongly. Two of a few hundred keys share a slot once in a thousand installations.
    """

    def __init__(self) -> None:
        self._full_at = mmap.mmap(-1, SLOTS * _TIME.size)

    def take(self, owner: str, bucket: Bucket, records: int, now: float | None = None) -> float:
        """Take `records` tokens. 0 where they were there, else nothing is taken: the seconds until they will be.

        More records than the bucket ever holds are let through when it is full, and paid for after that.
        """
        now = time.monotonic() if now is None else now
        place = zlib.crc32(owner.encode("utf-8", "surrogateescape")) % SLOTS * _TIME.size
        (full_at,) = _TIME.unpack_from(self._full_at, place)
        full_at = max(now, full_at)
        # What is missing of a full bucket, in seconds of its flow, may be this much before taking.
        may_miss = max(0.0, bucket.burst - records) / bucket.rate
        wait: float = full_at - now - may_miss
        if wait > 1e-9:
            return wait
        _TIME.pack_into(self._full_at, place, full_at + records / bucket.rate)
        return 0.0
