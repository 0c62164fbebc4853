"""What a worker and its supervisor say to each other over their pipe; each is small, frozen and pickled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamlake.engine.contracts import TopicFacts
from streamlake.engine.errors import Exit
from streamlake.engine.state import CommonRefusal, Phase

# From the worker ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alive:
    """The main loop goes round; at most one a second."""


@dataclass(frozen=True, slots=True)
class AskFacts:
    """Ask what the broker says of this worker's partition."""


@dataclass(frozen=True, slots=True)
class AskTopicId:
    """Ask for the topic's id, by an answer asked for after `since` (monotonic seconds)."""

    since: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the worker is: once on start, then after each commit.

    The rest is of the last batch: `seq` is the number of its ledger entry, `seconds` from its first messages to the
    report, `bytes` of its files, `timestamp_ms` the latest of a record in them; `committed_at` is None on start.
    `steps` are its seconds by step (`engine/steps.py`), `reasons` its refused records by reason, `refusals` the
    commonest of them.
    """

    phase: Phase
    next: int
    leader_epoch: int | None
    seq: int | None = None
    first: int = 0
    seconds: float = 0.0
    landed: int = 0
    refused: int = 0
    skipped: int = 0
    bytes: int = 0
    timestamp_ms: int | None = None
    committed_at: str | None = None
    steps: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    refusals: Sequence[CommonRefusal] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """So many records are read and not landed yet; their batch ends in `seconds_left` at the latest."""

    rows: int
    seconds_left: float


@dataclass(frozen=True, slots=True)
class StorageWait:
    """The storage is waited for, for `reason`; one for each wait. None: it answers again."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """Why the worker ends, sent right before it does; a worker that dies says nothing."""

    exit_code: Exit
    why: str
    parks: bool
    code: str = ""  # of what it ended by; none where it has finished


# From the supervisor ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """The answer to AskFacts."""

    facts: TopicFacts


@dataclass(frozen=True, slots=True)
class TopicId:
    """The answer to AskTopicId; None: there is no such topic now."""

    topic_id: str | None


@dataclass(frozen=True, slots=True)
class Share:
    """How many records a second this worker may read from now on; only workers of a run with a rate are told."""

    records_per_second: float


@dataclass(frozen=True, slots=True)
class Drain:
    """Land what is in hand, close the ledger, leave."""


FromWorker = Alive | AskFacts | AskTopicId | Progress | Held | StorageWait | Ended
ToWorker = Facts | TopicId | Share | Drain
