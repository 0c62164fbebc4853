"""Small files of a root that are written once and never change (`streamlake.engine.abilities.Notes`)."""

import re
import time
from collections.abc import Sequence

from streamlake.engine.errors import ConfigError
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import Backend, Wait, put_settled, sweep

_FOLDER = re.compile(r"(_[a-z]+|quality)(/[A-Za-z0-9%_=-][A-Za-z0-9%._=-]*)*")


class FileNotes:
    """The notes of one root, each under its own name below it."""

    def __init__(self, backend: Backend, wait: Wait = time.sleep) -> None:
        self._backend, self._wait = backend, wait
        self._swept = False

    def read(self, name: str) -> bytes | None:
        """What stands under that name; None where nothing does."""
        return self._backend.read(_checked(name))

    def read_all(self, names: Sequence[str]) -> Sequence[bytes | None]:
        """`read` of each, in their order."""
        return self._backend.read_all([_checked(name) for name in names])

    def names(self, folder: str) -> Sequence[str]:
        """What lies directly below a folder, ascending; none where there is no such folder."""
        return self._backend.list(_checked_folder(folder))

    def write(self, name: str, data: bytes) -> bytes:
        """Write `data` unless something stands there; what stands there now. Durable, whole or not at all."""
        self._backend.check()
        standing = put_settled(self._backend, _checked(name), data, stage=layout.NOTES_STAGE, wait=self._wait)
        if not self._swept:
            sweep(self._backend, layout.NOTES_STAGE)
            self._swept = True
        return standing


def _checked(name: str) -> str:
    if "/" not in name:
        raise _refused(name)
    return _checked_folder(name)


def _checked_folder(name: str) -> str:
    if not _FOLDER.fullmatch(name) or name.partition("/")[0] in layout.OURS:
        raise _refused(name)
    return name


def _refused(name: str) -> ConfigError:
    return ConfigError(
        f"{name!r} can't name a note: its first folder is one like _complete, or quality, and none of the ledger's"
    )
