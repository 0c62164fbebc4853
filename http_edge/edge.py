"""One worker's edge: its streams, its producer, and what is known of Kafka; begins and ends with the worker."""

import asyncio
import contextlib
import time
from collections.abc import Mapping

import structlog

from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import ConfigError, SourceError
from streamlake.engine.kafka.explain import Properties
from streamlake.engine.kafka.letter_records import MESSAGE_BYTES_DEFAULT
from streamlake.engine.kafka.loop_producer import LoopProducer, check_properties
from streamlake.engine.kafka.settings import admin_properties, producer_properties
from streamlake.engine.kafka.topic_admin import TopicAdmin
from streamlake.http_edge.circuit import Circuit
from streamlake.http_edge.keys import Keys
from streamlake.http_edge.metrics import EdgeMetrics, StreamMetrics
from streamlake.http_edge.quota import Quotas
from streamlake.http_edge.streams import Stream, make_streams
from streamlake.http_edge.suspects import Suspects

log = structlog.get_logger("streamlake.http")

LINGER_MS = 2
KEYS_SECONDS = 1.0
"""Between two looks at the keys' file: so long a revoked key is good."""
BATCH_BYTES_MAX = 1_000_000
ASK_SECONDS = 10.0
AGAIN_SECONDS = 1.0
FIRST_SECONDS = 3.0


class Edge:
    """What all requests of one worker share. Made before or after a fork; `start` opens what no fork may cross."""

    def __init__(self, config: PipelineConfig, quotas: Quotas | None = None, suspects: Suspects | None = None) -> None:
        """Raises ConfigError where a validator can't be made or the keys can't be read."""
        assert config.http is not None, "a pipeline without `http:` has no edge"
        self.config, self.settings = config, config.http
        self.streams: Mapping[str, Stream] = make_streams(config)
        keys_file = self.settings.keys_file
        self.keys = Keys(keys_file) if self.settings.authorized and keys_file is not None else None
        self.quotas, self.suspects = quotas or Quotas(), suspects or Suspects()
        self.metrics = EdgeMetrics()
        self.of_stream = {name: StreamMetrics(self.metrics, name) for name in self.streams}
        self.of_no_stream = StreamMetrics(self.metrics, "")
        self.drain_until: float | None = None
        """The loop's time at which the worker ends; None while it is not told to."""
        self._topics = sorted({topic for stream in self.streams.values() for topic in stream.topics})
        self._tasks: list[asyncio.Task[None]] = []

    def check(self) -> None:
        """Raises ConfigError where `start` would: where librdkafka refuses what the producer is made of."""
        check_properties(self._properties(), self.settings.delivery_seconds)

    async def start(self) -> None:
        """Open the producer and ask for the topics; on the loop that serves the requests.

        Returns when Kafka has answered, or has not for FIRST_SECONDS: clients that have connected wait for that in the
        server's socket, rather than be told that nobody has asked yet.
        """
        patience_seconds = self.settings.delivery_seconds
        self.producer = LoopProducer(
            self._properties(), patience_seconds=patience_seconds, trouble=lambda _why: self.circuit.suspect()
        )
        self.circuit = Circuit(self._topics, self.producer.look_for)
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._look_around())]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.circuit.asked.wait(), FIRST_SECONDS)

    async def stop(self) -> None:
        """Let go of everything; all requests are answered, and nobody waits for anything any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._flush()
        await self.producer.drain(0)
        self.producer.close()

    @property
    def queue_is_full(self) -> bool:
        """Whether as much waits for Kafka as may."""
        return self.producer.bytes >= self.settings.queue_bytes_max

    @property
    def time_is_up(self) -> bool:
        """Whether the worker ends before Kafka could be sure to answer for one more record."""
        if self.drain_until is None:
            return False
        return asyncio.get_running_loop().time() + self.settings.delivery_seconds > self.drain_until

    def shown(self) -> bytes:
        """The metrics of all workers of the server: this one's as they are, others' as they were within a second."""
        self._flush()
        return self.metrics.text()

    def _properties(self) -> Properties:
        """What the producer is made of."""
        properties = producer_properties(self.config.kafka, f"streamlake-{self.config.pipeline}-http")
        properties |= {
            "delivery.report.only.error": False,
            # More than what is let in: librdkafka's queue is never what is full.
            "queue.buffering.max.kbytes": max(65_536, 4 * self.settings.queue_bytes_max // 1024),
            "queue.buffering.max.messages": 1_000_000,
            "batch.size": BATCH_BYTES_MAX,
        }
        if not {"linger.ms", "queue.buffering.max.ms"} & set(self.config.kafka.properties):
            properties["linger.ms"] = LINGER_MS
        properties.pop("message.timeout.ms", None)  # the other name of delivery.timeout.ms
        return properties

    def _flush(self) -> None:
        gauges = self.metrics
        gauges.queue_records.set(self.producer.records)
        gauges.queue_bytes.set(self.producer.bytes)
        gauges.circuit_open.set(bool(self.circuit.wrong))
        for stream in (*self.of_stream.values(), self.of_no_stream):
            stream.flush()

    async def _look_around(self) -> None:
        """What is looked at now and then: the keys' file, and what the metrics show."""
        while True:
            if self.keys is not None:
                self.keys.reload_if_changed()
            self._flush()
            await asyncio.sleep(KEYS_SECONDS)

    async def _watch(self) -> None:
        """Learn how large records may be, then watch over Kafka: before both nothing is let in."""
        limits = None
        while limits is None:
            limits = await asyncio.to_thread(self._limits)
        for stream in self.streams.values():
            if stream.letters is not None and stream.dead_letter_topic is not None:
                stream.letters.limit = limits.get(stream.dead_letter_topic, MESSAGE_BYTES_DEFAULT)
        if min(limits.values(), default=BATCH_BYTES_MAX) < BATCH_BYTES_MAX:
            # A batch that is too large for its topic is refused whole, with whatever small records are in it.
            self.producer.change({"batch.size": min(limits.values())})
        await self.circuit.watch()

    def _limits(self) -> dict[str, int] | None:
        """`max.message.bytes` of each topic, where we may ask for it; None where nobody answers."""
        client_id = f"streamlake-{self.config.pipeline}-http"
        admin = TopicAdmin(admin_properties(self.config.kafka, client_id), timeout_seconds=ASK_SECONDS)
        limits: dict[str, int] = {}
        try:
            there = admin.shapes(self._topics)
        except (SourceError, ConfigError) as error:
            log.warning("kafka can't be asked", why=str(error))
            time.sleep(AGAIN_SECONDS)  # in a thread of its own
            return None
        for topic in there:
            try:
                limits[topic] = int(admin.settings([topic])[topic]["max.message.bytes"].value or MESSAGE_BYTES_DEFAULT)
            except (SourceError, ConfigError) as error:
                log.info("a topic's settings can't be read", topic=topic, why=str(error))
        return limits
