"""A disk that can lose its power: the local backend's calls are recorded, and any state that POSIX allows is built.

What POSIX promises (IEEE 1003.1, fsync): a file's bytes are safe once the file was synced, a name (created, linked,
unlinked) once its folder was. Until then each of them may be there or not after a crash, in any combination; only the
changes of one name come in order. File systems do better most of the time, and nobody may build on that.
"""

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path, PosixPath
from typing import Any
from unittest.mock import patch

from streamlake.plugins.sinks.file.backends import local

Operation = tuple[Any, ...]
"""`("write", path, data)` and the like; `("mark", …)` is what the writer told somebody outside of the disk."""


class KilledError(BaseException):
    """kill -9: nothing of the process happens any more, no clean-up either."""


class Recorder:
    """Does what a writer asks for, and writes it down.

    `kill_at` ends the writer before its so-and-so-many-th call, or with `before_sync` before the next sync from there:
    where names are there and may go, which is the moment that matters most. Those in `failing` end with an error
    number, each with its own; `kinds` says what each call of this writer was.
    """

    def __init__(self) -> None:
        self.log: list[Operation] = []
        self.kinds: list[str] = []
        self.failing: dict[int, int] = {}
        self._kill_at: int | None = None
        self._before_sync = self._dead = False

    def begin(
        self, kill_at: int | None, failing: Mapping[int, int] | None = None, *, before_sync: bool = False
    ) -> None:
        """A new writer."""
        self._dead, self._kill_at, self._before_sync = False, kill_at, before_sync
        self.kinds, self.failing = [], dict(failing or {})

    def step(self, kind: str) -> None:
        """Before each call. Raises KilledError for the dead, OSError for a call that fails."""
        self.kinds.append(kind)
        if self._dead or self._is_time_to_die(kind):
            self._dead = True
            raise KilledError
        if number := self.failing.get(len(self.kinds)):
            raise OSError(number, os.strerror(number))

    def _is_time_to_die(self, kind: str) -> bool:
        if self._kill_at is None:
            return False
        if self._before_sync:
            return kind == "fsync" and len(self.kinds) >= self._kill_at
        return len(self.kinds) == self._kill_at

    def note(self, *operation: Any) -> None:
        """A call that was done."""
        self.log.append(operation)


recorder = Recorder()
"""Of this process: a path knows no other way to it."""


class RecordedPath(PosixPath):
    """A path whose changes are recorded; all paths made from it are, too."""

    def open(self, mode: str = "r", buffering: int = -1, *_: Any, **__: Any) -> Any:
        """Files that are created are recorded, with what is written to them."""
        if "x" not in mode:
            return super().open(mode, buffering)
        recorder.step("create")
        file = super().open("xb", buffering=0)
        recorder.note("create", str(self))
        return RecordedFile(file, str(self))

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """A new folder; one that stands there is none."""
        recorder.step("mkdir")
        stood = self.exists()
        super().mkdir(mode, parents, exist_ok)
        if not stood:
            recorder.note("mkdir", str(self))

    def unlink(self, missing_ok: bool = False) -> None:
        """A name goes."""
        recorder.step("unlink")
        stood = self.exists()
        super().unlink(missing_ok)
        if stood:
            recorder.note("unlink", str(self))

    def rmdir(self) -> None:
        """A folder goes."""
        recorder.step("rmdir")
        super().rmdir()
        recorder.note("unlink", str(self))


class RecordedFile:
    """A staged file."""

    def __init__(self, file: FileIO, path: str) -> None:
        self.fileno, self.close = file.fileno, file.close
        self._file, self._path = file, path

    def write(self, data: memoryview) -> int:
        """Some of the data, as a write may."""
        recorder.step("write")
        written = self._file.write(data)
        recorder.note("write", self._path, bytes(data[:written]))
        return written


