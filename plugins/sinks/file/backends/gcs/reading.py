"""An object as a file that can be read from anywhere: in blocks, and all of one generation."""

import io
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Opened:
    """The object that was opened; one that is written anew under its name is another generation."""

    path: str
    generation: str
    bytes: int


class ObjectReader(io.RawIOBase):
    """To be put behind a buffer of BUFFER_BYTES: each read is a request."""

    BUFFER_BYTES = 4 * 2**20

    def __init__(self, opened: Opened, read_range: Callable[[Opened, int, int], bytes]) -> None:
        super().__init__()
        self._opened = opened
        self._read_range = read_range
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere; asks nobody."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._opened.bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # what a buffer hands over
        """Fill the buffer as far as the object goes."""
        end = min(self._at + len(buffer), self._opened.bytes)
        if end <= self._at:
            return 0
        data = self._read_range(self._opened, self._at, end)
        buffer[: len(data)] = data
        self._at = end
        return len(data)
