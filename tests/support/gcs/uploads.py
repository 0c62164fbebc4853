"""Resumable uploads: sessions, their chunks, and the moment at which an object is made of them.

https://cloud.google.com/storage/docs/performing-resumable-uploads, and for what a session does with bytes that it has
already or that leave a gap, https://cloud.google.com/storage/docs/resumable-uploads.
"""

import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from support.gcs.conditions import Conditions
from support.gcs.errors import GcsError, PlainError, invalid
from support.gcs.objects import Bucket, StoredObject

QUANTUM_BYTES = 256 * 1024
"""Chunks but the last are multiples of it, and what is kept of a chunk that was cut is one, too."""

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_HASH = re.compile(r"(crc32c|md5)=([^,\s]+)")


@dataclass(frozen=True)
class Span:
    """A Content-Range: `first` is None where only the state is asked for; `total` None where it is not yet known."""

    first: int | None
    after: int | None
    total: int | None


def span_of(content_range: str | None, length: int | None) -> Span:
    """That of a request with a body of `length` bytes (None: chunked). Without the header it is the whole object."""
    if content_range is None:
        return Span(0, length, length)
    found = _CONTENT_RANGE.fullmatch(content_range.strip())
    if not found:
        invalid(f"Failed to parse Content-Range header: {content_range!r}.")
    total = None if found[3] == "*" else int(found[3])
    if found[1] is None:
        return Span(None, None, total)
    first, after = int(found[1]), int(found[2]) + 1
    if after <= first or (total is not None and after > total) or length not in {None, after - first}:
        invalid(f"Content-Range {content_range!r} and a body of {length} bytes do not go together.")
    return Span(first, after, total)


@dataclass
class Session:
    """One upload. `outcome` is the object, or why there will never be one."""

    bucket: Bucket
    name: str
    conditions: Conditions
    content_type: str
    metadata: Mapping[str, str]
    hashes: dict[str, str]
    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    outcome: StoredObject | GcsError | None = None
    total: int | None = None

    def __post_init__(self) -> None:
        self.blob = self.bucket.new_blob()

    def result(self) -> StoredObject | None:
        """The object; None while bytes are missing. Raises GcsError for a session that has failed."""
        if isinstance(self.outcome, GcsError):
            raise self.outcome
        return self.outcome

    async def take(self, span: Span, body: AsyncIterator[bytes], hashes: str) -> StoredObject | None:
        """Take a chunk as its bytes arrive; the object once the last byte is here.

        A chunk that is cut, or is not a multiple of 256 KiB, leaves what it had of whole ones.
        """
        if span.first is None or self.result() is not None:
            _ = [part async for part in body]
            return self._settle(span.total)
        if span.first > self.blob.size:
            _ = [part async for part in body]
            # The double space is Google's.
            raise PlainError(
                503,
                "backendError",
                f"Invalid request.  According to the Content-Range header, the upload offset is {span.first} byte(s), "
                f"which exceeds already uploaded size of {self.blob.size} byte(s).",
            )
        self.hashes.update(_HASH.findall(hashes))
        at, rest = span.first, bytearray()
        async for part in body:
            rest += part
            whole = (at + len(rest)) // QUANTUM_BYTES * QUANTUM_BYTES - at
            if whole > 0:
                self._write(at, bytes(rest[:whole]))
                at += whole
                del rest[:whole]
        total = at + len(rest) if span.after is None else span.total
        if at + len(rest) == total:
            self._write(at, bytes(rest))
        return self._settle(total)

    def cancel(self) -> None:
        """Give it up; nothing of it remains. A finished one stays."""
        if self.outcome is None:
            self.outcome = GcsError(410, "gone", "This upload session is no longer available.")
            self.blob.remove()

    def _write(self, at: int, data: bytes) -> None:
        """Bytes that are here already are known by their place and are not looked at again."""
        known = max(0, self.blob.size - at)
        if known < len(data) and self.outcome is None:
            self.blob.append(data[known:])

    def _settle(self, total: int | None) -> StoredObject | None:
        """Make the object when all bytes are here: preconditions count at this moment, once more."""
        if (made := self.result()) is not None:
            return made
        if total is not None and self.total not in {None, total}:
            invalid(f"The upload has {self.total} bytes by an earlier Content-Range, and {total} by this one.")
        self.total = total if total is not None else self.total
        if total is None or self.blob.size < total:
            return None
        try:
            self._check_hashes()
            made = self.bucket.put(self.name, self.blob, self.conditions, self.content_type, self.metadata)
        except GcsError as error:
            self.outcome = error
            self.blob.remove()
            raise
        self.outcome = made
        return made

    def _check_hashes(self) -> None:
        """https://cloud.google.com/storage/docs/data-validation: an upload with another checksum is refused."""
        for kind, has in (("crc32c", self.blob.crc32c), ("md5", self.blob.md5)):
            said = self.hashes.get(kind, has)
            if has and said != has:
                invalid(f'Provided {kind.upper()} "{said}" doesn\'t match calculated {kind.upper()} "{has}".')


def begin(bucket: Bucket, name: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Session:
    """A new session. Raises GcsError where the object could not be made now."""
    try:
        resource: dict[str, Any] = json.loads(body or b"{}")
    except ValueError:
        raise GcsError(400, "parseError", "The body is no JSON.") from None
    name = name or str(resource.get("name", ""))
    if not name:
        raise GcsError(400, "required", "Required parameter: name")
    bucket.rules.check_payer(query)
    bucket.rules.check_permission("storage.objects.create", name=name)
    bucket.rules.check_key()
    conditions = Conditions.of(query)
    bucket.check_new(name, conditions)
    declared = {"crc32c": resource.get("crc32c"), "md5": resource.get("md5Hash")}
    return Session(
        bucket,
        name,
        conditions,
        resource.get("contentType") or headers.get("X-Upload-Content-Type") or "application/octet-stream",
        resource.get("metadata") or {},
        {kind: said for kind, said in declared.items() if said},
    )
