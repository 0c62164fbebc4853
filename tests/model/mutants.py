"""One-line mutants of the real protocol: each must break the promise in the model, or the model shows nothing."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, ModuleType

SINK = "streamlake.plugins.sinks.file"


@dataclass(frozen=True)
class Mutant:
    """`old`, which occurs exactly once in the source of `module`, becomes `new`."""

    name: str
    module: str
    old: str
    new: str

    def source(self) -> Path:
        """The file that is mutated."""
        spec = find_spec(self.module)
        assert spec is not None, f"there is no {self.module}"
        assert spec.origin is not None, f"{self.module} has no file"
        return Path(spec.origin)

    def applied(self) -> str:
        """The mutated source."""
        text = self.source().read_text()
        found = text.count(self.old)
        assert found == 1, f"mutant {self.name}: {self.old!r} occurs {found} times in {self.source().name}, not once"
        return text.replace(self.old, self.new)


MUTANTS: Sequence[Mutant] = (
    Mutant(
        "no claim: the partition is taken over as it is",
        f"{SINK}.partition",
        "self._put(claim)",
        "self._held = head.last or self._put(claim)",
    ),
    Mutant(
        "tail re-read: the writer goes on behind whatever stands there",
        f"{SINK}.partition",
        "self._put(replace(self._entry(held, held.epoch,",
        "self._put(replace(self._entry(self.head().last, held.epoch,",
    ),
    Mutant(
        "no epoch bump",
        f"{SINK}.partition",
        'self._entry(head.last, epoch + 1, "claim"',
        'self._entry(head.last, max(epoch, 1), "claim"',
    ),
    Mutant(
        "staged without the epoch",
        f"{SINK}.staging",
        "{layout.epoch_folder(job.run, job.source, epoch)}",
        "{layout.epoch_folder(job.run, job.source, 1)}",
    ),
    Mutant(
        "equal writer ids",
        f"{SINK}.partition",
        "self._writer = new_id()",
        'self._writer = "worker"',
    ),
    Mutant(
        "publish before append",
        f"{SINK}.partition",
        'entry = self._append("data", record)',
        'self._publish_files(record.files); entry = self._append("data", record)',
    ),
    Mutant(
        "append before the last publish",
        f"{SINK}.partition",
        '"only what was committed is published"\n        self._publish_files(record.files)',
        '"only what was committed is published"',
    ),
    Mutant(
        "append before the last letters are sent",
        "streamlake.engine.pipeline",
        "path.dead_letters.send(letters)",
        "pass",
    ),
    Mutant(
        "letters sent before the commit",
        "streamlake.engine.pipeline",
        "        record = stage.seal()\n",
        "        record = stage.seal(); path.dead_letters.send(letters)\n",
    ),
    Mutant(
        "recovery does not send the unsent letters",
        f"{SINK}.partition",
        "return Recovered(head.next, head.leader_epoch, letters)",
        "return Recovered(head.next, head.leader_epoch, ())",
    ),
    Mutant(
        "no roll forward",
        f"{SINK}.partition",
        "missing = self._publish_files(unfinished)\n",
        "missing: Sequence[FileEntry] = ()\n",
    ),
    Mutant(
        "roll forward looks at the newest entry only",
        f"{SINK}.ledger",
        "for entry in self.backwards(head.last):\n            if entry.kind in",
        "for entry in [head.last]:\n            if entry.kind in",
    ),
    Mutant(
        "collection of the current epoch",
        f"{SINK}.partition",
        "if epoch is None or epoch >= before_epoch:",
        "if epoch is None:",
    ),
    Mutant(
        "free space takes what the head's own epoch staged",
        f"{SINK}.partition",
        "self._drop_staged(before_epoch=epoch, keep=",
        "self._drop_staged(before_epoch=epoch + 1, keep=",
    ),
    Mutant(
        "free space takes what the last data entry names",
        f"{SINK}.partition",
        "self._drop_staged(before_epoch=epoch, keep={file.staged for file in files})",
        "self._drop_staged(before_epoch=epoch)",
    ),
    Mutant(
        "no collection",
        f"{SINK}.partition",
        "self._drop_staged(before_epoch=self._holding().epoch, keep={file.staged for file in missing})",
        "pass",
    ),
    Mutant(
        "the head is acted on before it is durable",
        f"{SINK}.partition",
        "self._ledger.make_durable(head)",
        "pass",
    ),
    Mutant(
        "no look for a segment after an append",
        f"{SINK}.ledger",
        "segment = self._segment(_folder_of(entry.seq))\n",
        "segment = None\n",
    ),
    Mutant(
        "slots go without a segment",
        f"{SINK}.ledger",
        "data = packed(lines, beat)\n            standing = put_settled(self._backend, path, data,"
        " stage=stage, wait=wait)",
        "standing = data = packed(lines, beat)",
    ),
    Mutant(
        "slots go before the segment is durable",
        f"{SINK}.ledger",
        "self._backend.sync(path)\n        slots",
        "slots",
    ),
    Mutant(
        "nobody looks for a segment after reading slots",
        f"{SINK}.ledger",
        "            if self._segment(folder) is None:\n                if len(found)",
        "            if True:\n                if len(found)",
    ),
    Mutant(
        "no read-back: unknown is failed",
        f"{SINK}.backends.base",
        "standing = _read_back(backend, path)",
        'return b""',
    ),
    Mutant(
        "no read-back: unknown is done",
        f"{SINK}.backends.base",
        "standing = _read_back(backend, path)",
        "return data",
    ),
    Mutant(
        "delete on unknown",
        f"{SINK}.backends.base",
        "standing = _read_back(backend, path)",
        "standing = backend.delete(path)",
    ),
    Mutant(
        "exists is lost: the bytes are not compared",
        f"{SINK}.backends.base",
        "standing = backend.read(path)\n",
        'return b""\n',
    ),
    Mutant(
        "exists is won: the bytes are not compared",
        f"{SINK}.backends.base",
        "standing = backend.read(path)\n",
        "return data\n",
    ),
    Mutant(
        "slot used again with other content",
        f"{SINK}.backends.base",
        "if backend.put_if_absent(path, data, stage=stage):",
        'again = data.replace(b\'"fingerprint":"\', b\'"fingerprint":"\' + b"x" * attempt)\n'
        "            if backend.put_if_absent(path, again, stage=stage):",
    ),
)


def install(mutant: Mutant) -> None:
    """Put the mutant in place of the real module; call it before anything of the sink is imported."""
    assert mutant.module not in sys.modules, f"{mutant.module} was imported before it could be mutated"
    sys.meta_path.insert(0, _Finder(mutant.module, mutant.source(), mutant.applied()))


class _Finder(MetaPathFinder):
    def __init__(self, module: str, path: Path, text: str) -> None:
        self._module = module
        self._path = path
        self._text = text

    def find_spec(self, fullname: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != self._module:
            return None
        return ModuleSpec(fullname, _Loader(fullname, str(self._path), self._text), origin=str(self._path))


class _Loader(SourceFileLoader):
    def __init__(self, module: str, path: str, text: str) -> None:
        super().__init__(module, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        return compile(self._text, self.path, "exec")
