"""Holds everything that the demo counted against each other: generator, ledger, files, topic, proof."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamlake.engine.local.demo_counts import Generated, Ledger, Letters, Row
from streamlake.engine.local.demo_run import Landing


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted, each by another way; `proven` is whether `streamlake prove --kafka` exited with 0."""

    landing: Landing
    rows: Sequence[Row]
    in_files: Letters
    in_topic: Letters
    ledger: Ledger
    proven: bool


def account(made: Generated, seen: Seen) -> Iterator[tuple[str, bool]]:
    """A sentence for each thing that has to agree, with its numbers, and whether it does."""
    ledger, landing = seen.ledger, seen.landing
    outcomes = f"{ledger.landed:,} landed + {ledger.refused:,} refused + {ledger.skipped:,} skipped"
    yield f"{made.records:,} produced = {outcomes}", made.records == ledger.all
    yield f"{made.broken:,} were made broken, {ledger.refused:,} refused", made.broken == ledger.refused
    yield f"as made, so refused: {_listed(made)}", made.by_reason == seen.in_files.by_reason
    yield f"{made.tombstones:,} tombstones made, {ledger.skipped:,} skipped", made.tombstones == ledger.skipped
    rows, offsets = (sum(row[column] for row in seen.rows) for column in (1, 2))
    yield f"{rows:,} rows read back, {offsets:,} different offsets", rows == offsets == ledger.landed
    yield (
        f"{seen.in_files.copies:,} dead letters in files, {seen.in_topic.records:,} of them in the topic, too",
        seen.in_files.copies == ledger.refused and seen.in_topic.by_reason == seen.in_files.by_reason,
    )
    yield f"the worker of {landing.killed} was killed in the middle of its work", landing.in_the_middle
    yield "`streamlake run` ended with exit code 0", landing.exit_code == 0
    yield "`streamlake prove --kafka`: nothing is missing, nothing is twice", seen.proven


def _listed(made: Generated) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(made.by_reason.items()))
