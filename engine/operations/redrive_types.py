"""What a redrive of dead letters is asked for, and what it tells: a request, records on their way, a plan, a result."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, NamedTuple, Protocol

from streamlake.engine.operations.dead_types import LetterFilter
from streamlake.engine.operations.topic_reader import TopicReader
from streamlake.engine.records import Batch, Header, Verdict

SOURCE = "source"
"""`RedriveRequest.to` for: each letter to the topic and partition that it came from."""
MAX_ATTEMPTS = 3

TransformCall = Callable[
    [bytes | None, bytes | None, list[Header]], tuple[bytes | None, bytes | None, Sequence[Header]] | None
]
"""Key, value and headers of a letter; returns what is sent instead, or None for nothing."""
Decide = Callable[[Batch], Verdict]
"""What the pipeline would decide of records now (`isolated_decider` of `engine/worker_main.py`)."""

LeftOut = Literal[
    "attempts", "sent_before", "not_valid", "transform_none", "transform_failed", "headers_lost", "truncated"
]
LEFT_OUT: Mapping[LeftOut, str] = {
    "attempts": "have failed as often as --max-attempts allows",
    "sent_before": "were sent there by an earlier redrive (--again sends them once more)",
    "not_valid": "would be refused again (--only-now-valid)",
    "transform_none": "are left out by --transform",
    "transform_failed": "made --transform fail",
    "truncated": "were too large for the dead-letter topic, which has a part of them only",
    "headers_lost": "have headers that could not be read, so they can't be sent as they were",
}
"""Why a letter is not sent."""
REASONS_MAX = 20


@dataclass(frozen=True, slots=True)
class Transform:
    """A function that changes letters before they are sent, and its name, `MODULE:FUNC`."""

    name: str
    call: TransformCall


@dataclass(frozen=True, slots=True)
class RedriveRequest:
    """Which dead letters are sent, where to, and on what conditions.

    `to` is a topic, or SOURCE. A letter that failed `max_attempts` times (its `attempt`) is not sent. `decide` sends
    only what it would not refuse. `from_topic` reads the pipeline's dead-letter topic: then the letters are those that
    the HTTP edge refused, which stand there alone, and SOURCE is the topic that they were meant for. `timed_now`: with
    the time of sending instead of their own. `again`: also what an earlier redrive has sent to the same topic. `said`
    has terms as the user put them (`since` as `2h`), for whoever compares two requests.
    """

    to: str = SOURCE
    wanted: LetterFilter = field(default_factory=LetterFilter)
    max_attempts: int = MAX_ATTEMPTS
    transform: Transform | None = None
    decide: Decide | None = None
    from_topic: TopicReader | None = None
    timed_now: bool = False
    again: bool = False
    said: Mapping[str, str] = field(default_factory=dict)

    def terms(self) -> dict[str, str]:
        """Everything that decides what is sent, as text; two requests are the same when these are."""
        found: dict[str, str] = {"to": self.to, "max-attempts": str(self.max_attempts)}
        for one in fields(LetterFilter):
            value = getattr(self.wanted, one.name)
            if value is not None:
                found[one.name] = str(value)
        if self.transform is not None:
            found["transform"] = self.transform.name
        if self.from_topic is not None:
            found["source"] = "topic"
        if self.decide is not None:
            found["only-now-valid"] = "yes"
        found |= {name: "yes" for name, wanted in (("timed-now", self.timed_now), ("again", self.again)) if wanted}
        return found | dict(self.said)

    def series(self) -> str:
        """What redrives without a name of their own are called, before their number."""
        digest = hashlib.sha256(json.dumps(self.terms(), sort_keys=True).encode()).hexdigest()[:8]
        return f"{'source' if self.to == SOURCE else 'topic'}-{digest}"


class Place(NamedTuple):
    """The record in Kafka that a letter is of; `target` is the topic that it is, was or may have been sent to."""

    target: str
    topic: str
    topic_id: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record that is to be sent; `partition` None is by its key, `timestamp_ms` None the time of sending.

    `in_doubt`: an earlier attempt to send it has no known outcome, so it may be there already.
    """

    place: Place
    partition: int | None
    timestamp_ms: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    in_doubt: bool


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A record that Kafka did not acknowledge. `in_doubt`: it may be there all the same."""

    place: Place
    in_doubt: bool
    why: str


@dataclass(frozen=True, slots=True)
class Target:
    """What the cluster says of a topic that records go to; `keeps_ms` is None where it keeps them for ever."""

    topic_id: str
    partitions: int
    keeps_ms: int | None = None


class Sender(Protocol):
    """Kafka, as a redrive sees it; `engine/operations/redrive_kafka.py` is the real one."""

    def cluster_id(self) -> str:
        """The cluster's id. Raises SourceError."""

    def target(self, topic: str) -> Target | None:
        """The topic, or None where there is none. Raises SourceError."""

    def send(self, records: Sequence[Outgoing], rate: float | None) -> Sequence[Undelivered]:
        """Send records and wait for every delivery report; those that failed. `rate`: records a second at most."""

    def close(self) -> None:
        """Leave the cluster."""


@dataclass(frozen=True, slots=True)
class RedrivePlan:
    """What a redrive would do now.

    `letters` is how many fit the filter, `sending` how many of them go to each topic, `in_doubt` how many of these may
    be there already, `sent_before` how many this very redrive has sent, `left_out` why others are not sent, `reasons`
    what validator and transform said of those, the first REASONS_MAX sentences. `finished`: nothing is left to do.
    """

    name: str
    begun: bool
    finished: bool
    letters: int
    sending: Mapping[str, int]
    in_doubt: int
    sent_before: int
    left_out: Mapping[LeftOut, int]
    reasons: Mapping[str, int]
    remarks: Sequence[str]


RedriveState = Literal["finished", "finished_before", "nothing", "stopped"]


@dataclass(frozen=True, slots=True)
class Redriven:
    """What a redrive did.

    `state`: all is sent; it was before, and nothing was done; there was nothing to send; or it stopped at records that
    Kafka did not take, which `undelivered` names, and the same call goes on with them. `sent` counts what this call
    sent and Kafka acknowledged; `in_doubt` those of them that may be there twice, and are marked; the rest is as in
    RedrivePlan.
    """

    name: str
    state: RedriveState
    letters: int
    sent: int
    in_doubt: int
    sent_before: int
    left_out: Mapping[LeftOut, int]
    reasons: Mapping[str, int]
    undelivered: Sequence[Undelivered]
    remarks: Sequence[str]
    seconds: float

    def json(self) -> dict[str, object]:
        """As one JSON document; places as `topic/partition/offset`."""
        undelivered = [
            {"place": str(one.place), "to": one.place.target, "in_doubt": one.in_doubt, "why": one.why}
            for one in self.undelivered
        ]
        return {**asdict(self), "undelivered": undelivered}
