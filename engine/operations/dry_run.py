"""`dry-run`: what would become of some records, decided as a worker does; nothing is claimed, committed or written.

The pipeline's own root is never opened, and no group is joined. The validator runs in disposable processes, as where a
worker suspects a record: one that kills, hangs or breaks it is refused as `crash`, and the others are decided.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from streamlake.config.model import PipelineConfig, PluginSettings
from streamlake.engine.absent import absent
from streamlake.engine.codes.configuration import NO_TOPIC
from streamlake.engine.errors import BreakerError, ConfigError, ValidatorError
from streamlake.engine.letters import dead_letters_of
from streamlake.engine.operations.bounds import Bound, Bounds
from streamlake.engine.operations.dry_rows import Decided, Landed, Mode, landed
from streamlake.engine.operations.replay_plan import refuse_one_offset_for_many
from streamlake.engine.operations.replay_ranges import chosen_partitions, chosen_topics, resolve
from streamlake.engine.operations.replay_types import TopicList
from streamlake.engine.operations.samples import BYTES_MAX, Wanted, read_some, shares
from streamlake.engine.operations.topic_reader import TopicReader
from streamlake.engine.packed import bytes_of
from streamlake.engine.records import Batch, DeadLetter, OffsetRange, Reason, TopicPartition, Verdict
from streamlake.engine.worker_main import Decider, breaker_of, decider_apart

LIMIT = 100
EARLIEST = Bound("earliest", "earliest")
END = Bound("latest", "latest")


@dataclass(frozen=True, slots=True)
class DryRequest:
    """Which records: `limit` in all, shared by the partitions, from `first` on; from `latest` they are the newest."""

    first: Bound = EARLIEST
    limit: int = LIMIT
    topic: str | None = None
    partitions: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class PartitionTold:
    """What became of one partition's records: `read` of them in `range`.

    `parks` is what its breaker said when it opened, and None where it did not.
    """

    source: TopicPartition
    range: OffsetRange
    read: int
    accepted: int
    skipped: int
    refused: int
    parks: str | None

    @property
    def refused_ratio(self) -> float:
        """The refused ones' part of all that were read."""
        return self.refused / self.read if self.read else 0.0


