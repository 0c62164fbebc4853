"""What readers of a root see, run by run: which offsets of which ledger stand, and where their files lie now.

A live generation takes over from the one before it at an offset; one that promotes a replay takes over that one's rows
for its range. What it takes over from is superseded: its ledger stays as it is and provable, its files lie in
`superseded/<run>/`. All of this follows from the run files alone (`RunIdentity`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, FileEntry, RunIdentity, Totals
from streamlake.engine.generations import FIRST, backfills, generations
from streamlake.engine.names import SUPERSEDED
from streamlake.engine.operations.ledger_search import committed_since, first_seq_where, reaches
from streamlake.engine.operations.spans import Span, merged, without
from streamlake.engine.records import OffsetRange, TopicPartition

NO_END = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Part:
    """What a run adds to a partition as readers see it: from `first` up to `next`, as far as its ledger goes.

    `takes_over`: what was there before in this range is superseded.
    """

    run: RunIdentity
    topic_id: str | None
    first: int
    next: int
    takes_over: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """Offsets of one ledger that stand, and are there."""

    run: RunIdentity
    topic_id: str | None
    range: OffsetRange


@dataclass
class Lineage:
    """The runs of one root, read once. Of each question the answer is as new as the ledgers that it reads."""

    ledger: Ledger
    given: Sequence[RunIdentity] | None = None

    @cached_property
    def runs(self) -> Sequence[RunIdentity]:
        """All runs of the root, unless they were given. Raises LedgerDamagedError."""
        return self.ledger.runs() if self.given is None else self.given

    @cached_property
    def visible_runs(self) -> Sequence[RunIdentity]:
        """Those whose rows readers see under `raw/`: backfills, generations, and replays that these took over."""
        adopted = {run.adopts for run in self.runs}
        return [run for run in self.runs if not run.output or run.run in adopted]

    @cached_property
    def generations(self) -> Sequence[RunIdentity]:
        """The live ones, the first one first."""
        return generations(self.runs)

    def adopted_before(self, newest: RunIdentity) -> Sequence[RunIdentity]:
        """The replays that generations before this one took over."""
        names = {run.adopts for run in self.generations if run.run != newest.run}
        return [run for run in self.runs if run.run in names]

    @cached_property
    def backfills(self) -> Sequence[RunIdentity]:
        """Bounded runs whose rows lie beside those of the live run."""
        return backfills(self.runs)

    @cached_property
    def changing(self) -> str:
        """The newest generation while its change is not finished, as a sentence's subject; "" else.

        Any engine finishes the change before a worker of it claims anything (`generation_change.py`).
        """
        newest = self.generations[-1] if self.generations else None
        if newest is None or newest.run == FIRST or self.ledger.partitions(newest.run):
            return ""
        return f"the change to {newest.run}"

    def sources(self) -> Sequence[TopicPartition]:
        """The partitions of which anything has landed for readers, ascending."""
        return sorted({source for run in self.visible_runs for source in self.ledger.partitions(run.run)})

    def parts(self, source: TopicPartition) -> Sequence[Part]:
        """What each run adds to a partition, each after those that it may supersede."""
        known = {run.run: run for run in self.runs}
        found = [_bounded(run, source, takes_over=False) for run in self.backfills]
        for run in self.generations:
            if run.adopts in known:
                found.append(_bounded(known[run.adopts], source, takes_over=True))
            start = run.start_of(source)
            topic_id = run.topic_ids.get(source.topic) or self._topic_id(run, source)
            # Without a start of its own it goes on where the one before it has ended.
            later = start is not None and any(part.run.run != run.run and not part.run.ends for part in found if part)
            found.append(Part(run, topic_id, start or 0, NO_END, takes_over=later))
        return [part for part in found if part is not None]

    def begins(self, live: RunIdentity, source: TopicPartition, topic_id: str) -> int | None:
        """Where a live generation begins in a partition of that topic, as its run file or its ledger says."""
        if live.topic_ids.get(source.topic, topic_id) != topic_id:
            return None
        start = live.start_of(source)
        if start is not None or source not in self.ledger.partitions(live.run):
            return start
        head = self.ledger.head(live.run, source)
        return head.first if head.topic_id == topic_id else None

    def overtaken(self, backfill: RunIdentity) -> bool:
        """Whether a live generation lands some of a backfill's offsets itself: then the backfill lands no more.

        A first one that was begun at the same moment may, and one that an operator has begun since.
        """
        return any(
            backfill.starts[source] < end and begins < end
            for source, end in backfill.ends.items()
            for live in self.generations
            if (begins := self.begins(live, source, backfill.topic_ids[source.topic])) is not None
        )

    def _topic_id(self, run: RunIdentity, source: TopicPartition) -> str | None:
        """Of a topic that came to the pipeline after the run had begun: only its ledger says."""
        known = source in self.ledger.partitions(run.run)
        return self.ledger.head(run.run, source).topic_id if known else None

    def superseded(self, run: str, source: TopicPartition) -> Sequence[Span]:
        """The offsets of a run that others have taken over from it."""
        parts = self.parts(source)
        mine = next((index for index, part in enumerate(parts) if part.run.run == run), None)
        if mine is None:
            return ()
        later = parts[mine + 1 :]
        spans = [(part.first, part.next) for part in later if part.takes_over and part.topic_id == parts[mine].topic_id]
        return merged(spans)

    def pieces(self, source: TopicPartition) -> Sequence[Piece]:
        """What stands of a partition, and is there: topic by topic as they were made, in offset order."""
        found: list[Piece] = []
        for part in self.parts(source):
            if source not in self.ledger.partitions(part.run.run):
                continue
            head = self.ledger.head(part.run.run, source)
            if head.last is None:
                continue
            there = [(max(head.first, part.first), min(head.next, part.next))]
            stands = without(there, self.superseded(part.run.run, source)) if there[0][0] < there[0][1] else []
            found += [Piece(part.run, part.topic_id, OffsetRange(*span)) for span in stands]
        topics = list(dict.fromkeys(piece.topic_id for piece in found))
        return sorted(found, key=lambda piece: (topics.index(piece.topic_id), piece.range))

    def totals(self, source: TopicPartition) -> Totals:
        """What stands of a partition, summed up from the totals that entries say."""
        found = Totals()
        for piece in self.pieces(source):
            run, span = piece.run.run, piece.range
            found += self._totals_up_to(run, source, span.next) - self._totals_up_to(run, source, span.first)
        return found

    def _totals_up_to(self, run: str, source: TopicPartition, offset: int) -> Totals:
        """The totals of the entries below an offset, at which one ends."""
        head = self.ledger.head(run, source)
        if head.last is None or offset >= head.next:
            return head.last.totals if head.last else Totals()
        seq = first_seq_where(self.ledger, run, source, reaches(offset), seq_end=head.seq + 1)
        return next(iter(self.ledger.entries(run, source, seq - 1))).totals if seq else Totals()

    def entries(
        self, source: TopicPartition, within: OffsetRange | None = None, since: datetime | None = None
    ) -> Iterator[Entry]:
        """The data and gap entries that stand, in offset order, each file under the name where it lies now."""
        for piece in self.pieces(source):
            span = piece.range if within is None else piece.range.overlap(within)
            if not span:
                continue
            run = piece.run.run
            first_seq = first_seq_where(self.ledger, run, source, reaches(span.first))
            if since is not None:
                first_seq = max(first_seq, first_seq_where(self.ledger, run, source, committed_since(since)))
            for entry in self.ledger.entries(run, source, first_seq):
                if entry.first >= span.next:
                    break
                if entry.kind in ("data", "gap"):
                    yield self.placed(piece.run, entry)

    def placed(self, run: RunIdentity, entry: Entry) -> Entry:
        """The entry with each of its files under the name that it has by now."""
        if not entry.files:
            return entry
        return replace(entry, files=tuple(replace(file, final=self._name(run, entry, file)) for file in entry.files))

    def names(self, run: RunIdentity, file: FileEntry) -> Sequence[str]:
        """All names that a file may have, in the order in which it gets them; the first is that of its commit."""
        name = _below_output(run, file)
        return [file.final, name, f"{SUPERSEDED}/{run.run}/{name}"]

    def _name(self, run: RunIdentity, entry: Entry, file: FileEntry) -> str:
        own, readers, superseded = self.names(run, file)
        if run not in self.visible_runs:
            return own
        stands = without([(entry.first, entry.next)], self.taken_over(run, entry.source))
        return readers if stands else superseded

    def taken_over(self, run: RunIdentity, source: TopicPartition) -> Sequence[Span]:
        """As `superseded`, which is worked out once."""
        key = (run.run, source)
        if key not in self._known:
            self._known[key] = self.superseded(*key)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[str, TopicPartition], Sequence[Span]]:
        return {}


def live_sources(ledger: Ledger) -> Sequence[TopicPartition]:
    """The partitions of which anything has landed for readers, ascending. Raises LedgerDamagedError."""
    return Lineage(ledger).sources()


def live_entries(
    ledger: Ledger, source: TopicPartition, within: OffsetRange | None = None, since: datetime | None = None
) -> Iterator[Entry]:
    """The data and gap entries that stand for what readers see of a partition, in offset order.

    Over all live generations, the replays that they took over, and backfills. `final` of each file is where it lies
    now. `within` leaves out entries that share no offset with it, `since` (aware) those that were committed before.
    Raises LedgerDamagedError.
    """
    return Lineage(ledger).entries(source, within, since)


def _bounded(run: RunIdentity, source: TopicPartition, *, takes_over: bool) -> Part | None:
    if source not in run.ends:
        return None
    start, end = run.starts[source], run.ends[source]
    return Part(run, run.topic_ids.get(source.topic), start, end, takes_over) if start < end else None


def _below_output(run: RunIdentity, file: FileEntry) -> str:
    return file.final.removeprefix(f"{run.output}/") if run.output else file.final
