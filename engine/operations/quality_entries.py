"""Makes the checks that the ledger answers: row_count, freshness, refused_ratio, volume; files are only counted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import median

from streamlake.config.quality import Freshness, RefusedRatio, RowCount, Volume
from streamlake.engine.contracts import Ledger
from streamlake.engine.counted import counted
from streamlake.engine.entries import Entry
from streamlake.engine.errors import PositionLostError
from streamlake.engine.operations.ledger_search import committed_at
from streamlake.engine.operations.lineage import live_entries, live_sources
from streamlake.engine.operations.quality_types import Example, Finding, TimeRange
from streamlake.engine.operations.topic_reader import TopicReader
from streamlake.engine.records import OffsetRange, TopicPartition

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Landed:
    """What has landed of some topics in a range of time, as the ledger says."""

    ledger: Ledger
    topics: Sequence[str]
    within: TimeRange

    def entries(self, within: TimeRange | None = None) -> Iterator[Entry]:
        """The live data entries, partition by partition. Raises LedgerDamagedError."""
        within = within or self.within
        for source in self.sources():
            for entry in live_entries(self.ledger, source, since=within.since):
                if entry.kind == "data" and committed_at(entry) in within:
                    yield entry

    def sources(self) -> Sequence[TopicPartition]:
        """The partitions of these topics of which anything has landed."""
        return [source for source in live_sources(self.ledger) if source.topic in self.topics]


def row_count(landed: Landed, check: RowCount, reader: TopicReader | None, examples_max: int) -> Finding:
    """Count the rows that files really have. Raises FileDamagedError, SourceError."""
    if check.equals is not None:
        assert reader is not None, "whoever makes this check hands a reader in"
        return _equals_kafka(landed, reader, examples_max)
    rows = sum(_rows_in_files(landed.ledger, entry) for entry in landed.entries())
    if check.min_value is not None and rows < check.min_value:
        return Finding(rows, 1, message=f"{rows:,} rows, at least {check.min_value:,} are wanted")
    if check.max_value is not None and rows > check.max_value:
        return Finding(rows, 1, message=f"{rows:,} rows, at most {check.max_value:,} are wanted")
    return Finding(rows, 0, message=f"{rows:,} rows", status="pass")


def freshness(landed: Landed, check: Freshness, now: datetime) -> Finding:
    """Compare the newest record of each topic with the range's end, whatever the range's beginning is."""
    end = min(now, landed.within.until or now)
    oldest_wanted = end - timedelta(seconds=check.max_age)
    known = {source.topic for source in landed.sources()}
    examples, messages, rows = [], [], 0
    for topic in landed.topics:
        newest, at, seen = None, None, 0
        if topic in known:
            one = Landed(landed.ledger, [topic], landed.within)
            # Nearly always it stands in an entry that is young itself, and the years before need not be read.
            newest, at, seen = _newest(one.entries(TimeRange(oldest_wanted, landed.within.until)))
            if newest is None or newest < oldest_wanted:
                newest, at, seen = _newest(one.entries(TimeRange(None, landed.within.until)))
        rows += seen
        if newest is None:
            messages.append(f"{topic}: nothing has landed")
            examples.append(Example(topic, None, None, None))
        elif newest < oldest_wanted:
            messages.append(f"{topic}: the newest record is {_age(end - newest)} old")
            partition, offset = (None, None) if at is None else (at.partition, at.next - 1)
            examples.append(Example(topic, partition, offset, newest.isoformat()))
    return Finding(rows, len(examples), examples, "; ".join(messages), "fail" if examples else "pass")


def refused_ratio(landed: Landed, check: RefusedRatio, examples_max: int) -> Finding:
    """Compare dead letters with all that was decided over."""
    accepted, refused, examples = 0, 0, list[Example]()
    for entry in landed.entries():
        accepted, refused = accepted + entry.landed, refused + entry.refused
        for file in entry.files:
            if file.kind == "dead" and len(examples) < examples_max:
                letters = islice(landed.ledger.dead_letters(file), examples_max - len(examples))
                examples += [
                    Example(entry.topic, entry.partition, letter.offset, f"{letter.reason}: {letter.message}")
                    for letter in letters
                ]
    records = accepted + refused
    ratio = refused / records if records else 0.0
    message = f"{refused:,} of {records:,} refused ({ratio:.2%}), at most {check.max_value:.2%} are wanted"
    failed = ratio > check.max_value
    return Finding(records, refused if failed else 0, examples if failed else (), message if records else "")


def volume(landed: Landed, check: Volume, now: datetime) -> Finding:
    """Compare the rows of an hour with the median of that hour on the days before."""
    hour = _hour_of(landed.within, now)
    history = TimeRange(hour - check.days * DAY, hour + HOUR)
    rows_of: dict[datetime, int] = {}
    for entry in landed.entries(history):
        at = _begin_of_hour(committed_at(entry))
        rows_of[at] = rows_of.get(at, 0) + entry.landed
    began = _began(landed)
    days = [hour - days * DAY for days in range(1, check.days + 1)]
    # A day on which the pipeline was not there yet says nothing; one on which nothing landed says 0.
    known = [rows_of.get(day, 0) for day in days if began is not None and day + HOUR > began]
    rows, when = rows_of.get(hour, 0), f"{hour:%Y-%m-%dT%H}Z"
    if not known:
        return Finding(
            rows, 0, message=f"{when}: no day before has this hour: nothing to compare with", status="no rows"
        )
    usual = median(known)
    message = f"{when}: {rows:,} rows, the median of {counted(len(known), 'day')} is {usual:,g}"
    fits = check.min_ratio * usual <= rows <= check.max_ratio * usual
    if not rows and not usual:
        return Finding(0, 0, message=message, status="no rows")
    return Finding(rows, 0 if fits else 1, message=message, status="pass" if fits else "fail")


def _equals_kafka(landed: Landed, reader: TopicReader, examples_max: int) -> Finding:
    rows, failures, gone, examples = 0, 0, 0, list[Example]()
    kept: dict[TopicPartition, OffsetRange] = {}
    keeps_all: Mapping[str, bool] = {topic: reader.keeps_all(topic) for topic in landed.topics}
    for entry in landed.entries():
        if reader.topic_id(entry.topic) != entry.topic_id:
            gone += entry.read
            continue
        if entry.source not in kept or kept[entry.source].next < entry.next:
            kept[entry.source] = reader.kept(entry.source)
        theirs = _count(reader, entry, kept[entry.source])
        if theirs is None:
            gone += entry.read
            continue
        ours = _rows_in_files(landed.ledger, entry) + entry.refused + entry.skipped
        rows += ours
        # Of a compacted topic, Kafka may have fewer by now.
        if ours < theirs or (ours > theirs and keeps_all[entry.topic]):
            failures += abs(ours - theirs)
            if len(examples) < examples_max:
                value = f"{ours:,} here, {theirs:,} in Kafka, in the offsets {entry.range}"
                examples.append(Example(entry.topic, entry.partition, entry.first, value))
    message = f"Kafka no longer has {gone:,} records of the range: they were not compared" if gone else ""
    return Finding(rows, failures, examples, message)


def _count(reader: TopicReader, entry: Entry, kept: OffsetRange) -> int | None:
    """How many messages Kafka has in the entry's range; None where it no longer has its beginning."""
    if entry.first < kept.first:
        return None
    within = OffsetRange(entry.first, max(entry.first, min(entry.next, kept.next)))  # behind its end nothing comes
    try:
        return sum(len(batch) for batch in reader.read(entry.source, within))
    except PositionLostError:
        return None


def _rows_in_files(ledger: Ledger, entry: Entry) -> int:
    return sum(ledger.rows(file) for file in entry.files if file.kind == "raw")


def _newest(entries: Iterator[Entry]) -> tuple[datetime | None, Entry | None, int]:
    """The newest record's own time, the entry that has it, and how many rows were looked at."""
    newest, at, rows = None, None, 0
    for entry in entries:
        rows += entry.landed
        for file in entry.files:
            if file.timestamp_ms_max is not None and (newest is None or file.timestamp_ms_max > newest):
                newest, at = file.timestamp_ms_max, entry
    return (None if newest is None else datetime.fromtimestamp(newest / 1000, UTC)), at, rows


def _began(landed: Landed) -> datetime | None:
    """When the first entry of these topics was committed."""
    first = (next(live_entries(landed.ledger, source), None) for source in landed.sources())
    return min((committed_at(entry) for entry in first if entry is not None), default=None)


def _hour_of(within: TimeRange, now: datetime) -> datetime:
    """The last whole hour of the range."""
    return _begin_of_hour(min(now, within.until or now)) - HOUR


def _begin_of_hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{age.total_seconds():.0f} s"
