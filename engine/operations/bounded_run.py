"""A bounded run: an engine over fixed ranges with a ledger of its own, that joins no group (DESIGN §7).

All its partitions are worked on by whoever starts it, or some of them (`only`). A second start of the same run fences
the first one's workers: each partition goes on where its ledger ends, and nothing is landed twice.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from streamlake.config.model import PipelineConfig
from streamlake.engine.assembly import Engine, supervise
from streamlake.engine.contracts import Cluster, Ledger, Sink, TopicFacts
from streamlake.engine.entries import RunIdentity, Totals
from streamlake.engine.errors import Exit
from streamlake.engine.front import Tick
from streamlake.engine.records import TopicPartition

Callback = Callable[[Sequence[TopicPartition]], None]

Partitions = Collection[TopicPartition] | None
"""Some partitions of a run; None are all of them."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a bounded run is: `accounted` of `offsets`; `totals` sum up all of its ledgers."""

    offsets: int
    accounted: int
    totals: Totals
    closed: bool

    @property
    def finished(self) -> bool:
        """Whether all of it is accounted for, and its last owners have left nothing to do."""
        return self.accounted == self.offsets and self.closed


def run_bounded(
    config: PipelineConfig,
    identity: RunIdentity,
    sink: Sink,
    cluster: Cluster,
    tick: Tick,
    *,
    rate: float | None = None,
    only: Partitions = None,
) -> Exit:
    """Land what is left of a bounded run; DONE when all of it is. `cluster` answers for what the run reads.

    `rate` is how many records a second all workers of this start together may read; None: as fast as they can. `only`
    leaves the run's other partitions alone: other starts of it land those.
    """
    sources = wanted(identity, only)
    engine = Engine(
        config=config,
        identity=identity,
        came={},
        sink=sink,
        cluster=cluster,
        membership=AllOfThem(sources),
        group_id=None,
        ends={source: identity.ends[source] for source in sources},
        state_name=" ".join([config.kafka.group_id, identity.run, *map(str, only or ())]),
        rate=rate,
    )
    return supervise(engine, None, tick)


def wanted(identity: RunIdentity, only: Partitions = None) -> Sequence[TopicPartition]:
    """The partitions of a bounded run, or those of `only`, in which there is something to do."""
    some = (source for source, end in identity.ends.items() if identity.starts[source] < end)
    return sorted(source for source in some if only is None or source in only)


def progress_of(ledger: Ledger, identity: RunIdentity, only: Partitions = None) -> RunProgress:
    """How far a bounded run is, or these partitions of it, by its ledgers. Raises LedgerDamagedError."""
    sources, known = wanted(identity, only), set(ledger.partitions(identity.run))
    offsets = sum(identity.ends[source] - identity.starts[source] for source in sources)
    heads = {source: ledger.head(identity.run, source) for source in sources if source in known}
    accounted = sum(head.next - identity.starts[source] for source, head in heads.items())
    last = [head.last for head in heads.values() if head.last is not None]
    totals = sum((entry.totals for entry in last), Totals())
    closed = len(heads) == len(sources) and all(entry.kind == "close" for entry in last)
    return RunProgress(offsets, accounted, totals, closed)


class AllOfThem:
    """Implements `contracts.Membership` for one that shares with nobody: all partitions, from the first poll on."""

    def __init__(self, sources: Sequence[TopicPartition]) -> None:
        self._sources = sources
        self._assigned: Callback | None = None

    def join(self, assigned: Callback, revoked: Callback, lost: Callback) -> None:  # noqa: ARG002  (nobody takes any)
        """All of them, with the next poll."""
        self._assigned = assigned

    def poll(self) -> None:
        """Hand out the partitions once."""
        if self._assigned is not None:
            assigned, self._assigned = self._assigned, None
            assigned(self._sources)

    def commit(self, positions: Mapping[TopicPartition, tuple[int, int | None]], *, wait: bool) -> bool:  # noqa: ARG002
        """Nothing: there is no group."""
        return True

    def confirm(self, sources: Sequence[TopicPartition]) -> Collection[TopicPartition]:  # noqa: ARG002  (see below)
        """None: a worker of a bounded run that was fenced is not started again."""
        return ()

    def close(self) -> None:
        """Nothing is held."""


class Landed:
    """Implements `contracts.Cluster` for a run that reads what has landed: no broker is asked."""

    def __init__(self, identity: RunIdentity) -> None:
        self._identity = identity

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
        """As in the run file."""
        return {topic: self._identity.topic_ids.get(topic) for topic in topics}

    def facts(
        self,
        sources: Sequence[TopicPartition],
        group_id: str | None,  # noqa: ARG002  (there is no group)
        *,
        incomplete: bool = False,  # noqa: ARG002  (all is known)
    ) -> Mapping[TopicPartition, TopicFacts]:
        """The bounds of the run are the ends of what it reads."""
        run = self._identity
        now = time.monotonic()
        return {
            source: TopicFacts(run.topic_ids[source.topic], run.starts[source], run.ends[source], None, now)
            for source in sources
        }
