"""Holds everything that the story of the landing counted against each other: generator, Kafka, ledger, files, proof."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from streamlake.engine.local.demo.counts import Generated, Ledger, Letters, Row


@dataclass
class Landing:
    """What was seen of a run: its exit code, the offsets it committed, and the commits of each partition."""

    exit_code: int = -1
    records: int = 0
    commits: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted, each by another way; `proven` is whether `streamlake prove --kafka` exited with 0."""

    in_kafka: int
    posted: int  # over HTTP, and stored
    landing: Landing
    rows: Sequence[Row]
    in_files: Letters
    in_topic: Letters
    ledger: Ledger
    proven: bool


def account(made: Generated, seen: Seen) -> Iterator[tuple[str, bool]]:
    """A sentence for each thing that has to agree, with its numbers, and whether it does."""
    ledger, landing = seen.ledger, seen.landing
    sent = f"{made.records:,} produced + {seen.posted:,} posted"
    yield f"{sent} = {seen.in_kafka:,} offsets in Kafka", made.records + seen.posted == seen.in_kafka
    outcomes = f"{ledger.landed:,} landed + {ledger.refused:,} refused + {ledger.skipped:,} skipped"
    yield f"{seen.in_kafka:,} in Kafka = {outcomes}", seen.in_kafka == ledger.all
    yield f"{landing.records:,} offsets were committed, as the run's log has it", landing.records == ledger.all
    yield f"{made.broken:,} were made broken, {ledger.refused:,} refused", made.broken == ledger.refused
    yield f"as made, so refused: {_listed(made)}", made.by_reason == seen.in_files.by_reason
    yield f"{made.tombstones:,} tombstones made, {ledger.skipped:,} skipped", made.tombstones == ledger.skipped
    rows, offsets = (sum(row[column] for row in seen.rows) for column in (1, 2))
    yield f"{rows:,} rows read back, {offsets:,} different offsets", rows == offsets == ledger.landed
    yield (
        f"{seen.in_files.copies:,} dead letters in files, {seen.in_topic.records:,} of them in the topic, too",
        seen.in_files.copies == ledger.refused and seen.in_topic.by_reason == seen.in_files.by_reason,
    )
    yield "`streamlake run` ended with exit code 0", landing.exit_code == 0
    yield "`streamlake prove --kafka`: nothing is missing, nothing is twice", seen.proven


def _listed(made: Generated) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(made.by_reason.items()))
