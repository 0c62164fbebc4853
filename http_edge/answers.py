"""What became of a request's records, as its answer: a status, and one result for each record."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from streamlake.engine.records import Refusal

Result = bytes
"""One record's result, as the JSON that is sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Counts, and the results in the order of the records."""

    stored: int
    refused: int
    unknown: int
    results: Sequence[Result]

    @property
    def status(self) -> int:
        """202 all stored, 422 none of them and all refused, else 207."""
        if self.stored == len(self.results):
            return 202
        return 422 if self.refused == len(self.results) else 207

    @property
    def outcome(self) -> str:
        """In a word, for metrics and logs."""
        return {202: "stored", 422: "refused", 207: "mixed"}[self.status]

    def body(self, *, summary: bool) -> bytes:
        """The answer as JSON; a summary has no results."""
        counts = b'{"stored":%d,"refused":%d,"unknown":%d' % (self.stored, self.refused, self.unknown)
        if summary:
            return counts + b"}"
        return b'%b,"results":[%b]}' % (counts, b",".join(self.results))


def stored(index: int, topic: bytes, partition: int, offset: int) -> Result:
    """The result of a record that Kafka has; `topic` as it stands in JSON."""
    return b'{"index":%d,"status":"stored","topic":"%b","partition":%d,"offset":%d}' % (index, topic, partition, offset)


def refused(refusal: Refusal, dead_letter: tuple[str, int, int] | None) -> Result:
    """The result of a refused record; `dead_letter` is topic, partition and offset of its copy, where there is one."""
    place = None
    if dead_letter is not None:
        place = dict(zip(("topic", "partition", "offset"), dead_letter, strict=True))
    said = {
        "index": refusal.index,
        "status": "refused",
        "reason": refusal.reason,
        "field": refusal.field,
        "message": refusal.message,
        "dead_letter": place,
    }
    return orjson.dumps(said)


def unknown(index: int) -> Result:
    """The result of a record that may or may not be stored."""
    return b'{"index":%d,"status":"unknown"}' % index
