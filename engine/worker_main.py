"""The main function of a worker process: puts its parts together, runs it, and says why it ended."""

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection

import structlog

from streamlake.config.model import PipelineConfig
from streamlake.engine.breaker import Breaker, BreakerLimits
from streamlake.engine.child import PRELOAD_FIRST, PRELOAD_LAST
from streamlake.engine.codes.processes import CRASHED
from streamlake.engine.codes.storage import ROOT_GONE
from streamlake.engine.contracts import (
    BatchLimits,
    Beat,
    DeadLetterSender,
    PartitionJob,
    PartitionSink,
    Sink,
    Source,
    TopicFacts,
    Validator,
)
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import Exit, StorageError, StreamLakeError, SupersededError, ValidatorError
from streamlake.engine.folding import folded_message
from streamlake.engine.generations import next_name, number_of
from streamlake.engine.kafka.dead_letters import KafkaDeadLetters
from streamlake.engine.kafka.settings import reader_properties
from streamlake.engine.kafka.source import KafkaSource
from streamlake.engine.letters import NoCopies
from streamlake.engine.link import Link, Supervision
from streamlake.engine.logs import LogFormat, LogLevel, configure_logs
from streamlake.engine.messages import Ended
from streamlake.engine.orphan import die_with_the_parent
from streamlake.engine.pipeline import Path, Report
from streamlake.engine.poison import Isolation, validate_isolated
from streamlake.engine.policy import Policies, decide
from streamlake.engine.printed import apart, flush_what_is_printed, log_what_is_printed
from streamlake.engine.rated_source import RatedSource
from streamlake.engine.records import Batch, OffsetRange, TopicPartition, Verdict
from streamlake.engine.recovery import Recovery
from streamlake.engine.registry import PLUGIN_KINDS, add_python_path, known, sink_class, validator_class
from streamlake.engine.verdicts import sound
from streamlake.engine.worker import Parts, Worker

log = structlog.get_logger("streamlake.worker")

ISOLATED_MEMORY_BYTES_MAX = 2 * 1024**3
ISOLATED_SECONDS_MAX = 60.0
LOOK_DEATHS_MAX = 10


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker is told; pickled. `until` is the first offset a bounded run does not read."""

    config: PipelineConfig
    identity: RunIdentity
    source: TopicPartition
    until: int | None
    own_process: bool
    logs: tuple[LogFormat, LogLevel]
    group_may_hold: int = 0
    """How far the generation before this one came."""
    rated: bool = False
    """Whether its run has a rate, of which the supervisor tells the worker its share."""


for _kind in PLUGIN_KINDS:
    known(_kind)  # by the forkserver, once; its workers have it then


def run_worker(pipe: Connection, job: object) -> None:
    """Run one worker to its end; as a process it ends by `os._exit`, so that no library's clean-up can hang it."""
    assert isinstance(job, Job)
    link = Link(pipe, job.config.workers.stuck_seconds)
    if job.own_process:
        die_with_the_parent()
        configure_logs(*job.logs, pipeline=job.config.pipeline, partition=str(job.source))
        if job.logs[0] == "json":
            log_what_is_printed()
        if PRELOAD_LAST not in sys.modules:  # the forkserver passes over in silence what it can't import
            log.warning("the forkserver has not preloaded; each worker imports everything itself")
        _preload_for_children()
    ended = _run(link, job)
    link.ended(ended)
    if job.own_process:
        flush_what_is_printed()
        os._exit(ended.exit_code)
    sys.exit(ended.exit_code)


