"""Puts an engine together from a pipeline's YAML: the composition root of the supervisor's side."""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import structlog

from streamlake.config.model import PipelineConfig
from streamlake.engine.backoff import RestartLimits
from streamlake.engine.child import PRELOAD_FIRST, PRELOAD_LAST, Child
from streamlake.engine.contracts import Sink
from streamlake.engine.desk import Desk
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ConfigError, Exit, LedgerDamagedError, StorageError
from streamlake.engine.forking import start_forkserver
from streamlake.engine.kafka.admin import ClusterAdmin
from streamlake.engine.kafka.membership import KafkaMembership
from streamlake.engine.kafka.settings import admin_properties, check_properties, member_properties
from streamlake.engine.logs import log_format
from streamlake.engine.records import TopicPartition
from streamlake.engine.registry import add_python_path, sink_class, validator_class
from streamlake.engine.start import all_partitions, register_run
from streamlake.engine.state import EngineState, PartitionState
from streamlake.engine.state_file import StateFile, state_folder
from streamlake.engine.supervisor import Orders, Supervisor
from streamlake.engine.worker_main import Job, make_sink, make_validator, run_worker

log = structlog.get_logger("streamlake.engine")

BEATS_BEFORE_SAYING = 6
"""Half seconds that the cluster may take for an answer before it is said that we wait for it."""

Tick = Callable[[EngineState], None]

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
FIXED_WHILE_RUNNING = ("pipeline", "kafka", "sink", "metrics", "python_path")


def run_pipeline(
    config: PipelineConfig,
    *,
    until_end: bool = False,
    reload: Callable[[], PipelineConfig] | None = None,
    tick: Tick = lambda _: None,
) -> Exit:
    """Run a pipeline until a signal ends it, or with `until_end` until what is there now has landed.

    `reload` reads the YAML anew on SIGHUP; `tick` is shown the engine's state several times a second. Raises
    ConfigError and ForeignRootError before anything is claimed.
    """
    sink = make_sink(config)
    if not sink.one_process:
        _start_forkserver(config)
    make_validator(config)  # so that what is wrong with it is said here, once, and not by each worker
    check_properties(config.kafka)  # the same: a client that asks the broker first would only say that none answers
    client_id = f"streamlake-{config.pipeline}"
    broker = ClusterAdmin(admin_properties(config.kafka, client_id), beat=_Patience(config.kafka.bootstrap_servers))
    identity = register_run(config, broker, sink)
    ends = _ends(config, broker) if until_end else None
    membership = KafkaMembership(config.kafka.topic_names, member_properties(config.kafka, client_id))
    desk = Desk(broker, membership, config.kafka.group_id, lambda text: log.warning("broker", why=text))
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    engine = EngineState(config.pipeline, identity.run, socket.gethostname(), os.getpid(), started_at)

    def show(partitions: Sequence[PartitionState]) -> None:
        engine.partitions, engine.draining = partitions, supervisor.draining
        state_file.show(engine)
        tick(engine)

    def take_over() -> Orders:
        return _orders(_reloaded(config, reload), identity, sink, ends, show)

    supervisor = Supervisor(_orders(config, identity, sink, ends, show), membership, desk, take_over)
    state_file = StateFile(state_folder(config.pipeline, config.kafka.bootstrap_servers, config.kafka.group_id))
    with _signals(supervisor), _answering(config.metrics.listen, engine), contextlib.closing(state_file):
        return supervisor.run()


def _answering(listen: str | None, engine: EngineState) -> contextlib.AbstractContextManager[object]:
    """/metrics and /status, where the YAML asks for them."""
    if listen is None:
        return contextlib.nullcontext()
    from streamlake.engine.endpoint import serve_state  # noqa: PLC0415  # 30 ms that nobody else pays for

    return contextlib.closing(serve_state(listen, lambda: engine))


class _Patience:
    """Says once that the cluster keeps us waiting; called twice a second while it does."""

    def __init__(self, servers: str) -> None:
        self._servers, self._calls = servers, 0

    def __call__(self) -> None:
        self._calls += 1
        if self._calls == BEATS_BEFORE_SAYING:
            log.info("waiting for an answer", bootstrap_servers=self._servers)


def _orders(
    config: PipelineConfig,
    identity: RunIdentity,
    sink: Sink,
    ends: Mapping[TopicPartition, int] | None,
    show: Callable[[Sequence[PartitionState]], None],
) -> Orders:
    """The YAML as orders to the supervisor."""
    ledger = sink.ledger()

    def start(source: TopicPartition) -> Child:
        until = ends.get(source, 0) if ends is not None else None
        job = Job(config, identity, source, until, own_process=not sink.one_process, log_format=log_format())
        return Child(source, run_worker, job, thread=sink.one_process)

    def landed(source: TopicPartition) -> tuple[int, bool]:
        try:
            head = ledger.head(identity.run, source)
        except (LedgerDamagedError, StorageError):
            return -1, False  # its worker says what is wrong and where, or waits for the storage, too
        return head.next, head.last is None or head.last.kind == "close"

    return Orders(
        start=start,
        restarts=RestartLimits(config.workers.restarts_max, config.workers.restart_window),
        workers_max=config.workers.max,
        drain_seconds=config.workers.drain_seconds,
        stuck_seconds=config.workers.stuck_seconds,
        ends=ends,
        landed=landed,
        tick=show,
    )


def _ends(config: PipelineConfig, broker: ClusterAdmin) -> dict[TopicPartition, int]:
    """Each partition's end now, as a `read_committed` reader sees it."""
    sources = all_partitions(config, broker)
    return {source: facts.high for source, facts in broker.facts(sources, config.kafka.group_id).items()}


def _reloaded(config: PipelineConfig, reload: Callable[[], PipelineConfig] | None) -> PipelineConfig:
    """The YAML as it is now. Raises ConfigError where something changed that can't while running."""
    if reload is None:
        raise ConfigError("this engine was not started from a YAML file, there is nothing to read again")
    new = reload()
    changed = [name for name in FIXED_WHILE_RUNNING if getattr(new, name) != getattr(config, name)]
    if changed:
        raise ConfigError(
            *(f"{name}: can't change while the engine runs; stop it and start it again" for name in changed)
        )
    make_validator(new)
    return new


def _start_forkserver(config: PipelineConfig) -> None:
    """Start importing at once, while this process reads the YAML's plugins and asks the broker.

    Of the plugins only our own: of a user's module nobody knows whether it may be imported before a fork.
    """
    add_python_path(config.python_path)
    modules = {found.__module__ for found in (validator_class(config.validator.type), sink_class(config.sink.type))}
    # The sink is made: it has imported what its root needs.
    ours = sorted(module for module in sys.modules if module.startswith("streamlake.plugins."))
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
