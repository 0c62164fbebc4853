"""Copies dead letters to their topic: key, value and headers as they were, and why the record was refused."""

import json
from collections.abc import Mapping, Sequence

import structlog
from confluent_kafka import KafkaError

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Beat
from streamlake.engine.errors import ConfigError, DeadLetterError, SourceError
from streamlake.engine.kafka.producer import RecordProducer
from streamlake.engine.kafka.settings import admin_properties, producer_properties
from streamlake.engine.kafka.topic_admin import TopicAdmin
from streamlake.engine.records import DeadLetter, Header, Reason, TopicPartition

log = structlog.get_logger("streamlake.dead_letters")

MESSAGE_CHARS_MAX = 1000
"""A reason is for a reader; some libraries print the whole value into theirs."""
MESSAGE_BYTES_DEFAULT = 1_048_588
"""Kafka's own default of `max.message.bytes`, where we may not ask for the topic's."""
BATCH_BYTES_MAX = 1_000_000
"""librdkafka's default of `batch.size`; less where the topic takes less, else a letter's neighbours fail with it."""
RECORD_OVERHEAD_BYTES = 128
"""A batch with one record: 61 bytes of batch header, and lengths and deltas of the record, rounded up."""
HEADER_OVERHEAD_BYTES = 8
UTF8_BYTES_MAX = 4
OUR_HEADERS_BYTES_MAX = 16_384
"""What our headers take without the field: a message of 4,000 bytes, names that Kafka and we limit to some hundred."""

CONNECT_PREFIX = "__connect.errors."
"""Names of Kafka Connect, which tools know: org.apache.kafka.connect.runtime.errors.DeadLetterQueueReporter."""
OURS = frozenset(
    f"streamlake.{name}"
    for name in ("pipeline", "run", "reason", "field", "attempt", "first_failed_at", "validator", "truncated")
)
_LESS = ((), ("value",), ("value", "headers"), ("value", "headers", "key"))
"""What is left out, step by step, until a letter fits."""


