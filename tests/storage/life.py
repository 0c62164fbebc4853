"""A writer's whole life on a root, small enough to be broken at each of its requests: what it lands, and the check.

The ledger's folders hold three entries, so that one life also folds. All of it is the real code but the topic.
"""

import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from model.world import RUN, SOURCE, TOPIC_ID, Topic
from model.writers import small_ledgers
from storage.disk_faults import broken_disk

from streamlake.engine.contracts import PartitionJob, TopicFacts
from streamlake.engine.entries import Entry, RunIdentity
from streamlake.engine.errors import StreamLakeError
from streamlake.engine.operations.prove import prove
from streamlake.engine.pipeline import Path as DataPath
from streamlake.engine.pipeline import land
from streamlake.engine.records import DeadLetter
from streamlake.engine.recovery import Recovery, recover
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.base import Backend
from streamlake.plugins.sinks.file.backends.gcs import backend as _imported_once  # noqa: F401  (takes longer than a life)
from streamlake.plugins.sinks.file.backends.registry import backend_of
from streamlake.plugins.sinks.file.options import FileSinkOptions
from streamlake.plugins.sinks.file.partition import FilePartitionSink
from streamlake.plugins.sinks.file.reader import FileLedger
from streamlake.plugins.sinks.file.runs import register

TOPIC = Topic(end=9, holes=frozenset({3}), refused=frozenset({1, 5}), skipped=frozenset({7}))

UNPUBLISHED = 4
"""The offset that the writer before has committed and not published; what it staged after that is to be collected."""

LEDGER = f"_ledger/{RUN}/{SOURCE.topic}/{SOURCE.partition:05d}"
STAGED = f"_stage/{RUN}/{SOURCE.topic}/{SOURCE.partition:05d}"
RAW = f"raw/{SOURCE.topic}/"

CLAIM_SEQ, COMMIT_SEQ, CLOSE_SEQ = 6, 8, 11
"""Where the second writer claims, where it commits offset PUBLISHED, and where it closes, if nothing is in its way."""
PUBLISHED = 6

OPTIONS = {"format": "jsonl", "columns": "value", "compression": "none", "partition_by": "none"}


@dataclass(frozen=True)
class Root:
    """Where a life happens: `gcs` has the options of a bucket, None is a folder."""

    url: str
    gcs: Mapping[str, object] | None = None

    def backend(self) -> Backend:
        """A backend of its own."""
        return backend_of(self.url, base_dir=Path("/"), gcs=self.gcs)


class Letters:
    """The dead-letter topic: whoever sends to it is heard."""

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """All of them are acknowledged."""

    def close(self) -> None:
        """Nothing is open."""


def prepare(root: Root) -> None:
    """What a writer leaves that was killed after a commit, with the next batch staged; within `small_ledgers`."""
    sink, path, position = _begun(root.backend())
    while position < UNPUBLISHED:
        landed = land(TOPIC.slices(position, 1), position, path)
        assert landed is not None
        position = landed.entry.next
    with sink.stage() as stage:
        part = TOPIC.read(UNPUBLISHED, 1)
        stage.add(part, TOPIC.decide(part), [])
        sink.commit(stage.seal())
    left = sink._stager.create(1)
    left.out.write(b"a batch that was not committed\n")
    left.seal()


def live(pipe: Connection, root: Root, disk: Path | None) -> None:
    """A process's main function: work to the end, and say how it was. `disk` says how a folder's disk is broken."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable()
    with ExitStack() as stack:
        stack.enter_context(small_ledgers())
        if disk is not None and disk.exists():
            stack.enter_context(broken_disk(disk))
        try:
            sink, path, position = _begun(root.backend())
            while position < TOPIC.end:
                landed = land(TOPIC.slices(position, 1), position, path)
                assert landed is not None
                position = landed.entry.next
            sink.close()
        except StreamLakeError as error:
            pipe.send(f"{error}")
        else:
            pipe.send("")
    os._exit(0)


def _begun(backend: Backend) -> tuple[FilePartitionSink, DataPath, int]:
    register(backend, RunIdentity(RUN, "p", "g", "c", {SOURCE.topic: TOPIC_ID}, {SOURCE: 0}, "2026-01-01T00:00:00Z"))
    options = FileSinkOptions.parse({"root": "given", **OPTIONS})
    sink = FilePartitionSink(backend, PartitionJob(RUN, SOURCE, TOPIC_ID, 0, "json", "1", "json"), options)
    letters, facts = Letters(), TopicFacts(TOPIC_ID, 0, TOPIC.end, None, 0.0)
    recovered, _ = recover(Recovery(SOURCE, TOPIC_ID, sink, letters, lambda: facts, "stop"))
    path = DataPath(
        decide=TOPIC.decide,
        look=lambda _rows, _refused: None,
        sink=sink,
        confirm_topic=lambda: None,
        dead_letters=letters,
        report=lambda _entry: None,
        now_ms=lambda: 0,
    )
    return sink, path, recovered.next


def faults_of(root: Root) -> list[str]:
    """What does not hold at the end: lost, doubled, left behind, or found by `prove`; within `small_ledgers`."""
    backend = root.backend()
    ledger = FileLedger(backend)
    proof = prove(ledger)
    entries: list[Entry] = list(ledger.entries(RUN, SOURCE))
    found = [f"prove: {defect}" for defect in proof.defects[:3]]
    landed = sorted(_landed(backend))
    wanted = sorted(set(range(TOPIC.end)) - TOPIC.holes - TOPIC.refused - TOPIC.skipped)
    if landed != wanted:
        found.append(f"landed {landed}, wanted {wanted}")
    if entries[-1].kind != "close" or entries[-1].next != TOPIC.end:
        found.append(f"the ledger ends with {entries[-1].kind} at {entries[-1].next}")
    epoch = entries[-1].epoch
    left = [path for path in backend.walk(STAGED) if int(path.removeprefix(f"{STAGED}/").split("/")[0]) < epoch]
    found += [f"left behind: {path}" for path in left]
    return found


def _landed(backend: Backend) -> Iterator[int]:
    for path in backend.walk(RAW.rstrip("/")):
        content = backend.read(path)
        assert content is not None, "nobody writes any more"
        yield from map(int, content.splitlines())


def slot(seq: int) -> str:
    """The path of an entry, with folders of three."""
    return f"{LEDGER}/{seq // 3:08d}/{seq:012d}.json"


assert layout.RUNS == "_runs", "the steps name its paths"
