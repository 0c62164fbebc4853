"""`status`: how far each partition is, from the ledger, the broker and, where one runs, the engine itself.

Each of the three may be away: what is left is told, and what is missing is said.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Protocol
from urllib.request import ProxyHandler, build_opener

from streamlake.engine.contracts import Ledger, TopicFacts
from streamlake.engine.entries import Head, RunIdentity, Totals
from streamlake.engine.errors import LedgerDamagedError, StorageError, StreamLakeError
from streamlake.engine.records import TopicPartition
from streamlake.engine.state import EngineState, PartitionState
from streamlake.engine.state_file import SaidBefore
from streamlake.engine.state_json import state_from_json

ANSWER_BYTES_MAX = 64 * 1024**2


class Broker(Protocol):
    """What status asks of the cluster; `engine/kafka/admin.py` answers. Raises StreamLakeError."""

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        """How many partitions each of the topics has that exists."""

    def facts(self, sources: Iterable[TopicPartition], group_id: str) -> Mapping[TopicPartition, TopicFacts]:
        """What the broker says of each partition; one that is gone is left out."""


@dataclass(slots=True)
class PartitionStatus:
    """One partition. `totals` cover the newest run's whole ledger; None is what could not be learned.

    `next` is what the ledger says comes next (without a ledger: the run's start), `end` the broker's last stable
    offset. `phase`, `since`, `why` and `pid` are the engine's word: of the one that answered, else what the last one on
    this host wrote down. `remarks` are sentences that a person should read.
    """

    source: TopicPartition
    run: str | None = None
    next: int | None = None
    end: int | None = None
    group_offset: int | None = None
    totals: Totals = field(default_factory=Totals)
    phase: str | None = None
    since: str | None = None
    why: str = ""
    pid: int | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def lag(self) -> int | None:
        """Offsets between `next` and `end`; None while either is unknown."""
        return None if self.next is None or self.end is None else max(0, self.end - self.next)


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """A pipeline's partitions, ascending; the engine that answered (None: none did); what could not be asked."""

    pipeline: str
    partitions: Sequence[PartitionStatus]
    engine: EngineState | None
    remarks: Sequence[str]


def status(
    ledger: Ledger,
    pipeline: str,
    topics: Sequence[str],
    group_id: str,
    broker: Broker,
    engine: EngineState | None,
    said: Sequence[SaidBefore] = (),
) -> PipelineStatus:
    """How far the pipeline is. What can't be asked is a remark.

    `engine` is what `ask_engine` got, `said` what `said_before` read: it counts where no engine answered. Reads the
    newest few entries of each ledger, however long it is.
    """
    remarks: list[str] = []
    found: dict[TopicPartition, PartitionStatus] = {}
    _take_ledger(ledger, pipeline, found, remarks)
    _take_broker(broker, topics, group_id, found, remarks)
    if engine is not None and engine.pipeline != pipeline:
        remarks.append(f"the engine at metrics.listen runs {engine.pipeline}, not {pipeline}: it was not asked further")
        engine = None
    running = engine is not None or any(one.running for one in said)
    if engine is not None:
        for state in engine.partitions:
            _take_state(found.setdefault(state.source, PartitionStatus(state.source)), state)
    else:
        for before in said:
            _take_said(before, found, remarks)
    for one in found.values():
        one.remarks += _disagreements(one, group_id, running=running)
    return PipelineStatus(pipeline, [found[source] for source in sorted(found)], engine, remarks)


def ask_engine(address: str, timeout_seconds: float = 1.0) -> EngineState | None:
    """What the engine at `address` (`host:port`) says of itself; None when none answers there in that time."""
    try:
        with build_opener(ProxyHandler({})).open(f"http://{address}/status", timeout=timeout_seconds) as answer:
            return state_from_json(json.loads(answer.read(ANSWER_BYTES_MAX)))
    except (OSError, HTTPException, ValueError):
        return None


def _take_ledger(
    ledger: Ledger, pipeline: str, found: dict[TopicPartition, PartitionStatus], remarks: list[str]
) -> None:
    """The newest run's partitions, each with its head's totals; what is damaged near the head is told instead."""
    try:
        runs = ledger.runs()
        _take_runs(ledger, pipeline, runs, found, remarks)
    except LedgerDamagedError as damage:
        remarks.append(str(damage))
    except StorageError as away:
        remarks.append(f"the storage can't be asked, so what landed is not known: {away}")


def _take_runs(
    ledger: Ledger,
    pipeline: str,
    runs: Sequence[RunIdentity],
    found: dict[TopicPartition, PartitionStatus],
    remarks: list[str],
) -> None:
    if not runs:
        remarks.append("no run has landed anything here yet")
        return
    newest = runs[-1]
    if newest.pipeline != pipeline:
        remarks.append(f"the root belongs to the pipeline {newest.pipeline}, not to {pipeline}: these are its figures")
    for source, start in newest.starts.items():
        found[source] = PartitionStatus(source, newest.run, start)
    for source in ledger.partitions(newest.run):
        one = found.setdefault(source, PartitionStatus(source, newest.run))
        try:
            _take_head(ledger.head(newest.run, source), one)
        except LedgerDamagedError as damage:
            one.remarks.append(f"its ledger is damaged: {damage}")


def _take_head(head: Head, one: PartitionStatus) -> None:
    one.next = head.next
    if head.last is not None:
        one.totals = head.last.totals
    if head.claims > 1:
        one.remarks.append(f"{head.claims} workers in a row took it and committed nothing: see the engine's log")


def _take_broker(
    broker: Broker,
    topics: Sequence[str],
    group_id: str,
    found: dict[TopicPartition, PartitionStatus],
    remarks: list[str],
) -> None:
    try:
        for topic, count in broker.partitions(topics).items():
            for partition in range(count):
                source = TopicPartition(topic, partition)
                found.setdefault(source, PartitionStatus(source))
        facts = broker.facts(list(found), group_id)
    except StreamLakeError as away:
        remarks.append(f"the broker can't be asked, so end and lag are not known: {away}")
        return
    for source, one in found.items():
        if source in facts:
            one.end, one.group_offset = facts[source].high, facts[source].group_offset
        else:
            one.remarks.append("the broker knows no such partition")


def _take_state(one: PartitionStatus, state: PartitionState) -> None:
    one.phase, one.since, one.why, one.pid = state.phase, state.since, state.why, state.pid
    # Asked one after the other: what the engine has committed since the ledger was read counts, too.
    if state.next is not None:
        one.next = max(state.next, one.next or 0)
    if one.end is None:
        one.end = state.end
    if state.storage_since is not None:
        reasons = ", ".join(f"{reason} {count} times" for reason, count in sorted(state.storage_waits.items()))
        one.remarks.append(f"waiting for storage since {state.storage_since} (waits so far: {reasons})")


def _take_said(before: SaidBefore, found: dict[TopicPartition, PartitionStatus], remarks: list[str]) -> None:
    """What an engine of this host wrote down: which partitions are in trouble, and whether it still runs."""
    who = f"the engine with pid {before.state.pid} on {before.state.host}"
    for state in before.state.partitions:
        one = found.setdefault(state.source, PartitionStatus(state.source))
        one.phase, one.since, one.why, one.pid = state.phase, state.since, state.why, None
    if before.running:
        remarks.append(f"{who} runs, since {before.state.started_at}")
    elif before.state.partitions:
        remarks.append(f"{who} has ended; what is parked is its word, the next one tries again")


def _disagreements(one: PartitionStatus, group_id: str, *, running: bool) -> list[str]:
    """What the broker and the ledger say differently."""
    said = []
    if one.next is not None and one.end is not None and one.next > one.end:
        said.append(
            f"the ledger is at {one.next}, past the topic's end at {one.end}: "
            "another cluster, a topic made anew, or a topic that lost its tail"
        )
    behind = one.group_offset is not None and one.next is not None and one.group_offset < one.next
    ahead = one.group_offset is not None and one.group_offset > (one.next or 0)
    if one.run is not None and (ahead or (behind and not running)):
        said.append(
            f"the group {group_id} has offset {one.group_offset} in Kafka, the ledger says {one.next}: the ledger "
            "decides, resetting the group does not move it"
        )
    return said
