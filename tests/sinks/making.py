"""A sink, its partitions and batches for tests, with everything said that a test does not care about."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from streamlake.engine.contracts import PartitionJob
from streamlake.engine.entries import CommitRecord, Entry, RunIdentity
from streamlake.engine.records import Batch, DeadLetter, OffsetRange, PayloadKind, Refusal, TopicPartition, Verdict
from streamlake.plugins.sinks.file.backends.local import LocalBackend
from streamlake.plugins.sinks.file.options import FileSinkOptions
from streamlake.plugins.sinks.file.partition import FilePartitionSink

ORDERS = TopicPartition("orders", 3)
NOW = datetime(2026, 1, 2, 23, 59, 59, tzinfo=UTC)
IDENTITY = RunIdentity(
    run="live-1",
    pipeline="orders",
    group_id="group",
    cluster_id="cluster",
    topic_ids={"orders": "id"},
    starts={ORDERS: 5},
    created_at="2026-01-01T00:00:00+00:00",
)


def job(*, start: int = 0, payload: PayloadKind = "json", source: TopicPartition = ORDERS) -> PartitionJob:
    """What a worker says of its partition."""
    return PartitionJob("live-1", source, "id", start, "json", "fingerprint", payload)


def options(**chosen: object) -> FileSinkOptions:
    """Options as the YAML would give them."""
    return FileSinkOptions.parse({"root": "file:///nowhere", **chosen})


def partition(root: Path, *, start: int = 0, payload: PayloadKind = "json", **chosen: object) -> FilePartitionSink:
    """A worker's end of the partition, on a clock that stands still."""
    return FilePartitionSink(LocalBackend(root), job(start=start, payload=payload), options(**chosen), now=lambda: NOW)


def claimed(root: Path, *, start: int = 0, payload: PayloadKind = "json", **chosen: object) -> FilePartitionSink:
    """The same after its claim."""
    sink = partition(root, start=start, payload=payload, **chosen)
    sink.claim(sink.head())
    return sink


def batch(
    values: Sequence[bytes | None], first: int = 0, *, timestamps_ms: Sequence[int] | None = None, untimed: bool = False
) -> Batch:
    """Consecutive messages from offset `first` on."""
    rows = len(values)
    return Batch(
        source=ORDERS,
        range=OffsetRange(first, first + rows),
        leader_epoch=7,
        offsets=list(range(first, first + rows)),
        timestamps_ms=timestamps_ms or [1_700_000_000_000] * rows,
        timestamp_types=[0 if untimed else 1] * rows,
        keys=[None] * rows,
        values=values,
        headers=[None] * rows,
    )


def letter(of: Batch, index: int) -> DeadLetter:
    """The dead letter of one message of a batch."""
    return DeadLetter(
        source=of.source,
        offset=of.offsets[index],
        timestamp_ms=of.timestamps_ms[index],
        timestamp_type=of.timestamp_types[index],
        key=of.keys[index],
        value=of.values[index],
        headers=tuple(of.headers[index] or ()),
        reason="invalid",
        field="/amount",
        message="must be a number",
        attempt=1,
        first_failed_at_ms=1_700_000_000_001,
    )


def staged(
    sink: FilePartitionSink, of: Batch, refused: Sequence[int] = (), skipped: Sequence[int] = ()
) -> CommitRecord:
    """Stage a batch in one slice; `refused` and `skipped` are indices."""
    verdict = Verdict([Refusal(index, "invalid", "must be a number", "/amount") for index in refused], skipped)
    return staged_as(sink, of, verdict)


def staged_as(sink: FilePartitionSink, of: Batch, verdict: Verdict) -> CommitRecord:
    """Stage a batch in one slice, with a verdict of the test's own."""
    with sink.stage() as stage:
        stage.add(of, verdict, [letter(of, refusal.index) for refusal in verdict.refused])
        return stage.seal()


def landed(sink: FilePartitionSink, of: Batch, refused: Sequence[int] = (), skipped: Sequence[int] = ()) -> Entry:
    """Stage, commit and publish a batch."""
    record = staged(sink, of, refused, skipped)
    entry = sink.commit(record)
    sink.publish(record)
    return entry


def files(root: Path, folder: str = "") -> list[str]:
    """All files below a folder of the root, relative to the root, ascending."""
    return sorted(path.relative_to(root).as_posix() for path in (root / folder).rglob("*") if path.is_file())
