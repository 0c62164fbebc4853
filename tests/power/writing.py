"""A writer on a recorded disk, the small topic that it lands, and the check that ends a seed."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from model.world import RUN, SOURCE, TOPIC_ID
from model.world import Topic as ModelTopic
from model.writers import OPTIONS, small_ledgers
from power.disk import KilledError, RecordedPath, Recorder
from power.verdict import BrokenError, Told

from streamlake.engine.contracts import PartitionJob, TopicFacts
from streamlake.engine.entries import Entry, RunIdentity
from streamlake.engine.errors import LedgerDamagedError, StorageError
from streamlake.engine.operations.prove import prove
from streamlake.engine.pipeline import Path as DataPath
from streamlake.engine.pipeline import land
from streamlake.engine.records import DeadLetter
from streamlake.engine.recovery import Recovery, recover
from streamlake.plugins.sinks.file import layout
from streamlake.plugins.sinks.file.backends.local import LocalBackend
from streamlake.plugins.sinks.file.partition import FilePartitionSink
from streamlake.plugins.sinks.file.reader import FileLedger
from streamlake.plugins.sinks.file.runs import register


class Topic(ModelTopic):
    """The model's topic, with some luck in what its offsets are."""

    @classmethod
    def of(cls, luck: random.Random) -> "Topic":
        """A topic of up to a dozen offsets."""
        end = luck.randint(4, 12)
        fates = luck.choices(["landed", "hole", "refused", "skipped"], [7, 1, 1, 1], k=end)
        holes, refused, skipped = (
            frozenset(at for at in range(end) if fates[at] == fate) for fate in ("hole", "refused", "skipped")
        )
        return cls(end, holes, refused, skipped)


class Letters:
    """The dead-letter topic: what was sent stays sent, whatever becomes of the disk."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """All of them are acknowledged."""
        for letter in letters:
            self._recorder.note("mark", "sent", letter.offset)

    def close(self) -> None:
        """Nothing is open."""


def write(
    root: Path,
    topic: Topic,
    luck: random.Random,
    recorder: Recorder,
    kill_at: int | None,
    failing: Mapping[int, int] | None = None,
    *,
    before_sync: bool = False,
) -> str:
    """Let one writer work until it is killed before its `kill_at`-th call, or has finished; how it ended.

    With `before_sync` it lives until the next sync. The calls in `failing` end with an error.
    """
    recorder.begin(kill_at, failing, before_sync=before_sync)
    try:
        with small_ledgers():
            _work(RecordedPath(root), topic, luck.randint(1, 4), recorder)
    except KilledError:
        return "killed"
    except (StorageError, LedgerDamagedError) as error:
        return f"{type(error).__name__}: {error}"
    return "finished"


def _work(root: Path, topic: Topic, rows: int, recorder: Recorder) -> None:
    backend = LocalBackend(root)
    identity = RunIdentity(RUN, "p", "g", "c", {SOURCE.topic: TOPIC_ID}, {SOURCE: 0}, "2026-01-01T00:00:00+00:00")
    register(backend, identity)
    sink = FilePartitionSink(backend, PartitionJob(RUN, SOURCE, TOPIC_ID, 0, "json", "1", "json"), OPTIONS)
    letters = Letters(recorder)
    facts = TopicFacts(TOPIC_ID, 0, topic.end, None, 0.0)
    recovered, _ = recover(Recovery(SOURCE, TOPIC_ID, sink, letters, lambda: facts, "stop"))
    path = DataPath(
        decide=topic.decide,
        look=lambda _rows, _refused: None,
        sink=sink,
        confirm_topic=lambda: None,
        dead_letters=letters,
        report=lambda report: recorder.note("mark", "reported", report.entry.seq, report.entry.sha256),
        now_ms=lambda: 0,
    )
    position = recovered.next
    while position < topic.end:
        landed = land(topic.slices(position, rows), position, path)
        assert landed is not None, "a topic that has not ended gives a batch"
        position = landed.entry.next
    sink.close()


def check(root: Path, topic: Topic, told: Told) -> None:
    """Raise BrokenError unless all that was told is true, `prove` passes, and each offset is where it belongs."""
    with small_ledgers():
        ledger = FileLedger(LocalBackend(root))
        entries: list[Entry] = list(ledger.entries(RUN, SOURCE))
        proof = prove(ledger)
    if not proof.holds:
        raise BrokenError(f"prove: {proof.defects[0]}")
    for seq, sha256 in told.entries.items():
        if seq >= len(entries) or entries[seq].sha256 != sha256:
            raise BrokenError(f"lost: entry {seq} was reported, and is another one now")
    landed = [int(line) for file in _files(root, "raw") for line in file.read_bytes().splitlines()]
    wanted = set(range(topic.end)) - topic.holes - topic.skipped - topic.refused
    if sorted(landed) != sorted(wanted):
        raise BrokenError(f"landed {sorted(landed)}, wanted {sorted(wanted)}")
    if not told.letters <= topic.refused:
        raise BrokenError(f"letters of records that were not refused: {told.letters - topic.refused}")
    epoch = entries[-1].epoch
    orphans = [path for path in _files(root, layout.STAGE) if int(path.parent.name) < epoch]
    if orphans:
        raise BrokenError(f"orphans: {orphans}")


def _files(root: Path, folder: str) -> list[Path]:
    return sorted(path for path in (root / folder).rglob("*") if path.is_file())
