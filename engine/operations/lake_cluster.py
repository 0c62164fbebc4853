"""What has landed, asked as a plan asks a cluster: for replays that read files, whatever Kafka still has."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Entry, RunIdentity
from streamlake.engine.errors import UsageError
from streamlake.engine.generations import newest_generation
from streamlake.engine.lake.source import record_ledger, refuse_without_records
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.operations.spans import Span, without
from streamlake.engine.records import OffsetRange, TopicPartition

if TYPE_CHECKING:  # it imports librdkafka
    from streamlake.engine.kafka.admin import TopicShape


class LakeCluster:
    """Implements `replay_types.Cluster` over what readers of a root see. Raises LedgerDamagedError, StorageError."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @cached_property
    def _lineage(self) -> Lineage:
        return Lineage(self._ledger)

    @cached_property
    def _newest(self) -> RunIdentity:
        newest = newest_generation(self._lineage.runs)
        if newest is None:
            raise UsageError("--source lake: no live run has landed anything under this root: there is nothing to read")
        return newest

    def cluster_id(self) -> str:
        """The cluster that the live run has read."""
        return self._newest.cluster_id

    def shapes(self, topics: Iterable[str]) -> "Mapping[str, TopicShape]":
        """Those of `topics` of which something has landed, with as many partitions."""
        from streamlake.engine.kafka.admin import TopicShape  # noqa: PLC0415  # see above

        found: dict[str, TopicShape] = {}
        for topic in topics:
            numbers = [source.partition for source in self._lineage.sources() if source.topic == topic]
            ids = [self._topic_id(source) for source in self._lineage.sources() if source.topic == topic]
            if numbers:
                found[topic] = TopicShape(topic, ids[0], max(numbers) + 1, 0)
        return found

    def watermarks(self, sources: Iterable[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
        """The first offset that stands in the lake, and the end of what does."""
        return {source: self._extent(source) for source in sources}

    def offsets_for_time(self, sources: Iterable[TopicPartition], timestamp_ms: int) -> Mapping[TopicPartition, int]:
        """The first landed offset of a record of that time or later; the end where there is none."""
        return {source: self._offset_at(source, timestamp_ms) for source in sources}

    def refuse_missing(self, ranges: Mapping[TopicPartition, OffsetRange]) -> None:
        """Raise UsageError where nobody has landed all of these offsets: no file has the rest.

        Backfills may leave stretches open between them, and a part of one may not be landed yet.
        """
        open_ = {source: without([(span.first, span.next)], self._spans(source)) for source, span in ranges.items()}
        told = "; ".join(
            f"{source}: offsets {', '.join(str(OffsetRange(*span)) for span in spans)}"
            for source, spans in open_.items()
            if spans
        )
        if told:
            raise UsageError(
                f"--source lake: {told} have not landed, so no file has them. Replay from Kafka (--source kafka), land "
                "them first (streamlake backfill run), or say bounds that leave them out. Nothing was written"
            )

    def _topic_id(self, source: TopicPartition) -> str:
        known = self._newest.topic_ids.get(source.topic)
        pieces = self._lineage.pieces(source)
        return known or (str(pieces[-1].topic_id) if pieces else "")

    def _extent(self, source: TopicPartition) -> tuple[int, int]:
        spans = self._spans(source)
        return (spans[0][0], spans[-1][1]) if spans else (0, 0)

    def _spans(self, source: TopicPartition) -> Sequence[Span]:
        """What stands in the lake of a partition, ascending."""
        known = self._newest.topic_ids.get(source.topic)
        pieces = [piece.range for piece in self._lineage.pieces(source) if known in (None, piece.topic_id)]
        return [(piece.first, piece.next) for piece in pieces]

    def _offset_at(self, source: TopicPartition, timestamp_ms: int) -> int:
        first, end = self._extent(source)
        for entry in self._lineage.entries(source, OffsetRange(first, end)):
            if any((file.timestamp_ms_max or -1) >= timestamp_ms for file in entry.files):
                return self._in_entry(entry, timestamp_ms)
        return end

    def _in_entry(self, entry: Entry, timestamp_ms: int) -> int:
        """The first offset of a record of that time or later in an entry that has one."""
        found: list[int] = []
        for file in entry.files:
            refuse_without_records(file)
            for columns in record_ledger(self._ledger).records(file):
                for part in pa.RecordBatchReader.from_stream(columns):
                    later = pc.greater_equal(part.column("_timestamp"), pa.scalar(timestamp_ms, pa.int64()))
                    found += [int(str(offset)) for offset in part.column("_offset").filter(later)[:1]]
                if found:
                    break
        return min(found, default=entry.first)
