"""The Prometheus metrics of an engine: computed from its state when they are asked for, kept nowhere."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import version
from itertools import accumulate
from math import nan
from typing import get_args

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streamlake.engine.errors import Exit
from streamlake.engine.records import Reason
from streamlake.engine.state import EngineState, PartitionState
from streamlake.engine.timings import BOUNDS_SECONDS, Histogram

PLACE = ("topic", "partition")
ENDS = (
    *(code.name.lower() for code in Exit if Exit.FENCED <= code <= Exit.SUPERSEDED or code is Exit.BAD_CONFIG),
    *("killed", "not started"),
)
"""How workers end: each is shown from the start, for `increase()` does not see a series that begins with 1."""


class StateCollector(Collector):
    """Turns the state of an engine into metrics, each time anew: counters are the supervisor's own."""

    def __init__(self, state: Callable[[], EngineState]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """One family after the other; what is not known yet is left out rather than said to be 0."""
        state = self._state()
        yield from _engine(state)
        yield from _counters(state)
        yield from _histograms(state)
        yield from _gauges(state)


def registry_of(state: Callable[[], EngineState]) -> CollectorRegistry:
    """A registry that holds this engine's metrics, and the usual ones of its supervisor's process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StateCollector(state))
    ProcessCollector(registry=registry)
    return registry


def _engine(state: EngineState) -> Iterator[Metric]:
    about = {"version": version("streamlake"), "pipeline": state.pipeline, "run": state.run}
    build = GaugeMetricFamily(
        "streamlake_build_info", "The version that runs, and for whom; always 1", labels=list(about)
    )
    build.add_metric(list(about.values()), 1)
    yield build
    yield GaugeMetricFamily("streamlake_draining", "1 while the engine leaves", int(state.draining))
    yield GaugeMetricFamily(
        *("streamlake_broker_away", "1 while the broker does not answer, for some partition or at the start"),
        int(state.broker_since is not None),
    )


def _counters(state: EngineState) -> Iterator[Metric]:
    yield _by(
        *(state, "streamlake_records", "Messages committed, by what became of them", "outcome"),
        lambda p: {outcome: getattr(p, outcome) for outcome in ("landed", "refused", "skipped")},
    )
    yield _by(
        *(state, "streamlake_refused_records", "Messages committed as dead letters, by why", "reason"),
        lambda p: {reason: p.refused_reasons.get(reason, 0) for reason in get_args(Reason)},
    )
    yield _counter(state, "streamlake_batches", "Committed batches", lambda p: p.batches)
    yield _counter(state, "streamlake_file_bytes", "Bytes of committed files", lambda p: p.bytes, "bytes")
    yield _by(
        *(state, "streamlake_worker_restarts", "Workers that ended unasked, by how; others follow them", "exit"),
        lambda p: {**dict.fromkeys(ENDS, 0), **p.restarts},
    )
    yield _by(
        *(state, "streamlake_sink_retries", "Waits for a storage that did not answer, by why", "reason"),
        lambda p: dict(p.storage_waits),
    )


def _histograms(state: EngineState) -> Iterator[Metric]:
    whole = HistogramMetricFamily(
        *("streamlake_batch_seconds", "From a committed batch's first message to its end"),
        labels=["topic"],
        unit="seconds",
    )
    steps = HistogramMetricFamily(
        *("streamlake_batch_step_seconds", "How long a step of a committed batch took"),
        labels=["topic", "step"],
        unit="seconds",
    )
    for topic, timings in sorted(state.timings.items()):
        whole.add_metric([topic], *_buckets(timings.batch))
        for step, taken in timings.steps.items():
            steps.add_metric([topic, step], *_buckets(taken))
    yield whole
    yield steps


def _gauges(state: EngineState) -> Iterator[Metric]:
    yield _gauge(
        *(state, "streamlake_storage_waiting", "1 while the storage does not answer"),
        lambda p: int(bool(p.storage_since)),
    )
    yield _gauge(
        *(state, "streamlake_broker_waiting", "1 while the broker does not answer for it"),
        lambda p: int(p.broker_since is not None),
    )
    yield _gauge(state, "streamlake_next_offset", "The next offset to read", lambda p: p.next)
    yield _gauge(state, "streamlake_lag_offsets", "Offsets between next and the end", lambda p: _lag(p, p.lag))
    yield _gauge(
        *(state, "streamlake_lag_seconds", "How long the first message that has not landed has waited, at most"),
        *(lambda p: _lag(p, p.lag_seconds), "seconds"),
    )
    yield _gauge(
        *(state, "streamlake_retention_left_seconds"),
        "Seconds until Kafka may delete what has not landed; absent where nothing is unread, or nothing is deleted",
        *(lambda p: p.retention_seconds_left, "seconds"),
    )
    yield _gauge(state, "streamlake_parked", "1 when it waits for a person", _waits_for_a_person)
    yield _gauge(
        *(state, "streamlake_last_commit_timestamp_seconds", "When a batch was last committed"),
        *(_last_commit_seconds, "seconds"),
    )
    yield _gauge(
        *(state, "streamlake_ledger_seq", "The number of the last ledger entry with records that was committed here"),
        lambda p: p.ledger_seq,
    )
    yield _gauge(
        *(state, "streamlake_worker_memory_bytes", "The worker's share of memory (PSS)"),
        *(lambda p: p.memory_bytes, "bytes"),
    )


def _waits_for_a_person(partition: PartitionState) -> int:
    return int(partition.phase == "parked" or partition.gone_since is not None)


def _lag(partition: PartitionState, known: float | None) -> float | None:
    """Not a number while nobody knows it, or the position is past the end: the series stays, the partition is ours."""
    past_the_end = None not in (partition.next, partition.end) and partition.lag is None
    return nan if partition.broker_since or partition.gone_since or past_the_end else known


def _by(
    state: EngineState, name: str, meaning: str, label: str, values: Callable[[PartitionState], Mapping[str, int]]
) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=[*PLACE, label])
    for partition in state.partitions:
        for value, count in values(partition).items():
            family.add_metric([*_place(partition), value], count)
    return family


def _counter(
    state: EngineState, name: str, meaning: str, value: Callable[[PartitionState], int], unit: str = ""
) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=PLACE, unit=unit)
    for partition in state.partitions:
        family.add_metric(_place(partition), value(partition))
    return family


def _gauge(
    state: EngineState, name: str, meaning: str, value: Callable[[PartitionState], float | None], unit: str = ""
) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=PLACE, unit=unit)
    for partition in state.partitions:
        known = value(partition)
        if known is not None:
            family.add_metric(_place(partition), known)
    return family


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Cumulative counts up to each bound, and the sum; one copy first, since the supervisor goes on meanwhile."""
    bounds: Iterable[float] = (*BOUNDS_SECONDS, float("inf"))
    counts = accumulate(list(histogram.counts))
    names = ("+Inf" if bound == float("inf") else str(bound) for bound in bounds)
    return [(name, float(count)) for name, count in zip(names, counts, strict=True)], histogram.sum_seconds


def _last_commit_seconds(partition: PartitionState) -> float | None:
    at = partition.last_commit_at
    return None if at is None else datetime.fromisoformat(at).timestamp()


def _place(partition: PartitionState) -> list[str]:
    return [partition.source.topic, str(partition.source.partition)]
