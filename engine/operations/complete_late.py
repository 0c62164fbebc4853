"""Rows that landed behind the positions of an hour they belong to: found by the ledger, counted by their own times."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, FileEntry
from streamlake.engine.operations.complete_types import LateRows, Positions
from streamlake.engine.operations.hours import Hour
from streamlake.engine.operations.ledger_search import committed_at
from streamlake.engine.operations.lineage import NO_END, Lineage
from streamlake.engine.records import OffsetRange, TopicPartition


def late_rows(
    lineage: Lineage, sources: Sequence[TopicPartition], complete: Mapping[Hour, Positions]
) -> dict[Hour, list[LateRows]]:
    """What of complete hours of one topic landed behind their positions, in offset order. All are of one topic id.

    Reads each ledger from the earliest of the positions on. A file is opened only where it holds times of such an hour
    and others, or offsets before the position and others. Raises LedgerDamagedError, FileDamagedError.
    """
    found: dict[Hour, list[LateRows]] = defaultdict(list)
    if not complete:
        return found
    topic_id = next(positions.topic_id for positions in complete.values())
    for source in sources:
        firsts = {hour: _position(positions, source) for hour, positions in complete.items()}
        for entry in lineage.entries(source, within=OffsetRange(min(firsts.values()), NO_END)):
            for file in entry.files if entry.topic_id == topic_id else ():
                for hour, late in _late_in(lineage.ledger, entry, file, firsts):
                    found[hour].append(late)
    return found


def _position(positions: Positions, source: TopicPartition) -> int:
    """A partition that came later has all its rows behind it."""
    passed = positions.partitions.get(source.partition)
    return passed.position.next if passed is not None else 0


def _late_in(
    ledger: Ledger, entry: Entry, file: FileEntry, firsts: Mapping[Hour, int]
) -> Iterator[tuple[Hour, LateRows]]:
    least, most = file.timestamp_ms_min, file.timestamp_ms_max
    if least is None or most is None:
        return
    rows = _Rows(ledger, file)
    for hour, first in firsts.items():
        if most < hour.start_ms or least >= hour.end_ms or entry.next <= first:
            continue
        if least >= hour.start_ms and most < hour.end_ms and first <= entry.first:
            yield hour, _late(entry, file, hour, entry.range, file.rows, exact=True)
        elif rows.table is None:
            yield hour, _late(entry, file, hour, entry.range, file.rows, exact=False)
        elif offsets := rows.offsets_of(hour, first):
            yield hour, _late(entry, file, hour, OffsetRange(offsets[0], offsets[-1] + 1), len(offsets), exact=True)


class _Rows:
    """Offset and time of each row of a file, read when they are first needed."""

    def __init__(self, ledger: Ledger, file: FileEntry) -> None:
        self._ledger, self._file = ledger, file

    @cached_property
    def table(self) -> "pa.Table | None":
        """None where rows do not tell them, or the sink can't."""
        timestamps = getattr(self._ledger, "timestamps", None)
        times = None if timestamps is None else timestamps(self._file)
        offsets = None if times is None else self._ledger.offsets(self._file)
        return None if offsets is None else pa.table({"offset": cast("Any", offsets), "ms": times})

    def offsets_of(self, hour: Hour, first: int) -> list[int]:
        """The offsets from `first` on whose time lies in the hour."""
        assert self.table is not None
        within = (pc.field("ms") >= hour.start_ms) & (pc.field("ms") < hour.end_ms)
        found = self.table.filter(within & (pc.field("offset") >= first)).column("offset")
        return cast("list[int]", found.to_pylist())


def _late(entry: Entry, file: FileEntry, hour: Hour, offsets: OffsetRange, rows: int, *, exact: bool) -> LateRows:
    return LateRows(
        source=entry.source,
        kind=file.kind,
        path=file.final,
        first=offsets.first,
        next=offsets.next,
        rows=rows,
        exact=exact,
        committed_at=entry.committed_at,
        seconds_late=round(committed_at(entry).timestamp() - hour.end.timestamp(), 3),
    )
