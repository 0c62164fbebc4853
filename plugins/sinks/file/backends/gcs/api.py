"""The calls of Google Cloud Storage's JSON API that a root needs, each one request: what they send and what they give.

Source: cloud.google.com/storage/docs/json_api/v1. Each raises TransientError when it is not known whether it was done,
AnsweredError with the storage's no, StorageAccessError without rights.
"""

import base64
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import google_crc32c

from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import Stored
from streamlake.plugins.sinks.file.backends.gcs.errors import AnsweredError, Reply, TransientError
from streamlake.plugins.sinks.file.backends.gcs.options import Place
from streamlake.plugins.sinks.file.backends.gcs.requests import GO_ON, Requests

NOT_FOUND = 404
GONE = 410
PRECONDITION_FAILED = 412

OBJECT = "/storage/v1/b/{}/o/{}"
CONTENT = "/download/storage/v1/b/{}/o/{}"  # where gcsfs reads, too
UPLOAD = "/upload/storage/v1/b/{}/o"
OBJECT_FIELDS = "size,crc32c,generation"
LIST_FIELDS = "items(name),prefixes,nextPageToken"


@dataclass(frozen=True, slots=True)
class Described:
    """An object's resource, as far as it matters here."""

    stored: Stored
    generation: str


@dataclass(frozen=True, slots=True)
class Session:
    """A resumable upload that was begun; `odd`: not answered as Google does."""

    url: str
    odd: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing; `token` asks for the next, None after the last."""

    objects: Sequence[str]
    prefixes: Sequence[str]
    token: str | None


class Api:
    """One bucket's objects by name."""

    def __init__(self, requests: Requests, place: Place, kms_key: str | None) -> None:
        self.place = place
        self._requests = requests
        self._kms_key = kms_key
        self._heeds: bool | None = None

    async def describe(self, path: str) -> Described | None:
        """Size, checksum and generation; None when nothing stands there."""
        reply = await self._unless_missing("GET", OBJECT, path, {"fields": OBJECT_FIELDS})
        return None if reply is None else described(reply)

    async def read(self, path: str) -> bytes | None:
        """The whole content, held against the checksum that comes with it; None when nothing stands there."""
        reply = await self._unless_missing("GET", CONTENT, path, {"alt": "media"})
        if reply is None:
            return None
        match = re.search(r"crc32c=([^,\s]+)", reply.headers.get("x-goog-hash", ""))
        if match and base64.b64decode(match[1]) != _sum_bytes(google_crc32c.value(reply.body)):
            raise TransientError("checksum", f"{self.place.url(path)} came with other bytes than its checksum says")
        return reply.body

    async def read_range(self, path: str, generation: str, first: int, end: int) -> bytes:
        """The bytes `[first, end)` of the object that was described. Raises AnsweredError when it is gone."""
        params = {"alt": "media", "generation": generation}
        headers = {"Range": f"bytes={first}-{end - 1}"}
        names = (self.place.bucket, self.place.name(path))
        reply = await self._requests.send("GET", CONTENT, *names, params=params, headers=headers)
        if len(reply.body) != end - first:
            raise TransientError("torn reply", f"{len(reply.body)} bytes came of {end - first}")
        return reply.body

    async def page(self, folder: str, token: str | None, *, deep: bool) -> Page:
        """A part of the names below a folder (which ends in a slash, or is empty), or of all below it when `deep`."""
        params = {
            "prefix": self.place.name(folder) or None,
            "delimiter": None if deep else "/",
            "pageToken": token,
            "fields": LIST_FIELDS,
        }
        reply = await self._requests.send("GET", "/storage/v1/b/{}/o", self.place.bucket, params=params)
        found, cut = reply.json(), len(self.place.prefix)
        objects = [str(item["name"])[cut:] for item in found.get("items", [])]
        return Page(objects, [str(name)[cut:] for name in found.get("prefixes", [])], found.get("nextPageToken"))

    async def delete(self, path: str) -> None:
        """Remove an object; fine when it is gone."""
        await self._unless_missing("DELETE", OBJECT, path, {})

    async def move(self, source: str, target: str) -> Described:
        """Give an object another name, at once or not at all, unless something stands under that."""
        names = (self.place.bucket, self.place.name(source), self.place.name(target))
        params = {"ifGenerationMatch": "0", "fields": OBJECT_FIELDS}
        return described(await self._requests.send("POST", OBJECT + "/moveTo/o/{}", *names, params=params))

    async def copy(self, source: str, target: str) -> None:
        """Copy an object to another name in the bucket, unless something stands under that."""
        names = (self.place.bucket, self.place.name(source), self.place.bucket, self.place.name(target))
        params = {"ifGenerationMatch": "0", "destinationKmsKeyName": self._kms_key}
        token = None
        while True:
            reply = await self._requests.send(
                "POST", OBJECT + "/rewriteTo/b/{}/o/{}", *names, params={**params, "rewriteToken": token}
            )
            answer = reply.json()
            if answer.get("done"):
                return
            token = answer.get("rewriteToken")
            if not token:
                raise TransientError("torn reply", "a copy that is not done, without a token to go on")

    async def create(self, path: str, data: bytes) -> Described:
        """Create an object at once, unless something stands there."""
        session = await self._begin(path, google_crc32c.value(data))
        if session.odd and not await self._exclusive():
            return await self._create_in_one_request(path, data)
        return await self._fill(session.url, data)

    async def begin_upload(self, path: str) -> str:
        """A session for an object that is sent in pieces, unless something stands there; its URL."""
        return (await self._begin(path, None)).url

    async def upload(self, session: str, data: bytes | memoryview, first: int, total: int | None) -> Reply:
        """Send a piece that begins at `first`; `total` is known with the last one. Without data, ask what has come."""
        place = f"{first}-{first + len(data) - 1}" if data else "*"
        headers = {
            "Content-Range": f"bytes {place}/{'*' if total is None else total}",
            "Content-Type": "application/octet-stream",
        }
        return await self._requests.send_to_session("PUT", session, headers, data)

    async def drop_upload(self, session: str) -> None:
        """Tell the storage that nothing more comes; a session that nobody ends is gone after a week."""
        await self._requests.send_to_session("DELETE", session, {}, b"")

    async def _begin(self, path: str, crc32c: int | None) -> Session:
        """Begin a resumable upload. A sum that is known by now the storage holds against what comes."""
        name = self.place.name(path)
        metadata: dict[str, object] = {"name": name}
        if crc32c is not None:
            metadata["crc32c"] = base64.b64encode(_sum_bytes(crc32c)).decode()
        reply = await self._requests.send(
            "POST",
            UPLOAD,
            self.place.bucket,
            params={"uploadType": "resumable", "name": name, "ifGenerationMatch": "0", "kmsKeyName": self._kms_key},
            headers={"X-Upload-Content-Type": "application/octet-stream"},
            json=metadata,
        )
        url = reply.headers.get("location")
        if not url:
            raise TransientError("torn reply", "an upload was begun without a place to send it to")
        self._requests.check_session(url)
        return Session(url, odd=bool(reply.body))

    async def _fill(self, session: str, data: bytes) -> Described:
        try:
            reply = await self.upload(session, data, 0, len(data))
        except AnsweredError as error:
            # Begun anew, each of these may go well (cloud.google.com/storage/docs/resumable-uploads#errors).
            if error.status in {NOT_FOUND, GONE} or "crc32c" in str(error).lower():
                raise TransientError("torn upload", str(error)) from None
            raise
        if reply.status == GO_ON:
            raise TransientError("torn upload", "all was sent, and the storage waits for more")
        return described(reply)

    async def _exclusive(self) -> bool:
        """Whether this server heeds the precondition of a resumable upload, tried once, on a name of its own.

        Google does, and begins an upload with an empty answer. fake-gcs-server, as pip has it (1.54), answers with an
        object that is not there yet, and then lets two writers create the same one.
        """
        if self._heeds is None:
            path = f"{layout.STAGE}/_probe/{uuid.uuid4()}"
            await self._fill((await self._begin(path, None)).url, b"tried")
            try:
                await self._fill((await self._begin(path, None)).url, b"tried again")
                self._heeds = False
            except AnsweredError as error:
                if error.status != PRECONDITION_FAILED:
                    raise
                self._heeds = True
            await self.delete(path)
        return self._heeds

    async def _create_in_one_request(self, path: str, data: bytes) -> Described:
        """Create an object on a server for tests that heeds a precondition in this way alone; never on Google.

        There, too, it would be safe with a boundary that nobody can know, but one way is enough.
        """
        boundary = uuid.uuid4().hex
        metadata = json.dumps({"name": self.place.name(path)}).encode()
        parts = [(b"application/json; charset=UTF-8", metadata), (b"application/octet-stream", data)]
        head = b"--" + boundary.encode() + b"\r\nContent-Type: "
        body = b"".join(head + kind + b"\r\n\r\n" + part + b"\r\n" for kind, part in parts)
        reply = await self._requests.send(
            "POST",
            UPLOAD,
            self.place.bucket,
            params={"uploadType": "multipart", "ifGenerationMatch": "0"},
            headers={"Content-Type": f"multipart/related; boundary={boundary}"},
            data=body + b"--" + boundary.encode() + b"--\r\n",
        )
        return described(reply)

    async def _unless_missing(self, method: str, path: str, name: str, params: dict[str, str]) -> Reply | None:
        """The reply; None when there is no such object. Without a bucket nothing is known of it: that is an error."""
        names = (self.place.bucket, self.place.name(name))
        try:
            return await self._requests.send(method, path, *names, params=params)
        except AnsweredError as error:
            if error.status != NOT_FOUND or "bucket does not exist" in str(error):
                raise
        return None


def described(reply: Reply) -> Described:
    """What a reply with an object's resource says. Raises TransientError where that is not whole."""
    resource: dict[str, Any] = reply.json()
    try:
        crc32c = base64.b64decode(resource["crc32c"])
        return Described(Stored(int(resource["size"]), crc32c.hex()), str(resource.get("generation", "")))
    except (KeyError, ValueError, TypeError) as error:
        raise TransientError("torn reply", "an object's resource without its size and checksum") from error


def persisted(reply: Reply) -> int:
    """How many bytes of an upload have come (`Range: bytes=0-N`; without it, none)."""
    match = re.fullmatch(r"bytes=0-(\d+)", reply.headers.get("range", ""))
    return int(match[1]) + 1 if match else 0


def _sum_bytes(crc32c: int) -> bytes:
    return crc32c.to_bytes(4, "big")
