"""A real Apache Kafka on this machine, for as long as somebody needs one."""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from streamlake.engine.errors import LocalError
from streamlake.engine.kafka.probe import wait_until_ready
from streamlake.engine.local.artifacts import kafka_jars
from streamlake.engine.local.broker import Broker, Listener, format_storage, write_properties
from streamlake.engine.local.cluster import Cluster
from streamlake.engine.local.guarded import GuardedProcesses
from streamlake.engine.local.java import find_java
from streamlake.engine.local.storage_tool import bootstrap_checkpoint

NODES_ALLOWED = (1, 3)
STOP_SECONDS_MAX = 10.0
QUICK_START = ("-XX:TieredStopAtLevel=1",)
"""Only the JVM's quick compiler: ready after 3 s instead of 4 and 4 CPU s instead of 6 (two cores, Java 17). A
benchmark, in which the broker works for minutes, wants the other one: `quick_start=False`."""


class LocalKafka:
    """One or three nodes of Apache Kafka (KRaft, broker and controller in one) on loopback ports.

        with LocalKafka(nodes=3) as kafka:
            connect_to(kafka.bootstrap_servers)

    `port` is the first node's (the others take the following ones), free ones by default. `data_dir` keeps the data
    (and the ports, where they are still free) for a next time; without it everything is gone in the end. `properties`
    are broker settings that win over ours. `say` is told what takes long. Nodes are counted from 1. `proxied` puts a
    proxy before the nodes: for each of them a second port it listens on, and the proxy's port, which it names to those
    who come that way. `listeners` are more ways into a single node, with TLS or a sign-in.

    Whatever happens to this process, no broker outlives it (`guardian.py`). A LocalError says what went wrong, for a
    broker that does not start with the end of its log.
    """

    def __init__(  # noqa: PLR0913  # each by its name
        self,
        nodes: int = 1,
        *,
        port: int | None = None,
        data_dir: Path | None = None,
        properties: Mapping[str, str] | None = None,
        proxied: Sequence[tuple[int, int]] = (),
        listeners: Sequence[Listener] = (),
        quick_start: bool = True,
        start_seconds_max: float = 90.0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        if nodes not in NODES_ALLOWED:
            raise LocalError(f"a local Kafka has 1 node, or 3 so that one may die and the others go on; not {nodes}")
        if listeners and nodes > 1:
            raise LocalError("more listeners are for a Kafka of one node: leave `listeners` out, or say nodes=1")
        self._nodes, self._port, self._data_dir = nodes, port, data_dir
        self._properties = dict(properties or {})
        self._proxied, self._listeners = proxied, listeners
        self._java_options = QUICK_START if quick_start else ()
        self._start_seconds_max = start_seconds_max
        self._say = say
        self._processes: GuardedProcesses | None = None
        self._brokers: Sequence[Broker] = ()
        self._commands: dict[str, list[str]] = {}
        self._pids: dict[str, int] = {}
        self._paused: set[str] = set()

    @property
    def bootstrap_servers(self) -> str:
        """`127.0.0.1:port`, comma-separated."""
        return ",".join(broker.address for broker in self._brokers)

    @property
    def folder(self) -> Path:
        """Where the nodes' folders lie, each with `broker.log`, `console.log`, `server.properties` and `data`."""
        return self._running().folder

    def start(self) -> Self:
        """Starts all nodes and returns when each of them answers and knows all the others."""
        if self._processes is not None:
            raise LocalError("this Kafka runs already; `stop` it first, or make another LocalKafka")
        java = find_java()
        jars = kafka_jars(self._say)
        checkpoint = bootstrap_checkpoint(java, jars)
        self._processes = GuardedProcesses(Cluster.checked_folder(self._data_dir, self._nodes))
        try:
            cluster = Cluster.load_or_make(self._processes.folder, self._nodes, self._port)
            self._brokers = cluster.brokers
            for number, broker in enumerate(self._brokers):
                format_storage(broker, cluster.cluster_id, checkpoint)
                proxied = self._proxied[number] if self._proxied else None
                write_properties(broker, self._brokers, self._properties, proxied, self._listeners)
                self._commands[broker.name] = broker.command(java, jars, self._java_options)
                self._spawn(broker)
            for broker in self._brokers:
                self._wait_until_ready(broker, self._nodes)
        except BaseException:
            self._close()
            raise
        return self

    def stop(self) -> None:
        """Stops all nodes; returns when they are gone, and their data too, if it was temporary. Twice is fine."""
        if self._processes is None:
            return
        if self._data_dir is not None:
            # Data that is thrown away need not be closed in order; data that is kept starts quicker when it was.
            self._terminate([broker.name for broker in self._brokers])
        self._close()

    def kill(self, node: int = 1) -> None:
        """Ends a node with SIGKILL and returns when it is gone."""
        name = self._broker(node).name
        self._running().send_signal(name, signal.SIGKILL)
        self._running().wait(name, STOP_SECONDS_MAX)
        self._paused.discard(name)

    def pause(self, node: int = 1) -> None:
        """Stops a node's clock (SIGSTOP): it keeps its connections and answers nothing until `resume`."""
        self._signal_alive(node, signal.SIGSTOP)
        self._paused.add(self._broker(node).name)

    def resume(self, node: int = 1) -> None:
        """Lets a paused node go on (SIGCONT)."""
        self._signal_alive(node, signal.SIGCONT)
        self._paused.discard(self._broker(node).name)

    def restart(self, node: int = 1) -> None:
        """Starts a node again on its port and data, after an orderly stop if it still runs; returns when it answers."""
        broker = self._broker(node)
        self._terminate([broker.name])
        self._spawn(broker)
        self._wait_until_ready(broker, len(self._alive()))

    def pid(self, node: int = 1) -> int:
        """The process id of a node's JVM."""
        return self._pids[self._broker(node).name]

    def log_path(self, node: int = 1) -> Path:
        """The file a node logs to."""
        return self._broker(node).log_path

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def check(self) -> None:
        """Raises LocalError with the end of its log when a node's process has ended."""
        for broker in self._brokers:
            returncode = self._running().wait(broker.name)
            if returncode is not None:
                raise LocalError(
                    f"Kafka's node {broker.node_id} ended (exit code {returncode}); its log ends with:\n"
                    f"{broker.log_tail()}"
                )

    def _spawn(self, broker: Broker) -> None:
        self._pids[broker.name] = self._running().spawn(broker.name, self._commands[broker.name], broker.console_path)

    def _wait_until_ready(self, broker: Broker, nodes: int) -> None:
        def check() -> None:
            if self._running().wait(broker.name) is not None:
                self.check()

        try:
            wait_until_ready(broker.address, nodes, self._start_seconds_max, check)
        except LocalError as error:
            check()
            raise LocalError(f"{error}; the log of node {broker.node_id} ends with:\n{broker.log_tail()}") from error

    def _terminate(self, names: Sequence[str]) -> None:
        """SIGTERM to all, then SIGKILL to those that are still there when their time is over."""
        processes = self._running()
        for name in names:
            processes.send_signal(name, signal.SIGTERM)
            processes.send_signal(name, signal.SIGCONT)  # a paused one sees its SIGTERM only then
            self._paused.discard(name)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for name in names:
            if processes.wait(name, max(0.0, deadline - time.monotonic())) is None:
                processes.send_signal(name, signal.SIGKILL)
                processes.wait(name, STOP_SECONDS_MAX)

    def _close(self) -> None:
        processes, self._processes = self._processes, None
        if processes is not None:
            processes.close()

    def _signal_alive(self, node: int, number: signal.Signals) -> None:
        if self._running().send_signal(self._broker(node).name, number) is not None:
            raise LocalError(f"node {node} does not run: it can't be paused or resumed; `restart` it first")

    def _alive(self) -> list[Broker]:
        running = [b for b in self._brokers if self._running().wait(b.name) is None]
        return [broker for broker in running if broker.name not in self._paused]

    def _broker(self, node: int) -> Broker:
        if not 1 <= node <= len(self._brokers):
            raise LocalError(f"this Kafka has no node {node}: nodes are counted from 1 to {len(self._brokers)}")
        return self._brokers[node - 1]

    def _running(self) -> GuardedProcesses:
        if self._processes is None:
            raise LocalError("this Kafka is not running: `start` it first")
        return self._processes
