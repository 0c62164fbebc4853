"""Some accepted records as rows, made by the file sink itself in this process's memory: what would lie in its files."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pyarrow as pa

from streamlake.engine.abilities import ColumnLedger, RunKeeper
from streamlake.engine.contracts import PartitionJob
from streamlake.engine.entries import FileEntry
from streamlake.engine.letters import dead_letters_of
from streamlake.engine.records import Batch, PayloadKind, TopicPartition, Verdict
from streamlake.engine.registry import sink_class

Mode = Literal["envelope", "typed"]
Decided = tuple[Batch, Verdict]

RUN = "dry-run"


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """A column as a file has it, with its Arrow type in words; any may be null, to the file."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Landed:
    """Rows as they would land, in the order of topic, partition and offset, and the columns that they have.

    Values are Python's own, as Parquet has them: bytes, text, numbers, datetimes. `topics` names each row's topic,
    which is no column. Without any row, `columns` are the validator's alone.
    """

    columns: Sequence[ColumnShape]
    rows: Sequence[Mapping[str, Any]]
    topics: Sequence[str]


def landed(decided: Mapping[TopicPartition, Sequence[Decided]], mode: Mode, payload: PayloadKind) -> Landed:
    """What would land of batches that follow each other without a gap. Raises ConfigError, ValidatorError.

    Rows are staged by the file sink below `memory://`, read back as a reader does, and freed; nothing is committed.
    """
    root = f"memory://streamlake-{RUN}/{uuid.uuid4().hex}"
    sink = cast("RunKeeper", sink_class("file").from_options({"root": root, "columns": mode}, base_dir=Path()))
    columns = list(_validators_own(decided)) if mode == "typed" else []
    rows: list[Mapping[str, Any]] = []
    topics: list[str] = []
    for source, batches in sorted(decided.items()):
        for part in _staged(sink, source, batches, payload):
            columns = _columns(part.schema)
            rows += part.to_pylist()
            topics += [source.topic] * part.num_rows
    return Landed(columns, rows, topics)


def _staged(
    sink: RunKeeper, source: TopicPartition, batches: Sequence[Decided], payload: PayloadKind
) -> Iterator[pa.RecordBatch]:
    """The rows of one partition's batches as its staged file has them."""
    job = PartitionJob(
        run=RUN,
        source=source,
        topic_id=RUN,
        start=batches[0][0].range.first,
        validator=RUN,
        fingerprint=RUN,
        payload=payload,
    )
    end = sink.partition(job)
    end.claim(end.head())
    with end.stage() as stage:
        for batch, verdict in batches:
            stage.add(batch, verdict, dead_letters_of(batch, verdict, 0))
        files = [file for file in stage.seal().files if file.kind == "raw"]
        for file in files:
            yield from _read(sink, file)
    sink.collect(RUN)


def _read(sink: RunKeeper, file: FileEntry) -> Iterator[pa.RecordBatch]:
    ledger = sink.ledger()
    assert isinstance(ledger, ColumnLedger), "ours gives columns back"
    return (pa.record_batch(part) for part in ledger.batches(file, lambda names: names))


def _columns(schema: pa.Schema) -> list[ColumnShape]:
    return [ColumnShape(field.name, str(field.type)) for field in schema]


def _validators_own(decided: Mapping[TopicPartition, Sequence[Decided]]) -> Iterator[ColumnShape]:
    """The columns of the first verdict that has some: known also where every record was refused."""
    for batches in decided.values():
        for _, verdict in batches:
            if verdict.columns is not None:
                yield from _columns(pa.table(verdict.columns).schema)
                return
