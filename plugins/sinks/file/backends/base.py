"""What the sink asks of a storage: one small class per backend, each run through the same conformance suites.

A new storage is a class with the calls of `Backend` and a line in `registry.py`. What it must give, beside files:

- **Exclusive creation**: of all writers on all hosts that create one name at once, exactly one succeeds, and the name
  has the whole content from the first moment. The commit rests on this alone.
- **Reads that see every finished write** of anybody, listings too.
- **A rename, or a copy and a delete, that can be repeated**, and that never overwrites other bytes.
- **Size and crc32c as the storage has them**, not as they were sent.
- **Whatever returned is durable**; whatever got no answer is asked again until it is clear, or raises
  OutcomeUnknownError: never a guess.

It has to pass `tests/sinks/test_backends.py` (the calls one by one, and many writers and processes at once), and on top
of it the public suite of sinks, `streamlake.engine.testing.check_sink`, in `tests/testing/test_sinks.py`: both take
another backend as one more parameter.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol, Self

from streamlake.engine.codes.storage import NO_ANSWER
from streamlake.engine.contracts import Beat
from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import StorageError
from streamlake.engine.failpoints import failpoint

Wait = Callable[[float], None]
"""Waits for some seconds and tells the supervisor meanwhile that the main loop is alive."""

Told = Callable[[str | None], None]
"""Is told why the storage is waited for, once for each wait, and None when it answers again."""


class OutcomeUnknownError(StorageError):
    """No answer came: it was done, was not, or will be done later. Only reading back tells (DESIGN §5.5)."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the storage says of a file that it holds."""

    bytes: int
    crc32c: str  # 8 hexadecimal digits


