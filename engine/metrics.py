"""The Prometheus metrics of an engine: computed from its state when they are asked for, kept nowhere."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streamlake.engine.state import EngineState, PartitionState

PLACE = ("topic", "partition")


class StateCollector(Collector):
    """Turns the state of an engine into metrics, each time anew: counters are the supervisor's own."""

    def __init__(self, state: Callable[[], EngineState]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """One family after the other; what is not known yet is left out rather than said to be 0."""
        state = self._state()
        build = GaugeMetricFamily(
            "streamlake_build_info", "The version that runs, and for whom; always 1", labels=["version", *_WHO]
        )
        build.add_metric([version("streamlake"), state.pipeline, state.run], 1)
        yield build
        yield _records(state)
        yield _counter(state, "streamlake_batches", "Committed batches", lambda p: p.batches)
        yield _counter(state, "streamlake_file_bytes", "Bytes of committed files", lambda p: p.bytes)
        yield _counts(state, "streamlake_worker_restarts", _RESTARTS, "exit", lambda p: p.restarts)
        yield _counts(state, "streamlake_sink_retries", _RETRIES, "reason", lambda p: p.storage_waits)
        yield _gauge(
            state,
            "streamlake_storage_waiting",
            "1 while the storage does not answer",
            lambda p: int(bool(p.storage_since)),
        )
        yield _gauge(state, "streamlake_next_offset", "The next offset to read", lambda p: p.next)
        yield _gauge(state, "streamlake_lag_offsets", "Offsets between next and the end", lambda p: p.lag)
        yield _gauge(state, "streamlake_parked", "1 when it waits for a person", lambda p: int(p.phase == "parked"))
        yield _gauge(
            state, "streamlake_last_commit_timestamp_seconds", "When a batch was last committed", _last_commit_seconds
        )


def registry_of(state: Callable[[], EngineState]) -> CollectorRegistry:
    """A registry that holds this engine's metrics and nothing else."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StateCollector(state))
    return registry


_WHO = ("pipeline", "run")
_RESTARTS = "Workers started again, by how the one before ended"
_RETRIES = "Waits for a storage that did not answer, by why"


def _records(state: EngineState) -> Metric:
    family = CounterMetricFamily(
        "streamlake_records", "Messages committed, by what became of them", labels=[*PLACE, "outcome"]
    )
    for partition in state.partitions:
        for outcome in ("landed", "refused", "skipped"):
            family.add_metric([*_place(partition), outcome], getattr(partition, outcome))
    return family


def _counts(
    state: EngineState, name: str, meaning: str, label: str, values: Callable[[PartitionState], Mapping[str, int]]
) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=[*PLACE, label])
    for partition in state.partitions:
        for value, count in sorted(dict(values(partition)).items()):
            family.add_metric([*_place(partition), value], count)
    return family


def _counter(state: EngineState, name: str, meaning: str, value: Callable[[PartitionState], int]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=PLACE)
    for partition in state.partitions:
        family.add_metric(_place(partition), value(partition))
    return family


def _gauge(state: EngineState, name: str, meaning: str, value: Callable[[PartitionState], float | None]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=PLACE)
    for partition in state.partitions:
        known = value(partition)
        if known is not None:
            family.add_metric(_place(partition), known)
    return family


def _last_commit_seconds(partition: PartitionState) -> float | None:
    at = partition.last_commit_at
    return None if at is None else datetime.fromisoformat(at).timestamp()


def _place(partition: PartitionState) -> list[str]:
    return [partition.source.topic, str(partition.source.partition)]
