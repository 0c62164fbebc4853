"""Which bodies a worker died of while it validated them: such a one is decided in a process of its own after that.

Shared by a server and its workers: made before they are forked. A worker writes down what it is about to validate;
when it dies, the server finds it there. Bodies are known by Python's own hash of their bytes, which is the same in all
processes that were forked from one.
"""

import mmap
import struct

DESKS = 512
"""Workers at once, those included that are about to end."""
REMEMBERED = 256
_WORD = struct.Struct("=q")
NOTHING = 0


class Suspects:
    """`desk` is the place of this process's worker, given by the server; without one nothing is written down."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, (DESKS + 1 + REMEMBERED) * _WORD.size)
        self.desk: int | None = None

    def begin(self, body: bytes) -> None:
        """Note that this worker is about to validate `body`."""
        if self.desk is not None:
            self._write(self.desk, hash(body) or 1)

    def end(self) -> None:
        """Note that it has lived through that."""
        if self.desk is not None:
            self._write(self.desk, NOTHING)

    def has(self, body: bytes) -> bool:
        """Whether a worker died of `body`, as far as is remembered."""
        count = self._read(DESKS)
        if not count:
            return False
        mark = hash(body) or 1
        return any(self._read(DESKS + 1 + index) == mark for index in range(min(count, REMEMBERED)))

    def died(self, desk: int) -> bool:
        """The worker of `desk` has ended. Returns whether it was validating; to be called by the server alone."""
        mark = self._read(desk)
        if mark == NOTHING:
            return False
        self._write(desk, NOTHING)
        count = self._read(DESKS)
        self._write(DESKS + 1 + count % REMEMBERED, mark)
        self._write(DESKS, count + 1)
        return True

    def _read(self, place: int) -> int:
        (found,) = _WORD.unpack_from(self._memory, place * _WORD.size)
        return int(found)

    def _write(self, place: int, value: int) -> None:
        _WORD.pack_into(self._memory, place * _WORD.size, value)
