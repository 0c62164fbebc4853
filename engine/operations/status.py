"""`status`: how far each partition is, from the ledger, the broker and, where one runs, the engine itself.

Each of the three may be away: what is left is told, and what is missing is said.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Protocol
from urllib.request import ProxyHandler, build_opener

from streamlake.engine.contracts import Ledger, TopicFacts
from streamlake.engine.entries import Entry, Head, RunIdentity, Totals
from streamlake.engine.errors import LedgerDamagedError, NoEngineError, StorageError, StreamLakeError
from streamlake.engine.generations import came_to, newest_generation
from streamlake.engine.operations.lineage import Lineage
from streamlake.engine.records import TopicPartition
from streamlake.engine.retention import RetentionBroker, ask_unread, landed_ms_of, latest_ms, seconds_left
from streamlake.engine.state import EngineState, PartitionState, lag_of
from streamlake.engine.state_file import SaidBefore
from streamlake.engine.state_json import state_from_json

ANSWER_BYTES_MAX = 64 * 1024**2


class Broker(RetentionBroker, Protocol):
    """What status asks of the cluster; `engine/kafka/admin.py` answers. Raises StreamLakeError."""

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        """How many partitions each of the topics has that exists."""

    def facts(self, sources: Iterable[TopicPartition], group_id: str) -> Mapping[TopicPartition, TopicFacts]:
        """What the broker says of each partition; one that is gone is left out."""


@dataclass(slots=True)
class PartitionStatus:
    """One partition. `totals` are of all that readers see; None is what could not be learned.

    `next` is what the ledger says comes next (without a ledger: the run's start), `end` the broker's last stable
    offset. `retention_seconds_left` is the time until Kafka may delete what has not landed, None where it does not, or
    where nobody knows. `phase`, `since`, `why` and `pid` are the engine's word: of the one that answered, else what the
    last one on this host wrote down, as all of `state` is. `last` is the newest entry with data, None where it is not
    one of the newest few. `lag_seconds` as in `PartitionState`, by the records' times where no engine says it.
    `remarks` are sentences that a person should read.
    """

    source: TopicPartition
    run: str | None = None
    next: int | None = None
    end: int | None = None
    retention_seconds_left: float | None = None
    group_offset: int | None = None
    totals: Totals = field(default_factory=Totals)
    phase: str | None = None
    since: str | None = None
    why: str = ""
    pid: int | None = None
    remarks: list[str] = field(default_factory=list)
    state: PartitionState | None = None
    last: Entry | None = None
    lag_seconds: float | None = None

    @property
    def lag(self) -> int | None:
        """Offsets between `next` and `end`; None while either is unknown, and where it stands past the end."""
        return lag_of(self.next, self.end, self.phase)


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """A pipeline's partitions, ascending; the engine that answered (None: none did); what could not be asked.

    `running`: an engine on this host runs, whether it answered or not.
    """

    pipeline: str
    partitions: Sequence[PartitionStatus]
    engine: EngineState | None
    remarks: Sequence[str]
    running: bool = False


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
    lows = _take_broker(broker, topics, group_id, found, remarks)
    for one in found.values():
        one.remarks += _past_the_end(one)
    if engine is not None and engine.pipeline != pipeline:
        remarks.append(f"the engine at metrics.listen runs {engine.pipeline}, not {pipeline}: it was not asked further")
        engine = None
    running = engine is not None or any(one.running for one in said)
    if engine is not None:
        for state in engine.partitions:
            _take_state(found.setdefault(state.source, PartitionStatus(state.source)), state)
        _take_start(engine, found.values())
    else:
        for before in said:
            _take_said(before, found, remarks)
    _take_retention(ledger, broker, lows, found, remarks)
    _take_lag_seconds(found.values())
    for one in found.values():
        one.remarks += _disagreements(one, group_id, running=running)
    return PipelineStatus(pipeline, [found[source] for source in sorted(found)], engine, remarks, running)


def ask_engine(address: str, timeout_seconds: float = 1.0) -> EngineState | None:
    """What the engine at `address` (`host:port`) says of itself; None when none answers there in that time."""
    try:
        return ask_url(f"http://{address}", timeout_seconds)
    except StreamLakeError:
        return None


def ask_url(url: str, timeout_seconds: float) -> EngineState:
    """What the engine whose endpoint is at `url` says of itself. Raises NoEngineError with why it can't be asked."""
    try:
        with build_opener(ProxyHandler({})).open(f"{url.rstrip('/')}/status", timeout=timeout_seconds) as answer:
            return state_from_json(json.loads(answer.read(ANSWER_BYTES_MAX)))
    except (OSError, HTTPException, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise NoEngineError(f"no engine answers at {url}: {why}") from error


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
    newest = newest_generation(runs)
    if newest is None:
        remarks.append("no run has landed anything here yet")
        return
    if newest.pipeline != pipeline:
        remarks.append(f"the root belongs to the pipeline {newest.pipeline}, not to {pipeline}: these are its figures")
    starts = {**came_to(ledger, runs, newest), **newest.starts}
    for source, start in starts.items():
        found[source] = PartitionStatus(source, newest.run, start)
    lineage = Lineage(ledger, runs)
    if len(lineage.visible_runs) > 1:
        for source in lineage.sources():
            one = found.setdefault(source, PartitionStatus(source, newest.run))
            one.totals = lineage.totals(source)
    for source in ledger.partitions(newest.run):
        one = found.setdefault(source, PartitionStatus(source, newest.run))
        try:
            head = ledger.head(newest.run, source)
            _take_head(head, one, alone=len(lineage.visible_runs) == 1)
            one.last = _newest_data(ledger, newest.run, source, head)
        except LedgerDamagedError as damage:
            one.remarks.append(f"its ledger is damaged: {damage}")


def _take_head(head: Head, one: PartitionStatus, *, alone: bool) -> None:
    one.next = head.next
    if head.last is not None and alone:
        one.totals = head.last.totals
    if head.claims > 1:
        one.remarks.append(f"{head.claims} workers in a row took it and committed nothing: see the engine's log")


def _newest_data(ledger: Ledger, run: str, source: TopicPartition, head: Head) -> Entry | None:
    """The newest entry with data, where it is the head or shortly before: behind it come claims and a close."""
    if head.last is None or head.last.kind == "data":
        return head.last
    newest = ledger.entries(run, source, max(0, head.seq - 2))
    return next((entry for entry in reversed(list(newest)) if entry.kind == "data"), None)


def _take_broker(
    broker: Broker,
    topics: Sequence[str],
    group_id: str,
    found: dict[TopicPartition, PartitionStatus],
    remarks: list[str],
) -> Mapping[TopicPartition, int]:
    """Ends and the group's offsets; the low watermarks."""
    try:
        for topic, count in broker.partitions(topics).items():
            for partition in range(count):
                source = TopicPartition(topic, partition)
                found.setdefault(source, PartitionStatus(source))
        facts = broker.facts(list(found), group_id)
    except StreamLakeError as away:
        remarks.append(f"the broker can't be asked, so end and lag are not known: {away}")
        return {}
    for source, one in found.items():
        if source in facts:
            one.end, one.group_offset = facts[source].high, facts[source].group_offset
        else:
            one.remarks.append("the broker knows no such partition")
    return {source: known.low for source, known in facts.items()}


def _take_retention(
    ledger: Ledger,
    broker: Broker,
    lows: Mapping[TopicPartition, int],
    found: Mapping[TopicPartition, PartitionStatus],
    remarks: list[str],
) -> None:
    """How long Kafka keeps what has not landed, where no engine has said it, and by age alone."""
    unsaid = {source: one for source, one in found.items() if one.lag and one.retention_seconds_left is None}
    runs = {source: one.run for source, one in unsaid.items() if one.run is not None and source in lows}
    try:
        unread = ask_unread(broker, dict.fromkeys(runs), lambda source: landed_ms_of(ledger, runs[source], source))
    except StreamLakeError as away:
        remarks.append(f"not known how long Kafka keeps what has not landed: {away}")
        return
    now_ms = time.time_ns() // 1_000_000
    for source, said in unread.items():
        one = unsaid[source]
        since_ms = said.since_ms(one.next or 0)
        one.lag_seconds = None if since_ms is None else max(0, now_ms - since_ms) / 1000
        one.retention_seconds_left = seconds_left(said, one.next or 0, lows[source], now_ms=now_ms)


def _take_lag_seconds(found: Iterable[PartitionStatus]) -> None:
    """By the newest record that has landed, where neither an engine nor the broker has said more."""
    for one in found:
        landed_ms = None if one.last is None else latest_ms(one.last)
        if one.lag == 0:
            one.lag_seconds = 0.0
        elif one.lag and one.lag_seconds is None and landed_ms is not None:
            one.lag_seconds = max(0, time.time_ns() // 1_000_000 - landed_ms) / 1000


def _take_state(one: PartitionStatus, state: PartitionState) -> None:
    one.state, one.lag_seconds = state, state.lag_seconds
    one.phase, one.since, one.why, one.pid = state.phase, state.since, state.why, state.pid
    # Asked one after the other: what the engine has committed since the ledger was read counts, too.
    if state.next is not None:
        one.next = max(state.next, one.next or 0)
    if one.end is None:
        one.end = state.end
    one.retention_seconds_left = state.retention_seconds_left


def _take_start(engine: EngineState, found: Iterable[PartitionStatus]) -> None:
    """An engine that waits for the broker before its run has begun: so do all partitions, and it names none yet."""
    since = engine.broker_since
    if engine.run or since is None:
        return
    for one in found:
        if one.state is None:
            _take_state(one, PartitionState(one.source, since=since, broker_since=since))


def _take_said(before: SaidBefore, found: dict[TopicPartition, PartitionStatus], remarks: list[str]) -> None:
    """What an engine of this host wrote down: which partitions are in trouble, and whether it still runs."""
    who = f"the engine with pid {before.state.pid} on {before.state.host}"
    for state in before.state.partitions:
        one = found.setdefault(state.source, PartitionStatus(state.source))
        one.state = state
        one.phase, one.since, one.why, one.pid = state.phase, state.since, state.why, None
    if before.running:
        remarks.append(f"{who} runs, since {before.state.started_at}")
    elif before.state.partitions:
        remarks.append(f"{who} has ended; what is parked is its word, the next one tries again")


def _past_the_end(one: PartitionStatus) -> list[str]:
    """That the ledger has more than the topic. Of an end that was asked for after the ledger was read, and of no other.

    What an engine says of either may be older or newer.
    """
    said = []
    if one.next is not None and one.end is not None and one.next > one.end:
        said.append(
            f"the ledger is at {one.next}, past the topic's end at {one.end}: "
            "another cluster, a topic made anew, or a topic that lost its tail"
        )
    return said


def _disagreements(one: PartitionStatus, group_id: str, *, running: bool) -> list[str]:
    """What the group and the ledger say differently."""
    said = []
    behind = one.group_offset is not None and one.next is not None and one.group_offset < one.next
    ahead = one.group_offset is not None and one.group_offset > (one.next or 0)
    if one.run is not None and (ahead or (behind and not running)):
        said.append(
            f"the group {group_id} has offset {one.group_offset} in Kafka, the ledger says {one.next}: the ledger "
            "decides, resetting the group does not move it: `streamlake offsets reset` does"
        )
    return said
