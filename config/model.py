"""The pipeline's YAML as types: every setting with its limits, its unit, its default and a sentence."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from streamlake.config.http import HttpSettings, StreamSettings
from streamlake.config.kafka import KafkaSettings, Section, SecuritySettings, TopicSettings
from streamlake.config.plugin import PluginSettings
from streamlake.config.values import (
    Fraction,
    HostPort,
    Loc,
    PathBeside,
    PipelineName,
    Seconds,
    SeveralProblemsError,
    Size,
    Whole,
)

__all__ = [
    "BatchSettings",
    "BreakerSettings",
    "DeadLetterSettings",
    "HttpSettings",
    "KafkaSettings",
    "MetricsSettings",
    "PipelineConfig",
    "PluginSettings",
    "PolicySettings",
    "SecuritySettings",
    "StreamSettings",
    "TopicSettings",
    "WorkerSettings",
]


class BatchSettings(Section):
    """When a batch is closed, staged and committed: whichever limit is reached first."""

    rows_max: Annotated[Whole, Field(ge=1, le=50_000_000)] = Field(
        default=200_000, description="Messages in a batch at most. Default: 200000."
    )
    bytes_max: Annotated[Size, Field(ge=1024, le=16 * 1024**3)] = Field(
        default=128 * 1024**2,
        description="Bytes of keys, values and headers in a batch at most: a death reads them again. Default: 128MiB.",
    )
    seconds_max: Annotated[Seconds, Field(ge=0.05, le=86_400)] = Field(
        default=60.0, description="Seconds from a batch's first message to its close at most. Default: 60s."
    )


class BreakerSettings(Section):
    """When so much is refused that a person should look: the partition is parked before it drains."""

    ratio_max: Annotated[Fraction, Field(gt=0, le=1)] = Field(
        default=0.5,
        description="The part of the last `window_rows` messages that may be refused; 1 = no limit. Default: 0.5.",
    )
    window_rows: Annotated[Whole, Field(ge=1, le=50_000_000)] = Field(
        default=1000, description="Over how many messages the ratio is taken. Default: 1000."
    )
    consecutive_max: Annotated[Whole, Field(ge=1, le=50_000_000)] = Field(
        default=500, description="How many messages in a row may be refused. Default: 500."
    )


class DeadLetterSettings(Section):
    """What becomes of refused messages, beside the dead-letter file that is always written."""

    topic: TopicSettings | None = Field(
        default=None,
        description="The topic they are copied to; with validator type none it may be left out: file only.",
    )
    breaker: BreakerSettings = Field(
        default=BreakerSettings(), description="When a partition is parked because too much is refused."
    )


class PolicySettings(Section):
    """Decisions about messages and offsets that can't land as they are."""

    tombstone: Literal["skip", "refuse"] = Field(
        default="skip",
        description="A message without a value: skip (counted) or refuse (a dead letter). Default: skip.",
    )
    gap: Literal["stop", "record"] = Field(
        default="stop",
        description="Offsets that Kafka has lost: stop the partition, or record a gap and go on. Default: stop.",
    )
    record_bytes_max: Annotated[Size, Field(ge=1, le=1024**3)] = Field(
        default=1024**2, description="A message with a larger value is refused as oversize. Default: 1MiB."
    )


class WorkerSettings(Section):
    """How many worker processes, and how patient the supervisor is with them."""

    max: Annotated[Whole, Field(ge=1, le=4096)] = Field(
        default=64, description="Workers on this host at most, one for each assigned partition. Default: 64."
    )
    restarts_max: Annotated[Whole, Field(ge=0, le=1_000_000)] = Field(
        default=5,
        description="How often a worker may die within `restart_window` before its partition is parked. Default: 5.",
    )
    restart_window: Annotated[Seconds, Field(gt=0, le=7 * 86_400)] = Field(
        default=60.0, description="The time over which deaths are counted. Default: 60s."
    )
    drain_seconds: Annotated[Seconds, Field(ge=0, le=86_400)] = Field(
        default=30.0,
        description="How long a worker may take to finish when it is asked to, before it is killed. Default: 30s.",
    )
    stuck_seconds: Annotated[Seconds, Field(ge=1, le=86_400)] = Field(
        default=300.0, description="A worker whose main loop gives no sign for that long is killed. Default: 300s."
    )


