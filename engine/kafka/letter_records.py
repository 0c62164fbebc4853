"""A dead letter as a record of its topic: key, value and headers as they were, and why the record was refused."""

import json
from collections.abc import Sequence

from streamlake.engine.records import DeadLetter, Header, Reason, TopicPartition

MESSAGE_CHARS_MAX = 1000
"""A reason is for a reader; some libraries print the whole value into theirs."""
MESSAGE_BYTES_DEFAULT = 1_048_588
"""Kafka's own default of `max.message.bytes`, where we may not ask for the topic's."""
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
LESS = ((), ("value",), ("value", "headers"), ("value", "headers", "key"))
"""What is left out, step by step, until a letter fits."""


class LetterRecords:
    """Makes the records of one pipeline's dead letters; `limit` is the topic's `max.message.bytes`."""

    def __init__(
        self, pipeline: str, run: str, validator: str, limit: int = MESSAGE_BYTES_DEFAULT, *, in_a_file: bool = True
    ) -> None:
        """`in_a_file`: the whole letter stands in a dead-letter file, too, so what is left out says where it is."""
        self.limit = limit
        self._in_a_file = in_a_file
        name = _bytes(validator)
        self._stage: list[Header] = [
            ("__connect.errors.stage", b"VALIDATE"),
            ("__connect.errors.class.name", b"streamlake.validators.%b" % name),
        ]
        self._whose: list[Header] = [("streamlake.pipeline", _bytes(pipeline)), ("streamlake.run", _bytes(run))]
        self._validator: list[Header] = [("streamlake.validator", name)]
        self._places: dict[TopicPartition, list[Header]] = {}
        self._reasons: dict[Reason, tuple[Header, Header]] = {}

    def fitting(self, letter: DeadLetter, less: int) -> tuple[bytes | None, bytes | None, list[Header]]:
        """Key, value and headers, with what LESS[less] names left out, or more where that is known not to fit."""
        while True:
            out = LESS[less]
            kept = [] if "headers" in out else without_error_headers(letter.headers)
            headers = [*kept, *self._error_headers(letter)]
            if out:
                headers.append(("streamlake.truncated", _truncated(letter, out, in_a_file=self._in_a_file)))
            key = None if "key" in out else letter.key
            value = None if "value" in out else letter.value
            if less == len(LESS) - 1 or self._fits(letter) or _size(key, value, headers) <= self.limit:
                return key, value, headers
            less += 1

    def _fits(self, letter: DeadLetter) -> bool:
        """Whether the whole letter surely fits; no means little. To add up its headers costs as much as to send it."""
        if letter.headers:
            return False
        size = len(letter.value or b"") + len(letter.key or b"") + UTF8_BYTES_MAX * len(letter.field or "")
        return size + OUR_HEADERS_BYTES_MAX <= self.limit

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


def without_error_headers(headers: Sequence[Header]) -> list[Header]:
    """A record's own headers in their order; what an earlier refusal wrote is taken out, so that it never piles up."""
    return [header for header in headers if not header[0].startswith(CONNECT_PREFIX) and header[0] not in OURS]


def _truncated(letter: DeadLetter, left_out: Sequence[str], *, in_a_file: bool) -> bytes:
    """What is not there, and where the rest is: the dead-letter file has the whole record under these coordinates."""
    found: dict[str, object] = {"left_out": list(left_out), "value_bytes": len(letter.value or b"")}
    if in_a_file:
        source = letter.source
        found["dead_letter_file"] = {"topic": source.topic, "partition": source.partition, "offset": letter.offset}
    return json.dumps(found, separators=(",", ":")).encode()


def _size(key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> int:
    """At most so many bytes does the record take in a batch of its own, not compressed."""
    names, values = "".join([name for name, _ in headers]), [data for _, data in headers if data]
    fixed = RECORD_OVERHEAD_BYTES + len(key or b"") + len(value or b"") + HEADER_OVERHEAD_BYTES * len(headers)
    return fixed + len(_bytes(names)) + sum(map(len, values))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
