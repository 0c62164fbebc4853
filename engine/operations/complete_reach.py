"""How far a partition has come in records' time: what its ledger says, and what the broker still has."""

from dataclasses import dataclass
from datetime import UTC, datetime

from streamlake.engine.contracts import Ledger, TopicFacts
from streamlake.engine.entries import Entry, FileEntry, RunIdentity
from streamlake.engine.generations import generations
from streamlake.engine.operations.complete_types import Passed, Position, Waiting
from streamlake.engine.operations.ledger_search import committed_at
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.records import TopicPartition

NEWEST_ENTRIES = 16
"""Among how many of a ledger's newest entries the latest record is looked for."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a partition is, as readers see it. `reached_ms` is the time of the latest record of its newest entries.

    A time that lay in the future when the record was committed is a producer's broken clock, and says nothing.
    """

    source: TopicPartition
    topic_id: str | None
    position: Position
    reached_ms: int | None = None
    committed_at: str | None = None

    def passes(self, until_ms: int, facts: TopicFacts | None, end: int | None, asked_at: datetime) -> Passed | Waiting:
        """Whether the partition is past `until_ms`.

        `facts` and `end` (of undecided transactions, too) are what the broker said, asked at `asked_at` or later, which
        is past that time itself.
        """
        if facts is not None and self.topic_id not in (None, facts.topic_id):
            return self._waits(f"the topic was made anew: the ledger is of topic id {self.topic_id}", facts)
        if self.reached_ms is not None and self.reached_ms >= until_ms:
            return Passed(self.position, "record", _iso(self.reached_ms))
        if facts is None or end is None:
            return self._waits("the broker does not say where it ends", None)
        if self.position.next >= end:
            return Passed(self.position, "end", asked_at.isoformat(timespec="milliseconds"))
        left = facts.high - self.position.next
        if left <= 0:
            return self._waits(f"what was written from {facts.high} on belongs to an undecided transaction", facts)
        offsets = "offset has" if left == 1 else "offsets have"
        return self._waits(f"{left:,} {offsets} not landed, and no record of {_iso(until_ms)} or later has", facts)

    def _waits(self, why: str, facts: TopicFacts | None) -> Waiting:
        return Waiting(
            source=self.source,
            why=why,
            next=self.position.next,
            end=facts.high if facts else None,
            reached=None if self.reached_ms is None else _iso(self.reached_ms),
            since=self.committed_at,
        )


def reach_of(lineage: Lineage, source: TopicPartition) -> Reach | None:
    """How far the live run is; None where none has begun with that partition. Raises LedgerDamagedError."""
    for run in reversed(generations(lineage.runs)):
        if source in lineage.ledger.partitions(run.run):
            return _by_ledger(lineage, run, source)
        start = run.start_of(source)
        if start is not None:
            return Reach(source, run.topic_ids.get(source.topic), Position(run.run, -1, "", start, 0))
    return None


def _by_ledger(lineage: Lineage, run: RunIdentity, source: TopicPartition) -> Reach:
    ledger = lineage.ledger
    head = ledger.head(run.run, source)
    newest = list(ledger.entries(run.run, source, max(0, head.seq + 1 - NEWEST_ENTRIES)))
    seen = newest if _published(ledger, lineage.placed(run, newest[-1])) else newest[:-1]
    last = seen[-1]
    times = [ms for entry in seen for file in entry.files if (ms := _believed_ms(entry, file)) is not None]
    committed = [entry.committed_at for entry in seen if entry.kind == "data"]
    return Reach(
        source=source,
        topic_id=last.topic_id,
        position=Position(run.run, last.seq, last.sha256, last.next, last.totals.gaps),
        reached_ms=max(times, default=None),
        committed_at=committed[-1] if committed else last.totals.committed_at or None,
    )


def _published(ledger: Ledger, entry: Entry) -> bool:
    """Whether readers see what the newest entry landed. What came before it they do: it was appended after that."""
    facts = (ledger.inspect(file, checksum=False) for file in entry.files)
    return all(one is not None and one.published for one in facts)


def _believed_ms(entry: Entry, file: FileEntry) -> int | None:
    """The latest time in a file that had come when it was committed."""
    at_ms = committed_at(entry).timestamp() * 1000
    times = (file.timestamp_ms_max, file.timestamp_ms_min)
    return next((ms for ms in times if ms is not None and ms <= at_ms), None)


def _iso(timestamp_ms: int) -> str:
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")
