"""Looks at some records of a topic, for `streamlake init`: what they are, and which validator would take them.

It joins no group, commits nothing and writes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson

from streamlake.config.model import PipelineConfig
from streamlake.engine.contracts import Validator
from streamlake.engine.errors import SourceError, UsageError
from streamlake.engine.operations.draft_payloads import look_of
from streamlake.engine.operations.draft_schema import Field, Schema, draft_schema
from streamlake.engine.operations.replay_types import Cluster, TopicList
from streamlake.engine.operations.samples import oldest_and_newest, read_some
from streamlake.engine.operations.topic_reader import TopicReader
from streamlake.engine.records import Batch, OffsetRange, TopicPartition
from streamlake.engine.registry import validator_class

if TYPE_CHECKING:  # it imports librdkafka
    from streamlake.engine.kafka.admin import TopicShape

DRAFT = "https://json-schema.org/draft/2020-12/schema"
RECORDS = 1_000
TOPICS_SHOWN = 10

Chosen = Literal["none", "json", "jsonschema"]
"""The type of a validator: `json` where records are JSON, and no objects."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Records of one kind that are no JSON objects: how many, and the first of them."""

    kind: str
    records: int
    source: TopicPartition
    offset: int
    detail: str

    @property
    def said(self) -> str:
        """How many of what, in words: `1 tombstone`, `3 tombstones`, `2 plain text`."""
        counted = self.kind in ("tombstone", "Avro file") and self.records != 1
        return f"{self.records:,} {self.kind}{'s' * counted}"


@dataclass(frozen=True, slots=True)
class TopicLook:
    """What some records of a topic are.

    `records` were looked at, of `offsets` that Kafka has; `objects` of them are JSON objects, `others` all the others
    by kind, the most frequent first. `schema` is a draft that all the objects fit, where the `validator` is
    `jsonschema`, and `fields` what it says of each place. `dead_letter_topic` is whether the cluster has the topic that
    the pipeline names; None where it names none.
    """

    topic: str
    partitions: int
    offsets: int
    records: int
    objects: int
    others: Sequence[Seen]
    validator: Chosen
    schema: Schema | None
    fields: Sequence[Field]
    dead_letter_topic: bool | None


def look_at(config: PipelineConfig, cluster: TopicList, reader: TopicReader, limit: int = RECORDS) -> TopicLook:
    """What up to `limit` records of the pipeline's (first) topic are, the oldest and the newest of its partitions.

    Of `config` only `kafka` and the dead-letter topic's name matter. Raises UsageError where there is no such topic,
    SourceError and ConfigError where nobody answers.
    """
    topic, dead = config.kafka.topic_names[0], config.dead_letters.topic
    shapes = cluster.shapes([topic, *([dead.name] if dead else [])])
    if topic not in shapes:
        raise UsageError(_unknown(topic, cluster.topic_names(), config.kafka.bootstrap_servers))
    kept = _kept(cluster, shapes[topic])
    batches = list(read_some(reader, oldest_and_newest(kept, limit)))
    objects, others = _told_apart(batches)
    records = sum(map(len, batches))
    validator, schema, fields = _drafted(topic, objects, others, records)
    return TopicLook(
        topic=topic,
        partitions=shapes[topic].partitions,
        offsets=sum(map(len, kept.values())),
        records=records,
        objects=len(objects),
        others=others,
        validator=validator,
        schema=schema,
        fields=fields,
        dead_letter_topic=None if dead is None else dead.name in shapes,
    )


def _unknown(topic: str, names: Sequence[str], servers: str) -> str:
    near = get_close_matches(topic, names, 3)
    there = ", ".join(names[:TOPICS_SHOWN]) + (", …" if len(names) > TOPICS_SHOWN else "")
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {there}" if names else "it has none"
    return f"--topic {topic}: the cluster at {servers} has no such topic; {hint}"


def _kept(cluster: Cluster, shape: "TopicShape") -> dict[TopicPartition, OffsetRange]:
    sources = [TopicPartition(shape.name, number) for number in range(shape.partitions)]
    marks = cluster.watermarks(sources)
    if missing := [source for source in sources if source not in marks]:
        raise SourceError(f"{missing[0]}: the cluster knew this partition a moment ago, and does not any more")
    return {source: OffsetRange(low, max(low, high)) for source, (low, high) in marks.items()}


def _told_apart(batches: Sequence[Batch]) -> tuple[list[dict[str, Any]], list[Seen]]:
    """The JSON objects, parsed: those that the validator `json` takes; and all the others by kind."""
    gate = _validator("json", {})
    objects: list[dict[str, Any]] = []
    others: dict[str, Seen] = {}
    for batch in batches:
        refused = {refusal.index: refusal.message for refusal in gate.validate(batch).refused}
        for index, (offset, value) in enumerate(zip(batch.offsets, batch.values, strict=True)):
            if index not in refused and value is not None:
                objects.append(orjson.loads(value))
                continue
            look = look_of(value)
            begun = others.get(look.kind, Seen(look.kind, 0, batch.source, offset, look.detail))
            others[look.kind] = replace(begun, records=begun.records + 1)
    return objects, sorted(others.values(), key=lambda seen: -seen.records)


def _drafted(
    topic: str, objects: Sequence[Mapping[str, Any]], others: Sequence[Seen], records: int
) -> tuple[Chosen, Schema | None, Sequence[Field]]:
    """The validator that most of the records are for, and its schema."""
    most = others[0] if others else None
    if objects and (most is None or len(objects) >= most.records or most.kind == "tombstone"):
        drafted, fields = draft_schema(objects, _fits)
        comment = f"Drafted by `streamlake init` from {records:,} records of the topic {topic}: {len(objects):,} JSON "
        comment += f"objects{''.join(f', {seen.said}' for seen in others)}. Look at it before it decides."
        schema = {"$schema": DRAFT, "title": topic, "description": comment, **drafted}
        refused = [
            refusal.message
            for refusal in _validator("jsonschema", {"schema": schema})
            .validate(_batch(map(orjson.dumps, objects)))
            .refused
        ]
        assert not refused, f"a record does not fit the schema that was drafted from it: {refused[0]}"
        return "jsonschema", schema, fields
    return ("json" if most and most.kind == "JSON, but no object" else "none"), None, ()


def _fits(name: str, texts: Sequence[str]) -> bool:
    """Whether the validator takes all `texts` for that format, and a typed column holds them."""
    batch = _batch(orjson.dumps({"text": text}) for text in texts)
    return not _format_validator(name).validate(batch).refused


@cache
def _format_validator(name: str) -> Validator:
    text = {"type": "string", "format": name}
    return _validator("jsonschema", {"schema": {"properties": {"text": text}}}, columns=True)


def _validator(name: str, options: Mapping[str, object], *, columns: bool = False) -> Validator:
    return validator_class(name).from_options(options, columns=columns, base_dir=Path())


def _batch(values: Iterator[bytes]) -> Batch:
    """Payloads alone, as a validator is given them."""
    some = list(values)
    rows = len(some)
    nothing: list[None] = [None] * rows
    return Batch(
        source=TopicPartition("draft", 0),
        range=OffsetRange(0, rows),
        leader_epoch=None,
        offsets=range(rows),
        timestamps_ms=[0] * rows,
        timestamp_types=[0] * rows,
        keys=nothing,
        values=some,
        headers=nothing,
    )
