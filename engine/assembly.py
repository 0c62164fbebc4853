"""Puts an engine together from a pipeline's YAML: the composition root of the supervisor's side."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from streamlake.config.model import PipelineConfig
from streamlake.engine.backoff import RestartLimits
from streamlake.engine.child import PRELOAD_FIRST, PRELOAD_LAST, Child
from streamlake.engine.contracts import Beat, Cluster, Membership, Sink
from streamlake.engine.desk import AskUnread, Desk
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import Exit, LedgerDamagedError, StorageError
from streamlake.engine.forking import start_forkserver
from streamlake.engine.front import AskedToLeaveError, Front, Tick, new_state
from streamlake.engine.generations import FIRST, came_to
from streamlake.engine.kafka.admin import ClusterAdmin
from streamlake.engine.kafka.membership import KafkaMembership
from streamlake.engine.kafka.settings import admin_properties, check_properties, member_properties
from streamlake.engine.logs import configured_logs
from streamlake.engine.operations.generation_change import Senders, finish
from streamlake.engine.records import TopicPartition
from streamlake.engine.registry import add_python_path, import_path, sink_class, validator_class
from streamlake.engine.reloading import Files, Reloading
from streamlake.engine.retention import RetentionBroker, ask_unread, landed_ms_of
from streamlake.engine.standing_orders import Orders
from streamlake.engine.start import all_partitions, late_starts, register_run, warn_of_missing_dead_letter_topic
from streamlake.engine.state import PartitionState
from streamlake.engine.state_file import StateFile, state_folder
from streamlake.engine.supervisor import Supervisor
from streamlake.engine.tracing import Tracing, tracing_of
from streamlake.engine.validator_trial import try_validator
from streamlake.engine.worker_main import Job, dead_letter_sender, make_sink, run_worker

log = structlog.get_logger("streamlake.engine")

BEATS_BEFORE_SAYING = 6
"""Half seconds that the cluster may take for an answer before it is said that we wait for it."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Engine:
    """What `supervise` is to run: who the run is, where it writes, and who asks the broker for it.

    `ends` bound it. `group_id` is whose offsets the broker is asked for; None for a run that has no group.
    """

    config: PipelineConfig
    identity: RunIdentity
    came: Mapping[TopicPartition, int]
    """How far the generations before this one came."""
    sink: Sink
    cluster: Cluster
    membership: Membership
    group_id: str | None
    ends: Mapping[TopicPartition, int] | None
    state_name: str
    rate: float | None = None
    """Records a second that all its workers together may read."""
    retention: RetentionBroker | None = None
    """Who is asked how long Kafka keeps what has not landed; None for a run that leaves what it does not read."""


def run_pipeline(
    config: PipelineConfig,
    *,
    until_end: bool = False,
    files: Files | None = None,
    tick: Tick = lambda _: None,
) -> Exit:
    """Run a pipeline until a signal ends it, or with `until_end` until what is there now has landed.

    A broker that is away is waited for, also at the start; what it refuses ends the run at once. `files` are read
    anew on SIGHUP; `tick` is shown the engine's state several times a second. Raises ConfigError and
    ForeignRootError before anything is claimed.
    """
    sink = prepared(config)
    with Front(config, tick) as front:
        broker = cluster_of(config, front.beat)
        while True:
            try:
                engine = front.when_it_answers(broker, lambda: _live(config, broker, sink, until_end=until_end))
            except AskedToLeaveError as asked:
                return asked.exit_code
            code = supervise(engine, files, tick, front)
            if code is not Exit.SUPERSEDED:
                return code
            log.info("the live run was superseded, its new generation goes on here", superseded=engine.identity.run)


def _live(config: PipelineConfig, broker: ClusterAdmin, sink: Sink, *, until_end: bool) -> Engine:
    """The newest live generation, registered, with what its last owners left undone done."""
    identity = register_run(config, broker, sink)
    warn_of_missing_dead_letter_topic(config, broker)
    if finish(sink, senders_of(config)):
        log.info("a new live generation begins", run=identity.run, reason=identity.reason)
    came = came_to(sink.ledger(), sink.ledger().runs(), identity) if identity.run != FIRST else {}
    late = late_starts(config, broker, sink, identity)
    ends = _ends(config, broker) if until_end else None
    return Engine(
        config=config,
        identity=replace(identity, starts={**late, **came, **identity.starts}),
        came=came,
        sink=sink,
        cluster=broker,
        membership=KafkaMembership(config.kafka.topic_names, member_properties(config.kafka, _client_id(config))),
        group_id=config.kafka.group_id,
        ends=ends,
        state_name=config.kafka.group_id,
        retention=broker,
    )


def supervise(engine: Engine, files: Files | None, tick: Tick, front: Front | None = None) -> Exit:
    """Run one run to its end, or to a signal's. `front` shows its state to the outside."""
    config, identity = engine.config, engine.identity
    desk = Desk(
        engine.cluster,
        engine.membership,
        engine.group_id,
        lambda text: log.warning("broker", why=text),
        _asks_unread(engine),
    )
    state = new_state(config.pipeline, identity.run)
    if front is not None:
        front.state = state
    state.retention_seconds_left_min = config.alarms.retention_seconds_left_min
    # A revocation waits within one turn for workers that drain.
    state.silent_seconds_max = config.workers.stuck_seconds + config.workers.drain_seconds

    def show(partitions: Sequence[PartitionState]) -> None:
        state.partitions, state.draining, state.timings = partitions, supervisor.draining, supervisor.timings
        state.reloading, state.broker_since = supervisor.reloading, supervisor.broker.since
        state.broker_why, state.turned_at = supervisor.broker.why, time.monotonic()
        state.gone = {source.topic: since for source, since in sorted(supervisor.broker.gone.items())}
        state_file.show(state)
        tick(state)

    def orders(new: PipelineConfig) -> Orders:
        state.retention_seconds_left_min = new.alarms.retention_seconds_left_min
        return _orders(replace(engine, config=new), show, tracing)

    tracing = tracing_of(config.pipeline, identity.run, engine.group_id)
    reload = partial(Reloading, config, files, orders)
    supervisor = Supervisor(orders(config), engine.membership, desk, reload)
    state_file = StateFile(state_folder(config.pipeline, config.kafka.bootstrap_servers, engine.state_name))
    sending = contextlib.closing(tracing) if tracing else contextlib.nullcontext()
    if state_file.others:
        hint = "the group shares the partitions among all members; one that was started by mistake may be stopped"
        pids = state_file.others
        log.info("this engine joins others of this pipeline on this host", engines=len(pids) + 1, pids=pids, hint=hint)
    with _signals(supervisor), contextlib.closing(state_file), sending:
        return supervisor.run()