class KafkaDeadLetters:
    """Sends dead letters of one pipeline and run; connects at the first letter. Implements `DeadLetterSender`.

    The time of a copy is the time of sending, not the record's own: else the topic's retention would delete the
    letters of an old record at once.
    """

    def __init__(
        self, config: PipelineConfig, run: str, beat: Beat = lambda: None, *, timeout_seconds: float = 30.0
    ) -> None:
        """`timeout_seconds` bounds questions about the topic; sending is bounded by `delivery.timeout.ms`."""
        topic = config.dead_letters.topic
        assert topic is not None, "a pipeline without a dead-letter topic has no sender"
        self.topic = topic.name
        self._config, self._run, self._beat, self._timeout = config, run, beat, timeout_seconds
        self._producer: RecordProducer | None = None
        self._limit = MESSAGE_BYTES_DEFAULT
        validator = _bytes(config.validator.type)
        self._stage: list[Header] = [
            ("__connect.errors.stage", b"VALIDATE"),
            ("__connect.errors.class.name", b"streamlake.validators.%b" % validator),
        ]
        self._whose: list[Header] = [("streamlake.pipeline", _bytes(config.pipeline)), ("streamlake.run", _bytes(run))]
        self._validator: list[Header] = [("streamlake.validator", validator)]
        self._places: dict[TopicPartition, list[Header]] = {}
        self._reasons: dict[Reason, tuple[Header, Header]] = {}

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Return when every letter is acknowledged by all replicas in sync.

        A letter that passes the topic's `max.message.bytes` goes without its value (and without headers and key, if it
        must be), and says so. Raises DeadLetterError naming the topic, what the broker said and what to do.
        """
        if not letters:
            return
        producer = self._connected()
        errors = self._try(producer, {index: (letter, 0) for index, letter in enumerate(letters)})
        for index in [index for index, error in errors.items() if error.code() in _TOO_LARGE]:
            del errors[index]
            errors |= self._send_alone(producer, index, letters[index])
        if errors:
            self._check_topic()  # a topic that went away shows as a time-out only
            raise self._error(producer, errors, len(letters))

    def close(self) -> None:
        """Let go of the connections; nothing is in flight after `send`."""
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def _connected(self) -> RecordProducer:
        if self._producer is None:
            self._limit = self._topic_limit(self._check_topic())
            client_id = f"streamlake-{self._config.pipeline}-dead-letters"
            properties = producer_properties(self._config.kafka, client_id)
            properties["batch.size"] = min(BATCH_BYTES_MAX, self._limit)
            kbytes = int(str(properties["queue.buffering.max.kbytes"]))
            properties["queue.buffering.max.kbytes"] = max(kbytes, 2 * self._limit // 1024)
            self._producer = RecordProducer(properties, beat=self._beat)
        return self._producer

    def _check_topic(self) -> TopicAdmin:
        """Raises DeadLetterError where the topic is missing or nobody answers."""
        client_id = f"streamlake-{self._config.pipeline}-dead-letters"
        admin = TopicAdmin(
            admin_properties(self._config.kafka, client_id), timeout_seconds=self._timeout, beat=self._beat
        )
        try:
            if self.topic not in admin.shapes([self.topic]):
                advice = f"`streamlake topics apply {self._config.path or 'PIPELINE.yaml'}` makes it"
                raise DeadLetterError(f"the dead-letter topic {self.topic} does not exist: {advice}")
        except (SourceError, ConfigError) as error:
            raise DeadLetterError(f"dead-letter topic {self.topic}: {error}") from error
        return admin

    def _topic_limit(self, admin: TopicAdmin) -> int:
        """The topic's `max.message.bytes`."""
        try:
            value = admin.settings([self.topic])[self.topic]["max.message.bytes"].value
        except SourceError as error:
            # To write there may be allowed where to read the settings is not.
            log.warning("the dead-letter topic's settings can't be read", topic=self.topic, why=str(error))
            return MESSAGE_BYTES_DEFAULT
        return int(value or MESSAGE_BYTES_DEFAULT)

    def _try(self, producer: RecordProducer, letters: Mapping[int, tuple[DeadLetter, int]]) -> dict[int, KafkaError]:
        """Send letters, each with so much left out at least, and wait. The errors of those that failed."""
        for index, (letter, less) in letters.items():
            key, value, headers = self._fitting(letter, less)
            producer.send_one(self.topic, key, value, headers, index)
        found = producer.flush()
        errors = dict(found.tagged)
        found.tagged.clear()
        unknown = found.sent - found.acked - found.failed
        if unknown:
            self._producer = None  # what it still reports would be taken for another letter's
            raise DeadLetterError(
                f"dead-letter topic {self.topic}: nothing is known of {unknown} letters that were sent"
            )
        return errors

    def _send_alone(self, producer: RecordProducer, index: int, letter: DeadLetter) -> dict[int, KafkaError]:
        """The broker finds it too large: alone (a neighbour may have been the large one), then less and less of it."""
        errors: dict[int, KafkaError] = {}
        for less in range(len(_LESS)):
            errors = self._try(producer, {index: (letter, less)})
            if not errors or errors[index].code() not in _TOO_LARGE:
                break
        return errors

    def _fitting(self, letter: DeadLetter, less: int) -> tuple[bytes | None, bytes | None, list[Header]]:
        """Key, value and headers, with `_LESS[less]` left out, or more where that is known not to fit."""
        while True:
            out = _LESS[less]
            kept = [] if "headers" in out else without_error_headers(letter.headers)
            headers = [*kept, *self._error_headers(letter)]
            if out:
                headers.append(("streamlake.truncated", _truncated(letter, out)))
            key = None if "key" in out else letter.key
            value = None if "value" in out else letter.value
            if less == len(_LESS) - 1 or self._fits(letter) or _size(key, value, headers) <= self._limit:
                return key, value, headers
            less += 1

    def _fits(self, letter: DeadLetter) -> bool:
        """Whether the whole letter surely fits; no means little. To add up its headers costs as much as to send it."""
        if letter.headers:
            return False
        size = len(letter.value or b"") + len(letter.key or b"") + UTF8_BYTES_MAX * len(letter.field or "")
        return size + OUR_HEADERS_BYTES_MAX <= self._limit

    def _error_headers(self, letter: DeadLetter) -> list[Header]:
        field, (kind, reason) = letter.field, self._reason(letter.reason)
        return [
            *self._place(letter.source),
            ("__connect.errors.offset", b"%d" % letter.offset),
            *self._stage,
            kind,
            ("__connect.errors.exception.message", _bytes(letter.message[:MESSAGE_CHARS_MAX])),
            *self._whose,
            reason,
            *([] if field is None else [("streamlake.field", _bytes(field))]),
            ("streamlake.attempt", b"%d" % letter.attempt),
            ("streamlake.first_failed_at", b"%d" % letter.first_failed_at_ms),
            *self._validator,
        ]

    def _reason(self, reason: Reason) -> tuple[Header, Header]:
        """The two headers that say it, made once."""
        if reason not in self._reasons:
            text = reason.encode()
            kind = ("__connect.errors.exception.class.name", b"streamlake.%b" % text)
            self._reasons[reason] = (kind, ("streamlake.reason", text))
        return self._reasons[reason]

    def _place(self, source: TopicPartition) -> list[Header]:
        """Topic and partition, made once: all letters of a worker come from one."""
        if source not in self._places:
            self._places[source] = [
                ("__connect.errors.topic", _bytes(source.topic)),
                ("__connect.errors.partition", b"%d" % source.partition),
            ]
        return self._places[source]

    def _error(self, producer: RecordProducer, errors: Mapping[int, KafkaError], letters: int) -> DeadLetterError:
        what = f"dead-letter topic {self.topic}: {len(errors)} of {letters} letters not acknowledged"
        return DeadLetterError(producer.sentence(next(iter(errors.values())), what))


def without_error_headers(headers: Sequence[Header]) -> list[Header]:
    """A record's own headers in their order; what an earlier refusal wrote is taken out, so that it never piles up."""
    return [header for header in headers if not header[0].startswith(CONNECT_PREFIX) and header[0] not in OURS]


def _truncated(letter: DeadLetter, left_out: Sequence[str]) -> bytes:
    """Where the rest is: the dead-letter file has the whole record under these coordinates."""
    place = {"topic": letter.source.topic, "partition": letter.source.partition, "offset": letter.offset}
    found = {"left_out": list(left_out), "value_bytes": len(letter.value or b""), "dead_letter_file": place}
    return json.dumps(found, separators=(",", ":")).encode()


def _size(key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> int:
    """At most so many bytes does the record take in a batch of its own, not compressed."""
    names, values = "".join([name for name, _ in headers]), [data for _, data in headers if data]
    fixed = RECORD_OVERHEAD_BYTES + len(key or b"") + len(value or b"") + HEADER_OVERHEAD_BYTES * len(headers)
    return fixed + len(_bytes(names)) + sum(map(len, values))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
