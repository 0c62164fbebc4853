"""The live generations of a root: which of its runs are live, and which is the newest (DESIGN §7).

`live-1` is the first. The position inside a ledger never moves backwards: a reset backwards, a topic that was made anew
and the promotion of a replay are each a new generation, whose run file says where it begins and what it takes over.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamlake.engine.contracts import Ledger
from streamlake.engine.entries import Head, RunIdentity
from streamlake.engine.records import TopicPartition

FIRST = "live-1"
DELETED = "deleted"
"""The fate of a replay that no generation takes over (`abilities.RunKeeper.settle`)."""

_LIVE = re.compile(r"live-(?P<number>[1-9][0-9]{0,8})")


def number_of(run: str) -> int | None:
    """The number of a generation; None for a run that is not live."""
    match = _LIVE.fullmatch(run)
    return int(match["number"]) if match else None


def next_name(run: str) -> str:
    """The generation that follows."""
    number = number_of(run)
    assert number is not None, f"{run} is no live generation"
    return f"live-{number + 1}"


def generations(runs: Sequence[RunIdentity]) -> Sequence[RunIdentity]:
    """The live ones among `runs`, the first one first."""
    numbered = [(number, run) for run in runs if (number := number_of(run.run)) is not None]
    return [run for _, run in sorted(numbered, key=lambda one: one[0])]


def newest_generation(runs: Sequence[RunIdentity]) -> RunIdentity | None:
    """The live run of a root; None where none was registered."""
    found = generations(runs)
    return found[-1] if found else None


def backfills(runs: Sequence[RunIdentity]) -> Sequence[RunIdentity]:
    """Those of `runs` that have bounds and whose rows lie beside those of the live run, oldest first."""
    return [run for run in runs if run.ends and not run.output and number_of(run.run) is None]


def backfilled(runs: Sequence[RunIdentity], topic_ids: Mapping[str, str]) -> Mapping[TopicPartition, int]:
    """Where the last backfill of each partition ends, of the topics with these ids: there a first live run begins."""
    found: dict[TopicPartition, int] = {}
    for run in backfills(runs):
        for source, end in run.ends.items():
            topic_id = run.topic_ids.get(source.topic)
            if run.starts[source] < end and topic_id is not None and topic_id == topic_ids.get(source.topic):
                found[source] = max(end, found.get(source, 0))
    return found


@dataclass(frozen=True, slots=True)
class Position:
    """The next offset to read of a partition, and of which topic; `run` is the generation that says so.

    `topic_id` is None where nobody has written it down. `head` is that of the run's ledger, None before its first
    entry.
    """

    next: int
    topic_id: str | None
    run: str
    head: Head | None = None


def positions(ledger: Ledger, runs: Sequence[RunIdentity]) -> Mapping[TopicPartition, Position]:
    """Where the newest of the generations goes on in each partition that any has known, of the topics that it knows.

    A partition that is not there has never been read. Raises LedgerDamagedError.
    """
    found: dict[TopicPartition, Position] = {}
    for run in generations(runs):
        for source in list(found):
            if run.topic_ids.get(source.topic) not in (None, found[source].topic_id):
                del found[source]  # the topic was made anew
        for source, start in run.starts.items():
            found[source] = Position(start, run.topic_ids.get(source.topic), run.run)
        for source in ledger.partitions(run.run):
            head = ledger.head(run.run, source)
            found[source] = Position(head.next, head.topic_id, run.run, head)
    return found


def came_to(ledger: Ledger, runs: Sequence[RunIdentity], run: RunIdentity) -> Mapping[TopicPartition, int]:
    """How far the generations before `run` came in each partition that they know, of the same topics.

    Where `run` says no start of its own it goes on there. Raises LedgerDamagedError.
    """
    number = number_of(run.run)
    before = [one for one in generations(runs) if number is not None and (number_of(one.run) or 0) < number]
    return {
        source: position.next
        for source, position in positions(ledger, before).items()
        if run.topic_ids.get(source.topic) in (None, position.topic_id)
    }
