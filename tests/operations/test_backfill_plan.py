"""What a backfill would land: what is missing, nobody's offsets twice, and the same words for the same run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.account import tree_of
from support.broker import pipeline_on
from support.cluster import ORDERS_0, ORDERS_1, PAYMENTS_0, Cluster
from support.lake import TOPIC_IDS, Lake
from support.proofs import SUBJECT

from streamlake.config.model import PipelineConfig
from streamlake.engine.entries import RunIdentity
from streamlake.engine.errors import ForeignRootError, UsageError
from streamlake.engine.operations import backfill
from streamlake.engine.operations.backfill_plan import plan_backfill, refuse_overlaps
from streamlake.engine.operations.backfill_taken import Taken
from streamlake.engine.operations.bounds import parse_bounds
from streamlake.engine.operations.prove import prove
from streamlake.engine.operations.replay_plan import ReplayRequest
from streamlake.engine.operations.replay_types import ReplayPlan
from streamlake.engine.records import OffsetRange, TopicPartition

NOW = datetime(2026, 3, 1, tzinfo=UTC)
STARTS = {ORDERS_0: 100, ORDERS_1: 20, PAYMENTS_0: 0}
ORDERS = {"orders": TOPIC_IDS["orders"]}
REFUNDS_0 = TopicPartition("refunds", 0)


@dataclass
class Planner:
    """Plans backfills of a root; nothing is written by it."""

    root: Path
    cluster: Cluster = field(default_factory=Cluster)
    policies: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> PipelineConfig:
        kafka = {"group_id": "group", "topics": [{"name": "orders"}, {"name": "payments"}]}
        config = pipeline_on("127.0.0.1:1", "orders", kafka=kafka, sink={"root": str(self.root)})
        return config.model_copy(
            update={"pipeline": "orders", "policies": config.policies.model_copy(update=self.policies)}
        )

    def __call__(self, first: str | None = None, following: str | None = None, **more: Any) -> ReplayPlan:
        unsaid = first is None and following is None
        bounds = None if unsaid else parse_bounds(first, following, now=NOW)
        before = tree_of(self.root)
        try:
            ledger = Lake.open(self.root).ledger() if before else Lake.make(self.root, run="live-1").ledger()
            return plan_backfill(self.config, ledger, self.cluster, ReplayRequest(bounds, **more))
        finally:
            assert tree_of(self.root) == before

    def of_orders_0(self, first: str | None = None, following: str | None = None) -> ReplayPlan:
        return self(first, following, topic="orders", partitions=[0])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """The live run began at 100 and 20, and landed 50 offsets of the first partition."""
    lake = Lake.make(tmp_path, starts=STARTS)
    lake.claim(ORDERS_0).land(50)
    return lake


@pytest.fixture
def planner(lake: Lake) -> Planner:
    return Planner(lake.root)


def backfill_of(
    lake: Lake, first: int, following: int, *, source: TopicPartition = ORDERS_0, number: int = 1, rows: int = 0
) -> Lake:
    """One that was registered, and has landed `rows`."""
    topic_ids = {source.topic: f"id-of-{source.topic}"}
    made = Lake.make(
        lake.root, run=f"backfill-{number}", starts={source: first}, ends={source: following}, topic_ids=topic_ids
    )
    if rows:
        made.claim(source).land(rows)
    return made


def ranges(plan: ReplayPlan) -> dict[TopicPartition, tuple[int, int]]:
    return {one.source: (one.range.first, one.range.next) for one in plan.partitions if one.range}


def test_all_that_kafka_has_before_the_live_run_is_what_is_missing(planner: Planner) -> None:
    planner.cluster.marks[ORDERS_0] = (30, 200)
    plan = planner()
    assert ranges(plan) == {ORDERS_0: (30, 100), ORDERS_1: (0, 20)}
    assert (plan.run, plan.output, plan.live_run, plan.begun) == ("backfill-1", "", "live-1", None)
    assert str(plan.bounds) == "from what is missing to what has landed"


def test_what_others_have_is_left_out_where_bounds_are(lake: Lake, planner: Planner) -> None:
    backfill_of(lake, 40, 60)
    assert ranges(planner.of_orders_0()) == {ORDERS_0: (0, 40)}
    assert ranges(planner.of_orders_0("50")) == {ORDERS_0: (60, 100)}
    assert ranges(planner.of_orders_0(following="30")) == {ORDERS_0: (0, 30)}
    backfill_of(lake, 0, 40, number=7)
    assert ranges(plan := planner.of_orders_0()) == {ORDERS_0: (60, 100)}
    assert plan.run == "backfill-8"


@pytest.mark.parametrize(
    ("first", "following", "said"),
    [
        ("70", "101", r"live-1 lands this partition from offset 100 on, so \[100, 101\) .* say --to 100"),
        ("150", "160", "nothing before it is missing"),
        ("earliest", "latest", r"offsets \[40, 60\) are those of backfill-1"),
        ("59", "60", r"\[59, 60\) are those of backfill-1"),
        ("0", "41", r"\[40, 41\) are those of backfill-1"),
    ],
)
def test_bounds_that_were_said_are_not_bent(
    lake: Lake, planner: Planner, first: str, following: str, said: str
) -> None:
    backfill_of(lake, 40, 60)
    with pytest.raises(UsageError, match=said):
        planner.of_orders_0(first, following)


def test_one_that_is_begun_is_meant_by_its_offsets_and_by_its_name(lake: Lake, planner: Planner) -> None:
    backfill_of(lake, 40, 60, rows=5)
    for plan in (planner.of_orders_0("40", "60"), planner(name="backfill-1")):
        assert (plan.run, ranges(plan)) == ("backfill-1", {ORDERS_0: (40, 60)})
        assert plan.begun is not None
        assert plan.begun.accounted == 5


@pytest.mark.parametrize("source", [ORDERS_0, REFUNDS_0], ids=str)
def test_the_name_of_one_that_has_finished_means_that_one_alone(
    lake: Lake, planner: Planner, source: TopicPartition
) -> None:
    planner.cluster.ids["refunds"] = "id-of-refunds"
    planner.cluster.marks[REFUNDS_0] = (0, 50)
    landing = backfill_of(lake, 40, 50, source=source).claim(source)
    landing.land(10)
    landing.end.close()
    plan = planner(name="backfill-1")
    assert (plan.run, ranges(plan), plan.offsets) == ("backfill-1", {source: (40, 50)}, 10)


def registered(planner: Planner, plan: ReplayPlan) -> RunIdentity:
    """Step 1 of a run."""
    planned = backfill.planned_backfill(planner.config, planner.cluster.cluster_id(), plan)
    return backfill.register_backfill(planner.config, Lake.open(planner.root).sink, planned)


@pytest.mark.parametrize(("first", "following"), [(None, None), ("earliest", "60"), ("30", None), (None, "latest")])
def test_the_same_words_mean_the_run_that_they_began_whatever_expires(
    lake: Lake, planner: Planner, first: str | None, following: str | None
) -> None:
    if following == "latest":
        planner.cluster.marks[ORDERS_0] = (0, 100)
    plan = planner.of_orders_0(first, following)
    run = registered(planner, plan)
    planner.cluster.marks[ORDERS_0] = (70, 300)
    again = planner.of_orders_0(first, following)
    assert (again.run, ranges(again)) == (run.run, ranges(plan))
    landing = Lake.open(lake.root, run.run).claim(ORDERS_0)
    landing.land(plan.offsets)
    landing.end.close()
    planner.cluster.marks[ORDERS_0] = (100, 100)
    finished = planner.of_orders_0(first, following)
    assert finished.begun is not None
    assert (finished.run, finished.begun.accounted) == (run.run, plan.offsets)


def test_words_that_mean_more_by_now_mean_the_rest(lake: Lake, planner: Planner) -> None:
    planner.cluster.ids["refunds"] = "id-of-refunds"
    planner.cluster.marks[REFUNDS_0] = (0, 50)
    run = registered(planner, planner(None, "latest", topic="refunds"))
    landing = Lake.open(lake.root, run.run).claim(REFUNDS_0)
    landing.land(50)
    landing.end.close()
    assert planner(None, "latest", topic="refunds").run == run.run
    planner.cluster.marks[REFUNDS_0] = (0, 80)
    assert ranges(planner(None, "latest", topic="refunds")) == {REFUNDS_0: (50, 80)}
    with pytest.raises(UsageError, match=r"\[0, 50\) are those of backfill-1"):
        planner("earliest", "latest", topic="refunds")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"topic": "nowhere"}, "--topic nowhere: 127.0.0.1:1 has no such topic$"),
        ({"topic": "order"}, "did you mean orders"),
        ({"topic": "orders.dlq"}, "would come back to it"),
        ({"topic": "orders", "partitions": [7]}, "orders has 2 partitions"),
        ({"partitions": [0]}, "which topic's"),
        ({"first": "3"}, "an offset means another record in each of the 3 partitions"),
        ({"name": "mine"}, "there is none; a new one gets its number by itself"),
        ({"topic": "refunds"}, "no live run lands this partition under this root.*say --to, too"),
    ],
)
def test_what_cannot_be_meant_is_said(planner: Planner, arguments: dict[str, Any], said: str) -> None:
    planner.cluster.ids["refunds"] = "id-of-refunds"
    planner.cluster.marks[REFUNDS_0] = (0, 50)
    with pytest.raises(UsageError, match=said):
        planner(**arguments)


def test_the_name_of_one_that_is_there_takes_no_other_bounds(lake: Lake, planner: Planner) -> None:
    backfill_of(lake, 40, 60)
    with pytest.raises(UsageError, match="leave the bounds out to go on with it"):
        planner("0", "10", topic="orders", partitions=[0], name="backfill-1")
    with pytest.raises(UsageError, match="there are backfill-1"):
        planner(name="backfill-2")


def test_another_cluster_or_a_topic_made_anew_needs_a_root_of_its_own(planner: Planner) -> None:
    planner.cluster.known_as = "another"
    with pytest.raises(ForeignRootError, match=r"cluster id cluster there, another here.*--set sink.root="):
        planner()
    planner.cluster = Cluster(ids={**TOPIC_IDS, "orders": "made-anew"})
    with pytest.raises(ForeignRootError, match=r"topic id of orders .* --set sink.root="):
        planner()


def test_what_has_expired_is_refused_unless_a_gap_is_wanted(planner: Planner) -> None:
    planner.cluster.marks[ORDERS_0] = (30, 200)
    with pytest.raises(UsageError, match=r"Kafka's first offset is 30, so \[20, 30\) is gone"):
        planner.of_orders_0("20", "50")
    planner.policies["gap"] = "record"
    plan = planner.of_orders_0("20", "50")
    assert ranges(plan) == {ORDERS_0: (20, 50)}
    assert any("it will be written down as a gap" in remark for remark in plan.remarks)


def test_a_topic_that_the_live_run_has_not_begun_yet_is_its_own(tmp_path: Path) -> None:
    Lake.make(tmp_path, starts={ORDERS_0: 100}, topic_ids=ORDERS)
    planner = Planner(tmp_path)
    assert ranges(planner()) == {ORDERS_0: (0, 100)}
    with pytest.raises(UsageError, match="live-1 lands this partition from offset 0 on"):
        planner("0", "5", topic="payments", partitions=[0])


Meanwhile = Callable[[], object]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Meanwhile], None]:
    """Lets something happen once between the look and the registration."""

    def arm(happens: Meanwhile) -> None:
        waiting = [happens]

        def failpoint(name: str) -> None:
            if name == "before_backfill" and waiting:
                waiting.pop()()

        monkeypatch.setattr(backfill, "failpoint", failpoint)

    return arm


def test_of_two_that_overlap_and_begin_at_once_one_is_refused_before_it_writes(
    lake: Lake, planner: Planner, meanwhile: Callable[[Meanwhile], None]
) -> None:
    plan = planner.of_orders_0("0", "50")
    meanwhile(lambda: backfill_of(lake, 40, 60))
    with pytest.raises(UsageError, match=r"\[40, 50\) are those of backfill-1"):
        registered(planner, plan)
    assert [run.run for run in lake.ledger().runs()] == ["live-1", "backfill-1"]


@pytest.mark.parametrize("source", [ORDERS_0, REFUNDS_0], ids=str)
def test_of_two_that_begin_at_once_and_do_not_overlap_both_stand(
    lake: Lake, planner: Planner, meanwhile: Callable[[Meanwhile], None], source: TopicPartition
) -> None:
    plan = planner.of_orders_0("0", "40")
    meanwhile(lambda: backfill_of(lake, 40, 60, source=source))
    assert registered(planner, plan).run == "backfill-2"


def test_two_starts_of_the_same_backfill_are_one_run(
    lake: Lake, planner: Planner, meanwhile: Callable[[Meanwhile], None]
) -> None:
    plan = planner.of_orders_0("0", "40")
    meanwhile(lambda: backfill_of(lake, 0, 40))
    assert registered(planner, plan).run == "backfill-1"
    assert [run.run for run in lake.ledger().runs()] == ["live-1", "backfill-1"]


def test_one_that_a_first_live_run_overtook_lands_nothing_and_is_in_nobodys_way(tmp_path: Path) -> None:
    """It was registered and had looked for no live run yet, when that began before where the backfill ends."""
    lost = backfill_of(Lake(tmp_path, None, None), 0, 60, number=1)  # type: ignore[arg-type]  # only its root
    live = Lake.make(tmp_path, starts={**STARTS, ORDERS_0: 40})
    live.claim(ORDERS_0).land(10)
    planner = Planner(tmp_path)
    with pytest.raises(UsageError, match="live-1 lands some of these offsets itself by now"):
        backfill._secure(planner.config, lost.sink, planner.cluster, lost.identity)  # type: ignore[arg-type]  # not asked
    assert (plan := planner.of_orders_0()).run == "backfill-2"
    assert ranges(plan) == {ORDERS_0: (0, 40)}
    assert ranges(planner.of_orders_0("0", "40")) == {ORDERS_0: (0, 40)}
    proof = prove(live.ledger(), SUBJECT)
    assert (proof.defects, proof.notes) == ([], [])


def test_what_one_has_left_undone_that_a_reset_ended_is_missing(lake: Lake, planner: Planner) -> None:
    begun = backfill_of(lake, 0, 100, rows=10)
    Lake.make(lake.root, run="live-2", starts={ORDERS_0: 60})
    with pytest.raises(UsageError, match="live-2 lands some of these offsets itself by now"):
        backfill._secure(planner.config, begun.sink, planner.cluster, begun.identity)  # type: ignore[arg-type]  # not asked
    assert ranges(planner.of_orders_0()) == {ORDERS_0: (10, 60)}


@pytest.mark.parametrize(
    ("run", "output", "says"),
    [
        ("backfill-1", "", "leave them out, or --name backfill-1 to go on with that one. Nothing"),
        ("by-hand", "replays/by-hand", "leave them out. Nothing"),
    ],
)
def test_only_a_backfill_is_offered_to_go_on_with(run: str, output: str, says: str) -> None:
    landed = RunIdentity(run, "p", "g", "c", TOPIC_IDS, {ORDERS_0: 0}, "2026-01-01T00:00:00Z", {ORDERS_0: 9}, output)
    with pytest.raises(UsageError, match="are those of") as refused:
        refuse_overlaps({ORDERS_0: OffsetRange(0, 5)}, {ORDERS_0: [Taken(landed, OffsetRange(0, 9))]})
    assert says in str(refused.value)
