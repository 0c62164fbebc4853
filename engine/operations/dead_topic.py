"""Dead letters as the dead-letter topic has them: messages whose headers say where they came from and why.

Header names: Kafka Connect's `__connect.errors.*` (ErrorHandlingMetrics, KIP-298) and `streamlake.*` (DESIGN §6). Also
the HTTP edge's refusals, which stand in the topic alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast, get_args

from streamlake.engine.kafka.letter_records import without_error_headers
from streamlake.engine.operations.dead_types import FoundLetter, LetterFilter
from streamlake.engine.operations.topic_reader import TopicReader
from streamlake.engine.records import Batch, DeadLetter, Reason, TopicPartition

INT32_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1


def list_topic_letters(reader: TopicReader, topic: str, wanted: LetterFilter) -> Iterator[FoundLetter]:
    """The messages of a dead-letter topic that are wanted, partition by partition, as far as the topic keeps them.

    A copy may stand there twice: it is sent at least once. Raises SourceError.
    """
    for partition in range(reader.partitions(topic)):
        source = TopicPartition(topic, partition)
        for batch in reader.read(source, reader.kept(source)):
            for index in range(len(batch)):
                found = letter_from_message(batch, index)
                decided_by_wanted = wanted.wants_validator(found.validator, found.fingerprint)
                if wanted.run not in (None, found.run) or not decided_by_wanted:
                    continue
                if wanted.wants(found.letter) and wanted.wants_time(found.refused_at):
                    yield found


def edge_letters(reader: TopicReader, topic: str, wanted: LetterFilter) -> Iterator[FoundLetter]:
    """Those of the messages that are wanted that the HTTP edge refused: they stand in no file, and in no other topic.

    The place of each is that of its message. Raises SourceError.
    """
    topic_id = reader.topic_id(topic) or ""
    for found in list_topic_letters(reader, topic, wanted):
        if found.letter.offset < 0:
            partition, offset = map(int, found.found_in.split("/")[-2:])
            letter = replace(found.letter, source=TopicPartition(topic, partition), offset=offset)
            yield replace(found, letter=letter, topic_id=topic_id, meant_for=found.letter.source.topic)


def letter_from_message(batch: Batch, index: int) -> FoundLetter:
    """One message of a dead-letter topic; what its headers do not say is taken from the message itself."""
    headers = list(batch.headers[index] or ())
    said = {name: value.decode(errors="replace") for name, value in headers if value is not None}
    timestamp_ms, reason = batch.timestamps_ms[index], said.get("streamlake.reason", "")
    letter = DeadLetter(
        source=TopicPartition(
            said.get("__connect.errors.topic", batch.source.topic),
            _whole(said, "__connect.errors.partition", batch.source.partition, INT32_MAX),
        ),
        offset=_whole(said, "__connect.errors.offset", batch.offsets[index]),
        timestamp_ms=timestamp_ms,
        timestamp_type=batch.timestamp_types[index],
        key=batch.keys[index],
        value=batch.values[index],
        headers=without_error_headers(headers),
        reason=cast("Reason", reason) if reason in get_args(Reason) else "invalid",
        field=said.get("streamlake.field") or None,
        message=said.get("__connect.errors.exception.message", ""),
        attempt=_whole(said, "streamlake.attempt", 1, INT32_MAX),
        first_failed_at_ms=_whole(said, "streamlake.first_failed_at", timestamp_ms),
    )
    return FoundLetter(
        letter,
        refused_at=datetime.fromtimestamp(timestamp_ms / 1000, UTC),
        run=said.get("streamlake.run", ""),
        validator=said.get("streamlake.validator", ""),
        found_in=f"{batch.source}/{batch.offsets[index]}",
        truncated=said.get("streamlake.truncated"),
    )


def _whole(said: Mapping[str, str], name: str, otherwise: int, most: int = INT64_MAX) -> int:
    """A header as a whole number; `otherwise` where it is missing or somebody wrote something else there."""
    try:
        found = int(said[name])
    except (KeyError, ValueError):
        return otherwise
    return found if abs(found) <= most else otherwise
