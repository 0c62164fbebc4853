"""Holds what the story of the failures counted against each other: producers, Kafka, ledger, files, proof."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamlake.engine.local.demo.counts import Generated, Ledger, Letters, Row


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done while a wave of orders was sent, `sending`, and its place in that wave, all in offsets."""

    what: str
    sending: bool
    first: int
    at: int
    next: int

    @property
    def in_the_middle(self) -> bool:
        """Whether some of the wave had landed, and some was not sent yet."""
        return self.sending and self.first < self.at < self.next


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted, each by another way; `proven` is whether `streamlake prove --kafka` exited with 0."""

    acknowledged: int
    in_kafka: int
    faults: Sequence[Fault]
    rows: Sequence[Row]
    in_files: Letters
    in_topic: Letters
    ledger: Ledger
    exit_code: int
    proven: bool


def account(made: Generated, seen: Seen) -> Iterator[tuple[str, bool]]:
    """A sentence for each thing that has to agree, with its numbers, and whether it does."""
    ledger = seen.ledger
    for fault in seen.faults:
        yield f"{fault.what} in the middle of the load, at {fault.at:,}", fault.in_the_middle
    yield (
        f"{made.records:,} made = {seen.acknowledged:,} acknowledged = {seen.in_kafka:,} offsets in Kafka",
        made.records == seen.acknowledged == seen.in_kafka,
    )
    outcomes = f"{ledger.landed:,} landed + {ledger.refused:,} refused + {ledger.skipped:,} skipped"
    yield f"{seen.in_kafka:,} in Kafka = {outcomes}", seen.in_kafka == ledger.all
    rows, offsets = (sum(row[column] for row in seen.rows) for column in (1, 2))
    yield f"{rows:,} rows read back, {offsets:,} different offsets", rows == offsets == ledger.landed
    yield (
        f"{made.broken:,} were made broken, {seen.in_files.copies:,} dead letters in files, each once",
        made.broken == ledger.refused == seen.in_files.copies and made.by_reason == seen.in_files.by_reason,
    )
    copies = seen.in_topic.copies
    yield (
        f"the dead-letter topic has all of them, {copies:,} copies of {seen.in_topic.records:,} (at least once)",
        seen.in_topic.by_reason == seen.in_files.by_reason,
    )
    yield f"{made.tombstones:,} tombstones made, {ledger.skipped:,} skipped", made.tombstones == ledger.skipped
    yield "`streamlake run` ended with exit code 0 after SIGTERM", seen.exit_code == 0
    yield "`streamlake prove --kafka`: nothing is missing, nothing is twice", seen.proven
