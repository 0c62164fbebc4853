"""What the checks of a sink work with: instances over one root, made-up batches, and what the ledger says of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from streamlake.engine.contracts import Ledger, PartitionJob, PartitionSink, Sink
from streamlake.engine.entries import CommitRecord, Entry, RunIdentity
from streamlake.engine.operations.proof_files import int64_array
from streamlake.engine.records import Batch, DeadLetter, OffsetRange, PayloadKind, Refusal, TopicPartition, Verdict
from streamlake.engine.testing.checks import expect

ORDERS = TopicPartition("checked.orders", 3)
RUN = "live-1"
TOPIC_ID = "id-of-orders"
IDENTITY = RunIdentity(
    run=RUN,
    pipeline="checked",
    group_id="checked.group",
    cluster_id="checked-cluster",
    topic_ids={ORDERS.topic: TOPIC_ID},
    starts={ORDERS: 0},
    created_at="2026-01-01T00:00:00.000+00:00",
    ends={ORDERS: 1_000_000},  # that of a bounded run, so that a sink is seen to keep them
)
LEADER_EPOCH = 7
TIMESTAMP_MS = 1_767_312_000_000

Options = Callable[[str], Mapping[str, object]]
"""The YAML's section of a sink, without `type`, for a root of this name: other names are other roots."""

Seen = tuple[int, bytes]
"""A landed row: its offset and its payload."""


def batch_of(values: Sequence[bytes | None], first: int = 0, source: TopicPartition = ORDERS) -> Batch:
    """Consecutive messages from offset `first` on; some with keys, headers and no timestamp."""
    rows = len(values)
    return Batch(
        source=source,
        range=OffsetRange(first, first + rows),
        leader_epoch=LEADER_EPOCH,
        offsets=list(range(first, first + rows)),
        timestamps_ms=[TIMESTAMP_MS + index if index % 3 else -1 for index in range(rows)],
        timestamp_types=[index % 3 for index in range(rows)],
        keys=[None if index % 2 else b"key \xff %d" % index for index in range(rows)],
        values=values,
        headers=[[("h", b"\x00"), ("h", None)] if index % 4 == 1 else None for index in range(rows)],
    )


def numbered(rows: int, first: int = 0, source: TopicPartition = ORDERS) -> Batch:
    """A batch of small JSON payloads, each of which tells its offset."""
    return batch_of([b'{"n": %d}' % (first + index) for index in range(rows)], first, source)


def letter_of(of: Batch, index: int) -> DeadLetter:
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
        field="/n",
        message="must be \"another\" number: 'ü'",
        attempt=1,
        first_failed_at_ms=TIMESTAMP_MS + 1,
    )


@dataclass(frozen=True, slots=True)
class SinkBench:
    """A sink's class and the options of one root; each call makes instances of its own, as each worker does."""

    sink_class: type[Sink]
    options: Mapping[str, object]
    base_dir: Path
    payload: PayloadKind = "json"

    @classmethod
    def over(cls, sink_class: type[Sink], options: Options, base_dir: Path, check: str) -> "SinkBench":
        """A bench over a root that nobody used before."""
        return cls(sink_class, options(f"{check}-{uuid4().hex[:8]}"), base_dir)

    def sink(self) -> Sink:
        """A new instance."""
        return self.sink_class.from_options(dict(self.options), base_dir=self.base_dir)

    def begin(self) -> None:
        """Register the run, as the supervisor does before the first worker starts."""
        self.sink().register_run(IDENTITY)

    def partition(self, source: TopicPartition = ORDERS, start: int = 0) -> PartitionSink:
        """A new writer's end of a partition, not yet claimed."""
        job = PartitionJob(RUN, source, TOPIC_ID, start, "checked", "fingerprint", self.payload)
        return self.sink().partition(job)

    def claimed(self, source: TopicPartition = ORDERS, start: int = 0) -> PartitionSink:
        """A new writer that has the partition."""
        sink = self.partition(source, start)
        sink.claim(sink.head())
        return sink

    def ledger(self) -> Ledger:
        """The reading side, of an instance of its own."""
        return self.sink().ledger()

    def entries(self, source: TopicPartition = ORDERS) -> list[Entry]:
        """All entries of a partition."""
        return list(self.ledger().entries(RUN, source))

    def seen(self, source: TopicPartition = ORDERS) -> list[Seen]:
        """Every row of a partition that the ledger knows, in the order of entries, and of offsets within an entry."""
        ledger, rows = self.ledger(), list[Seen]()
        for entry in ledger.entries(RUN, source):
            of_entry = list[Seen]()
            for file in entry.files:
                if file.kind == "raw":
                    offsets, values = int64_array(ledger.offsets(file)), ledger.values(file)
                    expect(offsets is not None, "give it options with which rows carry offsets", "Ledger.offsets")
                    expect(values is not None, "give it options with which rows carry payloads", "Ledger.values")
                    assert offsets is not None
                    assert values is not None
                    pairs = zip(offsets.to_pylist(), values, strict=True)
                    of_entry += ((-1 if offset is None else offset, value) for offset, value in pairs)
            rows += sorted(of_entry)
        return rows


def staged(sink: PartitionSink, of: Batch, refused: Sequence[int] = (), skipped: Sequence[int] = ()) -> CommitRecord:
    """Stage a batch in two slices, as it is read; `refused` and `skipped` are indices."""
    middle = len(of) // 2
    parts = [(0, of)] if middle == 0 else list(zip((0, middle), of.cut(middle), strict=True))
    with sink.stage() as stage:
        for first, part in parts:
            expect(stage.fits(part) == len(part), "a batch of a few messages did not fit", "BatchStage.fits")
            inside = range(first, first + len(part))
            mine = [index - first for index in refused if index in inside]
            refusals = [Refusal(index, "invalid", "no") for index in mine]
            verdict = Verdict(refusals, [index - first for index in skipped if index in inside])
            stage.add(replace(part, leader_epoch=LEADER_EPOCH), verdict, [letter_of(part, index) for index in mine])
        return stage.seal()


def landed(sink: PartitionSink, of: Batch, refused: Sequence[int] = (), skipped: Sequence[int] = ()) -> Entry:
    """Stage, commit and publish a batch."""
    record = staged(sink, of, refused, skipped)
    entry = sink.commit(record)
    sink.publish(record)
    return entry


def rows_of(of: Batch, leave_out: Sequence[int] = ()) -> list[Seen]:
    """What has to be seen of a batch."""
    pairs = enumerate(zip(of.offsets, of.values, strict=True))
    return [(offset, value or b"") for index, (offset, value) in pairs if index not in leave_out]
