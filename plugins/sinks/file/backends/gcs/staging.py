"""A payload on its way into an object: what fills a piece is sent while the next one is made."""

from concurrent.futures import Future
from typing import Any, Self

from streamlake.plugins.sinks.file.backends.base import Stored
from streamlake.plugins.sinks.file.backends.gcs.bridge import Bridge
from streamlake.plugins.sinks.file.backends.gcs.bucket import Bucket
from streamlake.plugins.sinks.file.backends.gcs.upload import PIECE_BYTES, Upload


class GcsStaging:
    """Holds two pieces at most; a payload that fits into one is sent whole."""

    def __init__(self, bucket: Bucket, bridge: Bridge, path: str) -> None:
        self._bucket = bucket
        self._bridge = bridge
        self._path = path
        self._buffer = bytearray()
        self._upload: Upload | None = None
        self._sending: Future[Any] | None = None
        self._finished = False
        self._stored: Stored | None = None

    def write(self, data: bytes | memoryview, /) -> int:
        """Add to the buffer, and begin to send what fills more than a piece."""
        self._buffer += data
        while len(self._buffer) > PIECE_BYTES:
            piece = bytes(memoryview(self._buffer)[:PIECE_BYTES])
            del self._buffer[:PIECE_BYTES]
            self._upload = self._upload or self._bucket.upload(self._path)
            self._settle()
            self._sending = self._bridge.start(self._upload.more(piece))
        return len(data)

    def finish(self) -> None:
        """Begin to send the last piece."""
        self._settle()
        data = bytes(self._buffer)
        self._buffer.clear()
        work = self._upload.last(data) if self._upload else self._bucket.create(self._path, data)
        self._sending = self._bridge.start(work)
        self._finished = True

    def seal(self) -> None:
        """Wait until the object stands."""
        if not self._finished:
            self.finish()
        assert self._sending is not None, "finished, so something is being sent"
        self._stored = self._bridge.wait(self._sending)

    def stored(self) -> Stored | None:
        """What came back with the last byte."""
        return self._stored

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._stored is not None:
            return
        if self._sending is not None:
            self._sending.cancel()
        if self._upload is not None:
            self._bridge.start(self._upload.drop())  # nobody waits for it; if it fails, the session ends by itself

    def _settle(self) -> None:
        """Wait until the piece before has come."""
        if self._sending is not None:
            self._bridge.wait(self._sending)
            self._sending = None
