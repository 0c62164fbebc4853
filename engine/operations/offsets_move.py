"""Where a reset takes one partition: forwards, backwards to the edge of a file, onto a topic made anew, or nowhere."""

from dataclasses import dataclass

from streamlake.engine.contracts import TopicFacts
from streamlake.engine.entries import Entry
from streamlake.engine.errors import UsageError
from streamlake.engine.generations import Position
from streamlake.engine.operations.bounds import Bound
from streamlake.engine.operations.ledger_search import first_seq_where, reaches
from streamlake.engine.operations.lineage import NO_END, Lineage
from streamlake.engine.operations.live_partition import LivePartition
from streamlake.engine.operations.offsets_types import Affected, PartitionMove, Way
from streamlake.engine.operations.replay_ranges import Place
from streamlake.engine.records import OffsetRange, TopicPartition


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition of a reset: what has landed of it (`at` is None for nothing yet), and what Kafka says.

    `at_time` is Kafka's answer where the bound is a time. `made_anew`: its topic is not the one that has landed.
    """

    lineage: Lineage
    source: TopicPartition
    facts: TopicFacts
    at_time: int | None
    at: Position | None
    made_anew: bool

    def move(self, bound: Bound) -> PartitionMove:
        """What the bound means here. Raises UsageError where Kafka has nothing there, no more or not yet."""
        asked = self._asked(bound)
        if self.made_anew:
            return self._moved("anew", asked, asked, Affected())
        if asked > self._position:
            expired = min(self.facts.low, asked) - self._position
            given_up = Affected(offsets=asked - self._position, expired=max(0, expired))
            return self._moved("forwards", asked, asked, given_up)
        if asked == self._position:
            return self._moved("stays", asked, asked, Affected())
        target = self._edge_below(asked)
        if target < self.facts.low:
            raise UsageError(
                f"{self.source}: --to {bound.said} is offset {asked} there, inside of a file that begins at {target}, "
                f"which lies before the first offset that Kafka still has ({self.facts.low}). A file is read again "
                f"whole or not at all: {self._instead(target)}"
            )
        return self._moved("backwards", asked, target, self._superseded(target))

    def _asked(self, bound: Bound) -> int:
        """The offset that the bound means. Raises UsageError."""
        low = self.facts.low
        if bound.place == "earliest":
            return low if self.made_anew else self._edge_above(low)
        by_time = {} if self.at_time is None else {bound.number: self.at_time}
        asked = Place(self.source, low, self.facts.high, by_time, self._live).offset(bound, "--to")
        if asked < low:
            raise UsageError(
                f"{self.source}: --to {bound.said} is offset {asked} there, and Kafka has nothing before {low} any "
                f"more (retention or deletion): {self._instead(asked)}"
            )
        return asked

    def _instead(self, first: int) -> str:
        """What can be done about offsets that only files have."""
        low, live = self.facts.low, self._live
        lost = OffsetRange(first, max(first, low))
        earliest = f"--to {self._edge_above(low)} is the earliest that can be read again"
        fates = live.fates(lost) if live is not None else None
        in_files = fates.landed + fates.refused if fates is not None else 0
        if not in_files:
            return f"{earliest}. Nothing of {lost} stands in files"
        return (
            f"{earliest}. Of {lost} {in_files:,} records stand in files: `streamlake replay run --from {first} --to "
            f"{low} --topic {self.source.topic} --partitions {self.source.partition} --source lake` reads those again"
        )

    def _moved(self, way: Way, asked: int, target: int, affected: Affected) -> PartitionMove:
        return PartitionMove(
            source=self.source,
            topic_id=self.facts.topic_id,
            way=way,
            position=None if self.made_anew else self._position,
            asked=asked,
            target=target,
            group_offset=self.facts.group_offset,
            affected=affected,
        )

    @property
    def _position(self) -> int:
        """Where the live run goes on; a partition that it has never seen begins at the first offset."""
        return self.facts.low if self.at is None else self.at.next

    @property
    def _live(self) -> LivePartition | None:
        return LivePartition.of(self.lineage, self.source, self.facts.topic_id)

    def _edge_below(self, offset: int) -> int:
        """The first offset of the entry that stands for this one; itself where none does."""
        found = self._standing(offset)
        return offset if found is None else found.first

    def _edge_above(self, offset: int) -> int:
        """The offset itself where an entry begins there or none stands; else the end of the one it is inside of."""
        found = self._standing(offset)
        return offset if found is None or found.first == offset else found.next

    def _standing(self, offset: int) -> OffsetRange | None:
        """The part that stands of the entry that accounts for an offset, as readers see it."""
        for piece in self.lineage.pieces(self.source):
            if piece.topic_id in (None, self.facts.topic_id) and offset in piece.range:
                run = piece.run.run
                seq = first_seq_where(self.lineage.ledger, run, self.source, reaches(offset))
                entry = next(iter(self.lineage.ledger.entries(run, self.source, seq)))
                return entry.range.overlap(piece.range)
        return None

    def _superseded(self, target: int) -> Affected:
        """What stands from an offset on."""
        standing = self.lineage.entries(self.source, OffsetRange(target, NO_END))
        entries: list[Entry] = [entry for entry in standing if entry.topic_id == self.facts.topic_id]
        return Affected(
            offsets=sum(len(entry.range) for entry in entries),
            landed=sum(entry.landed for entry in entries),
            refused=sum(entry.refused for entry in entries),
            skipped=sum(map(len, (span for entry in entries for span in entry.skipped_offsets))),
            files=sum(len(entry.files) for entry in entries),
            file_bytes=sum(file.bytes for entry in entries for file in entry.files),
        )
