"""The main function of a worker process: puts its parts together, runs it, and says why it ended."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

import structlog

from streamlake.config.model import PipelineConfig
from streamlake.engine.breaker import Breaker, BreakerLimits
from streamlake.engine.child import PRELOAD_FIRST, PRELOAD_LAST
from streamlake.engine.contracts import (
    BatchLimits,
    DeadLetterSender,
    PartitionJob,
    PartitionSink,
    Sink,
    Source,
    TopicFacts,
    Validator,
)
from streamlake.engine.entries import Entry, RunIdentity
from streamlake.engine.errors import Exit, StorageError, StreamLakeError, ValidatorError
from streamlake.engine.kafka.dead_letters import KafkaDeadLetters
from streamlake.engine.kafka.settings import reader_properties
from streamlake.engine.kafka.source import KafkaSource
from streamlake.engine.letters import NoCopies
from streamlake.engine.link import Link, Supervision
from streamlake.engine.logs import LogFormat, configure_logs
from streamlake.engine.messages import Ended
from streamlake.engine.orphan import die_with_the_parent
from streamlake.engine.pipeline import Path
from streamlake.engine.poison import Isolation, validate_isolated
from streamlake.engine.policy import Policies, decide
from streamlake.engine.records import Batch, TopicPartition, Verdict
from streamlake.engine.recovery import Recovery
from streamlake.engine.registry import PLUGIN_KINDS, add_python_path, known, sink_class, validator_class
from streamlake.engine.verdicts import sound
from streamlake.engine.worker import Parts, Worker

log = structlog.get_logger("streamlake.worker")

ISOLATED_MEMORY_BYTES_MAX = 2 * 1024**3
ISOLATED_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker is told; pickled. `until` is the first offset a bounded run does not read."""

    config: PipelineConfig
    identity: RunIdentity
    source: TopicPartition
    until: int | None
    own_process: bool
    log_format: LogFormat


for _kind in PLUGIN_KINDS:
    known(_kind)  # by the forkserver, once; its workers have it then


def run_worker(pipe: Connection, job: object) -> None:
    """Run one worker to its end; as a process it ends by `os._exit`, so that no library's clean-up can hang it."""
    assert isinstance(job, Job)
    link = Link(pipe, job.config.workers.stuck_seconds)
    if job.own_process:
        die_with_the_parent()
        configure_logs(job.log_format, pipeline=job.config.pipeline)
        if PRELOAD_LAST not in sys.modules:  # the forkserver passes over in silence what it can't import
            log.warning("the forkserver has not preloaded; each worker imports everything itself")
        # Of the forkserver that isolation starts: a batch that is bisected takes dozens of children.
        multiprocessing.get_context("forkserver").set_forkserver_preload([PRELOAD_FIRST, __name__, PRELOAD_LAST])
    ended = _run(link, job)
    link.ended(ended)
    if job.own_process:
        sys.stderr.flush()
        os._exit(ended.exit_code)
    sys.exit(ended.exit_code)


def _run(link: Link, job: Job) -> Ended:
    """Why the worker ended. One that has finished says so, too: a plugin can bring about an exit code of 0."""
    try:
        Worker(parts_of(job, link, _outside(job, link)), link).run()
    except StreamLakeError as error:
        return Ended(error.exit_code, str(error), error.parks)
    except (Exception, SystemExit) as error:
        log.debug("worker crashed", partition=str(job.source), exc_info=error)
        return Ended(Exit.CRASHED, f"{type(error).__name__}: {error}", parks=False)
    return Ended(Exit.DONE, "", parks=False)


def make_validator(config: PipelineConfig) -> Validator:
    """The pipeline's validator; its own models are found by `python_path`. Raises ConfigError."""
    add_python_path(config.python_path)
    columns = config.sink.options.get("columns") == "typed"
    return validator_class(config.validator.type).from_options(
        config.validator.options, columns=columns, base_dir=config.base_dir
    )


def make_sink(config: PipelineConfig) -> Sink:
    """The pipeline's sink; touches no storage. Raises ConfigError."""
    return sink_class(config.sink.type).from_options(config.sink.options, base_dir=config.base_dir)


@dataclass(frozen=True, slots=True)
class Outside:
    """A worker's ends to what is outside of it, handed in: Kafka and disposable children, or a test's.

    `open_source` reads from `(next, leader_epoch)` on. `isolated` decides a batch that broke the validator or may; it
    notes each death in the list.
    """

    open_source: Callable[[int, int | None], Source]
    dead_letters: DeadLetterSender
    isolated: Callable[[Batch, list[str]], Verdict]