@dataclass(frozen=True, slots=True)
class ModeTold:
    """The rows in one of the column modes, and how many records are refused in it; `why_not`: it can't be had."""

    landed: Landed | None
    refused: int = 0
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would become of the records. `columns` is the YAML's own column mode, by which verdicts are.

    `letters` are the refused ones as dead letters, in the order of topic, partition and offset; `remarks` are sentences
    that a person should read.
    """

    pipeline: str
    first: str
    columns: str
    validator: str
    partitions: Sequence[PartitionTold]
    letters: Sequence[DeadLetter]
    modes: Mapping[Mode, ModeTold]
    breaker: str
    remarks: Sequence[str]

    @property
    def read(self) -> int:
        """How many records were read."""
        return sum(one.read for one in self.partitions)

    @property
    def accepted(self) -> int:
        """How many would land."""
        return sum(one.accepted for one in self.partitions)

    @property
    def skipped(self) -> int:
        """How many would be passed over."""
        return sum(one.skipped for one in self.partitions)

    @property
    def reasons(self) -> Mapping[Reason, int]:
        """How many would be refused, by reason, the most frequent first."""
        return dict(Counter(letter.reason for letter in self.letters).most_common())


def dry_run(config: PipelineConfig, cluster: TopicList, reader: TopicReader, wanted: DryRequest) -> DryRun:
    """Read some records and decide them, and say what would land.

    Raises UsageError (bound, topic or partitions can't be meant), ConfigError (the validator, no such topic),
    SourceError where nobody answers, ValidatorError, and BreakerError where too many records kill the validator.
    """
    own: Mode = "typed" if config.sink.options.get("columns") == "typed" else "envelope"
    deciders: dict[Mode, Decider] = {own: decider_apart(_with_columns(config, own))}
    ranges, remarks = _ranges(config, cluster, wanted)
    batches = _read(reader, ranges, wanted)
    told, letters, verdicts = [], [], {}
    for source, (within, parts) in batches.items():
        decided = [(part, deciders[own].decide(part)) for part in parts]
        told.append(_told(config, source, within, decided))
        letters += [letter for part, verdict in decided for letter in dead_letters_of(part, verdict, 0)]
        verdicts[source] = decided
    if sum(bytes_of(part.values) for _, parts in batches.values() for part in parts) >= BYTES_MAX:
        remarks.append(f"stopped early, after {BYTES_MAX // 2**20} MiB of values")
    other: Mode = "envelope" if own == "typed" else "typed"
    modes = {own: _mode(verdicts, own, deciders[own]), other: _other_mode(config, other, verdicts)}
    return DryRun(
        pipeline=config.pipeline,
        first=wanted.first.said,
        columns=str(config.sink.options.get("columns", "envelope")),
        validator=config.validator.type,
        partitions=told,
        letters=letters,
        modes=dict(sorted(modes.items())),
        breaker=_forecast(config, told),
        remarks=remarks,
    )


def _with_columns(config: PipelineConfig, mode: Mode) -> PipelineConfig:
    sink = PluginSettings.model_validate({**config.sink.options, "type": config.sink.type, "columns": mode})
    return config.model_copy(update={"sink": sink})


def _ranges(
    config: PipelineConfig, cluster: TopicList, wanted: DryRequest
) -> tuple[dict[TopicPartition, OffsetRange], list[str]]:
    """From where to the end of each partition, as far as Kafka still has it; and what is gone."""
    topics = chosen_topics(config, wanted.topic)
    shapes, servers = cluster.shapes(topics), config.kafka.bootstrap_servers
    if missing := [topic for topic in topics if topic not in shapes]:
        shown = set(cluster.topic_names()) - set(config.kafka.topic_names)
        said = (f"kafka.topics[{topic}].name: {absent(topic, servers, shown, config.words)}" for topic in missing)
        raise ConfigError(*said, code=NO_TOPIC)
    sources = chosen_partitions(shapes, topics, wanted.partitions, servers)
    bounds = Bounds(EARLIEST if wanted.first == END else wanted.first, END)
    refuse_one_offset_for_many(bounds, wanted.partitions, sources)
    resolved = resolve(bounds, sources, cluster, {})
    gone = [f"{source}: Kafka no longer has {one.expired}" for source, one in resolved.items() if one.expired]
    return {source: OffsetRange(one.expired.next, one.range.next) for source, one in resolved.items()}, gone


def _read(
    reader: TopicReader, ranges: Mapping[TopicPartition, OffsetRange], wanted: DryRequest
) -> dict[TopicPartition, tuple[OffsetRange, list[Batch]]]:
    """Each partition's share of the records, and the offsets that they cover, which follow each other."""
    some = shares({source: len(one) for source, one in ranges.items()}, wanted.limit)
    begins = {
        source: OffsetRange(one.next - some[source], one.next) if wanted.first == END else one
        for source, one in sorted(ranges.items())
    }
    parts: dict[TopicPartition, list[Batch]] = {source: [] for source in begins}
    for batch in read_some(reader, (Wanted(source, one, some[source]) for source, one in begins.items())):
        parts[batch.source].append(batch)
    return {source: (_covered(begins[source], read), read) for source, read in parts.items()}


def _covered(within: OffsetRange, read: Sequence[Batch]) -> OffsetRange:
    return OffsetRange(within.first, read[-1].range.next if read else within.first)


def _told(
    config: PipelineConfig, source: TopicPartition, within: OffsetRange, decided: Sequence[Decided]
) -> PartitionTold:
    breaker, parks = breaker_of(config), None
    try:
        for part, verdict in decided:
            breaker.look(part, verdict.refused)
    except BreakerError as error:
        parks = str(error)
    read = sum(len(part) for part, _ in decided)
    refused = sum(len(verdict.refused) for _, verdict in decided)
    skipped = sum(len(verdict.skipped) for _, verdict in decided)
    return PartitionTold(source, within, read, read - refused - skipped, skipped, refused, parks)


def _other_mode(config: PipelineConfig, mode: Mode, verdicts: Mapping[TopicPartition, Sequence[Decided]]) -> ModeTold:
    """The rows in the mode that the YAML has not chosen; with typed columns more may be refused.

    What has broken the validator once is left out: to see it hang again would take as long again.
    """
    crashed = {source: [_crashed(verdict) for _, verdict in some] for source, some in verdicts.items()}
    try:
        decider = decider_apart(_with_columns(config, mode))
        again = {}
        for source, some in verdicts.items():
            rest = [part.without(out) for (part, _), out in zip(some, crashed[source], strict=True)]
            again[source] = [(part, decider.decide(part)) for part in rest]
        told = _mode(again, mode, decider)
        return replace(told, refused=told.refused + sum(len(out) for some in crashed.values() for out in some))
    except (ConfigError, ValidatorError) as error:
        return ModeTold(None, why_not=str(error))


def _crashed(verdict: Verdict) -> list[int]:
    return [refusal.index for refusal in verdict.refused if refusal.reason == "crash"]


def _mode(verdicts: Mapping[TopicPartition, Sequence[Decided]], mode: Mode, decider: Decider) -> ModeTold:
    some = {source: decided for source, decided in verdicts.items() if decided}
    refused = sum(len(verdict.refused) for decided in some.values() for _, verdict in decided)
    return ModeTold(landed(some, mode, decider.validator.payload), refused)


def _forecast(config: PipelineConfig, told: Sequence[PartitionTold]) -> str:
    """What the breaker would do: it has seen these records, and nobody knows the next ones."""
    limits = config.dead_letters.breaker
    parked = [one for one in told if one.parks is not None]
    if parked:
        return f"would have parked {', '.join(str(one.source) for one in parked)}: {parked[0].parks}"
    worst = max(told, key=lambda one: one.refused_ratio, default=None)
    if worst is None or not worst.read:
        return "has seen nothing"
    seen = f"{worst.refused:,} of {worst.read:,} refused in {worst.source}"
    limit = f"more than {limits.ratio_max:g} of {limits.window_rows:,}, or {limits.consecutive_max:,} in a row"
    if worst.refused_ratio > limits.ratio_max or worst.refused == worst.read:
        return f"would park if it goes on like this: {seen}; it parks at {limit}"
    return f"would not have parked: at most {seen}; it parks at {limit}"
