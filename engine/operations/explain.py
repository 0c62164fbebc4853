"""`streamlake explain`: in plain sentences what will happen to a record, each with the settings that decide it."""

import re
from collections.abc import Iterator, Mapping

from streamlake.config.kinds import DURATION, shown_number
from streamlake.config.model import PipelineConfig
from streamlake.engine.counted import counted
from streamlake.engine.names import final_path
from streamlake.engine.operations.explain_failures import failures, what_to_do
from streamlake.engine.operations.explain_said import Chapter, Sentence, Told
from streamlake.engine.records import OffsetRange, TopicPartition

SUFFIXES = {
    "parquet": ".parquet",
    ("jsonl", "none"): ".jsonl",
    ("jsonl", "gzip"): ".jsonl.gz",
    ("jsonl", "zstd"): ".jsonl.zst",
}
_OWN_TIME = "the record's own time, in UTC, and __invalid__ where it has none: a batch makes a file"
FOLDERS = {
    "none": ("", "There is no folder below the topic's."),
    "ingestion_date": ("ingestion_date=2026-01-31", "The folder is the day on which its batch was begun, in UTC."),
    "ingestion_hour": ("ingestion_hour=2026-01-31-06", "The folder is the hour in which its batch was begun, in UTC."),
    "record_date": (
        "record_date=2026-01-31",
        f"The folder is the day of {_OWN_TIME} for each day that it has records of.",
    ),
    "record_hour": ("record_hour=2026-01-31-06", f"The folder is the hour of {_OWN_TIME} for each hour that it has."),
}
"""For `sink.partition_by` an example's folder, and a sentence."""
STARTS = {
    "earliest": "with the oldest record that Kafka has",
    "latest": "with what comes after it: `streamlake backfill` lands what was there before",
    "committed": "where this group has committed, and with the oldest record where it never has",
}
VALUES = {
    ("parquet", "json"): "byte for byte, as text",
    ("parquet", "bytes"): "byte for byte, as binary",
    ("jsonl", "json"): "as JSON in its line (a line break between two tokens becomes a space)",
    ("jsonl", "bytes"): 'as text, or as {"base64": …} where it is none',
}
"""What `value` is, by `sink.format` and what the validator has seen of a payload."""
OWN = "_partition, _offset, _timestamp, _timestamp_type, _key, _headers"
OWN_TYPED = "_partition, _offset, _timestamp, _key, _headers"


def explain(config: PipelineConfig) -> list[Chapter]:
    """What a pipeline does, for a person. Asks neither Kafka nor the storage. Raises ConfigError."""
    told = Told(config)
    chapters = [
        Chapter("Where records come from", list(_source(told))),
        Chapter("How a record is decided", list(_decision(told))),
        Chapter("Where an accepted record lands", list(_landing(told))),
        Chapter("When a file closes", list(_closing(told))),
        Chapter("What becomes of a refused record", list(_refused(told))),
    ]
    if config.http is not None:
        chapters.append(Chapter("Records over HTTP", list(_edge(told))))
    chapters.append(Chapter("What survives what", list(failures(told))))
    chapters.append(Chapter("What you have to do", list(what_to_do(told))))
    return chapters


def _source(told: Told) -> Iterator[Sentence]:
    config, kafka = told.config, told.config.kafka
    topics = [
        f"{topic.name} ({counted(topic.partitions, 'partition')})" if topic.partitions else topic.name
        for topic in kafka.topics
    ]
    how = {
        "PLAINTEXT": "neither encrypted nor signed in to",
        "SSL": "encrypted",
        "SASL_PLAINTEXT": "signed in to, and not encrypted",
        "SASL_SSL": "encrypted and signed in to",
    }[kafka.security.protocol]
    yield told.say(
        f"Records come from the {'topic' if len(topics) == 1 else 'topics'} {', '.join(topics)} of the Kafka at "
        f"{kafka.bootstrap_servers}, {how}; those of aborted transactions are left out.",
        *("kafka.topics", "kafka.bootstrap_servers", "kafka.security.protocol"),
    )
    start = STARTS.get(kafka.start, f"with the first record of {kafka.start} or later")
    yield told.say(
        f"The very first start begins {start}. Every later start goes on where the ledger below the root ends, "
        "whatever Kafka's group says.",
        *("kafka.start", "sink.root"),
    )
    where = "on any host" if _is_shared(told) else "on this host (several hosts need a root in a bucket)"
    yield told.say(
        f"Each partition has a worker of its own. Who runs these files with this group {where} shares the "
        "partitions, and takes over those of an engine that ends.",
        *("kafka.group_id", "kafka.group_protocol", "sink.root"),
    )
    yield told.say(
        f"One engine runs {counted(config.workers.max, 'worker')} at most; a partition beyond that waits, and its "
        "state says so.",
        "workers.max",
    )


