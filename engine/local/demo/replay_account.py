"""Holds what the demo's story of a replay counted against each other, each by another way."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamlake.engine.local.demo.counts import Generated, Ledger, Row
from streamlake.engine.local.orders import orders


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was counted. `rows_before` and `rows_after` are what a reader of the files saw, around the promotion.

    `planned` is the plan, `killed` how far the replay was when it was killed, `outcome` what it came to, `compared` how
    that differs from the first time (each as `--json` has it); `letters` are the dead letters that readers see at the
    end, `superseded` the files that moved away.
    """

    forgotten: int
    live: Ledger
    planned: Mapping[str, Any]
    killed: Mapping[str, Any]
    outcome: Mapping[str, Any]
    compared: Mapping[str, Any]
    rows_before: Sequence[Row]
    rows_after: Sequence[Row]
    letters: int
    superseded: int
    proven: bool


def account(made: Generated, seen: Replayed) -> Iterator[tuple[str, bool]]:
    """A sentence for each thing that has to agree, with its numbers, and whether it does."""
    live, before, done, killed = seen.live, seen.planned["before"], seen.outcome, seen.killed
    lost = made.broken + seen.forgotten
    yield (
        f"{live.refused:,} refused at first = {made.broken:,} broken + {seen.forgotten:,} in the unknown currency",
        live.refused == lost and live.all == made.records,
    )
    yield (
        f"the plan said so: {before['landed']:,} landed, {before['refused']:,} refused of {seen.planned['offsets']:,}",
        (before["landed"], before["refused"], before["skipped"]) == (live.landed, live.refused, live.skipped),
    )
    yield (
        f"the replay was killed at {killed['accounted']:,} of {killed['offsets']:,} offsets, and went on from there",
        0 < killed["accounted"] < killed["offsets"] and done["finished"],
    )
    yield (
        f"{done['landed']:,} landed in the replay = {live.landed:,} of the first time + {seen.forgotten:,}",
        done["landed"] == live.landed + seen.forgotten and done["refused"] == made.broken,
    )
    values, mended = seen.compared["values"], _landed_now(seen.compared)
    yield (
        f"compared: {mended:,} refused then and landed now, {values['same']:,} landed both times with the same value",
        (mended, values["same"], values["differ"]) == (seen.forgotten, live.landed, 0),
    )
    yield (
        f"{_rows(seen.rows_before):,} rows for readers before the promotion: they saw nothing of the replay",
        _once(seen.rows_before) and _rows(seen.rows_before) == live.landed,
    )
    yield (
        f"{_rows(seen.rows_after):,} rows for readers after it, and as many different offsets",
        _once(seen.rows_after) and _rows(seen.rows_after) == done["landed"],
    )
    yield f"{seen.letters:,} dead letters are left, the broken ones", seen.letters == made.broken
    yield f"{seen.superseded:,} files of the first time are kept in superseded/", seen.superseded > 0
    yield "`streamlake prove --kafka`: nothing is missing, nothing is twice", seen.proven


def forgotten_of(records: int, broken_ratio: float, tombstone_ratio: float, currency: str) -> int:
    """How many of the good orders that `streamlake produce` makes of these numbers are in a currency."""
    sent, good = orders(records, broken_ratio, tombstone_ratio), orders(records)
    named = f'"currency":"{currency}"'.encode()
    batches = zip(sent, good, strict=True)
    pairs = (pair for ones, others in batches for pair in zip(ones, others, strict=True))
    return sum(one == other and named in (one[1] or b"") for one, other in pairs)


def _landed_now(compared: Mapping[str, Any]) -> int:
    """Offsets that were refused in what is live, and landed in the replay."""
    outcomes = ((pair["here"]["fate"], pair["there"]["fate"], pair["offsets"]) for pair in compared["outcomes"])
    return sum(offsets for here, there, offsets in outcomes if (here, there) == ("landed", "refused"))


def _rows(rows: Sequence[Row]) -> int:
    return sum(row[1] for row in rows)


def _once(rows: Sequence[Row]) -> bool:
    return all(row[1] == row[2] for row in rows)
