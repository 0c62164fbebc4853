"""Runs a pipeline over given messages, in this process and into memory, and says what became of each."""

import io
import logging
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import fsspec
import pyarrow.parquet as pq
import structlog

from streamlake.config.load import load_pipeline
from streamlake.config.model import PipelineConfig, PluginSettings
from streamlake.engine.contracts import Ledger, TopicFacts
from streamlake.engine.entries import Entry, RunIdentity
from streamlake.engine.generations import FIRST
from streamlake.engine.letters import NoCopies
from streamlake.engine.messages import Progress
from streamlake.engine.poison import validate_here
from streamlake.engine.records import Batch, DeadLetter, TopicPartition
from streamlake.engine.testing.messages import GivenSource, Message, Value, given
from streamlake.engine.worker import Worker
from streamlake.engine.worker_main import Job, Outside, make_sink, make_validator, parts_of

Row = dict[str, Any]
"""A landed row by its columns, as `sink.columns` asks for them: `_offset`, `_key`, `value` and so on, or typed ones."""

KEPT_OPTIONS = ("columns", "partition_by", "row_group_bytes_max")
"""Of the file sink; how files are encoded is no business of a pipeline's test."""

_numbers = count(1)


class Place(NamedTuple):
    """Where a message lay."""

    source: TopicPartition
    offset: int


@dataclass(frozen=True)
class Outcome:
    """What became of the messages: each is a row, a dead letter, or skipped.

    All are in the order of topic, partition and offset. `ledger` is the whole root's, for `prove` and the like; the
    root is gone with it. Values of rows are Python's own, as Parquet has them: bytes, text, numbers, datetimes.
    """

    rows: Sequence[Row]
    dead_letters: Sequence[DeadLetter]
    skipped: Sequence[Place]
    entries: Sequence[Entry]
    ledger: Ledger