class MetricsSettings(Section):
    """The endpoint for metrics and health."""

    listen: HostPort | None = Field(
        default=None, description="host:port of /metrics, /livez, /readyz and /status. Default: none, no endpoint."
    )

    @property
    def address(self) -> tuple[str, int] | None:
        """`listen` as host (without brackets) and port."""
        if self.listen is None:
            return None
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class PipelineConfig(Section):
    """One pipeline: which topics are read, how records are checked, and where they land."""

    _base_dir: Path = PrivateAttr(default_factory=Path.cwd)
    _path: Path | None = PrivateAttr(default=None)

    pipeline: PipelineName = Field(description="The pipeline's name: in logs, metrics, ledger entries and headers.")
    python_path: tuple[PathBeside, ...] = Field(
        default=(Path(),),
        description="Folders with your own models and plugins, relative to this file. Default: [.]",
        validate_default=True,
    )
    kafka: KafkaSettings = Field(description="Where the records come from.")
    validator: PluginSettings = Field(description="Decides which records are accepted.")
    sink: PluginSettings = Field(description="Where the records land.")
    batch: BatchSettings = Field(default=BatchSettings(), description="When a batch is closed.")
    dead_letters: DeadLetterSettings = Field(
        default=DeadLetterSettings(), description="What becomes of refused messages."
    )
    policies: PolicySettings = Field(default=PolicySettings(), description="Decisions about what can't land as it is.")
    workers: WorkerSettings = Field(default=WorkerSettings(), description="The worker processes of one host.")
    metrics: MetricsSettings = Field(default=MetricsSettings(), description="Metrics and health.")
    http: HttpSettings | None = Field(
        default=None, description="The HTTP edge in front of Kafka. Default: none, and `streamlake serve` is refused."
    )

    @model_validator(mode="after")
    def _dead_letters_go_elsewhere(self) -> "PipelineConfig":
        topic = self.dead_letters.topic
        if topic is None and self.validator.type != "none":
            sentence = "is missing: refused records are copied there (only validator type none may go without)"
            raise SeveralProblemsError((("dead_letters", "topic"), sentence))
        if topic is not None and topic.name in self.kafka.topic_names:
            sentence = "is also read by this pipeline: its dead letters would come back for ever; name another topic"
            raise SeveralProblemsError((("dead_letters", "topic", "name"), sentence))
        return self

    @model_validator(mode="after")
    def _streams_are_whole(self) -> "PipelineConfig":
        problems: list[tuple[Loc, str]] = []
        for name, stream in (self.http.streams if self.http else {}).items():
            here: Loc = ("http", "streams", name)
            if stream.topic is None and len(self.kafka.topics) > 1:
                names = ", ".join(self.kafka.topic_names)
                problems.append(((*here, "topic"), f"is missing: say which one, the pipeline reads {names}"))
            validator, dead = self.validator_of(stream), self.dead_letter_topic_of(stream)
            if dead is None and validator.type != "none":
                problems.append(((*here, "dead_letters"), "is missing, and the pipeline has no dead-letter topic"))
            elif dead is not None and dead.name in {*self.kafka.topic_names, stream.topic}:
                sentence = f"is the topic {dead.name}, which takes accepted records; name another topic"
                problems.append(((*here, "dead_letters"), sentence))
        if problems:
            raise SeveralProblemsError(*problems)
        return self

    def topic_of(self, stream: StreamSettings) -> str:
        """The topic that a stream's accepted records go to."""
        return stream.topic or self.kafka.topics[0].name

    def validator_of(self, stream: StreamSettings) -> PluginSettings:
        """What decides over a stream's records."""
        return stream.validator or self.validator

    def dead_letter_topic_of(self, stream: StreamSettings) -> TopicSettings | None:
        """The topic that a stream's refused records go to."""
        return stream.dead_letters.topic if stream.dead_letters else self.dead_letters.topic

    def model_post_init(self, context: Any, /) -> None:
        """Keep where the YAML lies: plugins' own relative paths start there."""
        if context:
            self._base_dir, self._path = context["base_dir"], context.get("path")

    @property
    def base_dir(self) -> Path:
        """The YAML's folder, absolute: relative paths start there."""
        return self._base_dir

    @property
    def path(self) -> Path | None:
        """The YAML file as it was named; None for a model made in memory."""
        return self._path

    @property
    def all_topics(self) -> tuple[TopicSettings, ...]:
        """The topics that are read, the dead-letter topic, and those that only the HTTP edge writes to."""
        found = {topic.name: topic for topic in self.kafka.topics}
        if self.dead_letters.topic is not None:
            found[self.dead_letters.topic.name] = self.dead_letters.topic
        for stream in (self.http.streams if self.http else {}).values():
            found.setdefault(self.topic_of(stream), TopicSettings(name=self.topic_of(stream)))
            if (dead := self.dead_letter_topic_of(stream)) is not None:
                found.setdefault(dead.name, dead)
        return tuple(found.values())
