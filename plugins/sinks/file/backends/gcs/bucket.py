"""A bucket's objects with patience: each call goes on until the storage has answered, or raises StorageError."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import google_crc32c

from streamlake.engine.codes.storage import OTHER_BYTES
from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import StorageError
from streamlake.plugins.sinks.file.backends.base import Stored
from streamlake.plugins.sinks.file.backends.gcs.api import NOT_FOUND, PRECONDITION_FAILED, Api, Described
from streamlake.plugins.sinks.file.backends.gcs.errors import AnsweredError
from streamlake.plugins.sinks.file.backends.gcs.patience import Patience
from streamlake.plugins.sinks.file.backends.gcs.upload import Upload, upload_whole

T = TypeVar("T")

NO_MOVE = frozenset({400, 404, 405, 501})
"""What a server answers that does not know `moveTo`; a missing object gives 404, too."""


class Bucket:
    """Below one prefix. Its coroutines run on one loop, many at the same time."""

    def __init__(self, api: Api, patience: Patience) -> None:
        self.patience = patience
        self._api = api
        self._moves = True  # until the server is seen not to know `moveTo`

    def url(self, path: str) -> str:
        """A path for a person."""
        return self._api.place.url(path)

    async def describe(self, path: str) -> Described | None:
        """Size, checksum and generation; None when nothing stands there."""
        return await self._asked(path, lambda: self._api.describe(path))

    async def read(self, path: str) -> bytes | None:
        """The whole content; None when nothing stands there."""
        return await self._asked(path, lambda: self._api.read(path))

    async def read_range(self, path: str, generation: str, first: int, end: int) -> bytes:
        """The bytes `[first, end)` of the object that was described."""
        return await self._asked(path, lambda: self._api.read_range(path, generation, first, end))

    async def delete(self, path: str) -> None:
        """Remove an object; fine when it is gone."""
        await self._asked(path, lambda: self._api.delete(path))

    async def listed(self, folder: str, *, deep: bool) -> tuple[list[str], list[str]]:
        """The objects below a folder (which ends in a slash) and the prefixes, page by page."""
        objects: list[str] = []
        prefixes: list[str] = []
        token: str | None = None
        while True:
            page = await self._asked(folder, partial(self._api.page, folder, token, deep=deep))
            objects += page.objects
            prefixes += page.prefixes
            token = page.token
            if token is None:
                return objects, prefixes

    async def put_if_absent(self, path: str, data: bytes) -> bool:
        """Create an object; False when something stands there, be it our own of which we did not hear."""
        return await upload_whole(self._api, self.patience, path, data) is not None

    async def create(self, path: str, data: bytes) -> Stored:
        """Create an object under a name of its own; what the storage says of it."""
        made = await upload_whole(self._api, self.patience, path, data)
        if made is not None:
            return made
        standing = await self.describe(path)
        if standing is None or standing.stored != Stored(len(data), f"{google_crc32c.value(data):08x}"):
            raise StorageError(f"{self.url(path)} exists already: a staged name is never used twice")
        return standing.stored

    def upload(self, path: str) -> Upload:
        """A new object in pieces."""
        return Upload(self._api, self.patience, path)

    async def publish(self, file: FileEntry) -> bool:
        """Give the staged object its final name. False when neither stands; raises StorageError over other bytes."""
        if self._moves:
            try:
                moved = await self.patience.repeat(lambda: self._api.move(file.staged, file.final))
            except AnsweredError as error:
                if error.status != PRECONDITION_FAILED and error.status not in NO_MOVE:
                    raise self._refused(file.final, error) from None
            else:
                if moved.stored == Stored(file.bytes, file.crc32c):
                    return True
        return await self._publish_by_look(file)

    async def _publish_by_look(self, file: FileEntry) -> bool:
        """Publish where `moveTo` gave no clear yes: it was done before, somebody else does it, or nobody knows how."""
        if not await self._holds(file):
            if await self.describe(file.staged) is None:
                return await self._holds(file)  # moved since we looked, or gone
            self._moves = False
            try:
                await self.patience.repeat(lambda: self._api.copy(file.staged, file.final))
            except AnsweredError as error:
                if error.status not in {PRECONDITION_FAILED, NOT_FOUND}:
                    raise self._refused(file.final, error) from None
            if not await self._holds(file):
                return False
        await self.delete(file.staged)
        return True

    async def _holds(self, file: FileEntry) -> bool:
        """Whether the final name holds what `file` describes; False when there is none. Raises StorageError.

        Other bytes are looked at before anybody is sent to look: what describes them may be altered on its way.
        """
        described = Stored(file.bytes, file.crc32c)
        found = await self.describe(file.final)
        if found is None or found.stored == described:
            return found is not None
        content = await self.read(file.final)
        if content is None:
            return False
        stands = Stored(len(content), f"{google_crc32c.value(content):08x}")
        if stands == described:
            return True
        raise StorageError(
            f"{self.url(file.final)} holds other bytes than its ledger entry says "
            f"({stands.bytes} bytes, crc32c {stands.crc32c}; expected {file.bytes}, {file.crc32c}): "
            "find out who wrote it and move it away; nothing was overwritten",
            code=OTHER_BYTES,
        )

    async def _asked(self, path: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """What a call that can be repeated gives in the end."""
        try:
            return await self.patience.repeat(attempt)
        except AnsweredError as error:
            raise self._refused(path, error) from None

    def _refused(self, path: str, error: AnsweredError) -> StorageError:
        return StorageError(f"{self.url(path)}: {error}{error.what_to_do}")
