"""The streams of an edge as it works with them: who decides over their records, and where these go."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from streamlake.config.http import StreamSettings
from streamlake.config.model import PipelineConfig, PluginSettings
from streamlake.engine.contracts import Validator
from streamlake.engine.errors import ConfigError, ValidatorError
from streamlake.engine.kafka.key_field import KeyField
from streamlake.engine.kafka.letter_records import LetterRecords
from streamlake.engine.poison import Isolation, validate_here, validate_isolated
from streamlake.engine.policy import Policies, decide
from streamlake.engine.records import Batch, Header, OffsetRange, TopicPartition, Verdict
from streamlake.engine.registry import add_python_path, validator_class
from streamlake.engine.verdicts import sound
from streamlake.http_edge.quota import Bucket

log = structlog.get_logger("streamlake.http")

RUN = "http"
"""Stands in a dead letter where a worker writes its run."""
NOWHERE = -1
"""Partition and offset of a record that was refused before it came to any topic."""
CREATE_TIME = 1  # librdkafka's number
APART_SECONDS_MAX = 2.0
"""For a part of a request, in a process of its own; to find one of 1000 records takes a dozen of them."""
APART_MEMORY_BYTES_MAX = 1024**3


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream. `letters` and `dead_letter_topic` are None where nothing is ever copied."""

    name: str
    settings: StreamSettings
    topic: str
    dead_letter_topic: str | None
    make_validator: Callable[[], Validator]
    """Makes another one, in another process: it is pickled."""
    validator: Validator
    policies: Policies
    key_of: Callable[[bytes], bytes | None]
    letters: LetterRecords | None
    bucket: Bucket | None

    @property
    def topics(self) -> tuple[str, ...]:
        """All that it writes to."""
        return (self.topic,) if self.dead_letter_topic is None else (self.topic, self.dead_letter_topic)

    def keys_of(self, records: Sequence[bytes]) -> Sequence[bytes | None]:
        """The keys; of a record that is refused as too large anyway nobody looks for one."""
        key_of, limit = self.key_of, self.policies.record_bytes_max
        return [key_of(record) if len(record) <= limit else None for record in records]

    def batch(self, records: Sequence[bytes], keys: Sequence[bytes | None]) -> Batch:
        """A request's records as validators and policies know them: without a place yet."""
        count = len(records)
        now_ms = time.time_ns() // 1_000_000
        return Batch(
            source=TopicPartition(self.topic, NOWHERE),
            range=OffsetRange(0, count),
            leader_epoch=None,
            offsets=range(count),
            timestamps_ms=[now_ms] * count,
            timestamp_types=[CREATE_TIME] * count,
            keys=keys,
            values=records,
            headers=[None] * count,
        )

    def decide(self, batch: Batch) -> Verdict:
        """The verdict, as a worker's is made: policies, then the validator.

        One that raises is asked for less and less, until the record is found that it fails on, and that one is
        refused as `crash`. Raises ValidatorError where its answer can't be one.
        """
        return decide(batch, self.policies, self._validate)

    def decide_apart(self, batch: Batch) -> Verdict:
        """As `decide`, with the validator in processes of its own: what kills one or never ends is refused as `crash`.

        Takes seconds; for another thread. Raises what `validate_isolated` does.
        """
        isolation = Isolation(self.make_validator, APART_SECONDS_MAX, APART_MEMORY_BYTES_MAX, lambda: None)
        return decide(batch, self.policies, lambda part: validate_isolated(part, isolation, []))

    def _validate(self, batch: Batch) -> Verdict:
        try:
            return sound(self.validator.validate(batch), len(batch))
        except ValidatorError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  (a plugin may raise anything: the batch is bisected)
            log.warning("validator failed, bisecting", stream=self.name, why=type(error).__name__)
        return validate_here(batch, self.validator)


def make_streams(config: PipelineConfig) -> Mapping[str, Stream]:
    """The streams of a pipeline by name. Raises ConfigError where a validator can't be made."""
    assert config.http is not None, "a pipeline without an edge has no streams"
    validators: list[tuple[PluginSettings, Validator]] = []

    def validator_of(section: PluginSettings) -> Validator:
        for known, made in validators:
            if known == section:
                return made
        validators.append((section, _make_validator(config, section)))
        return validators[-1][1]

    streams: dict[str, Stream] = {}
    for name, stream in config.http.streams.items():
        try:
            validator = validator_of(config.validator_of(stream))
        except ConfigError as error:
            where = "" if stream.validator is None else f"http.streams.{name}."
            raise ConfigError(*(f"{where}{problem}" for problem in error.problems)) from error
        streams[name] = _make_stream(config, name, stream, validator)
    return streams


def _make_validator(config: PipelineConfig, section: PluginSettings) -> Validator:
    add_python_path(config.python_path)
    # The pipeline's own decides for columns, too, where its sink wants them: so here, for it is to be one answer.
    columns = section == config.validator and config.sink.options.get("columns") == "typed"
    return validator_class(section.type).from_options(section.options, columns=columns, base_dir=config.base_dir)


def _make_stream(config: PipelineConfig, name: str, settings: StreamSettings, validator: Validator) -> Stream:
    dead = config.dead_letter_topic_of(settings)
    kind = config.validator_of(settings).type
    bucket = None if settings.rate is None else Bucket(settings.rate, max(settings.rate, settings.records_max))
    return Stream(
        name=name,
        settings=settings,
        topic=config.topic_of(settings),
        dead_letter_topic=None if dead is None else dead.name,
        make_validator=partial(_make_validator, config, config.validator_of(settings)),
        validator=validator,
        policies=Policies(
            config.policies.tombstone, config.policies.record_bytes_max, config.policies.record_headers_max
        ),
        key_of=_no_key if settings.key_field is None else KeyField(settings.key_field),
        letters=None if dead is None else LetterRecords(config.pipeline, RUN, kind, in_a_file=False),
        bucket=bucket,
    )


def _no_key(_value: bytes) -> None:
    return None


def marks(headers: Mapping[bytes, bytes], idempotency_key: bytes | None, count: int) -> Sequence[Sequence[Header]]:
    """What each of a request's records carries: its trace, and by what a repetition is recognised."""
    trace: list[Header] = [
        (name.decode(), headers[name]) for name in (b"traceparent", b"tracestate") if name in headers
    ]
    if idempotency_key is None:
        return [trace] * count
    key: Header = ("streamlake.idempotency_key", idempotency_key)
    return [[*trace, key, ("streamlake.idempotency_index", b"%d" % index)] for index in range(count)]
