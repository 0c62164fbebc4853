"""The plan of a replay: bounds resolved once, what the ledger says of them, and everything that can't be meant."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.broker import pipeline_on
from support.cluster import ORDERS_0, ORDERS_1, PAYMENTS_0, Cluster, stamp
from support.lake import Lake

from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import ConfigError, ForeignRootError, SourceError, UsageError
from streamlake.engine.operations.bounds import parse_bounds
from streamlake.engine.operations.live_partition import Fates
from streamlake.engine.operations.replay_plan import ReplayRequest, plan_replay
from streamlake.engine.operations.replay_types import ReplayPlan
from streamlake.engine.records import OffsetRange, TopicPartition

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def moment(offset: int) -> str:
    return datetime.fromtimestamp(stamp(offset) / 1000, UTC).isoformat()


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

    def __call__(
        self, first: str | None, following: str | None, cluster: Cluster | None = None, **more: Any
    ) -> ReplayPlan:
        bounds = parse_bounds(first, following, now=NOW) if first and following else None
        request = ReplayRequest(bounds, **more)
        return plan_replay(self.config, self.lake.ledger(), cluster or Cluster(), request)


@pytest.fixture
def ask(config: PipelineConfig, lake: Lake) -> Asker:
    return Asker(config, lake)


def ranges(plan: ReplayPlan) -> dict[TopicPartition, tuple[int, int]]:
    return {one.source: (one.range.first, one.range.next) for one in plan.partitions}


def test_everything_is_planned_with_what_became_of_it_and_what_was_not_read_yet(ask: Asker) -> None:
    plan = ask("earliest", "latest")
    assert ranges(plan) == {ORDERS_0: (0, 200), ORDERS_1: (0, 50), PAYMENTS_0: (0, 10)}
    first, second, third = plan.partitions
    assert first.before == Fates(144, 3, 1, 2, 0, 50, first.before.file_bytes)
    assert (first.exact, len(first.expired), second.before.not_read) == (True, 0, 30)
    assert (first.records, second.records) == (148 + round(50 * 148 / 150), 50)
    assert first.file_bytes == first.before.file_bytes + round(50 * first.before.file_bytes / 150)
    assert (third.records, third.file_bytes, third.before) == (10, None, Fates(not_read=10))
    assert (plan.offsets, plan.before.landed, plan.live_run, plan.begun) == (260, 164, "live-1", None)
    assert (plan.pipeline, plan.bounds) == ("orders", "from earliest to latest")
    assert plan.output == f"replays/{plan.run}"


def test_nothing_is_written(ask: Asker) -> None:
    def everything() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in ask.lake.root.rglob("*") if path.is_file()}

    before = everything()
    ask("earliest", "latest", name="fixed")
    assert everything() == before


def test_times_are_resolved_in_each_partition(ask: Asker) -> None:
    plan = ask(moment(30), moment(120), topic="orders")
    assert ranges(plan) == {ORDERS_0: (30, 120), ORDERS_1: (30, 50)}
    assert not plan.partitions[0].exact, "the first edge cuts an entry with landed and refused records"


def test_a_time_before_what_kafka_still_has_is_found_in_what_landed(ask: Asker) -> None:
    cluster = Cluster({ORDERS_0: (120, 200), ORDERS_1: (45, 50), PAYMENTS_0: (0, 10)})
    plan = ask(moment(60), moment(180), cluster, topic="orders")
    first, second = plan.partitions
    assert ranges(plan) == {ORDERS_0: (50, 180), ORDERS_1: (50, 50)}
    assert (first.expired, second.expired) == (OffsetRange(50, 120), OffsetRange(50, 50))
    assert first.expired_before == replace(Fates(67, 1, 0, 2), file_bytes=first.expired_before.file_bytes)
    assert "orders/0: Kafka no longer has [50, 120); the live run has all of it in files" in plan.remarks
    whole = ask(moment(0), moment(60), cluster, topic="orders", partitions=[0])
    assert ranges(whole) == {ORDERS_0: (0, 100)}, "outwards to the edge of a file"


def test_what_expires_between_two_questions_is_not_taken_for_kept(ask: Asker) -> None:
    class Expiring(Cluster):
        def watermarks(self, sources: Iterable[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
            found = super().watermarks(sources)
            self.marks = {ORDERS_0: (120, 200)}
            return found

        def offsets_for_time(
            self, sources: Iterable[TopicPartition], timestamp_ms: int
        ) -> Mapping[TopicPartition, int]:
            found = super().offsets_for_time(sources, timestamp_ms)
            self.marks = {ORDERS_0: (120, 200)}
            return found

    (one,) = ask(moment(60), "latest", Expiring({ORDERS_0: (0, 200)}), topic="orders", partitions=[0]).partitions
    assert (one.range, one.expired) == (OffsetRange(50, 200), OffsetRange(50, 120))


def test_what_is_gone_from_kafka_and_not_in_files_is_said(ask: Asker) -> None:
    cluster = Cluster({ORDERS_0: (170, 200)})
    plan = ask("0", "200", cluster, topic="orders", partitions=[0])
    (remark,) = [remark for remark in plan.remarks if "no longer has" in remark]
    assert remark == (
        "orders/0: Kafka no longer has [0, 170); the live run has 147 of 170 offsets in files "
        "(1 skipped, 20 never read)"
    )
    with pytest.raises(
        UsageError, match=r"orders/0: offsets \[150, 170\) lie before what Kafka still has .* nothing is"
    ):
        ask("150", "170", cluster, topic="orders", partitions=[0])
    assert ask("100", "170", cluster, topic="orders", partitions=[0]).offsets == 70


def test_a_landed_file_or_an_entry_names_its_range(ask: Asker) -> None:
    file = ask.lake.files("raw/orders")[1]
    for said in (file.name, str(file), "live-1/orders/0/2", str(ask.lake.files("_ledger/live-1/orders/00000")[2])):
        plan = ask(None, None, run_of=said)
        assert ranges(plan) == {ORDERS_0: (50, 100)}, said
    assert plan.bounds.startswith("from 50 to 100, the range of ")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("live-1/orders/0/0", "is a claim, which accounts for no offsets"),
        ("live-1/orders/0/99", "no ledger entry here names it"),
        ("live-9/orders/0/1", "no ledger entry here names it"),
        ("orders-00000-00000000000000000050-00000000000000000101.live-1.parquet", "no ledger entry here names it"),
        ("something else", "no ledger entry here names it"),
    ],
)
def test_what_never_landed_has_no_range(ask: Asker, said: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        ask(None, None, run_of=said)


@pytest.mark.parametrize(
    ("first", "following", "more", "why"),
    [
        ("0", "201", {"topic": "orders", "partitions": [0]}, "--to 201: lies in the future: orders/0 ends at 200"),
        (
            "100",
            moment(50),
            {"topic": "orders", "partitions": [0]},
            "--from 100 is offset 100 there, .* is 50: it would",
        ),
        ("0", "9", {}, "an offset means another record in each of the 3 partitions"),
        ("0", "9", {"topic": "orders"}, "an offset means another record in each of the 2 partitions"),
        ("earliest", "latest", {"topic": "order"}, r"--topic order: is none .* did you mean orders\?"),
        ("earliest", "latest", {"topic": "zzz"}, "it reads orders, payments"),
        ("earliest", "latest", {"partitions": [0]}, "--partitions: which topic's"),
        ("earliest", "latest", {"topic": "orders", "partitions": [0, 2]}, "--partitions 2: orders has 2 partitions"),
        ("earliest", "latest", {"name": "a/b"}, "--name: 'a/b' can't name a run"),
        ("earliest", "latest", {"name": "live-7"}, "names that begin with live- are those of live runs"),
        ("earliest", "latest", {"run_of": "live-1/orders/0/1"}, "--run-of has a range of its own"),
        (None, None, {}, "say what to replay"),
        (None, None, {"run_of": "live-1/orders/0/1", "partitions": [0]}, "--run-of has a range of its own"),
    ],
)
def test_what_cant_be_meant_is_answered_with_what_to_do(
    ask: Asker, first: str | None, following: str | None, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        ask(first, following, **more)


def test_an_offset_is_meant_where_the_topic_has_one_partition_or_some_are_named(ask: Asker) -> None:
    assert ranges(ask("1", "9", topic="payments")) == {PAYMENTS_0: (1, 9)}
    assert ranges(ask("1", "9", topic="orders", partitions=[0, 1])) == {ORDERS_0: (1, 9), ORDERS_1: (1, 9)}


def test_a_topic_or_partition_that_the_cluster_does_not_have_is_said(ask: Asker) -> None:
    with pytest.raises(ConfigError, match=r"the cluster at 127\.0\.0\.1:1 has no topic 'payments'"):
        ask("earliest", "latest", Cluster(ids={"orders": "id-of-orders"}))

    class Vanishing(Cluster):
        def watermarks(self, sources: Iterable[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
            return {source: marks for source, marks in super().watermarks(sources).items() if source != ORDERS_1}

    with pytest.raises(SourceError, match="orders/1: the cluster knew this partition a moment ago"):
        ask("earliest", "latest", Vanishing())


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        (Cluster(known_as="other"), "run live-1 says cluster id cluster there, other here"),
        (
            Cluster(ids={"orders": "new", "payments": "id-of-payments"}),
            "topic id of orders id-of-orders there, new here",
        ),
    ],
)
def test_a_ledger_of_another_cluster_or_topic_is_refused(ask: Asker, cluster: Cluster, why: str) -> None:
    with pytest.raises(ForeignRootError, match=why):
        ask("earliest", "latest", cluster)


def test_a_ledger_of_another_pipeline_or_group_is_refused(ask: Asker) -> None:
    other = replace(ask, config=ask.config.model_copy(update={"pipeline": "payments"}))
    with pytest.raises(ForeignRootError, match="pipeline orders there, payments here"):
        other("earliest", "latest")
    kafka = ask.config.kafka.model_copy(update={"group_id": "g2"})
    with pytest.raises(ForeignRootError, match="group id group there, g2 here"):
        replace(ask, config=ask.config.model_copy(update={"kafka": kafka}))("earliest", "latest")


def test_a_topic_made_anew_that_the_run_file_does_not_know_is_seen_in_its_entries(tmp_path: Path, ask: Asker) -> None:
    grown = Lake.make(tmp_path / "grown", topic_ids={"payments": "id-of-payments"})
    grown.identity.topic_ids["orders"] = "old"  # type: ignore[index]  # a topic that the pipeline has got since
    grown.claim(ORDERS_0).land(5)
    with pytest.raises(ForeignRootError, match=r"orders/0: the topic was deleted and made anew: .* of topic id old"):
        replace(ask, lake=grown)("earliest", "latest")


def test_a_name_is_made_from_the_offsets_so_that_the_same_ones_have_the_same(ask: Asker) -> None:
    one = ask("10", "20", topic="orders", partitions=[0])
    assert one.run == ask("10", "20", topic="orders", partitions=[0]).run
    assert one.run.startswith("replay-")
    assert one.run != ask("10", "21", topic="orders", partitions=[0]).run
    assert ask("10", "20", topic="orders", partitions=[0], name="fixed.2").output == "replays/fixed.2"


def test_a_topic_made_anew_has_other_names_for_the_same_offsets(tmp_path: Path, ask: Asker) -> None:
    empty = Lake.make(tmp_path / "empty", topic_ids={"returns": "id"})
    made_anew = Cluster(ids={"orders": "new", "payments": "id-of-payments"})
    asked = replace(ask, lake=empty)
    assert asked("1", "9", topic="payments").run == asked("1", "9", made_anew, topic="payments").run
    assert asked("earliest", "latest").run != asked("earliest", "latest", made_anew).run


def test_a_run_of_another_topic_has_not_begun_this_one(ask: Asker) -> None:
    others = replace(
        ask.lake.identity, run="fix", topic_ids={"orders": "old"}, starts={ORDERS_0: 1}, ends={ORDERS_0: 9}
    )
    ask.lake.sink.register_run(others)
    with pytest.raises(ForeignRootError, match="run fix says topic id of orders old there, id-of-orders here"):
        ask("1", "9", name="fix", topic="orders", partitions=[0])


def test_a_run_that_has_begun_is_told_and_its_name_is_taken_for_other_bounds(ask: Asker) -> None:
    sink = ask.lake.sink
    began = replace(ask.lake.identity, run="fix", starts={ORDERS_0: 10}, ends={ORDERS_0: 40}, created_at="2026-02-01")
    sink.register_run(began)
    chosen: dict[str, Any] = {"topic": "orders", "partitions": [0]}
    plan = ask("10", "40", name="fix", **chosen)
    assert plan.begun is not None
    assert (plan.begun.created_at, plan.begun.accounted, plan.live_run) == ("2026-02-01", 0, "live-1")
    Lake(ask.lake.root, sink, began).claim(ORDERS_0).land(20)
    plan = ask("10", "40", name="fix", **chosen)
    assert plan.begun is not None
    assert plan.begun.accounted == 20
    for first, following, which in [
        ("10", "41", chosen),
        ("9", "40", chosen),
        ("10", "40", {**chosen, "partitions": [1]}),
    ]:
        with pytest.raises(
            UsageError, match=r"--name fix: is taken by other bounds, since 2026-02-01: orders/[01] is "
        ):
            ask(first, following, name="fix", **which)


def test_of_several_generations_the_newest_is_the_live_one(ask: Asker) -> None:
    sink = ask.lake.sink
    for number in (2, 10):
        sink.register_run(replace(ask.lake.identity, run=f"live-{number}", created_at=f"20{30 - number}-01-01"))
    plan = ask("earliest", "latest")
    assert (plan.live_run, plan.before.not_read) == ("live-10", 90)  # what live-1 has landed stands


def test_an_empty_root_is_planned_by_what_kafka_says_alone(tmp_path: Path, ask: Asker) -> None:
    empty = Lake.make(tmp_path / "empty")
    for run in empty.files("_runs"):
        run.unlink()
    plan = replace(ask, lake=empty)("earliest", "latest")
    assert (plan.records, plan.file_bytes, plan.live_run, plan.pace) == (260, None, None, None)
    assert "no run has landed anything here yet" in plan.remarks[0]


def test_bounds_between_which_nothing_lies_say_so(ask: Asker) -> None:
    plan = ask("2026-02-01T00:00Z", "latest")
    assert (plan.offsets, plan.remarks) == (0, ["nothing lies between these bounds"])


def test_time_is_expected_at_the_pace_that_was_seen_and_by_as_many_workers_as_there_are(ask: Asker) -> None:
    landing = ask.lake.claim(PAYMENTS_0)
    landing.end.__dict__["_now"] = lambda: datetime(2040, 1, 1, tzinfo=UTC)
    landing.land(10)
    landing.end.__dict__["_now"] = lambda: datetime(2040, 1, 1, 0, 0, 2, tzinfo=UTC)
    landing.land(20)
    plan = ask("earliest", "latest", Cluster({PAYMENTS_0: (0, 50)}), topic="payments")
    assert plan.pace is not None
    assert (plan.pace.records_per_second, plan.pace.seen_in, plan.pace.seconds) == (10.0, PAYMENTS_0, 5.0)
    workers = ask.config.workers.model_copy(update={"max": 1})
    few = replace(ask, config=ask.config.model_copy(update={"workers": workers}))("earliest", "latest")
    many = ask("earliest", "latest")
    assert few.pace is not None
    assert many.pace is not None
    assert few.pace.seconds == pytest.approx(few.records / few.pace.records_per_second)
    assert many.pace.seconds == pytest.approx(many.partitions[0].records / many.pace.records_per_second)


def test_cpu_time_is_expected_as_records_took_when_they_landed(ask: Asker) -> None:
    assert ask("earliest", "latest", topic="payments").cpu_seconds is None
    landing = ask.lake.claim(PAYMENTS_0)
    record = replace(landing.stage(10), cpu_seconds=0.5)
    assert landing.end.commit(record).cpu_seconds == 0.5
    landing.end.publish(record)
    plan = ask("earliest", "latest", Cluster({PAYMENTS_0: (0, 50)}), topic="payments")
    assert plan.cpu_seconds == pytest.approx(50 * 0.5 / 10)
