"""Generates orders to try things out with: TPC-H's, nested as JSON, the same every time, some of them broken."""

from bisect import bisect_left
from collections.abc import Iterator

import pyarrow as pa

from streamlake.engine.errors import UsageError
from streamlake.engine.local.broken import BREAKERS, BROKEN_KINDS, ONE_MIB
from streamlake.engine.local.order_table import ROWS_A_BATCH, order_table

__all__ = ["BROKEN_KINDS", "GeneratedRecord", "broken_counts", "orders"]

GeneratedRecord = tuple[bytes | None, bytes | None]
"""Key (the customer's number in digits) and value (JSON; None is a tombstone)."""


def orders(
    records: int,
    broken_ratio: float = 0.0,
    tombstone_ratio: float = 0.0,
    *,
    seed: int = 0,
    oversize_bytes: int = ONE_MIB,
) -> Iterator[list[GeneratedRecord]]:
    """Yields `records` records in lists of at most 10,000: about 240 bytes each, millions a second.

    TPC-H's orders are made before this returns, where they are not kept from before (`order_table`).

    `round(records * broken_ratio)` of them are broken, the kinds of `BROKEN_KINDS` in turn; as many by
    `tombstone_ratio` are tombstones; both spread evenly over the good ones, in whose place they stand. A too large one
    is a little over `oversize_bytes`. More than TPC-H's 1,500,000 orders are had by starting over, so that keys and
    order numbers come again. `seed` is where in TPC-H's orders the first one is taken. Equal arguments give equal bytes
    on every machine. Raises UsageError for ratios that can't be, LocalError when the orders can't be made.
    """
    broken, tombstones = _special_counts(records, broken_ratio, tombstone_ratio)
    table = order_table(records)
    specials = _Specials(records, broken, tombstones, oversize_bytes)
    first = seed * 7919 % table.num_rows  # a prime: neighbouring seeds start far from each other
    return _batches(table, first, records, specials)


def _batches(table: pa.Table, row: int, records: int, specials: "_Specials") -> Iterator[list[GeneratedRecord]]:
    """From `row` on, over and over again, the special ones put in."""
    done = 0
    while done < records:
        count = min(ROWS_A_BATCH, records - done, table.num_rows - row)
        part = table.slice(row, count)
        batch: list[GeneratedRecord] = list(zip(part["key"].to_pylist(), part["value"].to_pylist(), strict=True))
        specials.put_into(batch, done)
        yield batch
        done += count
        row = (row + count) % table.num_rows


def broken_counts(records: int, broken_ratio: float, tombstone_ratio: float = 0.0) -> dict[str, int]:
    """How many of each kind `orders` yields for these arguments, and how many `tombstone`s."""
    broken, tombstones = _special_counts(records, broken_ratio, tombstone_ratio)
    each, rest = divmod(broken, len(BROKEN_KINDS))
    counts = {kind: each + (number < rest) for number, kind in enumerate(BROKEN_KINDS)}
    return {**counts, "tombstone": tombstones}


class _Specials:
    """Which records are broken or tombstones. The n-th special one of S stands at `(2n + 1) * records // 2S`."""

    def __init__(self, records: int, broken: int, tombstones: int, oversize_bytes: int) -> None:
        count = broken + tombstones
        self._oversize_bytes = oversize_bytes
        self._positions = [(2 * n + 1) * records // (2 * count) for n in range(count)]
        # Tombstones are spread evenly among the special ones; None stands for one.
        self._kinds: list[str | None] = []
        broken_so_far = 0
        for n in range(count):
            if (n + 1) * tombstones // count > n * tombstones // count:
                self._kinds.append(None)
            else:
                self._kinds.append(BROKEN_KINDS[broken_so_far % len(BROKEN_KINDS)])
                broken_so_far += 1

    def put_into(self, batch: list[GeneratedRecord], first: int) -> None:
        """Replaces those of `batch` that are special; `first` is the number of its first record."""
        start, end = (bisect_left(self._positions, at) for at in (first, first + len(batch)))
        for n in range(start, end):
            index = self._positions[n] - first
            key, value = batch[index]
            assert value is not None  # no two special ones stand at one position
            kind = self._kinds[n]
            batch[index] = (key, None if kind is None else BREAKERS[kind](value, self._oversize_bytes))


def _special_counts(records: int, broken_ratio: float, tombstone_ratio: float) -> tuple[int, int]:
    if records < 0:
        raise UsageError(f"{records} records can't be generated: say 0 or more")
    for name, ratio in (("broken", broken_ratio), ("tombstone", tombstone_ratio)):
        if not 0 <= ratio <= 1:
            raise UsageError(f"{ratio} is no {name} ratio: say one from 0 to 1, for example 0.004 for 0.4%")
    broken, tombstones = round(records * broken_ratio), round(records * tombstone_ratio)
    if broken + tombstones > records:
        raise UsageError(
            f"{broken} broken records and {tombstones} tombstones are more than {records} in all: lower a ratio"
        )
    return broken, tombstones
