"""The edge's metrics, of all workers of a server together (prometheus_client's multiprocess mode, where it is on)."""

import os
from collections import Counter
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client import Counter as SharedCounter
from prometheus_client.multiprocess import MultiProcessCollector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own name for where processes share their values; looked at when it is imported."""
# A `_created` beside each counter, which Prometheus reads as a gauge of its own.
disable_created_metrics()  # type: ignore[no-untyped-call]  # its stubs are not whole

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class StreamMetrics:
    """The counters of one stream. What is counted here is shown from the next `flush` on.

    A value that processes share costs more than all of an answer's making: so numbers are added up here first.
    """

    def __init__(self, metrics: "EdgeMetrics", stream: str) -> None:
        self._metrics, self._stream = metrics, stream
        self._answered: Counter[str] = Counter()
        self._delivery = metrics.delivery.labels(stream)
        self._delivered: list[float] = []
        self.stored = self.refused = self.unknown = self.bytes = 0

    def answered(self, outcome: str) -> None:
        """Count a request."""
        self._answered[outcome] += 1

    def delivered(self, seconds: float) -> None:
        """Note how long Kafka took for a request's records."""
        self._delivered.append(seconds)

    def flush(self) -> None:
        """Add to what is shown."""
        metrics, stream = self._metrics, self._stream
        for outcome, count in self._answered.items():
            metrics.requests.labels(stream, outcome).inc(count)
        for outcome in ("stored", "refused", "unknown"):
            metrics.records.labels(stream, outcome).inc(getattr(self, outcome))
        metrics.bytes.labels(stream).inc(self.bytes)
        for seconds in self._delivered:
            self._delivery.observe(seconds)
        self._answered.clear()
        self._delivered.clear()
        self.stored = self.refused = self.unknown = self.bytes = 0


class EdgeMetrics:
    """What an edge counts. A stream that does not exist is counted as the stream `""`: names are the caller's."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        shared, own = SHARED_FOLDER in os.environ, self._registry
        self.requests = SharedCounter(
            "streamlake_http_requests", "Requests by stream and what was answered", ("stream", "outcome"), registry=own
        )
        self.records = SharedCounter(
            "streamlake_http_records", "Records by what became of them", ("stream", "outcome"), registry=own
        )
        self.bytes = SharedCounter(
            "streamlake_http_body_bytes", "Bytes of bodies, as they were sent", ("stream",), registry=own, unit="bytes"
        )
        self.delivery = Histogram(
            "streamlake_http_delivery_seconds",
            "From handing a request's records to librdkafka to the last delivery report",
            ("stream",),
            buckets=SECONDS,
            registry=own,
            unit="seconds",
        )
        self.queue_records = self._gauge("streamlake_http_queue_records", "Records that wait for Kafka", "livesum")
        self.queue_bytes = self._gauge(
            "streamlake_http_queue_bytes", "Bytes of records that wait for Kafka", "livesum", "bytes"
        )
        self.connections = self._gauge("streamlake_http_connections", "Open connections", "livesum")
        self.circuit_open = self._gauge(
            "streamlake_http_circuit_open", "1 while a worker can't write to some topic", "livemax"
        )
        if shared:
            self._registry = CollectorRegistry()
            MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]  # its stubs are not whole

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, meaning: str, mode: str, unit: str = "") -> Gauge:
        shown: Any = mode  # its Literal
        return Gauge(name, meaning, registry=self._registry, multiprocess_mode=shown, unit=unit)
