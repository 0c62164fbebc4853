"""Two modelled storages under the real sink: an object store that may not answer, and a disk that may lose power."""

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, Literal, Self, TypeVar

import google_crc32c
from model.world import World, require

from streamlake.engine.entries import FileEntry
from streamlake.engine.errors import StorageError
from streamlake.plugins.sinks.file.backends.base import OneByOne, OutcomeUnknownError, Staging, Stored

T = TypeVar("T")

Fault = Literal["before", "after", "late", "twice"] | None
"""What becomes of a call: not done; done; done later, perhaps after its caller's death; done twice. Only a call that
is done twice is answered, with the second answer."""

Pause = Callable[[], Fault]
"""Hands over to the scheduler; what becomes of the call that follows."""


class ObjectStore(OneByOne):
    """Each call is one step, and may be done without an answer, late, or twice."""

    one_process = True

    def __init__(self, world: World, pause: Pause) -> None:
        self.world = world
        self._pause = pause

    def check(self) -> None:
        """Nothing to refuse."""

    def put_if_absent(self, path: str, data: bytes, *, stage: str) -> bool:  # noqa: ARG002
        """One request with a precondition."""

        def put() -> bool:
            if path in self.world.objects:
                return False
            self.world.put(path, data)
            self.appeared(path)
            return True

        return self.change(put)

    def create(self, path: str) -> Staging:
        """One upload at `seal`."""
        return ModelStaging(self, path)

    def publish(self, file: FileEntry) -> bool:
        """One request that moves, with a precondition."""

        def move() -> bool:
            done = self.link(file)
            self.world.drop(file.staged)
            return done

        return self.change(move)

    def read(self, path: str) -> bytes | None:
        """One look."""
        return self.look(lambda: self.world.objects.get(path))

    def open(self, path: str) -> BinaryIO | None:
        """One look."""
        content = self.read(path)
        return None if content is None else io.BytesIO(content)

    def stored(self, path: str) -> Stored | None:
        """One look."""
        content = self.read(path)
        return None if content is None else Stored(len(content), f"{google_crc32c.value(content):08x}")

    def list(self, folder: str) -> list[str]:
        """One look."""
        start = f"{folder}/"
        below = self.look(lambda: [path[len(start) :] for path in self.world.objects if path.startswith(start)])
        return sorted({path.partition("/")[0] for path in below})

    def walk(self, folder: str) -> Iterator[str]:
        """No writer walks."""
        raise AssertionError(f"the protocol never walks through {folder}")

    def has_files(self, folder: str) -> bool:
        """No writer asks."""
        raise AssertionError(f"the protocol never asks for files below {folder}")

    def delete(self, path: str) -> None:
        """One request."""
        self.change(lambda: self.world.drop(path))

    def remove_folder(self, folder: str) -> None:
        """There are no folders."""

    def sync(self, path: str) -> None:
        """What was answered is durable."""

    def link(self, file: FileEntry) -> bool:
        """Give the final name, if it is not there; whether it is now."""
        objects = self.world.objects
        if file.staged in objects and file.final not in objects:
            self.world.put(file.final, objects[file.staged])
            self.appeared(file.final)
        require(len(objects.get(file.final, b"")) in (0, file.bytes), f"content: {file.final}")
        return file.final in objects

    def appeared(self, path: str) -> None:
        """A new name, durable at once."""

    def change(self, effect: Callable[[], T]) -> T:
        """A call that changes something, as luck has it."""
        fault = self._pause()
        self.world.counts[f"change {fault}"] += 1
        if fault == "late":
            self.world.late.append(effect)
        if fault in ("after", "twice"):
            effect()
        if fault in (None, "twice"):
            return effect()
        raise OutcomeUnknownError("no answer")

    def look(self, effect: Callable[[], T]) -> T:
        """A call that changes nothing, as luck has it."""
        if self._pause() == "before":
            raise OutcomeUnknownError("no answer")
        return effect()


class Disk(ObjectStore):
    """A local disk: names appear before they are durable, errors are final, and a power cut undoes what was not."""

    def put_if_absent(self, path: str, data: bytes, *, stage: str) -> bool:
        """Link, then sync the folder."""
        created = super().put_if_absent(path, data, stage=stage)
        if created:
            self.sync(path)
        return created

    def publish(self, file: FileEntry) -> bool:
        """Link, sync the folder, unlink; as in `backends/local.py`, nothing more is done when the source is gone."""

        def link() -> tuple[bool, bool]:
            source_gone = file.staged not in self.world.objects
            return source_gone, self.link(file)

        source_gone, linked = self.change(link)
        if not source_gone:
            self.sync(file.final)
            self.change(lambda: self.world.drop(file.staged))
        return linked

    def sync(self, path: str) -> None:
        """Sync the folder: all names in it are durable."""

        def fsync() -> None:
            for name in sorted(self.world.volatile):
                if name.rpartition("/")[0] == path.rpartition("/")[0]:
                    self.world.volatile.discard(name)

        self.change(fsync)

    def appeared(self, path: str) -> None:
        """A new name, not yet durable."""
        self.world.volatile.add(path)

    def change(self, effect: Callable[[], T]) -> T:
        """A call that changes something: an error, before or after it was done, is the writer's end."""
        fault = self._pause()
        if fault in ("before", "late"):
            raise StorageError("an error")
        result = effect()
        if fault == "after":
            raise StorageError("an error")
        return result

    def look(self, effect: Callable[[], T]) -> T:
        """A call that changes nothing."""
        if self._pause() == "before":
            raise StorageError("an error")
        return effect()


class ModelStaging:
    """A payload on its way to the storage."""

    def __init__(self, store: ObjectStore, path: str) -> None:
        self._store = store
        self._path = path
        self._data = bytearray()

    def write(self, data: bytes | memoryview, /) -> int:
        """Add to the payload."""
        self._data += data
        return len(data)

    def finish(self) -> None:
        """All at `seal`."""

    def stored(self) -> Stored | None:
        """One look."""
        return self._store.stored(self._path)

    def seal(self) -> None:
        """Put it under its path, durable at once: nobody looks before it is."""
        self._store.change(lambda: self._store.world.put(self._path, bytes(self._data)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass
