"""The pipeline's YAML as types: every setting with its limits, its unit, its default and a sentence."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from streamlake.config.http import HttpSettings, StreamSettings
from streamlake.config.kafka import KafkaSettings, TopicSettings
from streamlake.config.plugin import PluginSettings
from streamlake.config.quality import QualitySettings
from streamlake.config.section import Section
from streamlake.config.security import SecuritySettings
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
    "AlarmSettings",
    "BatchSettings",
    "BreakerSettings",
    "CompletenessSettings",
    "DeadLetterSettings",
    "HttpSettings",
    "KafkaSettings",
    "MetricsSettings",
    "PipelineConfig",
    "PluginSettings",
    "PolicySettings",
    "QualitySettings",
    "SecuritySettings",
    "StreamSettings",
    "TopicSettings",
    "WorkerSettings",
]


class BatchSettings(Section):
    """When a batch is closed, staged and committed: whichever limit is reached first."""

    rows_max: Annotated[Whole, Field(ge=1, le=50_000_000)] = Field(
        default=200_000,
        description="Messages in a batch at most. Default: 200000. Change it for fewer, larger files where much comes "
        "(more), or for less to read again after a death (less).",
    )
    bytes_max: Annotated[Size, Field(ge=1024, le=16 * 1024**3)] = Field(
        default=128 * 1024**2,
        description="Bytes of keys, values and headers in a batch at most: a death reads them again. Default: 128MiB. "
        "Change it for larger files (more), or for less to read again after a death (less).",
    )
    seconds_max: Annotated[Seconds, Field(ge=0.05, le=86_400)] = Field(
        default=60.0,
        description="Seconds from a batch's first message to its close at most: so late a row may be seen. Default: "
        "60s. Change it for fresher rows (less, and more files a day) or for fewer files (more, but far below the "
        "topic's retention.ms).",
    )


class BreakerSettings(Section):
    """When so much is refused that a person should look: the partition is parked before it drains."""

    ratio_max: Annotated[Fraction, Field(gt=0, le=1)] = Field(
        default=0.5,
        description="The part of the last `window_rows` messages that may be refused; 1 = no limit. Default: 0.5. "
        "Change it to 1 where most of a source is meant to be refused; less where a few refused ones show a broken "
        "producer.",
    )
    window_rows: Annotated[Whole, Field(ge=1, le=50_000_000)] = Field(
        default=1000,
        description="Over how many messages the ratio is taken. Default: 1000. Change it so that a short burst weighs "
        "less (more), or to park sooner (less).",
    )
    consecutive_max: Annotated[Whole, Field(ge=1, le=50_000_000)] = Field(
        default=500,
        description="How many messages in a row may be refused. Default: 500. Change it where broken messages come in "
        "long runs and the rest shall land (more), or to park sooner (less).",
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
        description="A message without a value: skip (counted) or refuse (a dead letter). Default: skip. Change it to "
        "refuse where no message may come without a value.",
    )
    gap: Literal["stop", "record"] = Field(
        default="stop",
        description="Offsets that Kafka has lost: stop the partition, or record a gap and go on. Default: stop. "
        "Change it to record where going on matters more than a person's look at each loss; `prove` still tells every "
        "gap.",
    )
    record_bytes_max: Annotated[Size, Field(ge=1, le=1024**3)] = Field(
        default=1024**2,
        description="A message with a larger value is refused as oversize. Default: 1MiB. Change it where larger "
        "values are meant to land; the topic's max.message.bytes has to let them in.",
    )
    record_headers_max: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(
        default=1000,
        description="A message with more headers is refused as oversize. Default: 1000. Change it where a producer "
        "writes more of them on purpose; each takes some 200 bytes in memory, however small it is.",
    )


class WorkerSettings(Section):
    """How many worker processes, and how patient the supervisor is with them."""

    max: Annotated[Whole, Field(ge=1, le=4096)] = Field(
        default=64,
        description="Workers on this host at most, one for each assigned partition; what is beyond waits. Default: "
        "64. Change it where memory is short (less: a worker takes some 100 MiB) or one host shall have more "
        "partitions (more).",
    )
    restarts_max: Annotated[Whole, Field(ge=0, le=1_000_000)] = Field(
        default=5,
        description="How often a worker may die within `restart_window`, with nothing landed in between, before its "
        "partition is parked. Default: 5. Change it where Kafka or the storage may be away for minutes, and nobody "
        "shall have to wake the partition (more).",
    )
    restart_window: Annotated[Seconds, Field(gt=0, le=7 * 86_400)] = Field(
        default=60.0,
        description="The time over which deaths are counted. Default: 60s. Change it with `restarts_max`: the waits "
        "between starts grow to 15s, and a window shorter than all of them never counts so many.",
    )
    drain_seconds: Annotated[Seconds, Field(ge=0, le=86_400)] = Field(
        default=30.0,
        description="How long a worker may take to finish when it is asked to, before it is killed. Default: 30s. "
        "Change it where a batch takes longer to close (more); whatever stops the engine has to wait longer than it.",
    )
    stuck_seconds: Annotated[Seconds, Field(ge=1, le=86_400)] = Field(
        default=300.0,
        description="A worker whose main loop gives no sign for that long is killed. Default: 300s. Change it where a "
        "validator of yours takes longer for some thousand messages (more), or a stuck worker shall end sooner "
        "(less).",
    )


class MetricsSettings(Section):
    """The endpoint for metrics and health."""

    listen: HostPort | None = Field(
        default=None,
        description="host:port of /metrics, /livez, /readyz and /status. Default: none, no endpoint. Change it to "
        "have them: 127.0.0.1:9464 for this machine alone, 0.0.0.0:9464 for a Prometheus elsewhere; nobody is asked "
        "for a key.",
    )

    @property
    def address(self) -> tuple[str, int] | None:
        """`listen` as host (without brackets) and port."""
        if self.listen is None:
            return None
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class AlarmSettings(Section):
    """When /readyz says that a person should look, although everything runs."""

    retention_seconds_left_min: Annotated[Seconds, Field(ge=0, le=365 * 86_400)] = Field(
        default=3600.0,
        description="Below that time until Kafka may delete what has not landed a partition is not ready; 0 = never. "
        "Less than the topic's retention.ms. Default: 1h. Change it to the time that somebody needs to come and mend "
        "it.",
    )


class CompletenessSettings(Section):
    """When an hour of records' time is over: what `streamlake complete` goes by."""

    lateness: Annotated[Seconds, Field(ge=0, le=30 * 86_400)] = Field(
        default=600.0,
        description="How long after its hour a record may still come, by the time of the records that come then. "
        "Default: 10m. Change it to what your slowest producer takes: more marks hours later, less lets more rows "
        "come too late.",
    )


