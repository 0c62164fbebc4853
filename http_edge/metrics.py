"""The edge's metrics, of all workers of a server together (prometheus_client's multiprocess mode, where it is on)."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own name for where processes share their values; looked at when it is imported."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class StreamMetrics:
    """The counters of one stream, found once."""

    def __init__(self, metrics: "EdgeMetrics", stream: str) -> None:
        self._requests, self._stream = metrics.requests, stream
        self._by_outcome: dict[str, Counter] = {}
        self.stored, self.refused, self.unknown = (
            metrics.records.labels(stream, outcome) for outcome in ("stored", "refused", "unknown")
        )
        self.bytes = metrics.bytes.labels(stream)
        self.delivery = metrics.delivery.labels(stream)

    def answered(self, outcome: str) -> None:
        """Count a request."""
        counter = self._by_outcome.get(outcome)
        if counter is None:
            counter = self._by_outcome[outcome] = self._requests.labels(self._stream, outcome)
        counter.inc()


class EdgeMetrics:
    """What an edge counts. A stream that does not exist is counted as the stream `""`: names are the caller's."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        shared, own = SHARED_FOLDER in os.environ, self._registry
        self.requests = Counter(
            "streamlake_http_requests", "Requests by stream and what was answered", ("stream", "outcome"), registry=own
        )
        self.records = Counter(
            "streamlake_http_records", "Records by what became of them", ("stream", "outcome"), registry=own
        )
        self.bytes = Counter(
            "streamlake_http_body_bytes", "Bytes of bodies, as they were sent", ("stream",), registry=own
        )
        self.delivery = Histogram(
            "streamlake_http_delivery_seconds",
            "From handing a request's records to librdkafka to the last delivery report",
            ("stream",),
            buckets=SECONDS,
            registry=own,
        )
        self.queue_records = self._gauge("streamlake_http_queue_records", "Records that wait for Kafka", "livesum")
        self.queue_bytes = self._gauge("streamlake_http_queue_bytes", "Bytes of records that wait for Kafka", "livesum")
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

    def _gauge(self, name: str, meaning: str, mode: str) -> Gauge:
        return Gauge(name, meaning, registry=self._registry, multiprocess_mode=mode)  # type: ignore[arg-type]  # its Literal
