"""What each operation of the JSON API does and answers; the server around it knows HTTP, tokens and counts."""

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode

from aiohttp import web
from support.gcs.conditions import Conditions, number
from support.gcs.errors import GcsError, invalid, not_found
from support.gcs.listing import page_of
from support.gcs.objects import Bucket, StoredObject
from support.gcs.operations import Call
from support.gcs.uploads import Session, begin, span_of

JSON_TYPE = "application/json; charset=UTF-8"
SIMPLE_IS_REFUSED = (
    "this server takes resumable uploads only: gcsfs ends what it uploads in one request at a fixed boundary, so that "
    "a payload that holds it is cut without an error"
)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Asked(NamedTuple):
    """A request, and what it means."""

    http: web.BaseRequest
    call: Call


class Requests:
    """The operations on `buckets`, which is the server's own dictionary; sessions and rewrite tokens are kept here."""

    def __init__(self, buckets: dict[str, Bucket], make_bucket: Callable[[str], Bucket]) -> None:
        self._buckets, self._make_bucket = buckets, make_bucket
        self._sessions: dict[str, Session] = {}
        self._rewrites: dict[str, tuple[tuple[object, ...], int]] = {}
        self._operations: dict[str, Callable[[Asked], Awaitable[web.StreamResponse]]] = {
            "buckets.get": self._get_bucket,
            "buckets.insert": self._insert_bucket,
            "objects.insert": self._begin_upload,
            "objects.insert.simple": self._refuse_simple,
            "objects.insert.chunk": self._take_chunk,
            "objects.insert.status": self._take_chunk,
            "objects.insert.cancel": self._cancel_upload,
            "objects.get": self._get,
            "objects.get.media": self._get_media,
            "objects.list": self._list,
            "objects.delete": self._delete,
            "objects.move": self._move,
            "objects.rewrite": self._rewrite,
        }

    async def answer(self, asked: Asked) -> web.StreamResponse:
        """The reply. Raises GcsError."""
        operation = self._operations.get(asked.call.operation)
        if operation is None:
            not_found("Not Found")
        return await operation(asked)

    async def _get_bucket(self, asked: Asked) -> web.StreamResponse:
        bucket = self._bucket(asked.call)
        bucket.rules.check_permission("storage.buckets.get")
        rules = bucket.rules
        resource: dict[str, Any] = {"kind": "storage#bucket", "id": bucket.name, "name": bucket.name}
        resource |= {"location": "US", "storageClass": "STANDARD", "metageneration": "1"}
        resource |= {"versioning": {"enabled": rules.versioning}, "billing": {"requesterPays": rules.requester_pays}}
        if rules.retention_seconds:
            resource["retentionPolicy"] = {"retentionPeriod": str(int(rules.retention_seconds))}
        resource["softDeletePolicy"] = {"retentionDurationSeconds": "604800" if rules.soft_delete else "0"}
        return _json(resource)

    async def _insert_bucket(self, asked: Asked) -> web.StreamResponse:
        name = json.loads(await asked.http.read() or b"{}").get("name", "")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", name):
            invalid(f"Invalid bucket name: '{name}'")
        if name in self._buckets:
            message = "Your previous request to create the named bucket succeeded and you already own it."
            raise GcsError(409, "conflict", message)
        self._make_bucket(name)
        return _json({"kind": "storage#bucket", "id": name, "name": name})

    async def _begin_upload(self, asked: Asked) -> web.StreamResponse:
        body = await asked.http.read()
        session = begin(self._existing(asked.call.bucket), asked.call.name, asked.call.query, asked.http.headers, body)
        self._sessions[session.id] = session
        # Not the whole query: whoever has this address needs no token and no project any more.
        path = asked.http.raw_path.partition("?")[0]
        # With the name, as Google's own example has it (performing-resumable-uploads).
        query = urlencode({"uploadType": "resumable", "name": session.name, "upload_id": session.id})
        location = f"http://{asked.http.host}{path}?{query}"
        return web.Response(headers={"Location": location, "X-GUploader-UploadID": session.id})

    async def _refuse_simple(self, asked: Asked) -> web.StreamResponse:
        _ = [part async for part in asked.http.content.iter_any()]  # a client that still writes would see a reset
        invalid(SIMPLE_IS_REFUSED)

    async def _take_chunk(self, asked: Asked) -> web.StreamResponse:
        session = self._session(asked.call)
        span = span_of(asked.http.headers.get("Content-Range"), asked.http.content_length)
        made = await session.take(span, asked.http.content.iter_any(), asked.http.headers.get("X-Goog-Hash", ""))
        if made is not None:
            return self._object(asked, made)
        received = session.blob.size
        headers = {"Range": f"bytes=0-{received - 1}"} if received else {}
        return web.Response(status=308, reason="Resume Incomplete", headers=headers)

    async def _cancel_upload(self, asked: Asked) -> web.StreamResponse:
        self._session(asked.call).cancel()
        return web.Response(status=499, reason="Client Closed Request")

    async def _get(self, asked: Asked) -> web.StreamResponse:
        return self._object(asked, self._found(asked.call))

    async def _get_media(self, asked: Asked) -> web.StreamResponse:
        found = self._found(asked.call)
        self._bucket(asked.call).rules.check_key()
        size = found.blob.size
        headers = {
            "ETag": f'"{found.generation}"',
            "X-Goog-Generation": str(found.generation),
            "X-Goog-Metageneration": str(found.metageneration),
            "X-Goog-Stored-Content-Length": str(size),
            "X-Goog-Hash": f"crc32c={found.blob.crc32c}" + (f",md5={found.blob.md5}" if found.blob.md5 else ""),
            "Content-Type": found.content_type,
        }
        span = _range_of(asked.http.headers.get("Range"), size)
        if span is None:
            return web.Response(body=found.blob.read(0, size), headers=headers)
        headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{size}"
        return web.Response(status=206, body=found.blob.read(*span), headers=headers)

    async def _list(self, asked: Asked) -> web.StreamResponse:
        bucket = self._bucket(asked.call)
        bucket.rules.check_permission("storage.objects.list", name=asked.call.query.get("prefix", ""))
        page = page_of(bucket.names(), asked.call.query)
        listed: dict[str, Any] = {"kind": "storage#objects"}
        if page.names:
            endpoint = f"http://{asked.http.host}"
            listed["items"] = [bucket.get(name).as_json(endpoint, bucket.rules) for name in page.names]
        if page.prefixes:
            listed["prefixes"] = page.prefixes
        if page.next_token:
            listed["nextPageToken"] = page.next_token
        return _json(listed)

    async def _delete(self, asked: Asked) -> web.StreamResponse:
        bucket = self._bucket(asked.call)
        bucket.rules.check_permission("storage.objects.delete", name=asked.call.name)
        bucket.delete(asked.call.name, number(asked.call.query, "generation"), Conditions.of(asked.call.query))
        return web.Response(status=204)

    async def _move(self, asked: Asked) -> web.StreamResponse:
        """Permissions: https://cloud.google.com/storage/docs/json_api/v1/objects/move#required-permissions."""
        await asked.http.read()
        bucket = self._bucket(asked.call)
        rules = bucket.rules
        if not rules.move:
            not_found("Not Found")
        if not rules.allows("storage.objects.move", asked.call.name):
            rules.check_permission("storage.objects.delete", "storage.objects.get", name=asked.call.name)
        rules.check_permission("storage.objects.create", name=asked.call.target)
        source, conditions = Conditions.of(asked.call.query, source=True), Conditions.of(asked.call.query)
        return self._object(asked, bucket.move(asked.call.name, asked.call.target, source, conditions))

    async def _rewrite(self, asked: Asked) -> web.StreamResponse:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite."""
        await asked.http.read()
        call = asked.call
        source, target = self._bucket(call), self._existing(call.target_bucket)
        target.rules.check_payer(call.query)
        source.rules.check_permission("storage.objects.get", name=call.name)
        target.rules.check_permission("storage.objects.create", name=call.target)
        source.rules.check_key()
        target.rules.check_key()
        found = source.get(call.name, number(call.query, "sourceGeneration"))
        Conditions.of(call.query, source=True).check(found)
        conditions = Conditions.of(call.query)
        target.check_new(call.target, conditions)
        step = source.rules.rewrite_bytes_a_call
        step = min(step, number(call.query, "maxBytesRewrittenPerCall") or step)
        rewrite = (source.name, call.name, found.generation, target.name, call.target)
        size = found.blob.size
        done = min(self._rewritten(call.query.get("rewriteToken"), rewrite) + step, size)
        answer: dict[str, Any] = {"kind": "storage#rewriteResponse", "done": done == size}
        answer |= {"totalBytesRewritten": str(done), "objectSize": str(size)}
        if done == size:
            made = target.put(call.target, found.blob.copy(), conditions, found.content_type, found.metadata)
            answer["resource"] = made.as_json(f"http://{asked.http.host}", target.rules)
        else:
            answer["rewriteToken"] = secrets.token_urlsafe(16)
            self._rewrites[answer["rewriteToken"]] = (rewrite, done)
        return _json(answer)

    def _rewritten(self, token: str | None, rewrite: tuple[object, ...]) -> int:
        """How many bytes a rewrite has done; a token stays good, so that a lost reply may be asked for again."""
        if token is None:
            return 0
        if token not in self._rewrites:
            raise GcsError(410, "gone", "This rewrite token is no longer available.")
        begun, done = self._rewrites[token]
        if begun != rewrite:
            invalid("The rewrite token belongs to another rewrite, or its source has changed.")
        return done

    def _found(self, call: Call) -> StoredObject:
        bucket = self._bucket(call)
        bucket.rules.check_permission("storage.objects.get", name=call.name)
        found = bucket.get(call.name, number(call.query, "generation"))
        Conditions.of(call.query).check(found, reading=True)
        return found

    def _bucket(self, call: Call) -> Bucket:
        """The call's bucket. Raises GcsError where there is none, or nobody pays."""
        bucket = self._existing(call.bucket)
        bucket.rules.check_payer(call.query)
        return bucket

    def _existing(self, name: str) -> Bucket:
        return self._buckets.get(name) or not_found("The specified bucket does not exist.")

    def _session(self, call: Call) -> Session:
        return self._sessions.get(call.query["upload_id"]) or not_found("This upload session does not exist.")

    def _object(self, asked: Asked, found: StoredObject) -> web.Response:
        return _json(found.as_json(f"http://{asked.http.host}", self._existing(found.bucket).rules))


def _json(document: object) -> web.Response:
    return web.Response(body=json.dumps(document).encode(), headers={"Content-Type": JSON_TYPE})


def _range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None for all. Raises GcsError (416) where nothing lies there."""
    found = _RANGE.fullmatch(header or "")
    if not found or found[0] == "bytes=-":
        return None
    if not found[1]:
        first, after = max(0, size - int(found[2])), size
    else:
        first, after = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
    if first >= after:
        headers = {"Content-Range": f"bytes */{size}"}
        raise GcsError(416, "requestedRangeNotSatisfiable", "The requested range cannot be satisfied.", headers)
    return first, after
