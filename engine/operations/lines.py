"""The lines of a file or a pipe, a portion at a time."""

from collections.abc import Iterator
from typing import BinaryIO

from streamlake.engine.errors import UsageError

CHUNK_BYTES = 1024 * 1024
LINE_BYTES_MAX = 64 * 1024 * 1024


def portions_of_lines(stream: BinaryIO) -> Iterator[list[bytes]]:
    """Whole lines without their ends, about a megabyte at a time, empty ones too; the last one may lack its end.

    Raises UsageError where a line is longer than LINE_BYTES_MAX.
    """
    rest = b""
    while chunk := stream.read(CHUNK_BYTES):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        if len(rest) > LINE_BYTES_MAX:
            raise UsageError(f"a line is longer than {LINE_BYTES_MAX} bytes: is this one record a line?")
        yield [line.removesuffix(b"\r") for line in lines]
    if rest:
        yield [rest]
