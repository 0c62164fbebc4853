"""Each committed batch as an OpenTelemetry span with its steps below it, sent by OTLP over HTTP (extra `otel`).

The supervisor makes them of what its workers report anyway: nothing is in a batch's way, and a worker knows nothing of
it. What goes wrong here is said and never raised, and OpenTelemetry is imported only where somebody asked for traces.
"""

import logging
import os
import time
from collections.abc import Mapping
from importlib.metadata import version
from threading import Lock, Thread
from typing import TYPE_CHECKING

import structlog

from streamlake.engine.messages import Progress
from streamlake.engine.records import TopicPartition
from streamlake.engine.timings import STEPS

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = structlog.get_logger("streamlake.tracing")

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP = "http/protobuf"

CLOSE_SECONDS = 3.0
"""How long the end of an engine waits for spans that have not been sent."""
SAY_SECONDS = 60.0
NANOS = 1_000_000_000


class Tracing:
    """Makes spans of reports; a thread of OpenTelemetry's own sends them, from a queue that is bounded."""

    def __init__(self, provider: "TracerProvider", group: str | None) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("streamlake", version("streamlake"))
        self._group = group
        self._works = True

    def committed(self, source: TopicPartition, progress: Progress) -> None:
        """Take in the report of a committed batch; never blocks, never raises."""
        if not self._works:
            return
        try:
            self._span(source, progress)
        except Exception as error:  # noqa: BLE001  (whatever a foreign library raises, landing goes on)
            self._works = False
            log.warning("traces are given up", why=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Send what waits, for `CLOSE_SECONDS` at most."""
        closer = Thread(target=self._provider.shutdown, daemon=True, name="tracing-close")
        closer.start()
        closer.join(CLOSE_SECONDS)

    def _span(self, source: TopicPartition, progress: Progress) -> None:
        """The steps one after the other, as long as each was; together they are the batch, which ends now."""
        from opentelemetry import trace  # noqa: PLC0415  # only where it is on

        steps = [(step, round(progress.steps[step] * NANOS)) for step in STEPS if step in progress.steps]
        end = time.time_ns()
        at = end - sum(nanos for _, nanos in steps)
        batch = self._tracer.start_span(
            f"land {source.topic}",
            kind=trace.SpanKind.CONSUMER,
            attributes=self._attributes(source, progress),
            start_time=at,
        )
        below = trace.set_span_in_context(batch)
        for step, nanos in steps:
            self._tracer.start_span(step, context=below, start_time=at).end(end_time=at + nanos)
            at += nanos
        batch.end(end_time=end)

    def _attributes(self, source: TopicPartition, progress: Progress) -> dict[str, str | int]:
        """OpenTelemetry's names for messaging where it has one, ours for the rest."""
        said: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.operation.name": "land",
            "messaging.destination.name": source.topic,
            "messaging.destination.partition.id": str(source.partition),
            "messaging.batch.message_count": progress.landed + progress.refused + progress.skipped,
            "streamlake.offset.first": progress.first,
            "streamlake.offset.next": progress.next,
            "streamlake.records.landed": progress.landed,
            "streamlake.records.refused": progress.refused,
            "streamlake.records.skipped": progress.skipped,
            "streamlake.file.bytes": progress.bytes,
        }
        if self._group is not None:
            said["messaging.consumer.group.name"] = self._group
        if progress.seq is not None:
            said["streamlake.ledger.seq"] = progress.seq
        for reason, count in progress.reasons.items():
            said[f"streamlake.records.refused.{reason}"] = count
        return said


def tracing_of(pipeline: str, run: str, group: str | None, environ: Mapping[str, str] = os.environ) -> Tracing | None:
    """What OpenTelemetry's own variables ask for; None where they ask for nothing, or for what can't be given.

    The second is said as a warning: variables are often set for all processes of a host, and no trace is worth a stop.
    """
    if not _asked_for(environ):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # only where it is on
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415  # see above
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # see above
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # see above
    except ImportError as error:
        log.warning("no traces are sent", why=str(error), hint="pip install 'streamlake[otel]'")
        return None
    _speak_plainly()
    try:
        ours: dict[str, str | int] = {
            "service.name": "streamlake",
            "service.version": version("streamlake"),
            "streamlake.pipeline": pipeline,
            "streamlake.run": run,
            "process.pid": os.getpid(),
        }
        theirs = OTELResourceDetector().detect().attributes  # OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
        resource = Resource.create({name: value for name, value in ours.items() if name not in theirs})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except Exception as error:  # noqa: BLE001  (it reads dozens of variables, and raises what it likes)
        log.warning("no traces are sent", why=f"{type(error).__name__}: {error}")
        return None
    return Tracing(provider, group)


def _asked_for(environ: Mapping[str, str]) -> bool:
    """By an exporter that is named, or by the address of a collector, as with any OpenTelemetry SDK."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    names = [name.strip() for name in environ.get("OTEL_TRACES_EXPORTER", "").split(",") if name.strip()]
    if names and "otlp" not in names:
        if names != ["none"]:
            log.warning(
                "no traces are sent",
                why="this exporter is not there",
                asked=f"OTEL_TRACES_EXPORTER={','.join(names)}",
                hint="use otlp",
            )
        return False
    if not names and not any(environ.get(name) for name in ENDPOINTS):
        return False
    variable = next((name for name in PROTOCOLS if environ.get(name)), None)
    if variable is not None and environ[variable] != HTTP:
        hint = f"set {PROTOCOLS[0]}={HTTP} and {ENDPOINTS[0]} to the collector's address for it, …:4318/v1/traces"
        log.warning(
            "no traces are sent", why="this protocol is not there", asked=f"{variable}={environ[variable]}", hint=hint
        )
        return False
    return True


class _Plainly(logging.Handler):
    """OpenTelemetry logs tracebacks, for each try: a user reads a sentence, once a minute."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said_at, self._lock = -SAY_SECONDS, Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, unless it was said a moment ago; called by OpenTelemetry's threads."""
        with self._lock:
            now = time.monotonic()
            if now - self._said_at < SAY_SECONDS:
                return
            self._said_at = now
        log.warning("traces do not reach their collector", why=record.getMessage())


def _speak_plainly() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.propagate = False
    logger.handlers[:] = [_Plainly()]