def _run(link: Link, job: Job) -> Ended:
    """Why the worker ended. One that has finished says so, too: a plugin can bring about an exit code of 0."""
    try:
        Worker(parts_of(job, link, _outside(job, link)), link).run()
    except StreamLakeError as error:
        return Ended(error.exit_code, str(error), error.parks, error.code.number)
    except (Exception, SystemExit) as error:
        log.debug("worker crashed", partition=str(job.source), exc_info=error)
        why = folded_message(f"{type(error).__name__}: {error}")  # a library's words may quote a record
        return Ended(Exit.CRASHED, why, parks=False, code=CRASHED.number)
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
        output=job.identity.output,
        beat=link.beat,
        waits=link.waits,
    )
    # The partition's end first: from then on waits for the storage are told, this question's, too.
    whole = make_sink(config)
    sink = whole.partition(partition_job)
    _check_root(whole, job)
    letters = outside.dead_letters
    look = breaker_of(config).look

    def path(sink: PartitionSink, confirm_topic: Callable[[], None], report: Callable[[Report], None]) -> Path:
        return Path(decider.decide, look, sink, confirm_topic, letters, report, lambda: time.time_ns() // 1_000_000)

    return Parts(
        recovery=Recovery(
            source,
            topic_id,
            sink,
            letters,
            ask,
            config.policies.gap,
            still_live=partial(_check_generation, whole, job),
            until=job.until,
            group_may_hold=job.group_may_hold,
        ),
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
            "unmounted. Nothing was written to it; mount it again or put it back, and all goes on",
            code=ROOT_GONE,
        )


def _check_generation(sink: Sink, job: Job) -> None:
    """Raise SupersededError where a new live generation goes on, or lands what a backfill was to land.

    Asked behind our claim, whoever makes one closes ledgers behind its run file: so one of the two sees the other.
    """
    run = job.identity.run
    if job.identity.ends and not job.identity.output:
        from streamlake.engine.operations.lineage import Lineage  # noqa: PLC0415  # only a backfill loads it

        if Lineage(sink.ledger()).overtaken(job.identity):
            raise SupersededError(f"{job.source}: the live run lands some of {run} itself; nothing was landed")
    if number_of(run) is not None and sink.find_run(next_name(run)) is not None:
        raise SupersededError(f"{job.source}: {next_name(run)} goes on in place of {run}; nothing was landed")


class Decider:
    """Policies and validator as one decision; isolates the validator when a record is suspected to kill it."""

    def __init__(self, config: PipelineConfig, isolated: Callable[[Batch, list[str]], Verdict]) -> None:
        self.validator = make_validator(config)
        self._policies = policies_of(config)
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
                log.warning("validator failed, bisecting", partition=str(batch.source), why=_kind_and_place(error))
        return self._isolated(batch, self._deaths)


def _kind_and_place(error: BaseException) -> str:
    """What was raised, and where: its words may quote a record, and stand in the dead letter alone."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {last.filename}:{last.lineno}"


def decider_apart(config: PipelineConfig) -> Decider:
    """The pipeline's decisions for a look at some records, columns too: the validator runs in disposable children.

    So a record that kills, hangs or breaks it is refused as `crash`, as a worker would find in the end. Decides raise
    what `validate_isolated` raises, BreakerError after a few such records: each takes seconds, and somebody waits.
    """
    isolation = replace(_isolation(config, lambda: None), deaths_max=LOOK_DEATHS_MAX)
    decider = Decider(config, lambda batch, deaths: validate_isolated(batch, isolation, deaths))
    decider.suspect(True)
    _preload_for_children()
    return decider


def policies_of(config: PipelineConfig) -> Policies:
    """What the YAML decides of single records before a validator does."""
    policies = config.policies
    return Policies(policies.tombstone, policies.record_bytes_max, policies.record_headers_max)


def breaker_of(config: PipelineConfig) -> Breaker:
    """A breaker with the YAML's limits that has seen nothing yet."""
    limits = config.dead_letters.breaker
    return Breaker(BreakerLimits(limits.ratio_max, limits.window_rows, limits.consecutive_max), config.files)


def isolated_decider(config: PipelineConfig, beat: Beat = lambda: None) -> Callable[[Batch], Verdict]:
    """What the pipeline's policies and validator, as the YAML has them now, decide of a batch: for operations.

    Each batch is validated in a disposable child, so that a record that kills the validator kills nobody else: it is
    refused as `crash`. Raises what `validate_isolated` raises.
    """
    isolation = _isolation(config, beat)
    policies = policies_of(config)
    _preload_for_children()

    def isolated(batch: Batch) -> Verdict:
        return replace(validate_isolated(batch, isolation, []), columns=None)

    return lambda batch: decide(batch, policies, isolated)


def _isolation(config: PipelineConfig, beat: Beat) -> Isolation:
    """How a worker isolates the pipeline's validator."""
    seconds = min(ISOLATED_SECONDS_MAX, config.workers.stuck_seconds)
    return Isolation(apart(partial(make_validator, config)), seconds, ISOLATED_MEMORY_BYTES_MAX, beat)


def _preload_for_children() -> None:
    """Of the forkserver that isolation starts: a batch that is bisected takes dozens of children."""
    multiprocessing.get_context("forkserver").set_forkserver_preload([PRELOAD_FIRST, __name__, PRELOAD_LAST])


def _outside(job: Job, link: Link) -> Outside:
    """Kafka, and children in which a validator is tried."""
    config, source = job.config, job.source
    isolation = _isolation(config, link.beat)

    def open_source(next_offset: int, leader_epoch: int | None) -> Source:
        if job.identity.reads == "lake":
            return _open_lake(job, next_offset)
        properties = reader_properties(config.kafka, f"streamlake-{config.pipeline}-{source.topic}-{source.partition}")
        reads = KafkaSource(source, properties, next_offset, leader_epoch, job.until)
        return RatedSource(reads, lambda: link.share, job.until) if job.rated else reads

    return Outside(
        open_source, _dead_letters(job, link), lambda batch, deaths: validate_isolated(batch, isolation, deaths)
    )


def _open_lake(job: Job, next_offset: int) -> Source:
    """What readers of the root see, in the place of Kafka. Only a replay loads it."""
    from streamlake.engine.lake.source import LakeSource  # noqa: PLC0415  # see above
    from streamlake.engine.operations.lineage import live_entries  # noqa: PLC0415  # see above

    assert job.until is not None, "files are read up to a bound"
    ledger = make_sink(job.config).ledger()
    topic_id = job.identity.topic_ids[job.source.topic]
    within = OffsetRange(next_offset, max(next_offset, job.until))
    entries = (entry for entry in live_entries(ledger, job.source, within) if entry.topic_id == topic_id)
    return LakeSource(ledger, job.source, entries, next_offset, job.until)


def _dead_letters(job: Job, link: Link) -> DeadLetterSender:
    """A replay's dead letters stand in its files alone: other systems have had their copies, of the live run."""
    return NoCopies() if job.identity.output else dead_letter_sender(job.config, job.identity.run, link.beat)


def dead_letter_sender(config: PipelineConfig, run: str, beat: Callable[[], None]) -> DeadLetterSender:
    """Copies dead letters of a run to their topic, where the pipeline has one."""
    return NoCopies() if config.dead_letters.topic is None else KafkaDeadLetters(config, run, beat)