class PipelineConfig(Section):
    """One pipeline: which topics are read, how records are checked, and where they land."""

    _base_dir: Path = PrivateAttr(default_factory=Path.cwd)
    _files: tuple[Path, ...] = PrivateAttr(default=())
    _overrides: tuple[str, ...] = PrivateAttr(default=())

    pipeline: PipelineName = Field(
        description="The pipeline's name: in logs, metrics, ledger entries and headers. Change it only together with "
        "the root: a root belongs to one pipeline."
    )
    python_path: tuple[PathBeside, ...] = Field(
        default=(Path(),),
        description="Folders with your own models and plugins, relative to this file. Default: [.]. Change it where "
        "they lie elsewhere; what is installed is found before them.",
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
    alarms: AlarmSettings = Field(default=AlarmSettings(), description="When /readyz says that a person should look.")
    completeness: CompletenessSettings = Field(
        default=CompletenessSettings(), description="When an hour is over, for `streamlake complete`."
    )
    http: HttpSettings | None = Field(
        default=None, description="The HTTP edge in front of Kafka. Default: none, and `streamlake serve` is refused."
    )
    quality: QualitySettings | None = Field(
        default=None, description="Checks of what landed. Default: none, and `streamlake quality run` is refused."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "PipelineConfig":
        problems = [problem for _, check in ACROSS for problem in check(self)]
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
            self._base_dir, self._files = context["base_dir"], context.get("files", ())
            self._overrides = context.get("overrides", ())

    @property
    def base_dir(self) -> Path:
        """The (first) YAML's folder, absolute: relative paths of plugins start there."""
        return self._base_dir

    @property
    def files(self) -> str:
        """The YAML files as a command takes them, `base.yaml prod.yaml`; PIPELINE.yaml for a model made in memory."""
        return shlex.join(map(str, self._files)) or "PIPELINE.yaml"

    @property
    def words(self) -> str:
        """The files and each `--set` that was given with them, for a command that shall mean the same pipeline."""
        return " ".join([self.files, *(shlex.join(["--set", override]) for override in self._overrides)])

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


def _dead_letter_problems(config: PipelineConfig) -> Iterator[tuple[Loc, str]]:
    topic = config.dead_letters.topic
    if topic is None and config.validator.type != "none":
        what = f"write dead_letters: {{topic: {{name: {config.kafka.topics[0].name}.dlq}}}}"
        why = "refused records are copied there (only validator type none may go without)"
        yield ("dead_letters", "topic"), f"is missing: {why}; {what}"
    if topic is not None and topic.name in config.kafka.topic_names:
        sentence = "is also read by this pipeline: its dead letters would come back for ever; name another topic"
        yield ("dead_letters", "topic", "name"), sentence


def _stream_problems(config: PipelineConfig) -> Iterator[tuple[Loc, str]]:
    for name, stream in (config.http.streams if config.http else {}).items():
        here: Loc = ("http", "streams", name)
        if stream.topic is None and len(config.kafka.topics) > 1:
            names = ", ".join(config.kafka.topic_names)
            yield (*here, "topic"), f"is missing: say which one, the pipeline reads {names}"
        validator, dead = config.validator_of(stream), config.dead_letter_topic_of(stream)
        if dead is None and validator.type != "none":
            yield (*here, "dead_letters"), "is missing, and the pipeline has no dead-letter topic"
        elif dead is not None and dead.name in {*config.kafka.topic_names, stream.topic}:
            sentence = f"is the topic {dead.name}, which takes accepted records; name another topic"
            yield (*here, "dead_letters"), sentence


def _check_problems(config: PipelineConfig) -> Iterator[tuple[Loc, str]]:
    for index, check in enumerate(config.quality.checks if config.quality else ()):
        if check.topic is not None and check.topic not in config.kafka.topic_names:
            near = get_close_matches(check.topic, config.kafka.topic_names, 1)
            hint = f"did you mean {near[0]}?" if near else f"it reads {', '.join(config.kafka.topic_names)}"
            sentence = f"{check.topic!r} is no topic that this pipeline reads; {hint}"
            yield ("quality", "checks", index, "topic"), sentence


ACROSS: Sequence[tuple[frozenset[str], Callable[[PipelineConfig], Iterable[tuple[Loc, str]]]]] = (
    (frozenset({"kafka", "validator", "dead_letters"}), _dead_letter_problems),
    (frozenset({"kafka", "validator", "dead_letters", "http"}), _stream_problems),
    (frozenset({"kafka", "quality"}), _check_problems),
)
"""What has to fit together across sections: those that are looked at, and what is wrong with them, at its places."""
