"""Resumable uploads, the only ones: gcsfs's single-request upload is cut where the payload looks like its boundary.

An object appears whole or not at all, with its last byte, and only under a name that nothing stands under
(cloud.google.com/storage/docs/resumable-uploads).
"""

from streamlake.engine.errors import StorageError
from streamlake.plugins.sinks.file.backends.base import Stored
from streamlake.plugins.sinks.file.backends.gcs.api import PRECONDITION_FAILED, Api, described, persisted
from streamlake.plugins.sinks.file.backends.gcs.errors import AnsweredError, Reply, TransientError
from streamlake.plugins.sinks.file.backends.gcs.patience import Patience
from streamlake.plugins.sinks.file.backends.gcs.requests import GO_ON

PIECE_BYTES = 8 * 2**20
"""What one request of a large payload carries; a multiple of 256 KiB."""


async def upload_whole(api: Api, patience: Patience, path: str, data: bytes) -> Stored | None:
    """Create an object with `data`; what the storage says of it, None when something stands there.

    That may be our own: where no answer came, all of it is sent once more. Raises StorageError.
    """
    try:
        # Each attempt has a session of its own: what an earlier one left open takes nothing in by itself.
        made = await patience.repeat(lambda: api.create(path, data))
    except AnsweredError as error:
        if error.status == PRECONDITION_FAILED:
            return None
        raise _refused(api.place.url(path), error) from None
    return made.stored


class Upload:
    """A payload in pieces of PIECE_BYTES, the last one as it comes; one after the other, each until it is there."""

    def __init__(self, api: Api, patience: Patience, path: str) -> None:
        self._api = api
        self._patience = patience
        self._path = path
        self._session: str | None = None
        self._sent = 0

    async def more(self, piece: bytes) -> None:
        """Send a piece that is not the last one. Raises StorageError."""
        await self._until_there(piece, None)

    async def last(self, piece: bytes) -> Stored:
        """Send the last piece; what the storage says of the object. Raises StorageError."""
        return described(await self._until_there(piece, self._sent + len(piece))).stored

    async def drop(self) -> None:
        """Let go of what was sent."""
        if self._session is not None:
            await self._api.drop_upload(self._session)

    async def _until_there(self, piece: bytes, total: int | None) -> Reply:
        """Send a piece; after an attempt without an answer, ask how much has come and go on from there."""
        unknown = False

        async def attempt() -> Reply:
            nonlocal unknown
            if self._session is None:
                self._session = await self._api.begin_upload(self._path)
            there, end = self._sent, self._sent + len(piece)
            if unknown:
                asked = await self._api.upload(self._session, b"", 0, total)
                there = max(there, persisted(asked))
                if asked.status != GO_ON or (total is None and there >= end):
                    return _whole(asked, total)
            unknown = True
            reply = await self._api.upload(self._session, memoryview(piece)[there - self._sent :], there, total)
            if reply.status == GO_ON and (total is not None or persisted(reply) < end):
                raise TransientError("torn upload", f"{persisted(reply)} bytes have come of {end}")
            return _whole(reply, total)

        try:
            reply = await self._patience.repeat(attempt)
        except AnsweredError as error:
            url = self._api.place.url(self._path)
            if error.status == PRECONDITION_FAILED:
                raise StorageError(f"{url} exists already: a staged name is never used twice") from None
            raise _refused(url, error) from None
        self._sent += len(piece)
        return reply


def _whole(reply: Reply, total: int | None) -> Reply:
    """The reply, with an object's resource in it where the upload is at its end. Raises TransientError without."""
    if total is not None:
        described(reply)
    return reply


def _refused(url: str, error: AnsweredError) -> StorageError:
    return StorageError(f"{url} can't be written: {error}{error.what_to_do}")
