"""Kafka as a redrive needs it: what a topic is, and records sent so that each one's outcome is known."""

import time
from collections.abc import Sequence

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Beat
from streamlake.engine.errors import ConfigError, SourceError
from streamlake.engine.failpoints import failpoint
from streamlake.engine.kafka.loop_producer import failure_kind
from streamlake.engine.kafka.producer import ANY_PARTITION, NOW, RecordProducer
from streamlake.engine.kafka.settings import DELIVERY_TIMEOUT_MS, admin_properties, producer_properties
from streamlake.engine.kafka.topic_admin import TopicAdmin
from streamlake.engine.operations.redrive_types import Outgoing, Target, Undelivered

ASK_SECONDS = 15.0
BATCH_BYTES_MAX = 1_000_000
SPARE_SECONDS = 30.0
"""So much later librdkafka would give a record up that we have dropped: once it gives one up, it sends again, as if
they were new, others that the broker may have stored already (its issue 4953; see `engine/kafka/loop_producer.py`)."""


class KafkaSender:
    """One cluster; connects when it is first used. Implements `Sender`."""

    def __init__(self, config: PipelineConfig, beat: Beat = lambda: None) -> None:
        self._config, self._beat = config, beat
        self._client_id = f"streamlake-{config.pipeline}-redrive"
        self._admin = TopicAdmin(
            admin_properties(config.kafka, self._client_id), timeout_seconds=ASK_SECONDS, beat=beat
        )
        self._targets: dict[str, Target | None] = {}
        self._bytes_max: dict[str, int] = {}
        self._producer: RecordProducer | None = None
        self._patience_seconds = DELIVERY_TIMEOUT_MS / 1000
        self._due = 0.0  # when the next record may go, where there is a rate

    def cluster_id(self) -> str:
        """The cluster's id. Raises SourceError."""
        return self._admin.cluster_id()

    def target(self, topic: str) -> Target | None:
        """The topic, or None where there is none; asked once. Raises SourceError."""
        if topic not in self._targets:
            shape = self._admin.shapes([topic]).get(topic)
            found = None if shape is None else Target(shape.topic_id, shape.partitions, self._keeps_ms(topic))
            self._targets[topic] = found
        return self._targets[topic]

    def send(self, records: Sequence[Outgoing], rate: float | None) -> Sequence[Undelivered]:
        """Send records and wait for every delivery report; those that failed. `rate`: records a second at most."""
        producer = self._connected()
        for index, one in enumerate(records):
            if rate is not None:
                producer.wait(self._due - time.monotonic())
            producer.send_one(
                one.place.target,
                one.key,
                one.value,
                one.headers,
                index,
                partition=ANY_PARTITION if one.partition is None else one.partition,
                timestamp_ms=NOW if one.timestamp_ms is None else one.timestamp_ms,
            )
            failpoint("redrive_between_records")
            if rate is not None:
                if not self._due:
                    producer.flush(self._patience_seconds)  # else what waits for the connection goes all at once
                self._due = max(self._due, time.monotonic()) + 1 / rate
        found = producer.flush(self._patience_seconds)
        errors = dict(found.tagged)
        found.tagged.clear()
        failed = []
        for index, error in sorted(errors.items()):
            place, in_doubt = records[index].place, failure_kind(error) == "unknown"
            failed.append(Undelivered(place, in_doubt, producer.sentence(error, f"sending {place} to {place.target}")))
        if found.sent != found.acked + found.failed:
            known = {one.place for one in failed}
            why = "no delivery report came for it"
            failed += [Undelivered(one.place, True, why) for one in records if one.place not in known]
        return failed

    def close(self) -> None:
        """Leave the cluster."""
        if self._producer is not None:
            self._producer.close()

    def _connected(self) -> RecordProducer:
        if self._producer is None:
            properties = producer_properties(self._config.kafka, self._client_id)
            chosen = properties.pop("message.timeout.ms", None) or properties.get("delivery.timeout.ms")
            self._patience_seconds = int(str(chosen or DELIVERY_TIMEOUT_MS)) / 1000
            properties["delivery.timeout.ms"] = int((self._patience_seconds + SPARE_SECONDS) * 1000)
            # A record that the topic finds too large fails alone, not with its neighbours.
            properties.setdefault("batch.size", min([BATCH_BYTES_MAX, *self._bytes_max.values()]))
            self._producer = RecordProducer(properties, beat=self._beat)
        return self._producer

    def _keeps_ms(self, topic: str) -> int | None:
        """How long the topic keeps records, by their time; None for ever, or where that can't be known."""
        try:
            settings = self._admin.settings([topic])[topic]
        except (SourceError, ConfigError):  # to write there may be allowed where to read the settings is not
            return None
        self._bytes_max[topic] = int(settings["max.message.bytes"].value or BATCH_BYTES_MAX)
        by_log_time = settings["message.timestamp.type"].value == "LogAppendTime"
        keeps_ms = int(settings["retention.ms"].value or -1)
        deletes = "delete" in (settings["cleanup.policy"].value or "")
        return keeps_ms if deletes and keeps_ms >= 0 and not by_log_time else None
