"""A reset without a Kafka: what others do meanwhile, what was begun before, and what is kept of the reason."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.broker import pipeline_on
from support.lake import Lake
from support.scripted_cluster import ORDERS_0, ORDERS_1, ScriptedCluster

from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import GroupActiveError, StorageError, SupersededError, UsageError
from streamlake.engine.generations import newest_generation
from streamlake.engine.kafka.group_admin import GroupMember
from streamlake.engine.operations import offsets_reset
from streamlake.engine.operations.bounds import parse_bound
from streamlake.engine.operations.offsets_reset import reset_offsets
from streamlake.engine.operations.offsets_types import ResetOutcome, ResetPlan, ResetRequest

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """orders/0: [0, 30) in three entries; orders/1: [0, 20) in one."""
    lake = Lake.make(tmp_path / "lake", starts={ORDERS_0: 0, ORDERS_1: 0})
    worker = lake.claim(ORDERS_0)
    for _ in range(3):
        worker.land(10)
    lake.claim(ORDERS_1).land(20)
    return lake


@pytest.fixture
def config(lake: Lake) -> PipelineConfig:
    return pipeline_on(
        "127.0.0.1:1",
        "orders",
        kafka={"group_id": "group", "topics": [{"name": "orders"}]},
        sink={"root": str(lake.root)},
        validator={"type": "none"},
        dead_letters={"topic": None},
    ).model_copy(update={"pipeline": "orders"})


def cluster() -> ScriptedCluster:
    marks = {ORDERS_0: (0, 200), ORDERS_1: (0, 50)}
    return ScriptedCluster(marks=marks, group={ORDERS_0: 30, ORDERS_1: 20})


Reset = Callable[..., ResetOutcome]


@pytest.fixture
def reset(config: PipelineConfig) -> Reset:
    def do(to: str, asked: ScriptedCluster | None = None, reason: str = "why", **kwargs: object) -> ResetOutcome:
        partitions = [0, 1] if to.isdigit() else None
        wanted = ResetRequest(parse_bound(to, option="--to", now=NOW), partitions=partitions)
        return reset_offsets(config, asked or cluster(), wanted, reason, **kwargs)  # type: ignore[arg-type]

    return do


def newest(lake: Lake) -> tuple[str, str, str]:
    run = newest_generation(lake.ledger().runs())
    assert run is not None
    return run.run, run.bounds, run.reason


def test_one_goes_forwards_the_other_one_back_and_the_group_follows_both(lake: Lake, reset: Reset) -> None:
    asked = cluster()
    outcome = reset("25", asked, reason="  two  lines\nof why ")
    assert newest(lake) == ("live-2", "--to 25 --partitions 0,1", "two lines of why")
    assert outcome.group_offsets == {ORDERS_0: 20, ORDERS_1: 25} == asked.group
    (gap,) = [entry for entry in lake.ledger().entries("live-1", ORDERS_1) if entry.kind == "gap"]
    assert (gap.first, gap.next, gap.reason) == (20, 25, "two lines of why")
    assert all(lake.ledger().head("live-1", source).final for source in (ORDERS_0, ORDERS_1))


def test_who_says_no_has_changed_nothing(lake: Lake, reset: Reset) -> None:
    class NoError(Exception):
        """No."""

    def refuse(plan: ResetPlan) -> None:
        assert [move.way for move in plan.moves] == ["backwards", "forwards"]
        raise NoError

    before = lake.files("")
    with pytest.raises(NoError):
        reset("25", agree=refuse)
    assert lake.files("") == before


def test_nothing_to_do_asks_nobody(reset: Reset) -> None:
    def never(_plan: ResetPlan) -> None:
        raise AssertionError

    asked = cluster()
    asked.marks = {ORDERS_0: (0, 30), ORDERS_1: (0, 20)}
    outcome = reset("latest", asked, agree=never)
    assert outcome.plan is not None
    assert (outcome.plan.nothing_to_do, outcome.generation, outcome.group_offsets) == (True, "live-1", {})


def test_an_active_group_stops_it_before_anybody_is_asked(lake: Lake, reset: Reset) -> None:
    def never(_plan: ResetPlan) -> None:
        raise AssertionError

    asked = cluster()
    asked.seats = [GroupMember("10.0.0.7", "streamlake-orders")]
    with pytest.raises(GroupActiveError, match="Nothing was changed"):
        reset("earliest", asked, agree=never)
    assert newest(lake)[0] == "live-1"


def test_a_gap_is_never_the_first_step_of_a_generation_whose_change_is_not_finished(lake: Lake, reset: Reset) -> None:
    Lake.make(lake.root, run="live-2", starts={ORDERS_0: 10})
    assert reset("latest").generation == "live-2"
    assert lake.ledger().head("live-1", ORDERS_0).final
    assert len(lake.files("superseded")) == 2


def test_a_member_that_comes_while_the_operator_thinks_stops_it(lake: Lake, reset: Reset) -> None:
    asked = cluster()

    def think(_plan: ResetPlan) -> None:
        asked.seats = [GroupMember("10.0.0.7", "streamlake-orders")]

    before = lake.files("")
    with pytest.raises(GroupActiveError, match=r"streamlake-orders on 10\.0\.0\.7"):
        reset("earliest", asked, agree=think)
    assert lake.files("") == before


def test_the_same_words_only_finish_what_they_have_begun_and_others_plan_anew(lake: Lake, reset: Reset) -> None:
    assert reset("earliest").generation == "live-2"
    again = reset("earliest")
    assert (again.generation, again.plan) == ("live-2", None)
    assert reset("earliest", reason="another").generation == "live-2"  # is there already
    lake.ledger()
    third = reset("7")
    assert third.plan is not None
    assert [(move.way, move.position) for move in third.plan.moves] == [("forwards", 0), ("forwards", 0)]
    assert newest(lake)[0] == "live-2"
    Lake.open(lake.root, "live-2").claim(ORDERS_0).land(5)
    assert reset("earliest").generation == "live-3", "live-2 has landed since"


def test_what_other_words_have_begun_is_finished_first(
    lake: Lake, reset: Reset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_sink: object, _senders: object) -> bool:
        if newest(lake)[0] == "live-2":
            raise StorageError("died")
        return False

    monkeypatch.setattr(offsets_reset, "finish", die)
    with pytest.raises(StorageError, match="died"):
        reset("10")
    monkeypatch.undo()
    assert not lake.ledger().head("live-1", ORDERS_0).final
    outcome = reset("earliest")
    assert outcome.generation == "live-3"
    assert lake.ledger().head("live-1", ORDERS_0).final
    assert lake.files("raw") == []


def test_what_has_nothing_left_to_move_finishes_what_others_have_begun(lake: Lake, reset: Reset) -> None:
    Lake.make(lake.root, run="live-2", starts={ORDERS_0: 10, ORDERS_1: 0})
    asked = cluster()
    asked.group = {}
    asked.marks = {ORDERS_0: (10, 10), ORDERS_1: (0, 0)}
    outcome = reset("latest", asked)
    assert outcome.plan is not None
    assert outcome.plan.nothing_to_do
    assert lake.ledger().head("live-1", ORDERS_0).final


def test_of_two_operators_at_once_the_slower_one_is_told(lake: Lake, reset: Reset) -> None:
    def think(_plan: ResetPlan) -> None:
        reset("10", reason="the faster one")

    with pytest.raises(StorageError, match=r"somebody else has begun live-2 meanwhile .*the faster one"):
        reset("earliest", agree=think)
    assert newest(lake)[2] == "the faster one"
    with pytest.raises(SupersededError, match="somebody else has begun live-3 meanwhile, in place of live-2"):
        reset("latest", agree=lambda _plan: reset("earliest", reason="faster again"))
    assert newest(lake)[2] == "faster again"
    assert lake.ledger().head("live-2", ORDERS_0).next == 10


def test_an_engine_that_takes_the_partition_meanwhile_is_named(
    lake: Lake, reset: Reset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steal(name: str) -> None:
        if name == "before_gap":
            lake.claim(ORDERS_0).land(10)

    monkeypatch.setattr(offsets_reset, "failpoint", steal)
    with pytest.raises(GroupActiveError, match="orders/0: an engine has taken the partition meanwhile"):
        reset("latest")


def test_what_has_landed_meanwhile_is_not_given_up(lake: Lake, reset: Reset) -> None:
    def think(_plan: ResetPlan) -> None:
        landing = lake.claim(ORDERS_0)
        landing.land(15)
        landing.end.close()

    outcome = reset("40", agree=think)
    assert outcome.group_offsets == {ORDERS_0: 45, ORDERS_1: 40}
    assert [entry.kind for entry in lake.ledger().entries("live-1", ORDERS_0)].count("gap") == 0


@pytest.mark.parametrize("reason", ["", " \n ", "x" * 501])
def test_a_reason_says_something_and_is_short(lake: Lake, reset: Reset, reason: str) -> None:
    before = lake.files("")
    with pytest.raises(UsageError, match="--reason"):
        reset("earliest", reason=reason)
    assert lake.files("") == before


def test_a_group_that_fills_again_at_the_end_is_left_alone(reset: Reset, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = cluster()

    def start(name: str) -> None:
        if name == "before_group_offsets":
            asked.seats = [GroupMember("10.0.0.7", "streamlake-orders")]

    monkeypatch.setattr(offsets_reset, "failpoint", start)
    outcome = reset("earliest", asked)
    assert (outcome.group_left_alone, outcome.group_offsets, asked.group[ORDERS_0]) == (True, {}, 30)
