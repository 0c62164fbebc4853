"""`status` tells what it knows from the ledger, the broker and the engine, and says what it could not learn."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import pytest
from support.lake import Lake

from streamlake.engine.cli.status import shown, status_json
from streamlake.engine.contracts import TopicFacts
from streamlake.engine.entries import Totals
from streamlake.engine.errors import SourceError
from streamlake.engine.letters import NoCopies
from streamlake.engine.operations.generation_change import finish
from streamlake.engine.operations.status import PartitionStatus, PipelineStatus, status
from streamlake.engine.records import TopicPartition
from streamlake.engine.retention import RetentionRules
from streamlake.engine.state import EngineState, PartitionState, Phase

ORDERS_0, ORDERS_1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


class Broker:
    """Answers with what it is told; away when told nothing."""

    def __init__(self, facts: Mapping[TopicPartition, tuple[int, int | None]] | None) -> None:
        self._facts = facts
        self.rules = RetentionRules(None, None)
        self.firsts: dict[TopicPartition, Callable[[int], tuple[int, int]]] = {}

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        return {topic: sum(source.topic == topic for source in self._known()) for topic in topics}

    def facts(self, sources: Iterable[TopicPartition], group_id: str) -> Mapping[TopicPartition, TopicFacts]:  # noqa: ARG002
        known = self._known()
        return {source: TopicFacts("id", 0, *known[source], 0.0) for source in sources if source in known}

    def retention(self, topics: Collection[str]) -> Mapping[str, RetentionRules]:
        return dict.fromkeys(topics, self.rules)

    def first_at(self, times_ms: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, tuple[int, int]]:
        return {source: self.firsts[source](ms) for source, ms in times_ms.items() if source in self.firsts}

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


def test_how_long_kafka_keeps_what_has_not_landed_is_the_engines_word_and_else_asked(lake: Lake) -> None:
    broker = Broker({ORDERS_0: (130, 125), ORDERS_1: (7, None)})
    broker.rules = RetentionRules(3_600_000, None)
    now_ms = time.time_ns() // 1_000_000
    landed_ms = 1_700_000_000_000 + 3_600 * 123
    broker.firsts[ORDERS_0] = lambda ms: (125, now_ms if ms == landed_ms + 1 else 0)
    found = status(lake.ledger(), "orders", ["orders"], "group", broker, None)
    left = of(found, ORDERS_0).retention_seconds_left
    assert left is not None
    assert 3500 < left <= 3600
    assert of(found, ORDERS_1).retention_seconds_left is None, "nothing is unread"
    engine = EngineState(
        "orders", "live-1", "host", 1, "", partitions=[PartitionState(ORDERS_0, retention_seconds_left=77.0)]
    )
    found = status(lake.ledger(), "orders", ["orders"], "group", broker, engine)
    assert of(found, ORDERS_0).retention_seconds_left == 77


def test_a_reader_who_may_not_ask_for_settings_is_told_the_rest(lake: Lake) -> None:
    class Denied(Broker):
        def retention(self, topics: Collection[str]) -> Mapping[str, RetentionRules]:
            raise SourceError(f"{', '.join(topics)}: DescribeConfigs is missing")

    found = status(lake.ledger(), "orders", ["orders"], "group", Denied({ORDERS_0: (130, 125), ORDERS_1: (9, 7)}), None)
    assert found.remarks == ["not known how long Kafka keeps what has not landed: orders: DescribeConfigs is missing"]
    assert of(found, ORDERS_0).lag == 5


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
    assert "`streamlake offsets reset` does" in remark


def test_a_new_generation_goes_on_where_the_one_before_has_ended(lake: Lake) -> None:
    Lake.make(lake.root, run="live-2", starts={ORDERS_1: 3})
    found = told(lake, {ORDERS_0: (130, 125), ORDERS_1: (9, 3)})
    assert [(of(found, source).run, of(found, source).next) for source in (ORDERS_0, ORDERS_1)] == [
        *(("live-2", 125), ("live-2", 3)),
    ]


def test_a_ledger_past_the_end_of_its_topic_is_said(lake: Lake) -> None:
    ends = {ORDERS_0: (20, None), ORDERS_1: (9, None)}
    first = of(told(lake, ends), ORDERS_0)
    (remark,) = first.remarks
    assert "the ledger is at 125, past the topic's end at 20" in remark
    assert (first.lag, first.lag_seconds) == (None, None), "nobody knows it"
    lags: dict[Phase, int | None] = {"parked": None, "reading": 0}
    for phase, lag in lags.items():
        states = [PartitionState(ORDERS_0, phase=phase, next=125, end=20)]
        engine = EngineState("orders", "live-1", "host", 1, "", partitions=states)
        assert of(told(lake, ends, engine), ORDERS_0).lag == lag, "one that reads has committed since the end was asked"


def test_an_end_that_an_engine_knew_earlier_is_not_held_against_what_has_landed_since(lake: Lake) -> None:
    state = PartitionState(ORDERS_0, phase="reading", next=125, end=20)
    engine = EngineState("orders", "live-1", "host", 1, "2026-01-01T00:00:00+00:00", partitions=[state])
    found = of(status(lake.ledger(), "orders", ["orders"], "group", Broker(None), engine), ORDERS_0)
    assert (found.end, found.remarks) == (20, [])
    state.next, state.end = 140, None
    found = of(told(lake, {ORDERS_0: (130, 125), ORDERS_1: (9, None)}, engine), ORDERS_0)
    assert (found.next, found.remarks) == (140, []), "it went on after the broker was asked"


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


def test_a_new_generation_goes_on_where_the_one_before_ended_and_all_that_is_seen_is_counted(lake: Lake) -> None:
    replay = Lake.make(
        lake.root, run="fixed", starts={ORDERS_0: 100}, ends={ORDERS_0: 110}, output="replays/fixed"
    ).claim(ORDERS_0)
    replay.land(10)
    replay.end.close()
    found = of(told(lake, {ORDERS_0: (130, 125)}), ORDERS_0)
    assert (found.run, found.totals.refused, found.totals.landed) == ("live-1", 2, 20), "a replay is not counted"
    Lake.make(lake.root, run="live-2", adopts="fixed")
    finish(lake.sink, lambda _run: NoCopies())
    found = of(told(lake, {ORDERS_0: (130, 125)}), ORDERS_0)
    assert (found.run, found.next, found.lag) == ("live-2", 125, 5)
    totals = found.totals
    assert (totals.landed, totals.refused, totals.skipped, totals.holes) == (10 + 13, 0, 0, 2)
    Lake.open(lake.root, "live-2").claim(ORDERS_0, start=125).land(5)
    found = of(told(lake, {ORDERS_0: (130, 130)}), ORDERS_0)
    assert (found.next, found.lag, found.totals.landed) == (130, 0, 28)


def test_an_engine_that_waits_for_its_broker_from_the_start_waits_for_all_that_the_ledger_has(lake: Lake) -> None:
    since = "2026-01-31T14:02:11.000+00:00"
    engine = EngineState("orders", "", "host", 1, "", broker_since=since, broker_why="Connection refused")
    found = told(lake, None, engine)
    document = status_json(found)
    for one in document["partitions"]:
        assert one["state"].startswith("waiting for the broker since 2026-01-31 14:02:11Z"), one
        assert (one["broker_since"], one["lag"], one["lag_seconds"]) == (since, None, None)
    assert shown(found).broker_waits == "waiting for the broker"
    engine.run = "live-1"
    document = status_json(told(lake, None, engine))
    assert {one["state"] for one in document["partitions"]} == {"elsewhere"}, "it has begun, and holds none"
