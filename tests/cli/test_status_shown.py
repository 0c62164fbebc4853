"""What `status` puts into the table: of a last commit, time and size are of the same one, and nothing is made up."""

from dataclasses import replace

import pytest
from support.entries import data_entry, file_entry

from streamlake.engine.cli.status import shown_partition, status_json
from streamlake.engine.entries import Entry, Totals
from streamlake.engine.operations.status import PartitionStatus, PipelineStatus
from streamlake.engine.records import OffsetRange, TopicPartition
from streamlake.engine.state import PartitionState

ORDERS = TopicPartition("orders", 0)
NOON, ONE, TWO = (f"2026-01-31T{hour}:00:00.000+00:00" for hour in (12, 13, 14))


def landed_at(moment: str) -> Entry:
    """A commit of ten records in 70 bytes."""
    return replace(data_entry(OffsetRange(0, 10), files=[replace(file_entry(rows=10), bytes=70)]), committed_at=moment)


def parked_after(moment: str | None) -> PartitionState:
    """What an engine said of its last commit, 500 records in 9,000 bytes, when the partition was parked."""
    state = PartitionState(ORDERS, phase="parked", why="SL0601: x", last_commit_at=moment)
    if moment is not None:
        state.last_commit_rows, state.last_commit_bytes, state.last_commit_seconds = 500, 9000, 3.0
    state.records_per_second, state.memory_bytes = 120.0, 1_000_000
    return state


@pytest.mark.parametrize(
    ("said", "in_ledger", "totals_at", "shown"),
    [
        (parked_after(ONE), landed_at(NOON), TWO, (ONE, 500, 9000, 3.0)),
        (parked_after(ONE), landed_at(TWO), TWO, (TWO, 10, 70, None)),
        (parked_after(None), landed_at(NOON), TWO, (NOON, 10, 70, None)),
        (None, landed_at(NOON), TWO, (NOON, 10, 70, None)),
        (parked_after(None), None, ONE, (ONE, None, None, None)),
        (None, None, "", (None, None, None, None)),
    ],
    ids=["the engine's", "a later engine's", "the ledger's", "without engine", "the totals' time alone", "none"],
)
def test_a_last_commit_is_one_commit(
    said: PartitionState | None, in_ledger: Entry | None, totals_at: str, shown: tuple[object, ...]
) -> None:
    one = PartitionStatus(ORDERS, totals=Totals(committed_at=totals_at), state=said, last=in_ledger)
    found = PipelineStatus("orders", [one], None, ())
    known = shown_partition(one, found)
    (document,) = status_json(found)["partitions"]
    assert tuple(document[f"last_commit_{name}"] for name in ("at", "rows", "bytes", "seconds")) == shown
    assert (known.last_commit_at, known.last_commit_rows) == (shown[0], shown[1] or 0)


def test_an_engine_that_has_ended_reads_nothing() -> None:
    one = PartitionStatus(ORDERS, state=parked_after(ONE))
    known = shown_partition(one, PipelineStatus("orders", [one], None, ()))
    assert (known.records_per_second, known.bytes_per_second, known.memory_bytes) == (0.0, 0.0, None)