def _decision(told: Told) -> Iterator[Sentence]:
    config = told.config
    if config.policies.tombstone == "skip":
        tombstone = "is counted and passed over: it makes neither a row nor a dead letter"
    else:
        tombstone = "is refused, as `tombstone`"
    yield told.say(f"A tombstone (a record without a value) {tombstone}.", "policies.tombstone")
    yield told.say(
        f"A value of more than {told.value('policies.record_bytes_max')}, or a record with more than "
        f"{told.value('policies.record_headers_max')} headers, is refused as `oversize`, before any validator sees it.",
        *("policies.record_bytes_max", "policies.record_headers_max"),
    )
    yield told.say(*_validator(told))
    if config.validator.type != "none":
        seconds = shown_number(min(60.0, config.workers.stuck_seconds), DURATION)
        yield told.say(
            "A record that kills, hangs or breaks the validator is found by halving its batch in processes of their "
            f"own, of which each may take {seconds} at most, and is refused alone, as `crash`; the others land.",
            *("validator.type", "workers.stuck_seconds"),
        )


def _validator(told: Told) -> tuple[str, ...]:
    """The sentence about the validator, and its settings."""
    kind = told.config.validator.type
    malformed = "what is no JSON, or JSON that readers take differently, is refused as `malformed`"
    wanted = "an object" if told.value("validator.top_level") == "object" else "any JSON value"
    rule = "`invalid`, with the field and the rule"
    if kind == "none":
        return "Every other record is accepted, as the bytes that it is.", "validator.type"
    if kind == "json":
        text = f"Every other record has to be one JSON text, {wanted}: {malformed}, another kind of value as `invalid`."
        return text, "validator.type", "validator.top_level", "validator.depth_max"
    if kind == "jsonschema":
        text = (
            f"Every other record is held against a JSON Schema: {malformed}, what the schema does not allow as {rule}."
        )
        return text, "validator.type", "validator.schema", "validator.depth_max"
    if kind == "pydantic":
        model = told.value("validator.model")
        text = (
            f"Every other record is read by the pydantic model {model}: {malformed}, what it does not take as {rule}."
        )
        return text, "validator.type", "validator.model", "validator.depth_max"
    return f"Every other record is decided by {kind}, which gives the reasons, too.", "validator.type"


def _landing(told: Told) -> Iterator[Sentence]:
    kind = told.config.sink.type
    if kind != "file":
        yield told.say(f"An accepted record lands where the sink {kind} puts it; its own words say how.", "sink.type")
        return
    topic = told.config.kafka.topic_names[0]
    folder, sentence = FOLDERS[told.value("sink.partition_by")]
    yield told.say(
        f"An accepted record becomes one row of one file below {_root(told)}, for instance "
        f"{_example('raw', topic, folder, told)}: partition 0, offsets 0 to 1199. Under this name the file is "
        "complete, and it is never written again.",
        *("sink.root", "sink.format"),
    )
    yield told.say(sentence, "sink.partition_by")
    compression = _compression(told)
    name = {"parquet": "Parquet", "jsonl": "JSON lines"}[told.value("sink.format")]
    packed = "not compressed" if compression == "none" else f"compressed by {compression}"
    yield Sentence(
        f"Files are {name}, {packed}.", {**told.say("", "sink.format").settings, "sink.compression": compression}
    )
    yield told.say(_columns(told), "sink.columns", "validator.type")


def _columns(told: Told) -> str:
    columns = told.value("sink.columns")
    if columns == "value":
        return "A row is the payload alone; the ledger tells its partition and offset."
    if columns == "envelope":
        value = VALUES[told.value("sink.format"), told.validator.payload]
        return f"The columns are {OWN} and value, which is the payload as it came, {value}."
    names = _typed_names(told)
    return f"The columns are {OWN_TYPED} and those of the validator: {names}. The payload itself is not kept."


def _typed_names(told: Told) -> str:
    describe = getattr(told.validator, "json_schema", None)
    schema: Mapping[str, object] = (describe() if describe else None) or {}
    properties = schema.get("properties")
    return ", ".join(properties) if isinstance(properties, Mapping) else "what it makes of a record"


