"""A root in a bucket (`gs://bucket/prefix`): exclusive by preconditions, durable when answered, consistent in listings.

What was read and measured of Google Cloud Storage: docs/gcs.md. Nothing of it is cached, and no name is ever a pattern.
"""

import io
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import BinaryIO, cast

from streamlake.engine.contracts import Beat
from streamlake.engine.entries import FileEntry
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import Staging, Stored, Told
from streamlake.plugins.sinks.file.backends.gcs.api import Api
from streamlake.plugins.sinks.file.backends.gcs.bridge import Bridge
from streamlake.plugins.sinks.file.backends.gcs.bucket import Bucket
from streamlake.plugins.sinks.file.backends.gcs.circuit import Circuit
from streamlake.plugins.sinks.file.backends.gcs.options import GcsOptions, Place
from streamlake.plugins.sinks.file.backends.gcs.patience import Patience
from streamlake.plugins.sinks.file.backends.gcs.probe import Probe
from streamlake.plugins.sinks.file.backends.gcs.reading import ObjectReader, Opened
from streamlake.plugins.sinks.file.backends.gcs.requests import Requests
from streamlake.plugins.sinks.file.backends.gcs.staging import GcsStaging


class GcsBackend:
    """What a bucket is asked goes over a thread that begins with the first request, so never before a fork."""

    one_process = False

    def __init__(self, place: Place, options: GcsOptions) -> None:
        self._place = place
        self._options = options
        self._beat: Beat = lambda: None
        self._told: Told = lambda _reason: None
        self._served = False

    def __repr__(self) -> str:
        return f"GcsBackend({self._place.url('')!r})"

    def serve(self, beat: Beat, told: Told) -> None:
        """Beat while waiting for the storage, and tell of each wait. To be called before anything is asked."""
        self._beat, self._told = beat, told
        self._served = True
        self.__dict__.pop("_bridge", None)
        if "_bucket" in self.__dict__:
            self._bucket.patience.renew()

    def begin_batch(self) -> None:
        """The batch gets the whole of `retry_seconds_max`."""
        self._bucket.patience.renew()

    def check(self) -> None:
        """Nothing that can be refused without asking."""

    def probe(self) -> Sequence[str]:
        """Write, write again, read, list, move and delete, below `_stage`."""
        return self._bridge.run(Probe(self._bucket).problems())

    def put_if_absent(self, path: str, data: bytes, *, stage: str) -> bool:  # noqa: ARG002  (an upload is invisible by itself)
        """An upload with a precondition. False also where an answer was lost, and what stands there is ours."""
        return self._bridge.run(self._bucket.put_if_absent(path, data))

    def create(self, path: str) -> Staging:
        """An upload that begins with what is written."""
        return GcsStaging(self._bucket, self._bridge, path)

    def publish(self, file: FileEntry) -> bool:
        """`moveTo` with a precondition; where a server has no such call, a copy and a delete."""
        return self._bridge.run(self._bucket.publish(file))

    def publish_all(self, files: Sequence[FileEntry]) -> Sequence[bool]:
        """At the same time."""
        return self._bridge.all(self._bucket.publish, files)

    def read(self, path: str) -> bytes | None:
        """The whole object."""
        return self._bridge.run(self._bucket.read(path))

    def read_all(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        """At the same time."""
        return self._bridge.all(self._bucket.read, paths)

    def open(self, path: str) -> BinaryIO | None:
        """A reader that asks for what is read, in blocks.

        At once is read what is small; what is staged, for it may be moved under a reader's hands; and dead letters,
        which are sent on: only a whole content can be held against its checksum.
        """
        found = self._bridge.run(self._bucket.describe(path))
        if found is None:
            return None
        if found.stored.bytes <= ObjectReader.BUFFER_BYTES or path.startswith((f"{layout.STAGE}/", "dead/")):
            content = self.read(path)
            return None if content is None else io.BytesIO(content)

        def read_range(opened: Opened, first: int, end: int) -> bytes:
            return self._bridge.run(self._bucket.read_range(opened.path, opened.generation, first, end))

        reader = ObjectReader(Opened(path, found.generation, found.stored.bytes), read_range)
        return cast("BinaryIO", io.BufferedReader(reader, ObjectReader.BUFFER_BYTES))

    def stored(self, path: str) -> Stored | None:
        """What the storage says of the object."""
        found = self._bridge.run(self._bucket.describe(path))
        return None if found is None else found.stored

    def list(self, folder: str) -> list[str]:
        """The names below a prefix, up to the next slash."""
        objects, prefixes = self._bridge.run(self._bucket.listed(f"{folder}/", deep=False))
        names = [*objects, *(prefix.removesuffix("/") for prefix in prefixes)]
        return sorted(name.rpartition("/")[2] for name in names if not name.endswith("/"))

    def walk(self, folder: str) -> Iterator[str]:
        """All names below a prefix, but the markers of folders that other tools leave."""
        objects, _ = self._bridge.run(self._bucket.listed(f"{folder}/", deep=True))
        return (name for name in objects if not name.endswith("/"))

    def has_files(self, folder: str) -> bool:  # noqa: ARG002  (see below)
        """It does: a prefix that was listed is part of a name."""
        return True

    def delete(self, path: str) -> None:
        """Remove the object."""
        self._bridge.run(self._bucket.delete(path))

    def delete_all(self, paths: Sequence[str]) -> None:
        """At the same time."""
        self._bridge.all(self._bucket.delete, paths)

    def remove_folder(self, folder: str) -> None:
        """There are no folders."""

    def sync(self, path: str) -> None:
        """An object that is seen is durable."""

    @cached_property
    def _requests(self) -> Requests:
        return Requests(self._options, self._place)

    @cached_property
    def _bucket(self) -> Bucket:
        url = f"gs://{self._place.bucket}"
        patience = Patience(url, self._options.retry_seconds_max, Circuit(f"{self._requests.location} {url}"))
        if self._served:
            patience.renew()
        return Bucket(Api(self._requests, self._place, self._options.kms_key), patience)

    @cached_property
    def _bridge(self) -> Bridge:
        return Bridge(self._requests.loop, self._bucket.patience.notes, self._beat, self._told)
