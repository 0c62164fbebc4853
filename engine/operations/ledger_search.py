"""Finds a place in a long ledger by halving, without reading what lies before it."""

from collections.abc import Callable
from datetime import UTC, datetime

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry
from streamlake.engine.records import TopicPartition


def first_seq_where(
    ledger: Ledger, run: str, source: TopicPartition, reached: Callable[[Entry], bool], *, seq_end: int | None = None
) -> int:
    """The number of the first entry for which `reached` holds; one past the last when it holds for none.

    `reached` must not turn False again further on. `seq_end` is one past the last entry, for whoever knows it. Raises
    LedgerDamagedError.
    """
    low, high = 0, ledger.head(run, source).seq + 1 if seq_end is None else seq_end
    while low < high:
        middle = (low + high) // 2
        if reached(next(iter(ledger.entries(run, source, middle)))):
            high = middle
        else:
            low = middle + 1
    return low


def committed_since(since: datetime) -> Callable[[Entry], bool]:
    """Committed at that time or later."""
    return lambda entry: committed_at(entry) >= since


def reaches(offset: int) -> Callable[[Entry], bool]:
    """Accounts for `offset` or for later ones."""
    return lambda entry: entry.next > offset


def committed_at(entry: Entry) -> datetime:
    """When the entry was appended, by the clock of the host that did."""
    at = datetime.fromisoformat(entry.committed_at)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
