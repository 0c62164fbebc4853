"""What a worker and its supervisor say to each other over their pipe; each is small, frozen and pickled."""

from dataclasses import dataclass

from streamlake.engine.contracts import TopicFacts
from streamlake.engine.errors import Exit
from streamlake.engine.state import Phase

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

    The rest is of the last batch: `seconds` from its last poll to the report, `bytes` of its files; `committed_at` is
    None on start.
    """

    phase: Phase
    next: int
    leader_epoch: int | None
    first: int = 0
    seconds: float = 0.0
    landed: int = 0
    refused: int = 0
    skipped: int = 0
    bytes: int = 0
    committed_at: str | None = None


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
class Drain:
    """Land what is in hand, close the ledger, leave."""


FromWorker = Alive | AskFacts | AskTopicId | Progress | StorageWait | Ended
ToWorker = Facts | TopicId | Drain
