"""The plan of a reset: where each partition goes, what that costs, and what can't be meant; without a Kafka."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.broker import pipeline_on
from support.lake import Lake
from support.scripted_cluster import ORDERS_0, ORDERS_1, PAYMENTS_0, ScriptedCluster

from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import ForeignRootError, SourceError, UsageError
from streamlake.engine.generations import positions
from streamlake.engine.kafka.group_admin import GroupMember
from streamlake.engine.letters import NoCopies
from streamlake.engine.operations.bounds import parse_bound
from streamlake.engine.operations.generation_change import finish
from streamlake.engine.operations.offsets_plan import plan_reset
from streamlake.engine.operations.offsets_show import offsets_of
from streamlake.engine.operations.offsets_types import Affected, PartitionMove, ResetPlan, ResetRequest
from streamlake.engine.records import TopicPartition

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """orders/0: [0, 150) in batches of 50, 3 refused, 1 skipped, 2 holes; orders/1: [0, 20); payments: nothing yet."""
    lake = Lake.make(tmp_path / "lake")
    worker = lake.claim(ORDERS_0)
    worker.land(50, refused=[1, 2], skipped=[3])
    worker.land(50, refused=[9])
    worker.land(50, holes=[0, 1])
    lake.claim(ORDERS_1).land(20)
    return lake


@pytest.fixture
def config() -> PipelineConfig:
    kafka = {"group_id": "group", "topics": [{"name": "orders"}, {"name": "payments"}]}
    return pipeline_on("127.0.0.1:1", "orders", kafka=kafka).model_copy(update={"pipeline": "orders"})


@dataclass(frozen=True)
class Asker:
    """Plans on one lake; the cluster can be exchanged."""

    config: PipelineConfig
    lake: Lake

    def plan(self, to: str, cluster: ScriptedCluster | None = None, **wanted: object) -> ResetPlan:
        request = ResetRequest(parse_bound(to, option="--to", now=NOW), **wanted)  # type: ignore[arg-type]
        return plan_reset(self.config, self.lake.ledger(), cluster or ScriptedCluster(), request)

    def move(self, to: str, source: TopicPartition = ORDERS_0, cluster: ScriptedCluster | None = None) -> PartitionMove:
        (move,) = self.plan(to, cluster, topic=source.topic, partitions=[source.partition]).moves
        return move


@pytest.fixture
def asker(config: PipelineConfig, lake: Lake) -> Asker:
    return Asker(config, lake)


def change(lake: Lake) -> None:
    finish(lake.sink, lambda _run: NoCopies())


@pytest.mark.parametrize(
    ("to", "way", "target"),
    [
        ("150", "stays", 150),
        ("151", "forwards", 151),
        ("latest", "forwards", 200),
        ("149", "backwards", 100),
        ("100", "backwards", 100),
        ("99", "backwards", 50),
        ("earliest", "backwards", 0),
    ],
)
def test_each_way_and_its_edge(asker: Asker, to: str, way: str, target: int) -> None:
    move = asker.move(to)
    assert (move.way, move.position, move.target) == (way, 150, target)


def test_what_is_superseded_is_counted_from_the_edge_on(asker: Asker, lake: Lake) -> None:
    affected = asker.move("70").affected
    files = [path for kind in ("raw", "dead") for path in lake.files(kind)]
    sizes = [path.stat().st_size for path in files if path.name.startswith("orders-00000-")]
    assert (affected.offsets, affected.landed, affected.refused, affected.skipped, affected.files) == (100, 97, 1, 0, 3)
    assert 0 < affected.file_bytes < sum(sizes)
    whole = asker.move("0").affected
    assert (whole.offsets, whole.refused, whole.skipped, whole.file_bytes) == (150, 3, 1, sum(sizes))


def test_what_is_given_up_is_counted_and_what_kafka_has_lost_of_it(asker: Asker) -> None:
    assert asker.move("180").affected == Affected(offsets=30)
    lost = asker.move("180", cluster=ScriptedCluster(marks={ORDERS_0: (160, 200), PAYMENTS_0: (0, 1)})).affected
    assert (lost.offsets, lost.expired) == (30, 10)


def test_edges_are_those_of_what_stands_after_other_resets(asker: Asker, lake: Lake) -> None:
    again = Lake.make(lake.root, run="live-2", starts={ORDERS_0: 50})
    change(lake)
    landing = again.claim(ORDERS_0)
    landing.land(30)
    landing.land(30)
    assert (asker.move("109").target, asker.move("90").target, asker.move("60").target) == (80, 80, 50)
    assert (asker.move("30").target, asker.move("30").affected.offsets) == (0, 110)
    assert asker.move("20", ORDERS_1).way == "stays"


def test_a_partition_that_no_run_has_seen_begins_at_its_first_offset(asker: Asker) -> None:
    cluster = ScriptedCluster()
    cluster.marks[PAYMENTS_0] = (3, 10)
    move = asker.move("7", PAYMENTS_0, cluster)
    assert (move.way, move.position, move.target, move.affected) == ("forwards", 3, 7, Affected(offsets=4))
    assert asker.move("earliest", PAYMENTS_0, cluster).way == "stays"


def test_an_earliest_that_lies_inside_of_a_file_is_the_edge_behind_it(asker: Asker) -> None:
    cluster = ScriptedCluster(marks={ORDERS_0: (60, 200), PAYMENTS_0: (0, 1)})
    assert asker.move("earliest", cluster=cluster).target == 100
    with pytest.raises(UsageError, match=r"inside of a file that begins at 50, .* Of \[50, 60\) 10 records"):
        asker.move("70", cluster=cluster)
    with pytest.raises(UsageError, match=r"nothing before 60 .* --to 100 is the earliest .* Of \[20, 60\) 40 records"):
        asker.move("20", cluster=cluster)


def test_all_partitions_move_by_place_and_one_by_an_offset(asker: Asker) -> None:
    plan = asker.plan("earliest")
    assert [(move.source, move.way) for move in plan.moves] == [
        *((ORDERS_0, "backwards"), (ORDERS_1, "backwards"), (PAYMENTS_0, "stays")),
    ]
    assert any("3 dead letters among them" in remark for remark in plan.remarks)
    assert any("live-2 is a new live generation" in remark for remark in plan.remarks)
    with pytest.raises(UsageError, match="an offset means another record in each of the 3 partitions"):
        asker.plan("5")


def test_a_plan_that_changes_nothing_says_so_unless_the_group_is_elsewhere(asker: Asker) -> None:
    plan = asker.plan("150", topic="orders", partitions=[0])
    assert plan.nothing_to_do
    assert plan.remarks == ["nothing to do: the live run and the group in Kafka are there already"]
    elsewhere = asker.plan("150", ScriptedCluster(group={ORDERS_0: 190}), topic="orders", partitions=[0])
    assert not elsewhere.nothing_to_do
    assert any("group's offset in Kafka is 190, and is set to that" in remark for remark in elsewhere.remarks)


MADE_ANEW = {"orders": "new", "payments": "id-of-payments"}


def test_a_topic_made_anew_begins_where_it_is_said_and_nothing_else_moves(asker: Asker) -> None:
    cluster = ScriptedCluster(ids=MADE_ANEW)
    cluster.marks[ORDERS_1] = (7, 50)
    plan = asker.plan("earliest", cluster, recreated=True)
    assert [(move.source, move.way, move.position, move.target) for move in plan.moves] == [
        *((ORDERS_0, "anew", None, 0), (ORDERS_1, "anew", None, 7)),
    ]
    assert {move.affected for move in plan.moves} == {Affected()}
    assert plan.topic_ids == MADE_ANEW
    assert [move.target for move in asker.plan("latest", cluster, recreated=True).moves] == [200, 50]


def test_a_partition_that_only_the_new_topic_has_is_new_as_well(asker: Asker) -> None:
    cluster = ScriptedCluster(ids=MADE_ANEW)
    cluster.marks[TopicPartition("orders", 2)] = (0, 5)
    assert [move.way for move in asker.plan("latest", cluster, recreated=True).moves] == ["anew"] * 3


def test_a_topic_made_anew_is_never_moved_by_mistake(asker: Asker) -> None:
    cluster = ScriptedCluster(ids=MADE_ANEW)
    for wanted in ({}, {"topic": "payments"}):
        with pytest.raises(UsageError, match=r"orders: the topic was deleted and made anew.*--recreated"):
            asker.plan("earliest", cluster, **wanted)
    with pytest.raises(UsageError, match="all partitions of a topic that was made anew are new"):
        asker.plan("earliest", cluster, recreated=True, topic="orders", partitions=[0])
    with pytest.raises(UsageError, match="--topic payments: orders was made anew, too"):
        asker.plan("earliest", cluster, recreated=True, topic="payments")
    with pytest.raises(UsageError, match="no topic was made anew, orders, payments still have the ids"):
        asker.plan("earliest", recreated=True)


def test_edges_of_the_new_topic_are_its_own(asker: Asker, lake: Lake) -> None:
    lake.sink.register_run(replace(lake.identity, run="live-2", starts={ORDERS_0: 0}, topic_ids=MADE_ANEW))
    change(lake)
    landing = Lake.open(lake.root, "live-2").claim(ORDERS_0)
    landing.land(30)
    landing.land(30)
    move = asker.move("55", cluster=ScriptedCluster(ids=MADE_ANEW))
    assert (move.way, move.position, move.target, move.affected.offsets) == ("backwards", 60, 30, 30)


def test_a_topic_that_came_later_is_known_by_its_ledger(asker: Asker, lake: Lake) -> None:
    identity = replace(lake.identity, topic_ids={"orders": "id-of-orders"})
    (lake.root / "_runs" / "live-1.json").unlink()
    lake.sink.register_run(identity)
    lake.claim(PAYMENTS_0).land(5)
    assert asker.move("4", PAYMENTS_0).way == "backwards"
    with pytest.raises(UsageError, match="payments: the topic was deleted and made anew"):
        asker.move("4", PAYMENTS_0, ScriptedCluster(ids={"orders": "id-of-orders", "payments": "new"}))


def test_a_change_that_no_engine_has_begun_is_said(asker: Asker, lake: Lake) -> None:
    Lake.make(lake.root, run="live-2", starts={ORDERS_0: 50})
    plan = asker.plan("earliest")
    assert (plan.generation, plan.unfinished) == ("live-2", True)
    assert "no engine has begun live-2 yet" in plan.remarks[0]
    assert [move.position for move in plan.moves] == [50, 20, 0]
    assert any("live-3 is a new live generation" in remark for remark in plan.remarks)


def test_an_active_group_is_said(asker: Asker) -> None:
    cluster = ScriptedCluster(
        seats=[GroupMember("10.0.0.7", "streamlake-orders"), GroupMember("10.0.0.8", "streamlake-orders")]
    )
    (remark,) = [remark for remark in asker.plan("earliest", cluster).remarks if "is active" in remark]
    assert "streamlake-orders on 10.0.0.7, streamlake-orders on 10.0.0.8" in remark


def test_another_clusters_root_and_a_partition_that_vanishes_are_refused(asker: Asker) -> None:
    with pytest.raises(ForeignRootError, match="cluster id cluster there, other here"):
        asker.plan("earliest", ScriptedCluster(known_as="other"))
    with pytest.raises(SourceError, match="does not any more"):
        asker.plan("earliest", ScriptedCluster(gone=[ORDERS_1]))


def test_the_same_words_are_known_again_whatever_their_order() -> None:
    bound = parse_bound("-2h", option="--to", now=NOW)
    assert ResetRequest(bound, "orders", [0, 3], zone="UTC").said == (
        "--to -2h --topic orders --timezone UTC --partitions 0,3"
    )
    assert ResetRequest(bound, recreated=True).said == "--recreated --to -2h"


def test_positions_go_on_over_generations_and_topics_made_anew_begin_anew(lake: Lake) -> None:
    Lake.make(lake.root, run="live-2", starts={ORDERS_0: 50})
    change(lake)
    found = positions(lake.ledger(), lake.ledger().runs())
    assert {source: (at.next, at.run) for source, at in found.items()} == {
        ORDERS_0: (50, "live-2"),
        ORDERS_1: (20, "live-1"),
    }
    anew = replace(lake.identity, run="live-3", starts={ORDERS_1: 4}, topic_ids=MADE_ANEW)
    lake.sink.register_run(anew)
    found = positions(lake.ledger(), lake.ledger().runs())
    assert {source: (at.next, at.topic_id) for source, at in found.items()} == {ORDERS_1: (4, "new")}


def test_what_does_not_fit_together_is_shown_with_the_command_that_mends_it(asker: Asker) -> None:
    def remarks(cluster: ScriptedCluster) -> str:
        return "\n".join(offsets_of(asker.config, asker.lake.ledger(), cluster).remarks)

    assert remarks(ScriptedCluster(group={ORDERS_0: 150})) == ""
    assert "`streamlake offsets reset --to 150` sets the group" in remarks(ScriptedCluster(group={ORDERS_0: 190}))
    expired = ScriptedCluster(marks={ORDERS_0: (160, 200), PAYMENTS_0: (0, 1)})
    assert "offsets [150, 160) are gone" in remarks(expired)
    short = ScriptedCluster(marks={ORDERS_0: (0, 120), PAYMENTS_0: (0, 1)})
    assert "the ledger is at 150, past the end at 120" in remarks(short)
    assert "orders/0: the topic was deleted and made anew" in remarks(ScriptedCluster(ids=MADE_ANEW))


def test_what_kafka_lost_at_the_end_is_gone_back_to(asker: Asker) -> None:
    move = asker.move("latest", cluster=ScriptedCluster(marks={ORDERS_0: (0, 120), PAYMENTS_0: (0, 1)}))
    assert (move.way, move.asked, move.target) == ("backwards", 120, 100)