def _asks_unread(engine: Engine) -> AskUnread:
    broker = engine.retention
    if broker is None:
        return lambda _: {}
    ledger = make_sink(engine.config).ledger()  # one of its own: the desk asks in threads
    look_up = partial(landed_ms_of, ledger, engine.identity.run)
    return lambda landed_ms: ask_unread(broker, landed_ms, look_up)


def prepared(config: PipelineConfig) -> Sink:
    """The pipeline's sink, with the forkserver started, and what is wrong with validator and properties said.

    Said here, once, and not by each worker; a client that asks the broker first would only say that none answers.
    """
    sink = make_sink(config)
    if not sink.one_process:
        _start_forkserver(config)
    try_validator(config, forkserver_runs=not sink.one_process)
    check_properties(config.kafka)
    return sink


def cluster_of(config: PipelineConfig, beat: Beat | None = None) -> ClusterAdmin:
    """The pipeline's cluster, for questions; says once that it keeps us waiting, or calls `beat` twice a second."""
    beat = beat or _Patience(config.kafka.bootstrap_servers)
    return ClusterAdmin(admin_properties(config.kafka, _client_id(config)), beat=beat)


def _client_id(config: PipelineConfig) -> str:
    return f"streamlake-{config.pipeline}"


def senders_of(config: PipelineConfig) -> Senders:
    """Make senders of what the last owners of runs may not have sent."""
    return lambda run: dead_letter_sender(config, run, lambda: None)


class _Patience:
    """Says once that the cluster keeps us waiting; called twice a second while it does."""

    def __init__(self, servers: str) -> None:
        self._servers, self._calls = servers, 0

    def __call__(self) -> None:
        self._calls += 1
        if self._calls == BEATS_BEFORE_SAYING:
            log.info("waiting for an answer", bootstrap_servers=self._servers)


def _orders(engine: Engine, show: Callable[[Sequence[PartitionState]], None], tracing: Tracing | None) -> Orders:
    """The YAML as orders to the supervisor."""
    config, identity, sink, ends = engine.config, engine.identity, engine.sink, engine.ends
    ledger = sink.ledger()

    def start(source: TopicPartition) -> Child:
        job = Job(
            config=config,
            identity=identity,
            source=source,
            until=ends.get(source, 0) if ends is not None else None,
            own_process=not sink.one_process,
            logs=configured_logs() or ("text", "INFO"),
            group_may_hold=engine.came.get(source, 0),
            rated=engine.rate is not None,
        )
        return Child(source, run_worker, job, thread=sink.one_process)

    def landed(source: TopicPartition) -> tuple[int, bool]:
        try:
            head = ledger.head(identity.run, source)
        except (LedgerDamagedError, StorageError):
            return -1, False  # its worker says what is wrong and where, or waits for the storage, too
        return head.next, head.last is None or head.last.kind == "close"

    orders = Orders(
        start=start,
        restarts=RestartLimits(config.workers.restarts_max, config.workers.restart_window),
        workers_max=config.workers.max,
        drain_seconds=config.workers.drain_seconds,
        stuck_seconds=config.workers.stuck_seconds,
        ends=ends,
        landed=landed,
        tick=show,
        rate=engine.rate,
        topics=config.kafka.topic_names if engine.group_id is not None else (),
    )
    return orders if tracing is None else replace(orders, committed=tracing.committed)


def _ends(config: PipelineConfig, broker: ClusterAdmin) -> dict[TopicPartition, int]:
    """Each partition's end now, as a `read_committed` reader sees it."""
    sources = all_partitions(config, broker)
    return {source: facts.high for source, facts in broker.facts(sources, config.kafka.group_id).items()}


def _start_forkserver(config: PipelineConfig) -> None:
    """Start importing at once, while this process reads the YAML's plugins and asks the broker.

    Of the plugins only our own: of a user's module nobody knows whether it may be imported before a fork.
    """
    add_python_path(config.python_path)
    kind, ours_begin = config.validator.type, "streamlake.plugins."
    modules = {import_path("validator", kind).partition(":")[0], sink_class(config.sink.type).__module__}
    if import_path("validator", kind).startswith(ours_begin):
        validator_class(kind)
    # The sink is made: it has imported what its root needs.
    ours = sorted(module for module in sys.modules if module.startswith(ours_begin))
    preload = (PRELOAD_FIRST, run_worker.__module__, *ours, PRELOAD_LAST)
    start_forkserver(preload, fork=modules.issubset(ours))


@contextlib.contextmanager
def _signals(supervisor: Supervisor) -> Iterator[None]:
    """Hand signals to the supervisor while it runs; in another thread than the main one there are none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, supervisor.handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