class RecordedOs:
    """The module `os` as the local backend sees it. A sync is written down, and not done: power is cut on paper."""

    def link(self, source: Path, target: Path) -> None:
        """A second name."""
        recorder.step("link")
        os.link(source, target)
        recorder.note("link", str(source), str(target))

    def fsync(self, descriptor: int) -> None:
        """Of a file or of a folder."""
        recorder.step("fsync")
        recorder.note("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


@contextmanager
def recording() -> Iterator[Recorder]:
    """The local backend on recorded paths."""
    with patch.object(local, "os", RecordedOs()):
        yield recorder


@dataclass(eq=False)
class Node:
    """A file, or a folder (its `data` is None). `synced` is what of a file's bytes is safe."""

    data: bytes | None
    synced: bytes = b""


@dataclass
class Disk:
    """What the recorded calls made of a disk on which all of `root` was safe in the beginning."""

    root: str
    names: dict[str, Node] = field(default_factory=dict)
    safe: dict[str, dict[str, Node]] = field(default_factory=dict)  # by folder: the names that its last sync saw
    unsafe: dict[str, list[tuple[str, Node | None]]] = field(default_factory=dict)  # by folder: changes since

    @classmethod
    def of(cls, root: Path) -> "Disk":
        """A root as it lies there."""
        disk = cls(str(root), {str(root): Node(None)})
        inodes: dict[int, Node] = {}
        for path in sorted(Path(root).rglob("*")):
            data = None if path.is_dir() else path.read_bytes()
            node = inodes.setdefault(path.stat().st_ino, Node(data, data or b""))
            disk.names[str(path)] = node
            disk.safe.setdefault(str(path.parent), {})[path.name] = node
        return disk

    def do(self, operation: Operation) -> None:
        """One recorded call."""
        match operation:
            case ("create", path):
                self._change(path, Node(b""))
            case ("mkdir", path):
                self._change(path, Node(None))
            case ("link", source, target):
                self._change(target, self.names[source])
            case ("unlink", path):
                self._change(path, None)
            case ("write", path, data):
                node = self.names[path]
                node.data = (node.data or b"") + data
            case ("fsync", path):
                self._sync(path)

    def crashed(self, luck: random.Random) -> dict[str, Node]:
        """What is found after a power cut: each name with its node; `data` is what is left of a file."""
        keep = luck.choice([0.0, 0.5, 0.5, 1.0])
        found: dict[str, Node] = {}
        left: dict[int, Node] = {}
        folders = [self.root]
        while folders:
            folder = folders.pop()
            for name, node in self._names_left(folder, luck, keep).items():
                path = f"{folder}/{name}"
                found[path] = left.setdefault(id(node), Node(_bytes_left(node, luck)))
                if node.data is None:
                    folders.append(path)
        return found

    def _names_left(self, folder: str, luck: random.Random, keep: float) -> dict[str, Node]:
        names: dict[str, Node | None] = dict(self.safe.get(folder, {}))
        changes: dict[str, list[Node | None]] = {}
        for name, node in self.unsafe.get(folder, []):
            changes.setdefault(name, []).append(node)
        for name, nodes in sorted(changes.items()):
            done = sum(luck.random() < keep for _ in nodes)
            if done:
                names[name] = nodes[done - 1]
        return {name: node for name, node in sorted(names.items()) if node is not None}

    def _change(self, path: str, node: Node | None) -> None:
        folder, _, name = path.rpartition("/")
        if node is None:
            del self.names[path]
        else:
            self.names[path] = node
        self.unsafe.setdefault(folder, []).append((name, node))

    def _sync(self, path: str) -> None:
        node = self.names.get(path.removesuffix(" (deleted)"))
        if node is None:
            return  # a file without a name: nobody will find it
        if node.data is not None:
            node.synced = node.data
            return
        below = (name for name in self.names if name.rpartition("/")[0] == path)
        self.safe[path] = {name.rpartition("/")[2]: self.names[name] for name in below}
        self.unsafe.pop(path, None)


def _bytes_left(node: Node, luck: random.Random) -> bytes | None:
    """What a crash leaves of a file: its synced bytes, all, some of them, or a length without content."""
    if node.data is None or node.data == node.synced:
        return node.data
    torn = node.data[: luck.randint(len(node.synced), len(node.data))]
    return luck.choice([node.synced, node.data, torn, node.synced + bytes(len(node.data) - len(node.synced))])


def rebuild(found: dict[str, Node], old_root: str, new_root: Path) -> None:
    """Write what was found after a crash below another root; one file with two names stays one."""
    first: dict[int, Path] = {}
    new_root.mkdir()
    for path, node in sorted(found.items()):
        target = new_root / Path(path).relative_to(old_root)
        if node.data is None:
            target.mkdir()
        elif id(node) in first:
            os.link(first[id(node)], target)
        else:
            target.write_bytes(node.data)
            first[id(node)] = target


def replayed(root: Path, before: Disk, log: Sequence[Operation]) -> Disk:
    """The disk after `log`, from the state that `before` was taken of."""
    for operation in log:
        before.do(operation)
    assert before.root == str(root)
    return before
