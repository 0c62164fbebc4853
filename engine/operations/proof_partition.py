"""The proof of one partition of one run: its ledger from the first entry to the last, and each entry's files."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, FileEntry, RunIdentity
from streamlake.engine.errors import FileDamagedError, LedgerDamagedError
from streamlake.engine.names import SUPERSEDED
from streamlake.engine.operations.ledger_search import committed_since, first_seq_where
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.operations.proof_entries import entry_defects
from streamlake.engine.operations.proof_files import FilesFound, look_at_files
from streamlake.engine.operations.proof_types import Defect, Findings, damage_defect
from streamlake.engine.operations.spans import common
from streamlake.engine.records import OffsetRange, TopicPartition


class EntryComparison(Protocol):
    """Compares entries, in order, with what else is known of them: `proof_kafka` with the topic itself."""

    def compare(self, entry: Entry, found: FilesFound) -> None:
        """Look at one entry whose files are sound."""


@dataclass(slots=True)
class ProvenPartition:
    """How far the proof of a partition came: `[first, next)` was accounted for, by entries before `seq_next`."""

    run: str
    source: TopicPartition
    topic_id: str = ""
    seq_next: int = 0
    first: int = 0
    next: int = 0
    damaged: bool = False


@dataclass(slots=True)
class PartitionProof:
    """Reads one partition ledger; finds go to `findings`, names of files to `named`. Use once."""

    ledger: Ledger
    lineage: Lineage
    identity: RunIdentity
    source: TopicPartition
    findings: Findings
    named: set[str]
    quick: bool = False
    since: datetime | None = None
    apart: bool = False
    """Whether readers of the root don't see this run, and others are proven with it."""
    comparison: EntryComparison | None = None
    progress: Callable[[], None] = lambda: None
    _nobodys: list[Defect] = field(default_factory=list)
    """Superseded files that are gone."""

    def prove(self) -> ProvenPartition:
        """Every entry in order. A damaged ledger is a defect and ends this partition, not the proof."""
        proven = ProvenPartition(self.identity.run, self.source)
        waiting: list[tuple[Entry, FileEntry]] = []
        try:
            before, first_seq = self._entry_before()
            if before is not None:
                proven.first = proven.next = before.next
            proven.seq_next = first_seq
            for entry in self.ledger.entries(self.identity.run, self.source, first_seq):
                waiting = self._prove_entry(entry, before, waiting)
                if before is None:
                    proven.first = entry.first
                proven.topic_id, proven.next, proven.seq_next = entry.topic_id, entry.next, entry.seq + 1
                before = entry
                self.progress()
        except LedgerDamagedError as damage:
            proven.damaged = True
            self.findings.add(damage_defect(damage, self.identity.run, self.source))
        # What only the newest data entry has staged, its worker (or the next one's first step) publishes.
        self.findings.notes += [f"{file.final} is committed and not published yet" for _, file in waiting]
        if self._nobodys:
            self.findings.notes.append(self._of_superseded())
        self.findings.totals.partitions += 1
        return proven

    def _entry_before(self) -> tuple[Entry | None, int]:
        """The entry before the first one that `since` asks for, and that one's number."""
        if self.since is None:
            return None, 0
        # By the clocks of the hosts that committed: where they took turns and differ, so does the edge.
        first_seq = first_seq_where(self.ledger, self.identity.run, self.source, committed_since(self.since))
        if first_seq == 0:
            return None, 0
        return next(iter(self.ledger.entries(self.identity.run, self.source, first_seq - 1))), first_seq

    def _prove_entry(
        self, entry: Entry, before: Entry | None, waiting: list[tuple[Entry, FileEntry]]
    ) -> list[tuple[Entry, FileEntry]]:
        """Prove one entry; returns the files that are still only staged after it."""
        if not 0 <= entry.first <= entry.next:
            raise LedgerDamagedError(f"entry {entry.seq} accounts for no range: {entry.first} to {entry.next}")
        if waiting and entry.kind != "claim":
            # Nothing but a claim may be appended before all of the entry before is published: look again, then accuse.
            self._accuse(waiting)
            waiting = []
        self.findings.add_all(entry_defects(entry, before, self.identity, self.source))
        self._count(entry, seen=not self.apart and not self._is_superseded(entry))
        own, entry = entry, self._as_it_lies(entry)
        found = look_at_files(self.ledger, entry, quick=self.quick)
        self._add(found.defects)
        for file in entry.files:
            if file.final in self.named:
                message = "is named by two entries"
                self.findings.add(Defect("duplicate", message, entry.run, self.source, entry.range, file.final))
            self.named.add(file.final)
        if self.lineage.changing:  # a file that is being moved lies under two names for a moment
            self.named.update(name for file in own.files for name in self.lineage.names(self.identity, file))
        if self.comparison is not None and found.sound:
            try:
                self.comparison.compare(entry, found)
            except FileDamagedError as damage:
                self.findings.add(Defect("altered", str(damage), entry.run, self.source, entry.range))
        return waiting + [(entry, file) for file in found.staged]

    def _add(self, defects: Iterable[Defect]) -> None:
        """Defects of files, less those of which no reader has one: what took the place of a superseded file stands."""
        for defect in defects:
            if defect.kind == "missing" and (defect.path or "").startswith(f"{SUPERSEDED}/"):
                self._nobodys.append(defect)
            else:
                self.findings.add(defect)

    def _of_superseded(self) -> str:
        """A sentence about all superseded files that are gone."""
        spans = [defect.offsets for defect in self._nobodys if defect.offsets is not None]
        within = OffsetRange(min(span.first for span in spans), max(span.next for span in spans))
        return (
            f"{self.source}: superseded files of run {self.identity.run} are gone, {len(self._nobodys):,} of them, "
            f"within {within}: no reader has them, and what took their place is proven ({self._nobodys[0].path})"
        )

    def _as_it_lies(self, entry: Entry) -> Entry:
        """The entry with the names that its files have now: those that were moved, or have still to be."""
        span = [(entry.first, entry.next)]
        gone = common(span, self.lineage.taken_over(self.identity, self.source))
        if gone and gone != span:
            message = f"entry {entry.seq}: was superseded in part; readers see these rows a second time"
            self.findings.add(Defect("duplicate", message, entry.run, self.source, OffsetRange(*gone[0])))
        placed = self.lineage.placed(self.identity, entry)
        if placed == entry:
            return entry
        files = [self._where_it_lies(entry, file, own) for file, own in zip(placed.files, entry.files, strict=True)]
        return replace(placed, files=tuple(files))

    def _where_it_lies(self, entry: Entry, file: FileEntry, own: FileEntry) -> FileEntry:
        """A moved file under its new name; under an older one while the change of generations is not finished."""
        if self._is_there(file):
            return file
        for name in self.lineage.names(self.identity, own):
            older = replace(file, final=name)
            if name != file.final and self._is_there(older):
                message = f"lies at {name} still, it should at {file.final}"
                if self.lineage.changing:
                    self.findings.notes.append(f"{message}: {self.lineage.changing} is not finished")
                else:
                    self.findings.add(Defect("foreign", message, entry.run, self.source, entry.range, name))
                return older
        return file

    def _is_there(self, file: FileEntry) -> bool:
        facts = self.ledger.inspect(file, checksum=False)
        return facts is not None and facts.published

    def _accuse(self, waiting: list[tuple[Entry, FileEntry]]) -> None:
        for entry, file in waiting:
            facts = self.ledger.inspect(file, checksum=False)
            if facts is None:
                message = "was staged a moment ago, and is gone from there without its final name"
                self.findings.add(Defect("missing", message, entry.run, self.source, entry.range, file.final))
            elif not facts.published:
                message = f"lies at {facts.path} only, and later entries follow: it was never published"
                self.findings.add(Defect("unpublished", message, entry.run, self.source, entry.range, file.final))

    def _is_superseded(self, entry: Entry) -> bool:
        span = [(entry.first, entry.next)]
        return common(span, self.lineage.taken_over(self.identity, self.source)) == span

    def _count(self, entry: Entry, *, seen: bool) -> None:
        totals = self.findings.totals
        totals.entries += 1
        if not seen:
            totals.beside += len(entry.range)
            return
        totals.offsets += len(entry.range)
        if entry.kind == "gap":
            totals.gaps += len(entry.range)
            return
        totals.rows += entry.landed
        totals.dead_letters += entry.refused
        totals.skipped += entry.skipped
        totals.holes += sum(map(len, entry.holes))
        totals.files += len(entry.files)
        totals.bytes += sum(file.bytes for file in entry.files)
