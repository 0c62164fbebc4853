"""How an operation that must not do a thing twice keeps what it has done: numbered notes, each written once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from streamlake.engine.abilities import Notes
from streamlake.engine.errors import LedgerDamagedError

_NOTE = re.compile(r"(\d{12})\.json")


@dataclass(frozen=True, slots=True)
class Journals:
    """The journals of one kind of operation, each in the folder of its name below `folder`.

    Several processes may write to one journal; of all that write the same number exactly one wins, and a note is whole
    and durable from the moment it stands there. Raises StorageError.
    """

    notes: Notes
    folder: str

    def names(self) -> Sequence[str]:
        """The journals that have a note, ascending."""
        names = self.notes.names(self.folder)
        firsts = self.notes.read_all([self._path(name, 0) for name in names])
        return [name for name, first in zip(names, firsts, strict=True) if first is not None]

    def read(self, name: str) -> Sequence[bytes]:
        """All notes of a journal, from number 0 on. Raises LedgerDamagedError where one between others is missing."""
        found = self._numbers(name)
        if found != list(range(len(found))):
            found = self._numbers(name)  # two came while the folder was listed, and the second was seen alone
        if found != list(range(len(found))):
            missing = next(number for number in range(len(found)) if number not in found)
            raise LedgerDamagedError(
                f"{self._path(name, missing)} is missing, and {self._path(name, found[-1])} is there: find out who "
                "deleted it; what it said was done can't be told any more"
            )
        contents = self.notes.read_all([self._path(name, number) for number in found])
        assert None not in contents, f"a note of {name} is gone: nobody deletes any"
        return [data for data in contents if data is not None]

    def write(self, name: str, number: int, data: bytes) -> bool:
        """Write note `number` unless another one stands there; whether `data` stands there now.

        No two writers may write equal bytes.
        """
        return self.notes.write(self._path(name, number), data) == data

    def _numbers(self, name: str) -> Sequence[int]:
        found = map(_NOTE.fullmatch, self.notes.names(f"{self.folder}/{name}"))
        return sorted(int(match[1]) for match in found if match)

    def _path(self, name: str, number: int) -> str:
        return f"{self.folder}/{name}/{number:012d}.json"
