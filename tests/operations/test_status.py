"""`status` tells what it knows from the ledger, the broker and the engine, and says what it could not learn."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from support.lake import Lake

from streamlake.engine.contracts import TopicFacts
from streamlake.engine.entries import Totals
from streamlake.engine.errors import SourceError
from streamlake.engine.operations.status import PartitionStatus, PipelineStatus, status
from streamlake.engine.records import TopicPartition
from streamlake.engine.state import EngineState, PartitionState

ORDERS_0, ORDERS_1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


class Broker:
    """Answers with what it is told; away when told nothing."""

    def __init__(self, facts: Mapping[TopicPartition, tuple[int, int | None]] | None) -> None:
        self._facts = facts

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        return {topic: sum(source.topic == topic for source in self._known()) for topic in topics}

    def facts(self, sources: Iterable[TopicPartition], group_id: str) -> Mapping[TopicPartition, TopicFacts]:  # noqa: ARG002
        known = self._known()
        return {source: TopicFacts("id", 0, *known[source], 0.0) for source in sources if source in known}

    def _known(self) -> Mapping[TopicPartition, tuple[int, int | None]]:
        if self._facts is None:
            raise SourceError("no answer from 127.0.0.1:1: is Kafka running there?")
        return self._facts


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """orders/0: 25 offsets of which 20 landed, 2 refused, 1 skipped, 2 holes; then a worker that only claimed."""
    lake = Lake.make(tmp_path, starts={ORDERS_0: 100, ORDERS_1: 7})
    worker = lake.claim(ORDERS_0)
    worker.land(10, refused=[3, 4], skipped=[5])
    worker.land(15, holes=[0, 14])
    return lake


def told(
    lake: Lake,
    facts: Mapping[TopicPartition, tuple[int, int | None]] | None,
    engine: EngineState | None = None,
) -> PipelineStatus:
    return status(lake.ledger(), "orders", ["orders"], "group", Broker(facts), engine)


def of(found: PipelineStatus, source: TopicPartition) -> PartitionStatus:
    (one,) = [partition for partition in found.partitions if partition.source == source]
    return one


def test_a_stopped_pipeline_is_told_from_ledger_and_broker(lake: Lake) -> None:
    found = told(lake, {ORDERS_0: (130, 125), ORDERS_1: (9, None), TopicPartition("orders", 2): (4, None)})
    first = of(found, ORDERS_0)
    assert (first.next, first.end, first.lag) == (125, 130, 5)
    assert first.totals == Totals(20, 2, 1, 2, 0, 3, first.totals.bytes, first.totals.committed_at)
    assert first.totals.committed_at
    assert first.remarks == []
    second = of(found, ORDERS_1)
    assert (second.next, second.lag, second.totals) == (7, 2, Totals())
    third = of(found, TopicPartition("orders", 2))
    assert (third.run, third.next, third.end, third.lag) == (None, None, 4, None)
    assert (found.engine, found.remarks) == (None, [])


def test_without_a_broker_the_ledgers_part_is_told_and_the_rest_is_said_to_be_missing(lake: Lake) -> None:
    found = told(lake, None)
    first = of(found, ORDERS_0)
    assert (first.next, first.totals.landed, first.end, first.lag) == (125, 20, None, None)
    assert "no answer from 127.0.0.1:1" in found.remarks[0]


def test_a_running_engine_adds_phase_and_reason_and_what_it_has_committed_since(lake: Lake) -> None:
    states = [
        PartitionState(ORDERS_0, phase="reading", pid=42, next=128),
        PartitionState(ORDERS_1, phase="parked", why="550 refused in a row"),
    ]
    engine = EngineState("orders", "live-1", "host", 1, "", partitions=states)
    found = told(lake, {ORDERS_0: (130, 120), ORDERS_1: (9, None)}, engine)
    first, second = of(found, ORDERS_0), of(found, ORDERS_1)
    assert (first.phase, first.pid, first.next, first.lag) == ("reading", 42, 128, 2)
    assert first.remarks == []  # the group's offset follows a moment later while an engine runs
    assert (second.phase, second.why) == ("parked", "550 refused in a row")


def test_another_pipelines_engine_on_our_port_is_not_taken_for_ours(lake: Lake) -> None:
    engine = EngineState("payments", "live-1", "host", 1, "", partitions=[PartitionState(ORDERS_0, phase="idle")])
    found = told(lake, {ORDERS_0: (130, 125), ORDERS_1: (9, None)}, engine)
    assert (found.engine, of(found, ORDERS_0).phase) == (None, None)
    assert "runs payments, not orders" in found.remarks[0]


@pytest.mark.parametrize("group_offset", [0, 120, 129])
def test_a_group_offset_that_differs_from_the_ledger_is_said(lake: Lake, group_offset: int) -> None:
    found = told(lake, {ORDERS_0: (130, group_offset), ORDERS_1: (9, None)})
    (remark,) = of(found, ORDERS_0).remarks
    assert f"offset {group_offset} in Kafka, the ledger says 125" in remark


def test_a_ledger_past_the_end_of_its_topic_is_said(lake: Lake) -> None:
    (remark,) = of(told(lake, {ORDERS_0: (20, None), ORDERS_1: (9, None)}), ORDERS_0).remarks
    assert "the ledger is at 125, past the topic's end at 20" in remark


def test_a_partition_that_the_broker_lost_is_said(lake: Lake) -> None:
    assert of(told(lake, {ORDERS_0: (130, 125)}), ORDERS_1).remarks == ["the broker knows no such partition"]


def test_workers_that_die_before_their_first_commit_are_said(lake: Lake) -> None:
    lake.claim(ORDERS_1)
    lake.claim(ORDERS_1)
    (remark,) = of(told(lake, {ORDERS_0: (130, 125), ORDERS_1: (9, None)}), ORDERS_1).remarks
    assert "2 workers in a row" in remark


def test_a_damaged_ledger_is_said_and_the_others_are_told(lake: Lake) -> None:
    lake.claim(ORDERS_1).land(2)
    entry = lake.files("_ledger/live-1/orders/00000")[1]
    entry.chmod(0o644)
    entry.write_bytes(entry.read_bytes()[:40])
    found = told(lake, {ORDERS_0: (130, 125), ORDERS_1: (9, None)})
    assert any("its ledger is damaged" in remark and entry.name in remark for remark in of(found, ORDERS_0).remarks)
    assert of(found, ORDERS_1).totals.landed == 2


def test_a_root_where_nothing_has_landed_says_so(tmp_path: Path) -> None:
    empty = Lake.make(tmp_path / "other")
    for run in empty.files("_runs"):
        run.unlink()
    found = told(empty, {ORDERS_0: (130, None)})
    assert "no run has landed anything here yet" in found.remarks
    assert of(found, ORDERS_0).end == 130


def test_a_root_of_another_pipeline_is_said_to_be_one(lake: Lake) -> None:
    found = status(lake.ledger(), "payments", ["orders"], "group", Broker({}), None)
    assert "the root belongs to the pipeline orders, not to payments: these are its figures" in found.remarks
    assert not any("belongs" in remark for remark in told(lake, {}).remarks)
