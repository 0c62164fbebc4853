"""A request's body: read and decompressed within limits that are looked at before anything is taken."""

import zlib
from collections.abc import AsyncIterator, Iterator

import zstandard

from streamlake.http_edge.problems import ProblemError

ENCODINGS = ("gzip", "zstd", "identity")
_GZIP = 16 + zlib.MAX_WBITS
MEMBERS_MAX = 1000
"""Members of a gzip file or frames of a zstd one: each costs its time, even with nothing in it."""
ZSTD_WINDOW_BYTES_MAX = 8 * 1024**2
"""What every decoder of the format has to take, and more nobody has to (RFC 8878, 3.1.1.1.2)."""
RATIO_FREE_BYTES = 1024**2
"""A small body may be made of one record many times: the ratio is looked at beyond this only."""
PIECE_BYTES = 64 * 1024
GZIP_FED_BYTES = 4096
"""So much at a time: what is fed and not used is copied, at each piece and at the end of each member."""
ZSTD_FED_BYTES = 64
"""So little at a time: four bytes can be a block of 128 KiB, and a piece is made before it can be measured."""


async def read_body(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    """The whole body. Raises ProblemError `too-large` as soon as there is more than `limit`."""
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise too_large(f"the body has more than {limit} bytes", limit)
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def too_large(what: str, limit: int) -> ProblemError:
    """The answer to a body that is too large in some way."""
    return ProblemError("too-large", f"{what}; send less at a time", more={"limit_bytes": limit})


def decompressed(body: bytes, encoding: str, limit: int, ratio_max: int) -> bytes:
    """`body` without its encoding, one of ENCODINGS.

    Raises ProblemError: `too-large` beyond `limit` bytes or `ratio_max` times its size (never is more than that
    made), `malformed` where it is cut short or damaged, or something else follows it.
    """
    if encoding == "identity":
        return body
    pieces = _gunzipped(body) if encoding == "gzip" else _unzstd(body)
    by_ratio = max(RATIO_FREE_BYTES, ratio_max * len(body))
    found: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            size += len(piece)
            if size > limit:
                raise too_large(f"the body has more than {limit} bytes once decompressed", limit)
            if size > by_ratio:
                raise too_large(f"the body grows to more than {ratio_max} times its size", by_ratio)
            found.append(piece)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise ProblemError("malformed", f"the body is no {encoding}: {error}") from None
    return b"".join(found)


def _gunzipped(body: bytes) -> Iterator[bytes]:
    """All members of a gzip file (RFC 1952), a piece at a time."""
    rest = memoryview(body)
    members = 0
    while rest:
        members = _one_more(members)
        member = zlib.decompressobj(_GZIP)
        fed, part, piece = 0, b"", b"some"
        while not member.eof and (part or fed < len(rest) or piece):
            if not part:
                part = bytes(rest[fed : fed + GZIP_FED_BYTES])
                fed += len(part)
            piece = member.decompress(part, PIECE_BYTES)
            part = member.unconsumed_tail
            yield piece
        if not member.eof:
            raise EOFError("it is cut short")
        rest = rest[fed - len(member.unused_data) :]


def _unzstd(body: bytes) -> Iterator[bytes]:
    """All frames, a piece at a time."""
    rest = memoryview(body)
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX)
    frames = 0
    while rest:
        frames = _one_more(frames)
        frame = decompressor.decompressobj(write_size=PIECE_BYTES)
        fed = 0
        while not frame.eof and fed < len(rest):
            part = rest[fed : fed + ZSTD_FED_BYTES]
            fed += len(part)
            yield frame.decompress(part)
        if not frame.eof:
            raise EOFError("it is cut short")
        rest = rest[fed - len(frame.unused_data) :]


def _one_more(count: int) -> int:
    if count == MEMBERS_MAX:
        raise too_large(f"the body is made of more than {MEMBERS_MAX} compressed pieces", MEMBERS_MAX)
    return count + 1
