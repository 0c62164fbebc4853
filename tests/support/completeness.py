"""Asks a lake which hours of the morning of 31 January 2026 are complete, beside a broker that says what it is told."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from support.lake import Lake

from streamlake.engine.abilities import Notes
from streamlake.engine.contracts import TopicFacts
from streamlake.engine.errors import SourceError
from streamlake.engine.operations.complete import Asked, complete
from streamlake.engine.operations.complete_types import Completeness, HourReport
from streamlake.engine.operations.hours import Hour
from streamlake.engine.records import TopicPartition
from streamlake.plugins.sinks.file.sink import FileSink

ORDERS_0, ORDERS_1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
SIX, SEVEN = Hour.parse("2026-01-31T06"), Hour.parse("2026-01-31T07")
MARKER = "_complete/orders/hour=2026-01-31T06/_COMPLETE"
POSITIONS = "_complete/orders/hour=2026-01-31T06/positions.json"
LATENESS = 600.0
MINUTE_MS = 60_000


def at(minutes: float) -> Callable[[int], int]:
    """Every record is of so many minutes behind six o'clock."""
    return lambda _: SIX.start_ms + round(minutes * MINUTE_MS)


def each_minute(first: int) -> Callable[[int], int]:
    """The record at offset `first` is of six o'clock, and each one after it of a minute later."""
    return lambda offset: SIX.start_ms + (offset - first) * MINUTE_MS


class Broker:
    """Says where partitions end; `undecided` of them further than what is committed. Away where it knows none."""

    def __init__(
        self, ends: Mapping[TopicPartition, int] | None, undecided: Mapping[TopicPartition, int] | None = None
    ) -> None:
        self.known, self.undecided = ends, undecided or {}
        self.cluster, self.topic_id = "cluster", "id-of-orders"

    def cluster_id(self) -> str:
        if self.known is None:
            raise SourceError("no answer from 127.0.0.1:1: is Kafka running there?")
        return self.cluster

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        return {topic: sum(source.topic == topic for source in self.known or ()) for topic in topics}

    def facts(self, sources: Iterable[TopicPartition], group_id: str) -> Mapping[TopicPartition, TopicFacts]:
        assert group_id == "group"
        return {source: TopicFacts(self.topic_id, 0, (self.known or {})[source], None, 0.0) for source in sources}

    def ends(self, sources: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {source: self.undecided.get(source, (self.known or {})[source]) for source in sources}


def asking(
    lake: Lake,
    broker: Broker,
    *hours: Hour,
    now: datetime | None = None,
    notes: Notes | None = None,
    dry_run: bool = False,
    **changes: Any,
) -> Completeness:
    asked = replace(Asked("orders", "group", ("orders",), hours or (SIX,), LATENESS), **changes)
    assert isinstance(lake.sink, FileSink)
    now = now or datetime.now(UTC)
    return complete(lake.ledger(), notes or lake.sink.notes(), broker, asked, now=now, dry_run=dry_run)


def asked_once(lake: Lake, broker: Broker, *hours: Hour, **more: Any) -> HourReport:
    (report,) = asking(lake, broker, *hours, **more).hours
    return report


def stored(lake: Lake) -> dict[str, bytes]:
    """What lies below `_complete/`."""
    return {str(path.relative_to(lake.root)): path.read_bytes() for path in lake.files("_complete")}
