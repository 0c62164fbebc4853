"""What a pipeline will cost by its settings: files and ledger entries a day, rows a file, memory, Kafka's patience."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from streamlake.config.model import PipelineConfig
from streamlake.engine.counted import counted
from streamlake.engine.records import TopicPartition
from streamlake.engine.retention import RetentionRules

DAY_SECONDS = 86_400
FILES_A_DAY_MAX = 50_000
"""More than that and whoever lists the folder feels it: a table format would have compacted them."""
ROWS_A_FILE_MIN = 1000
"""Fewer, while there are many files, and a reader opens files instead of reading rows."""
FILES_A_PARTITION_MAX = 24
"""A day. As many are no burden, however small: one an hour is what a slow topic may well want."""
WORKER_BYTES = 113 * 2**20
"""The peak PSS of the largest worker at the default batch, measured by `make bench`: its line `largest worker` in
docs/performance.md, with which a test compares it."""
REFUSED_COPIES = 3
"""A refused batch is in memory as it came, as dead letters, and as what of them is being written or sent.

Seen with nine of ten records refused: 170, 336 and 476 MiB for batches of 16, 64 and 128 MiB. Records that are packed
more tightly than one to a few dozen take more: librdkafka unpacks what a fetch has brought at once.
"""
BATCHES_KEPT_MIN = 60
"""How many batches' time Kafka should keep what has not landed: an engine that is away must be missed before."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """By the day and in bytes. `records_a_day` is None where no broker said it: then files are an upper limit.

    `files_a_day` and `entries_a_day` are of accepted records; None where the number of partitions is not known.
    `memory_bytes` is what was measured, `memory_bytes_max` with a whole batch refused, which waits in memory.
    """

    partitions: int | None
    workers: int
    records_a_day: int | None
    files_a_day: int | None
    entries_a_day: int | None
    rows_a_file: int | None
    memory_bytes: int
    memory_bytes_max: int
    machine_bytes: int
    machine_limit: str
    warnings: Sequence[str]


def forecast(
    config: PipelineConfig,
    partitions: Mapping[str, int],
    settings: Mapping[str, Mapping[str, str]],
    landed_a_day: Mapping[TopicPartition, int] | None,
    machine: tuple[int, str],
) -> Forecast:
    """The forecast for one host that runs the whole pipeline.

    `partitions` are those of the topics that exist, `settings` the settings of those that may be asked for;
    `landed_a_day` is how many records came in the last day, None where nobody could be asked. `machine` is as of
    `memory_bytes`.
    """
    counts = {topic.name: partitions.get(topic.name, topic.partitions) for topic in config.kafka.topics}
    known = None if None in counts.values() else sum(count or 0 for count in counts.values())
    workers = min(config.workers.max, known) if known else config.workers.max
    files = _files_a_day(config, known, landed_a_day)
    records = None if landed_a_day is None else sum(landed_a_day.values())
    made = Forecast(
        partitions=known,
        workers=workers,
        records_a_day=records,
        files_a_day=files,
        entries_a_day=files,
        rows_a_file=round(records / files) if records and files else None,
        memory_bytes=workers * WORKER_BYTES,
        memory_bytes_max=workers * (WORKER_BYTES + REFUSED_COPIES * config.batch.bytes_max),
        machine_bytes=machine[0],
        machine_limit=machine[1],
        warnings=(),
    )
    warnings = [*_file_warnings(config, made), *_memory_warnings(config, made), *_worker_warnings(config, made)]
    for topic in config.kafka.topic_names:
        if topic in settings:
            warnings += _retention_warnings(config, topic, RetentionRules.of(settings[topic]))
    return replace(made, warnings=warnings)


def _files_a_day(
    config: PipelineConfig, partitions: int | None, landed: Mapping[TopicPartition, int] | None
) -> int | None:
    """A batch of each partition closes after its time, or when it is full; where nothing comes, there is none."""
    by_time = DAY_SECONDS / config.batch.seconds_max
    if landed is not None:
        each = (min(rows, max(by_time, rows / config.batch.rows_max)) for rows in landed.values())
        return sum(math.ceil(files) for files in each)
    return None if partitions is None else round(partitions * by_time)


def _file_warnings(config: PipelineConfig, made: Forecast) -> Iterator[str]:
    files, seconds = made.files_a_day, config.batch.seconds_max
    if files is None:
        return
    if files > FILES_A_DAY_MAX:
        most = "" if made.records_a_day is not None else "up to "
        yield (
            f"{most}{files:,} files a day are more than {FILES_A_DAY_MAX:,}, and each reader lists them all; raise "
            f"batch.seconds_max ({seconds:g} s)"
        )
        return
    rows, burden = made.rows_a_file, FILES_A_PARTITION_MAX * (made.partitions or 1)
    if rows is not None and rows < ROWS_A_FILE_MIN and files > burden:
        yield (
            f"files of {counted(rows, 'row')} are small, below {ROWS_A_FILE_MIN:,}: where records come evenly, a "
            f"reader opens {files:,} of them a day; raise batch.seconds_max ({seconds:g} s)"
        )


def _memory_warnings(config: PipelineConfig, made: Forecast) -> Iterator[str]:
    if made.memory_bytes_max > made.machine_bytes:
        yield (
            f"{made.workers} workers may take {mib(made.memory_bytes_max)} where a whole batch of each is refused, "
            f"more than {made.machine_limit} of {mib(made.machine_bytes)}; lower workers.max ({config.workers.max}) or "
            f"batch.bytes_max ({mib(config.batch.bytes_max)}), or share the partitions with another host"
        )


def _worker_warnings(config: PipelineConfig, made: Forecast) -> Iterator[str]:
    if made.partitions is not None and config.workers.max < made.partitions:
        yield (
            f"workers.max {config.workers.max} is less than the {made.partitions} partitions: one host alone leaves "
            "the others unread; raise it, or run the pipeline on more hosts"
        )


def _retention_warnings(config: PipelineConfig, topic: str, rules: RetentionRules) -> Iterator[str]:
    if rules.retention_ms is None:
        return
    kept, batch = rules.retention_ms / 1000, config.batch.seconds_max
    least = config.alarms.retention_seconds_left_min
    if kept < BATCHES_KEPT_MIN * batch:
        yield (
            f"{topic} keeps a record for {kept:g} s (retention.ms), less than {BATCHES_KEPT_MIN} batches of "
            f"batch.seconds_max ({batch:g} s): what is not landed by then is lost; raise retention.ms"
        )
    if 0 < kept <= least:
        yield (
            f"{topic} keeps a record for {kept:g} s (retention.ms), no longer than "
            f"alarms.retention_seconds_left_min ({least:g} s): /readyz would never be ready; lower that or raise "
            "retention.ms"
        )


def mib(size: int) -> str:
    """Bytes for people: `113 MiB`, `23.5 GiB`."""
    return f"{size / 2**30:,.1f} GiB" if size >= 10 * 2**30 else f"{size / 2**20:,.0f} MiB"
