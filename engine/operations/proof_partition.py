"""The proof of one partition of one run: its ledger from the first entry to the last, and each entry's files."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, FileEntry, RunIdentity
from streamlake.engine.errors import FileDamagedError, LedgerDamagedError
from streamlake.engine.operations.ledger_search import committed_since, first_seq_where
from streamlake.engine.operations.proof_entries import entry_defects
from streamlake.engine.operations.proof_files import FilesFound, look_at_files
from streamlake.engine.operations.proof_types import Defect, Findings, damage_defect
from streamlake.engine.records import TopicPartition


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
    identity: RunIdentity
    source: TopicPartition
    findings: Findings
    named: set[str]
    quick: bool = False
    since: datetime | None = None
    comparison: EntryComparison | None = None
    progress: Callable[[], None] = lambda: None

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
        self._count(entry)
        found = look_at_files(self.ledger, entry, quick=self.quick)
        self.findings.add_all(found.defects)
        for file in entry.files:
            if file.final in self.named:
                message = "is named by two entries"
                self.findings.add(Defect("duplicate", message, entry.run, self.source, entry.range, file.final))
            self.named.add(file.final)
        if self.comparison is not None and found.sound:
            try:
                self.comparison.compare(entry, found)
            except FileDamagedError as damage:
                self.findings.add(Defect("altered", str(damage), entry.run, self.source, entry.range))
        return waiting + [(entry, file) for file in found.staged]

    def _accuse(self, waiting: list[tuple[Entry, FileEntry]]) -> None:
        for entry, file in waiting:
            facts = self.ledger.inspect(file, checksum=False)
            if facts is None:
                message = "was staged a moment ago, and is gone from there without its final name"
                self.findings.add(Defect("missing", message, entry.run, self.source, entry.range, file.final))
            elif not facts.published:
                message = f"lies at {facts.path} only, and later entries follow: it was never published"
                self.findings.add(Defect("unpublished", message, entry.run, self.source, entry.range, file.final))

    def _count(self, entry: Entry) -> None:
        totals = self.findings.totals
        totals.entries += 1
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
