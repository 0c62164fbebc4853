"""Tries in a bucket what landing needs, under names of its own, and says everything that is missing."""

import re
import uuid
from collections.abc import Awaitable, Callable, Sequence

import google_crc32c

from streamlake.engine.codes.storage import NOT_EXCLUSIVE
from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import StorageAccessError, StorageError
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.gcs.bucket import Bucket

FOLDER = f"{layout.STAGE}/_probe"
CONTENT = b"streamlake validate was here; this can be deleted\n"

PERMISSION = re.compile(r"(?:Permission '|does not have )([a-z]+\.[a-zA-Z]+\.[a-zA-Z]+)")
ROLE = "the role Storage Object User (roles/storage.objectUser) has it"


class Probe:
    """One object's life. Nothing of it is left behind, unless deleting is what does not work."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._staged, self._final = (f"{FOLDER}/{uuid.uuid4()}.{kind}" for kind in ("staged", "final"))
        self._problems: list[str] = []

    async def problems(self) -> Sequence[str]:
        """A sentence for each thing that does not work. Rights are refused without an object, too, so all are tried."""
        await self._try("write", "storage.objects.create", self._write)
        written = not self._problems
        if written:
            await self._try("write exclusively", "storage.objects.create", self._write_again)
        await self._try("read", "storage.objects.get", lambda: self._read(written=written))
        await self._try("find that something is not there", "storage.objects.list", self._read_nothing)
        await self._try("list", "storage.objects.list", lambda: self._list(written=written))
        if written:
            await self._try("move", "storage.objects.delete", self._move)
        await self._try("delete", "storage.objects.delete", self._delete)
        return list(dict.fromkeys(self._problems))

    async def _try(self, verb: str, permission: str, step: Callable[[], Awaitable[None]]) -> None:
        """Note what comes of a step, with the permission that the storage names; a bare 403 is about `permission`."""
        try:
            await step()
        except StorageAccessError as error:
            named = PERMISSION.search(str(error))
            missing = named[1] if named else permission if str(error).rstrip(": ").endswith("403") else None
            role = f"; {ROLE}" if missing and missing.startswith("storage.objects.") else ""
            what = f"the permission {missing} is missing{role}. The storage says: {error}" if missing else str(error)
            self._problems.append(f"sink.root: can't {verb}: {what}")
        except StorageError as error:
            self._problems.append(f"sink.root: can't {verb}: {error}")

    async def _write(self) -> None:
        await self._bucket.create(self._staged, CONTENT)

    async def _write_again(self) -> None:
        if await self._bucket.put_if_absent(self._staged, CONTENT):
            raise StorageError(
                "a second write under the same name was let through: this storage ignores ifGenerationMatch, and "
                "nothing can land on it exactly once",
                code=NOT_EXCLUSIVE,
            )

    async def _read(self, *, written: bool) -> None:
        if (await self._bucket.read(self._staged) == CONTENT) is not written:
            raise StorageError("what is read is not what was written", code=NOT_EXCLUSIVE)

    async def _read_nothing(self) -> None:
        """Google answers 403, not 404, to who may not list: then nobody knows whether a ledger's slot is free."""
        if await self._bucket.read(self._final) is not None:
            raise StorageError("something stands under a name that is new", code=NOT_EXCLUSIVE)

    async def _list(self, *, written: bool) -> None:
        objects, _ = await self._bucket.listed(f"{FOLDER}/", deep=False)
        if (self._staged in objects) is not written:
            raise StorageError("a listing does not say what was written", code=NOT_EXCLUSIVE)

    async def _move(self) -> None:
        crc32c = f"{google_crc32c.value(CONTENT):08x}"
        file = FileEntry("raw", self._staged, self._final, 0, len(CONTENT), "", crc32c, None, None)
        if not await self._bucket.publish(file):
            raise StorageError("what was to be moved is gone", code=NOT_EXCLUSIVE)

    async def _delete(self) -> None:
        await self._bucket.delete(self._staged)
        await self._bucket.delete(self._final)