def _closing(told: Told) -> Iterator[Sentence]:
    batch = told.config.batch
    longest = told.value("batch.seconds_max")
    yield told.say(
        f"A partition's batch is closed at {batch.rows_max} records, at {told.value('batch.bytes_max')}, or {longest} "
        "after its first record, whichever comes first. Its files are then made durable, committed by one entry in the "
        "ledger, and given their names.",
        *("batch.rows_max", "batch.bytes_max", "batch.seconds_max"),
    )
    yield told.say(
        f"So a record can be read some {longest} after its worker got it, at the latest, as long as the worker keeps "
        "up.",
        "batch.seconds_max",
    )


def _refused(told: Told) -> Iterator[Sentence]:
    config, topic = told.config, told.config.dead_letters.topic
    if config.sink.type == "file":
        folder = {
            "none": "",
            "ingestion_hour": FOLDERS["ingestion_hour"][0],
            "record_hour": FOLDERS["ingestion_hour"][0],
        }
        where = folder.get(told.value("sink.partition_by"), FOLDERS["ingestion_date"][0])
        example = _example("dead", config.kafka.topic_names[0], where, told)
        yield told.say(
            "It becomes one row of a dead-letter file, with its bytes, key and headers, the reason, the field and a "
            f"message, for instance {example}: committed by the same entry as its neighbours' rows, so exactly once.",
            *("sink.root", "sink.format", "sink.partition_by"),
        )
    if topic is None:
        yield told.say("No copy of it is sent anywhere: there is no dead-letter topic.", "dead_letters.topic")
    else:
        yield told.say(
            f"A copy goes to the topic {topic.name} after the commit, at least once; what is too large for that topic "
            "goes without its value. A copy that can't be sent stops the partition, which tries again, rather than be "
            "lost.",
            "dead_letters.topic.name",
        )
    breaker = config.dead_letters.breaker
    allowed = int(breaker.ratio_max * breaker.window_rows)
    ratio = f"more than {allowed} of {breaker.window_rows} in a row, or " if breaker.ratio_max < 1 else ""
    yield told.say(
        f"Where {ratio}more than {breaker.consecutive_max} one after another are refused, the partition is parked, and "
        "nothing of that batch lands or becomes a dead letter: somebody has to look first.",
        *(f"dead_letters.breaker.{name}" for name in ("ratio_max", "window_rows", "consecutive_max")),
    )


def _edge(told: Told) -> Iterator[Sentence]:
    config, http = told.config, told.config.http
    assert http is not None, "asked only where there is an edge"
    who = "who has a key" if http.authorized else "anybody who reaches it"
    yield told.say(
        f"`streamlake serve` listens on {http.listen} with {counted(http.workers, 'worker')}, and takes records from "
        f"{who}.",
        *("http.listen", "http.workers", "http.auth", "http.keys_file"),
    )
    for name, stream in http.streams.items():
        key = f"its key is what stands at {stream.key_field}" if stream.key_field else "it has no key"
        dead = config.dead_letter_topic_of(stream)
        refused = f"goes to {dead.name}, and to no file" if dead else "is lost to all but the answer"
        settings = {
            f"http.streams.{name}.topic": config.topic_of(stream),
            f"http.streams.{name}.key_field": stream.key_field or "none",
            f"http.streams.{name}.validator": config.validator_of(stream).type,
        }
        yield Sentence(
            f"A record posted to /ingest/{name} goes to the topic {config.topic_of(stream)}, {key}; one that the "
            f"validator {config.validator_of(stream).type} refuses {refused}.",
            settings,
        )
    yield told.say(
        "The answer comes when all replicas in sync have the record; after "
        f"{told.value('http.delivery_seconds')} without word from Kafka it is that nobody knows.",
        "http.delivery_seconds",
    )


def _example(kind: str, topic: str, folder: str, told: Told) -> str:
    """The name of a file of partition 0."""
    found = told.value("sink.format")
    suffix = SUFFIXES.get(found) or SUFFIXES[found, _compression(told)]
    where = final_path("raw", "live-1", TopicPartition(topic, 0), OffsetRange(0, 1200), folder, suffix)
    return kind + where.removeprefix("raw")


def _compression(told: Told) -> str:
    """The YAML's, or the format's default, which the sink tells as `zstd (parquet), none (jsonl)`."""
    value = told.value("sink.compression")
    found = re.search(rf"(\w+) \({told.value('sink.format')}\)", value)
    return found[1] if found else value


def _root(told: Told) -> str:
    root = told.value("sink.root")
    return root if "://" in root or root.startswith("/") else f"the folder {root} beside the (first) YAML"


def _is_shared(told: Told) -> bool:
    """Whether other hosts see the root, too, as far as we know the sink."""
    return told.config.sink.type != "file" or told.value("sink.root").startswith("gs://")
