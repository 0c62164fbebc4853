"""Holds what the story of the dead letters counted against each other, each by another way."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamlake.engine.local.demo.counts import Generated, Ledger, Row


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted.

    `some` and `more` are the orders in the new currency, among others and in the sale. `ledgers` is what the ledger
    said after the first run, after the one that the breaker stopped, after the fix, and at the end; `code` how the
    second ended; `redriven` what the redrive did, as `--json` has it; `each_once` whether the landed payloads in the
    new currency are those that were sent, each once; `letters` the dead letters in files.
    """

    some: int
    more: int
    ledgers: tuple[Ledger, Ledger, Ledger, Ledger]
    code: int
    redriven: Mapping[str, Any]
    each_once: bool
    rows: Sequence[Row]
    letters: int
    proven: bool


def account(made: Generated, seen: Seen) -> Iterator[tuple[str, bool]]:
    """A sentence for each thing that has to agree, with its numbers, and whether it does."""
    first, stopped, mended, last = seen.ledgers
    good = made.records - made.broken - made.tombstones
    yield (
        f"{first.refused:,} refused at first = {made.broken:,} broken + {seen.some:,} in the new currency",
        first == Ledger(good, made.broken + seen.some, made.tombstones),
    )
    yield f"the breaker stopped the run: exit code {seen.code}", seen.code == 1
    yield (
        f"nothing of the {seen.more:,} of the sale was landed or refused then: they wait in Kafka",
        stopped == first,
    )
    landed = mended.landed - stopped.landed
    yield (
        f"{landed:,} of them landed after the fix, none was refused",
        landed == seen.more and mended.refused == first.refused,
    )
    sent, kept = seen.redriven["sent"], sum(seen.redriven["left_out"].values())
    yield (
        f"{sent:,} dead letters were sent back, {kept:,} would be refused again and stay",
        (sent, kept) == (seen.some, made.broken),
    )
    yield (
        f"{last.landed - mended.landed:,} of them landed, none was refused again",
        last == Ledger(mended.landed + sent, mended.refused, mended.skipped),
    )
    yield (
        f"{seen.some + seen.more:,} orders in the new currency lie in the lake, byte for byte, each once",
        seen.each_once,
    )
    rows, offsets = (sum(row[column] for row in seen.rows) for column in (1, 2))
    yield f"{rows:,} rows read back, {offsets:,} different offsets", rows == offsets == last.landed
    yield (
        f"{seen.letters:,} dead letters in files: none is ever deleted, also of what was sent back",
        seen.letters == last.refused,
    )
    yield "`streamlake prove --kafka`: nothing is missing, nothing is twice", seen.proven
