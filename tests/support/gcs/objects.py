"""One bucket: its live objects, what becomes of replaced and deleted ones, and the steps that happen whole or not.

Every method runs to its end without giving way to another request. That is what makes move and the evaluation of
preconditions atomic: https://cloud.google.com/storage/docs/consistency,
https://cloud.google.com/storage/docs/json_api/v1/objects/move.
"""

import time
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from support.gcs.access import Rules
from support.gcs.blobs import Blob
from support.gcs.conditions import Conditions
from support.gcs.errors import GcsError, invalid, not_found
from support.gcs.journal import Journal


@dataclass(frozen=True)
class StoredObject:
    """One generation of one name; `generation` counts microseconds, as Google's seem to."""

    bucket: str
    name: str
    generation: int
    blob: Blob
    created: datetime
    content_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    metageneration: int = 1

    def as_json(self, endpoint: str, rules: Rules) -> dict[str, Any]:
        """The resource: https://cloud.google.com/storage/docs/json_api/v1/objects#resource. Numbers are strings."""
        path = f"b/{quote(self.bucket, safe='')}/o/{quote(self.name, safe='')}"
        moment = _timestamp(self.created)
        resource: dict[str, Any] = {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "selfLink": f"{endpoint}/storage/v1/{path}",
            "mediaLink": f"{endpoint}/download/storage/v1/{path}?generation={self.generation}&alt=media",
            "name": self.name,
            "bucket": self.bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "contentType": self.content_type,
            "storageClass": "STANDARD",
            "size": str(self.blob.size),
            "etag": f"{self.generation}/{self.metageneration}",
            "timeCreated": moment,
            "updated": moment,
            "timeStorageClassUpdated": moment,
            "timeFinalized": moment,
        }
        # Checksums are encrypted by the key, the rest is not: customer-managed-keys, "what is encrypted".
        if not rules.key:
            resource["crc32c"] = self.blob.crc32c
            if self.blob.md5:
                resource["md5Hash"] = self.blob.md5
        if self.metadata:
            resource["metadata"] = dict(self.metadata)
        if rules.retention_seconds:
            resource["retentionExpirationTime"] = _timestamp(self.retained_until(rules))
        return resource

    def retained_until(self, rules: Rules) -> datetime:
        """From when on it may be deleted or replaced."""
        return self.created + timedelta(seconds=rules.retention_seconds)


class Bucket:
    """The objects of one bucket. `rules` may be replaced at any time.

    `noncurrent` (with versioning) and `soft_deleted` are for a test to look at; a restart forgets both.
    """

    def __init__(self, name: str, new_blob: Callable[[], Blob], journal: Journal) -> None:
        self.name, self.new_blob = name, new_blob
        self.rules = Rules()
        self.noncurrent: list[StoredObject] = []
        self.soft_deleted: list[StoredObject] = []
        self._journal = journal
        self._last_generation = 0
        self._live: dict[str, StoredObject] = {}
        self._names: list[str] = []
        for kept in journal.load():
            self._add(StoredObject(bucket=name, **kept))

    def names(self) -> list[str]:
        """Of the live objects, sorted as their UTF-8 is: code points have the same order."""
        return list(self._names)

    def data(self, name: str) -> bytes:
        """What a live object holds; KeyError where there is none."""
        blob = self._live[name].blob
        return blob.read(0, blob.size)

    def find(self, name: str, generation: int | None = None) -> StoredObject | None:
        """The live object, or the one of that generation."""
        live = self._live.get(name)
        if generation is None or (live and live.generation == generation):
            return live
        return next((old for old in self.noncurrent if (old.name, old.generation) == (name, generation)), None)

    def get(self, name: str, generation: int | None = None) -> StoredObject:
        """As `find`. Raises GcsError (404) where there is none."""
        return self.find(name, generation) or not_found(f"No such object: {self.name}/{name}")

    def check_new(self, name: str, conditions: Conditions) -> None:
        """Raises GcsError where an object of this name can't be written now."""
        live = self._live.get(name)
        conditions.check(live)
        self._check_replaceable(live)

    def put(
        self, name: str, blob: Blob, conditions: Conditions, content_type: str, metadata: Mapping[str, str]
    ) -> StoredObject:
        """Make the blob the live object of this name, if the conditions hold at this moment."""
        self.check_new(name, conditions)
        made = StoredObject(self.name, name, self._new_generation(), blob, datetime.now(UTC), content_type, metadata)
        self._commit(made, self._live.get(name))
        return made

    def delete(self, name: str, generation: int | None, conditions: Conditions) -> None:
        """Delete the live object, or for ever a noncurrent generation."""
        found = self.get(name, generation)
        conditions.check(found)
        self._check_retention(found)
        if found in self.noncurrent:
            self.noncurrent.remove(found)
            found.blob.remove()
        else:
            self._commit(None, found)

    def move(self, name: str, target: str, source: Conditions, conditions: Conditions) -> StoredObject:
        """Rename: all of it or nothing. What the target held is replaced, unless `conditions` forbid it."""
        if name == target:
            invalid("The source and destination object names must be different.")
        if self.rules.move_looks_at_target_first:
            conditions.check(self._live.get(target))
        found = self.get(name)
        source.check(found)
        self.check_new(target, conditions)
        self._check_retention(found)
        moved = replace(
            found, name=target, generation=self._new_generation(), metageneration=1, created=datetime.now(UTC)
        )
        replaced = self._live.get(target)
        self._commit(moved, replaced, source=found)
        return moved

    def _check_replaceable(self, live: StoredObject | None) -> None:
        if live is not None:
            self.rules.check_permission("storage.objects.delete", name=live.name)
            self._check_retention(live)

    def _check_retention(self, found: StoredObject) -> None:
        until = found.retained_until(self.rules)
        if self.rules.retention_seconds and datetime.now(UTC) < until:
            raise GcsError(
                403,
                "retentionPolicyNotMet",
                f"Object '{self.name}/{found.name}' is subject to bucket's retention policy or object retention and "
                f"cannot be deleted or overwritten until {_timestamp(until)}",
            )

    def _commit(self, made: StoredObject | None, gone: StoredObject | None, source: StoredObject | None = None) -> None:
        """The one step by which objects come and go; `source` lives on under another name."""
        both = [old for old in (gone, source) if old]
        if made is not None:
            self._journal.write(made, [old.generation for old in both])
        for old in both:
            self._journal.erase(old.generation)
            self._remove(old.name)
        if made is not None:
            self._add(made)
        if gone is not None and self.rules.versioning:
            self.noncurrent.append(gone)
        elif gone is not None and self.rules.soft_delete:
            self.soft_deleted.append(gone)
        elif gone is not None:
            gone.blob.remove()

    def _add(self, made: StoredObject) -> None:
        self._live[made.name] = made
        insort(self._names, made.name)

    def _remove(self, name: str) -> None:
        del self._live[name]
        del self._names[bisect_left(self._names, name)]

    def _new_generation(self) -> int:
        self._last_generation = max(self._last_generation + 1, time.time_ns() // 1000)
        return self._last_generation


def _timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