class RunPipeline(Protocol):
    """What `run_pipeline` and the fixture `streamlake_pipeline` are, for annotations."""

    def __call__(
        self,
        pipeline: str | Path | PipelineConfig,
        messages: Sequence[Message | Value],
        *,
        overrides: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> Outcome:
        """As `run_pipeline` says."""


def run_pipeline(
    pipeline: str | Path | PipelineConfig,
    messages: Sequence[Message | Value],
    *,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Outcome:
    """Land `messages` as a worker does, but without Kafka, processes or disk, and say what became of them.

    `pipeline` is a YAML file or what `load_pipeline` made of one. `overrides` are those of `--set`
    (`policies.tombstone=refuse`). `environ` are the variables of the file (None: this process's); it needs those that
    the file has no default for. The sink is one in memory, whatever the YAML says: its `columns` and `partition_by`
    hold, its root and format do not. Dead letters are copied nowhere. A record that makes the validator raise is
    refused as `crash`; one that kills or hangs a process does so to this one. `overrides` and `environ` are for a file.

    Raises ConfigError for the YAML, the validator or the model, ValueError for messages that no topic could hold, and
    what a worker would end with: BreakerError, ValidatorError.
    """
    config = pipeline if isinstance(pipeline, PipelineConfig) else _load(Path(pipeline), overrides, environ)
    root = f"streamlake-testing/{next(_numbers)}"
    config = config.model_copy(update={"sink": _in_memory(config, root)})
    batches = given(messages, config.kafka.topic_names)
    sink = make_sink(config)
    ledger = sink.ledger()
    weakref.finalize(ledger, _drop, root)
    identity = sink.register_run(_identity(config, batches))
    make_validator(config)  # what is wrong with it is said without any message, too
    for batch in batches.values():
        _land(config, identity, batch)
    entries = [entry for source in batches for entry in ledger.entries(identity.run, source)]
    return Outcome(_rows(root, entries), _dead_letters(ledger, entries), _skipped(entries), entries, ledger)


def _load(path: Path, overrides: Sequence[str], environ: Mapping[str, str] | None) -> PipelineConfig:
    return load_pipeline(path, overrides) if environ is None else load_pipeline(path, overrides, environ)


def _in_memory(config: PipelineConfig, root: str) -> PluginSettings:
    """The file sink in memory; of another sink's options it takes over that the validator makes columns."""
    ours = config.sink.type == "file"
    kept = {name: value for name, value in config.sink.options.items() if ours and name in KEPT_OPTIONS}
    if config.sink.options.get("columns") == "typed":
        kept["columns"] = "typed"
    return PluginSettings.model_validate({**kept, "type": "file", "root": f"memory://{root}", "format": "parquet"})


def _drop(root: str) -> None:
    memory = fsspec.filesystem("memory")
    if memory.exists(f"/{root}"):
        memory.rm(f"/{root}", recursive=True)


def _identity(config: PipelineConfig, batches: Mapping[TopicPartition, Batch]) -> RunIdentity:
    return RunIdentity(
        run=FIRST,
        pipeline=config.pipeline,
        group_id=config.kafka.group_id,
        cluster_id="testing",
        topic_ids={topic: _topic_id(topic) for topic in config.kafka.topic_names},
        starts={source: batch.range.first for source, batch in batches.items()},
        created_at="2026-01-02T00:00:00.000+00:00",
    )


def _topic_id(topic: str) -> str:
    return f"id-of-{topic}"


def _land(config: PipelineConfig, identity: RunIdentity, batch: Batch) -> None:
    """One worker's whole life, on this thread."""
    if not structlog.is_configured():  # else each step would be told on standard output
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    job = Job(config, identity, batch.source, batch.range.next, own_process=False, logs=("json", "INFO"))
    outside = Outside(
        open_source=lambda *_: GivenSource(batch),
        dead_letters=NoCopies(),
        isolated=lambda some, _: validate_here(some, make_validator(config)),
    )
    alone = Alone(batch)
    Worker(parts_of(job, alone, outside), alone).run()


class Alone:
    """A worker's `Supervision` where nobody supervises; the broker's answers are those that fit the messages."""

    def __init__(self, batch: Batch) -> None:
        self.draining = False
        self._batch = batch

    def beat(self) -> None:
        """Nobody waits for it."""

    def progress(self, progress: Progress) -> None:
        """Nobody asks."""

    def holds(self, rows: int, seconds_left: float) -> None:
        """Nobody asks."""

    def waits(self, reason: str | None) -> None:
        """Memory always answers."""

    def facts(self) -> TopicFacts:
        """The topic holds these messages and nothing else."""
        offsets = self._batch.range
        return TopicFacts(_topic_id(self._batch.source.topic), offsets.first, offsets.next, None, time.monotonic())

    def topic_id(self, since: float) -> str | None:
        """The same as ever."""
        del since
        return _topic_id(self._batch.source.topic)


def _rows(root: str, entries: Sequence[Entry]) -> Sequence[Row]:
    """The rows of all files, read as any reader does."""
    memory = fsspec.filesystem("memory")
    rows: list[Row] = []
    for entry in entries:
        of_entry: list[Row] = []
        for file in entry.files:
            if file.kind == "raw":
                of_entry += pq.read_table(io.BytesIO(memory.cat_file(f"/{root}/{file.final}"))).to_pylist()
        # Files by the records' own time take turns in the order of offsets.
        rows += sorted(of_entry, key=lambda row: row.get("_offset", 0))
    return rows


def _dead_letters(ledger: Ledger, entries: Sequence[Entry]) -> Sequence[DeadLetter]:
    files = [file for entry in entries for file in entry.files if file.kind == "dead"]
    return [letter for file in files for letter in ledger.dead_letters(file)]


def _skipped(entries: Sequence[Entry]) -> Sequence[Place]:
    spans = [(entry.source, span) for entry in entries for span in entry.skipped_offsets]
    return [Place(source, offset) for source, span in spans for offset in range(span.first, span.next)]
