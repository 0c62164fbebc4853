"""A lake on a real file sink, landed without Kafka: what the operations that read are tested on."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from datetime import UTC, datetime
from pathlib import Path

from streamlake.engine.contracts import Ledger, PartitionJob, PartitionSink, Sink
from streamlake.engine.entries import CommitRecord, Entry, RunIdentity
from streamlake.engine.letters import dead_letters_of
from streamlake.engine.records import Batch, OffsetRange, Reason, Refusal, TopicPartition, Verdict
from streamlake.plugins.sinks.file.sink import FileSink

Value = Callable[[int], bytes | None]
TOPIC_IDS = {"orders": "id-of-orders", "payments": "id-of-payments"}


@dataclass(frozen=True)
class Lake:
    """A root with one run; `starts` as in its run file."""

    root: Path
    sink: Sink
    identity: RunIdentity

    @classmethod
    def make(
        cls,
        root: Path,
        *,
        run: str = "live-1",
        starts: Mapping[TopicPartition, int] | None = None,
        topic_ids: Mapping[str, str] | None = None,
        cluster_id: str = "cluster",
        ends: Mapping[TopicPartition, int] | None = None,
        output: str = "",
        adopts: str = "",
        **options: object,
    ) -> "Lake":
        """A new root with its run file, or another run on the same one; `options` are the sink's."""
        sink = FileSink.from_options({"root": root.as_uri(), "partition_by": "none", **options}, base_dir=root)
        created_at = datetime.now(UTC).isoformat()
        ids = dict(topic_ids or TOPIC_IDS)
        identity = RunIdentity(
            run,
            "orders",
            "group",
            cluster_id,
            ids,
            dict(starts or {}),
            created_at,
            ends=dict(ends or {}),
            output=output,
            adopts=adopts,
        )
        return cls(root, sink, sink.register_run(identity))

    @classmethod
    def open(cls, root: Path, run: str = "live-1") -> "Lake":
        """A lake that somebody else has filled."""
        sink = FileSink.from_options({"root": str(root)}, base_dir=root)
        identity = sink.find_run(run)
        assert identity is not None, f"no run {run} under {root}"
        return cls(root, sink, identity)

    def ledger(self) -> Ledger:
        """The reading side, made anew."""
        return self.sink.ledger()

    def claim(
        self, source: TopicPartition, *, payload: str = "json", fingerprint: str = "1", start: int | None = None
    ) -> "Landing":
        """Take a partition as a new worker does; `start` is where it begins when the run file does not say."""
        job = PartitionJob(
            run=self.identity.run,
            source=source,
            topic_id=self.identity.topic_ids[source.topic],
            start=self.identity.starts.get(source, start or 0),
            validator="json",
            fingerprint=fingerprint,
            payload="bytes" if payload == "bytes" else "json",
            output=self.identity.output,
        )
        end = self.sink.partition(job)
        return Landing(source, end, end.claim(end.head()).next)

    def files(self, folder: str = "raw") -> list[Path]:
        """The files below a folder of the root, ascending."""
        return sorted(path for path in (self.root / folder).rglob("*") if path.is_file())


@dataclass
class Landing:
    """One worker's end of a partition; `next` moves on as it lands."""

    source: TopicPartition
    end: PartitionSink
    next: int
    batches: list[Batch] = attribute(default_factory=list)

    def land(
        self,
        rows: int,
        *,
        refused: Collection[int] = (),
        skipped: Collection[int] = (),
        holes: Collection[int] = (),
        publish: bool = True,
        reason: Reason = "invalid",
        field: str | None = "/amount",
        value: Value | None = None,
        time_ms: Callable[[int], int] | None = None,
    ) -> Entry:
        """Land the next `rows` offsets; the collections hold positions in them. Returns the entry."""
        record = self.stage(
            rows,
            refused=refused,
            skipped=skipped,
            holes=holes,
            reason=reason,
            field=field,
            value=value,
            time_ms=time_ms,
        )
        entry = self.end.commit(record)
        if publish:
            self.end.publish(record)
        return entry

    def batch(self, rows: int, *, holes: Collection[int] = (), value: Value | None = None) -> Batch:
        """The messages of the next `rows` offsets, and move on; `holes` are positions in them."""
        delivered = [at for at in range(rows) if at not in holes]
        batch = numbered_batch(self.source, self.next, rows, delivered)
        if value is not None:
            batch = replace(batch, values=[value(offset) for offset in batch.offsets])
        self.next = batch.range.next
        self.batches.append(batch)
        return batch

    def stage(
        self,
        rows: int,
        *,
        refused: Collection[int] = (),
        skipped: Collection[int] = (),
        holes: Collection[int] = (),
        reason: Reason = "invalid",
        field: str | None = "/amount",
        value: Value | None = None,
        time_ms: Callable[[int], int] | None = None,
    ) -> CommitRecord:
        """Stage a batch, and go no further. `value` and `time_ms` make a message's value and time from its offset."""
        begin = self.next
        batch = self.batch(rows, holes=holes, value=value)
        if time_ms is not None:
            batch = replace(batch, timestamps_ms=[time_ms(offset) for offset in batch.offsets])
        index_of = {offset - begin: index for index, offset in enumerate(batch.offsets)}
        verdict = Verdict(
            refused=[Refusal(index_of[at], reason, "must not be negative", field) for at in sorted(refused)],
            skipped=[index_of[at] for at in sorted(skipped)],
        )
        with self.end.stage() as stage:
            stage.add(batch, verdict, dead_letters_of(batch, verdict, 1_700_000_000_000))
            return stage.seal()


def numbered_batch(source: TopicPartition, first: int, rows: int, delivered: Sequence[int]) -> Batch:
    """Messages whose value tells their place; an hour of record time for every 1000 offsets."""
    offsets = [first + at for at in delivered]
    count = len(offsets)
    return Batch(
        source=source,
        range=OffsetRange(first, first + rows),
        leader_epoch=0,
        offsets=offsets,
        timestamps_ms=[1_700_000_000_000 + 3_600 * offset for offset in offsets],
        timestamp_types=[1] * count,
        keys=[b"key-%d" % offset for offset in offsets],
        values=[b'{"place": "%s", "offset": %d}' % (str(source).encode(), offset) for offset in offsets],
        headers=[None] * count,
    )