class Staging(Protocol):
    """One payload on its way to a staged path. Without `seal`, leaving the `with` drops it."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Add to the payload; the number of bytes added."""

    def finish(self) -> None:
        """No more comes: begin to make the payload durable. Others may be finished before this one is sealed."""

    def seal(self) -> None:
        """Make the whole payload durable under its path, where it appears at once or not at all."""

    def stored(self) -> Stored | None:
        """What the storage has under that path after `seal`, by its own word."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class Backend(Protocol):
    """A root. All paths are relative to it, made by `layout`; folders need not exist before they are written to.

    Every call raises StorageError when the storage refuses, OutcomeUnknownError when no answer came. What returned
    is durable. Reading calls see all that any writer finished before (no listing cache).
    """

    one_process: bool
    """True when the root lives in this process's memory."""

    def serve(self, beat: Beat, told: Told) -> None:
        """Work for a partition from now on: `beat` at least once a second while waiting, tell of each wait."""

    def begin_batch(self) -> None:
        """A batch begins: what is spent on waiting for the storage is counted from here."""

    def check(self) -> None:
        """Refuse a root on which exclusive creation does not hold. Raises ConfigError."""

    def probe(self) -> Sequence[str]:
        """Try what landing needs; a sentence for each thing that does not work. Leaves nothing behind."""

    def put_if_absent(self, path: str, data: bytes, *, stage: str) -> bool:
        """Create `path` with `data`, whole or not at all, if nothing stands there; False when something does.

        Of any number of racing writers on any number of hosts exactly one gets True. `stage` is a folder for
        temporary files; what a crash leaves there is collected with it.
        """

    def create(self, path: str) -> Staging:
        """Start a payload for `path`, a name that was never used before."""

    def publish(self, file: FileEntry) -> bool:
        """Give the staged file its final name; can be repeated, also by several writers at once.

        True when the final name holds the bytes `file` describes, False when neither name exists. Raises
        StorageError when other bytes stand under the final name.
        """

    def publish_all(self, files: Sequence[FileEntry]) -> Sequence[bool]:
        """`publish` of each, in any order."""

    def read(self, path: str) -> bytes | None:
        """The whole content; None when nothing stands there."""

    def read_all(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        """`read` of each, in any order."""

    def open(self, path: str) -> BinaryIO | None:
        """A seekable reader of a file that is never written again; None when nothing stands there."""

    def stored(self, path: str) -> Stored | None:
        """Size and checksum as the storage has them; None when nothing stands there."""

    def list(self, folder: str) -> list[str]:
        """The names directly below `folder`, ascending; none when there is no such folder."""

    def walk(self, folder: str) -> Iterator[str]:
        """The paths of all files below `folder`, in no particular order."""

    def has_files(self, folder: str) -> bool:
        """Whether there is a file below a folder that `list` has shown: one may stand empty where folders are made."""

    def delete(self, path: str) -> None:
        """Remove a file; fine when it is gone."""

    def delete_all(self, paths: Sequence[str]) -> None:
        """`delete` of each, in any order."""

    def remove_folder(self, folder: str) -> None:
        """Remove a folder if it is empty; nothing where storages have no folders."""

    def sync(self, path: str) -> None:
        """Make durable that `path` exists, whoever created it."""


class OneByOne(ABC):
    """What a backend whose calls are quick need not write: many at once are one after the other, and none waits."""

    _beat: Beat = staticmethod(lambda: None)

    @abstractmethod
    def publish(self, file: FileEntry) -> bool:
        """Of one file."""

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """Of one file."""

    @abstractmethod
    def walk(self, folder: str) -> Iterator[str]:
        """All files below a folder, as they are come upon."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Of one file."""

    def has_files(self, folder: str) -> bool:
        """Look for the first one."""
        return next(iter(self.walk(folder)), None) is not None

    def serve(self, beat: Beat, told: Told) -> None:  # noqa: ARG002  (there is no wait to tell of)
        """Beat between the calls."""
        self._beat = beat

    def begin_batch(self) -> None:  # noqa: B027  (most have nothing to do)
        """Nothing is counted."""

    def probe(self) -> Sequence[str]:
        """`check` has said it all."""
        return ()

    def publish_all(self, files: Sequence[FileEntry]) -> Sequence[bool]:
        """One after the other."""
        published = []
        for index, file in enumerate(files):
            if index:
                failpoint("between_publish_files")
            self._beat()
            published.append(self.publish(file))
        return published

    def read_all(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        """One after the other."""
        return [self.read(path) for path in paths]

    def delete_all(self, paths: Sequence[str]) -> None:
        """One after the other."""
        for path in paths:
            self._beat()
            self.delete(path)


PUT_ATTEMPTS = 6


def put_settled(backend: Backend, path: str, data: bytes, *, stage: str, wait: Wait) -> bytes:
    """Put `data` at `path` unless something stands there; the bytes that stand there now.

    Unknown is not failed: without a clear answer the path is read back. Equal bytes are ours, other bytes another
    writer's; when it is absent the *same* bytes are tried again, for a put that is still on its way may yet land.
    Nothing is ever deleted. Raises StorageError when no answer comes: then the outcome is still unknown, and whoever
    writes to this path next finds out.
    """
    for attempt in range(PUT_ATTEMPTS):
        try:
            if backend.put_if_absent(path, data, stage=stage):
                return data
            standing = backend.read(path)
        except OutcomeUnknownError:
            standing = _read_back(backend, path)
        if standing is not None:
            return standing
        wait(min(0.1 * 2**attempt, 5.0))
    raise StorageError(
        f"the storage gave no answer for {path} in {PUT_ATTEMPTS} attempts; it may hold it or not", code=NO_ANSWER
    )


def sweep(backend: Backend, stage: str) -> None:
    """Delete what writers that died before their put was done have left in the folder `stage` of theirs.

    Whoever still means to put one that is deleted here puts it again (`put_settled`), or finds its path taken.
    """
    backend.delete_all([f"{stage}/{name}" for name in backend.list(stage) if name.endswith(".tmp")])


def _read_back(backend: Backend, path: str) -> bytes | None:
    """What stands at `path`; None also when this, too, gets no answer."""
    try:
        return backend.read(path)
    except OutcomeUnknownError:
        return None


def waiting(beat: Beat) -> Wait:
    """A wait in slices of half a second with a `beat` before each."""

    def wait(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            beat()
            time.sleep(min(left, 0.5))

    return wait
