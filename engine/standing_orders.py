"""What a supervisor is told to do, and how it is told something new while it runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from streamlake.engine.backoff import RestartLimits
from streamlake.engine.child import Child
from streamlake.engine.errors import ConfigError
from streamlake.engine.messages import Progress
from streamlake.engine.records import TopicPartition
from streamlake.engine.state import PartitionState

log = structlog.get_logger("streamlake.supervisor")


@dataclass(frozen=True, slots=True)
class Orders:
    """What the supervisor is told to do. Limits in seconds and numbers as in the YAML's `workers:`."""

    start: Callable[[TopicPartition], Child]
    restarts: RestartLimits
    workers_max: int
    drain_seconds: float
    stuck_seconds: float
    ends: Mapping[TopicPartition, int] | None
    """Of a bounded run: each partition's end; the run is over when all are reached, whoever landed them."""
    landed: Callable[[TopicPartition], tuple[int, bool]]
    """How far the ledger says a partition is, and whether its last owner left it finished: for those not held here."""
    tick: Callable[[Sequence[PartitionState]], None]
    rate: float | None = None
    """Records a second that all workers together may read: those that run have equal shares of it."""
    committed: Callable[[TopicPartition, Progress], None] = lambda _source, _progress: None
    """Told of each batch that was committed."""
    topics: Sequence[str] = ()
    """What is read: an engine that holds no partition asks for their first ones whether the broker is there."""


class Reload(Protocol):
    """A configuration that was read again, while it is tried; never blocks."""

    def orders(self) -> Orders | None:
        """The new orders; None while they are tried. Raises ConfigError where they are refused."""

    def drop(self) -> None:
        """Nobody waits for it any more."""


class Reloads:
    """One trial at a time of a configuration that was read again; a later one takes the place of an earlier."""

    def __init__(self, begin: Callable[[], Reload]) -> None:
        self._begin = begin
        self._tried: Reload | None = None

    @property
    def trying(self) -> bool:
        """Whether one is being tried."""
        return self._tried is not None

    def begin(self) -> None:
        """Begin a trial; what was on trial is dropped, for what it names may have changed since."""
        self.drop()
        try:
            self._tried = self._begin()
        except ConfigError as error:
            self._refuse(error)

    def orders(self) -> Orders | None:
        """The new orders, once, as soon as they are found good; a refusal is said."""
        if self._tried is None:
            return None
        try:
            orders = self._tried.orders()
        except ConfigError as error:
            self._tried = None
            self._refuse(error)
            return None
        if orders is not None:
            self._tried = None
        return orders

    def drop(self) -> None:
        """Nobody waits any more for what is on trial."""
        if self._tried is not None:
            self._tried.drop()
            self._tried = None

    @staticmethod
    def _refuse(error: ConfigError) -> None:
        hint = "mend that and send SIGHUP again; a worker that starts meanwhile imports a model as it is now"
        log.error("the YAML was not taken over, the old one stays", problems=error.problems, hint=hint)
