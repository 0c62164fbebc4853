"""Copies dead letters to their topic, and knows of each that it is acknowledged."""

from collections.abc import Mapping, Sequence

import structlog
from confluent_kafka import KafkaError

from streamlake.config.model import PipelineConfig
from streamlake.engine.codes.kafka import DEAD_LETTER_TOO_LARGE, DEAD_LETTER_UNKNOWN, NO_DEAD_LETTER_TOPIC
from streamlake.engine.contracts import Beat
from streamlake.engine.errors import ConfigError, DeadLetterError, SourceError
from streamlake.engine.kafka.letter_records import LESS, MESSAGE_BYTES_DEFAULT, LetterRecords
from streamlake.engine.kafka.producer import RecordProducer
from streamlake.engine.kafka.settings import admin_properties, producer_properties
from streamlake.engine.kafka.topic_admin import TopicAdmin
from streamlake.engine.records import DeadLetter

log = structlog.get_logger("streamlake.dead_letters")

BATCH_BYTES_MAX = 1_000_000
"""librdkafka's default of `batch.size`; less where the topic takes less, else a letter's neighbours fail with it."""


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
        self._config, self._beat, self._timeout = config, beat, timeout_seconds
        self._producer: RecordProducer | None = None
        self._records = LetterRecords(config.pipeline, run, config.validator.type)

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
            self._records.limit = limit = self._topic_limit(self._check_topic())
            client_id = f"streamlake-{self._config.pipeline}-dead-letters"
            properties = producer_properties(self._config.kafka, client_id)
            properties["batch.size"] = min(BATCH_BYTES_MAX, limit)
            kbytes = int(str(properties["queue.buffering.max.kbytes"]))
            properties["queue.buffering.max.kbytes"] = max(kbytes, 2 * limit // 1024)
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
                advice = f"`streamlake topics apply {self._config.words}` makes it"
                raise DeadLetterError(
                    f"the dead-letter topic {self.topic} does not exist: {advice}", code=NO_DEAD_LETTER_TOPIC
                )
        except (SourceError, ConfigError) as error:
            raise DeadLetterError(f"dead-letter topic {self.topic}: {error}", code=error.code) from error
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
            key, value, headers = self._records.fitting(letter, less)
            producer.send_one(self.topic, key, value, headers, index)
        try:
            found = producer.flush()
        except SourceError as error:
            self._producer = None  # it can't go on; the letters are sent again by whoever comes next
            raise DeadLetterError(f"dead-letter topic {self.topic}: {error}") from None
        errors = dict(found.tagged)
        found.tagged.clear()
        unknown = found.sent - found.acked - found.failed
        if unknown:
            self._producer = None  # what it still reports would be taken for another letter's
            raise DeadLetterError(
                f"dead-letter topic {self.topic}: nothing is known of {unknown} letters that were sent",
                code=DEAD_LETTER_UNKNOWN,
            )
        return errors

    def _send_alone(self, producer: RecordProducer, index: int, letter: DeadLetter) -> dict[int, KafkaError]:
        """The broker finds it too large: alone (a neighbour may have been the large one), then less and less of it."""
        errors: dict[int, KafkaError] = {}
        for less in range(len(LESS)):
            errors = self._try(producer, {index: (letter, less)})
            if not errors or errors[index].code() not in _TOO_LARGE:
                break
        return errors

    def _error(self, producer: RecordProducer, errors: Mapping[int, KafkaError], letters: int) -> DeadLetterError:
        what = f"dead-letter topic {self.topic}: {len(errors)} of {letters} letters not acknowledged"
        error = next(iter(errors.values()))
        code = DEAD_LETTER_TOO_LARGE if error.code() in _TOO_LARGE else None
        return DeadLetterError(producer.sentence(error, what), code=code)


_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
