"""Sinks that don't keep notes as they should, each in one way (see `broken_sinks.py`)."""

import threading
from collections.abc import Iterator, Sequence
from typing import ClassVar

from testing.broken_sinks import A_MOMENT, BrokenSink

from streamlake.plugins.sinks.file.notes import FileNotes
from streamlake.plugins.sinks.file.reader import FileLedger

_NEVER = threading.Event()
_STAGE = "_stage/broken"


class BrokenNotes(BrokenSink):
    """The file sink with other notes."""

    noting: ClassVar[type[FileNotes]] = FileNotes

    def notes(self) -> FileNotes:
        """The mutant's."""
        return self.noting(self._backend)


class WritesNotesOver(BrokenNotes):
    class noting(FileNotes):  # noqa: N801
        def write(self, name: str, data: bytes) -> bytes:
            self._backend.delete(name)
            return super().write(name, data)


class TellsWritersTheirOwn(BrokenNotes):
    class noting(FileNotes):  # noqa: N801
        def write(self, name: str, data: bytes) -> bytes:
            super().write(name, data)
            return data


class TakesEmptyForNone(BrokenNotes):
    class noting(FileNotes):  # noqa: N801
        def read(self, name: str) -> bytes | None:
            return super().read(name) or None


class LooksBeforeItWrites(BrokenNotes):
    class noting(FileNotes):  # noqa: N801
        def write(self, name: str, data: bytes) -> bytes:
            standing = self.read(name)
            if standing is not None:
                return standing
            _NEVER.wait(A_MOMENT)
            self._backend.delete(name)
            return super().write(name, data)


class WritesNotesInParts(BrokenNotes):
    class noting(FileNotes):  # noqa: N801
        def write(self, name: str, data: bytes) -> bytes:
            standing = super().write(name, data[: len(data) // 2])
            if standing == data[: len(data) // 2]:
                _NEVER.wait(A_MOMENT)
                self._backend.delete(name)
                self._backend.put_if_absent(name, data, stage=_STAGE)
                return data
            return standing


class ListsWhatLiesDeeper(BrokenNotes):
    class noting(FileNotes):  # noqa: N801
        def names(self, folder: str) -> Sequence[str]:
            return sorted(path.removeprefix(f"{folder}/") for path in self._backend.walk(folder))


class ReadsWhatIsThere(BrokenNotes):
    class noting(FileNotes):  # noqa: N801
        def read_all(self, names: Sequence[str]) -> Sequence[bytes | None]:
            return [data for data in super().read_all(names) if data is not None]


class ShowsNotes(BrokenNotes):
    class reading(FileLedger):  # noqa: N801
        def visible(self, topic: str, output: str = "") -> Iterator[str]:
            yield from super().visible(topic, output)
            yield from self._backend.walk("quality")


class ReadsAnywhere(BrokenNotes):
    class noting(FileNotes):  # noqa: N801
        def read(self, name: str) -> bytes | None:
            return self._backend.read(name)


class WritesAnywhere(BrokenNotes):
    class noting(FileNotes):  # noqa: N801
        def write(self, name: str, data: bytes) -> bytes:
            self._backend.put_if_absent(name, data, stage=_STAGE)
            return data