def parts_of(job: Job, link: Supervision, outside: Outside) -> Parts:
    """Everything a worker works with, made in the process that uses it."""
    config, source = job.config, job.source
    decider = Decider(config, outside.isolated)
    facts = link.facts()
    asked = [facts]  # good for the first check, too: the ledger is read after it

    def ask() -> TopicFacts:
        return asked.pop() if asked else link.facts()

    start = job.identity.start_of(source)
    topic_id = job.identity.topic_ids.get(source.topic, facts.topic_id)
    partition_job = PartitionJob(
        run=job.identity.run,
        source=source,
        topic_id=topic_id,
        start=facts.low if start is None else start,
        validator=config.validator.type,
        fingerprint=decider.validator.fingerprint,
        payload=decider.validator.payload,
        beat=link.beat,
        waits=link.waits,
    )
    # The partition's end first: from then on waits for the storage are told, this question's, too.
    whole = make_sink(config)
    sink = whole.partition(partition_job)
    _check_root(whole, job)
    letters = outside.dead_letters
    breaker = config.dead_letters.breaker
    look = Breaker(BreakerLimits(breaker.ratio_max, breaker.window_rows, breaker.consecutive_max)).look

    def path(sink: PartitionSink, confirm_topic: Callable[[], None], report: Callable[[Entry], None]) -> Path:
        return Path(decider.decide, look, sink, confirm_topic, letters, report, lambda: time.time_ns() // 1_000_000)

    return Parts(
        recovery=Recovery(source, topic_id, sink, letters, ask, config.policies.gap),
        open_source=outside.open_source,
        path=path,
        suspect=decider.suspect,
        limits=BatchLimits(config.batch.rows_max, config.batch.bytes_max, config.batch.seconds_max),
        until=job.until,
        own_process=job.own_process,
    )


def _check_root(sink: Sink, job: Job) -> None:
    """Raise StorageError unless the root still holds the run that our supervisor found or wrote there."""
    root, run = job.config.sink.options.get("root"), job.identity.run
    if sink.find_run(run) is None:
        raise StorageError(
            f"{job.source}: the root {root} does not hold the run {run} any more: it was deleted, replaced or "
            "unmounted. Nothing was written to it; mount it again or put it back, and all goes on"
        )


class Decider:
    """Policies and validator as one decision; isolates the validator when a record is suspected to kill it."""

    def __init__(self, config: PipelineConfig, isolated: Callable[[Batch, list[str]], Verdict]) -> None:
        self.validator = make_validator(config)
        self._policies = Policies(config.policies.tombstone, config.policies.record_bytes_max)
        self._isolated = isolated
        self._suspected = False
        self._deaths: list[str] = []  # of the validator, in the batch in hand

    def suspect(self, suspected: bool) -> None:
        """Begin a batch; whether its slices are validated in disposable children."""
        self._suspected = suspected
        self._deaths.clear()

    def decide(self, batch: Batch) -> Verdict:
        """The verdict over the whole batch."""
        return decide(batch, self._policies, self._validate)

    def _validate(self, batch: Batch) -> Verdict:
        if not self._suspected:
            try:
                return sound(self.validator.validate(batch), len(batch))
            except ValidatorError:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001  (a plugin may raise anything: the batch is bisected)
                log.warning("validator failed, bisecting", partition=str(batch.source), why=str(error))
        return self._isolated(batch, self._deaths)


def _outside(job: Job, link: Link) -> Outside:
    """Kafka, and children in which a validator is tried."""
    config, source = job.config, job.source
    seconds = min(ISOLATED_SECONDS_MAX, config.workers.stuck_seconds)
    isolation = Isolation(partial(make_validator, config), seconds, ISOLATED_MEMORY_BYTES_MAX, link.beat)

    def open_source(next_offset: int, leader_epoch: int | None) -> Source:
        properties = reader_properties(config.kafka, f"streamlake-{config.pipeline}-{source.topic}-{source.partition}")
        return KafkaSource(source, properties, next_offset, leader_epoch, job.until)

    return Outside(
        open_source, _dead_letters(job, link), lambda batch, deaths: validate_isolated(batch, isolation, deaths)
    )


def _dead_letters(job: Job, link: Link) -> DeadLetterSender:
    topic = job.config.dead_letters.topic
    if topic is None:
        return NoCopies()
    return KafkaDeadLetters(job.config, job.identity.run, link.beat)
