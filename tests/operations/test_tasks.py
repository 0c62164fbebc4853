"""What tasks of a scheduler are told: sentences and plain data, and whether trying again can help."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from streamlake.config.model import PipelineConfig
from streamlake.engine.entries import RunIdentity, Totals
from streamlake.engine.errors import ConfigError, Exit, LedgerDamagedError, SourceError, StreamLakeError, UsageError
from streamlake.engine.operations.bounded_run import RunProgress, wanted
from streamlake.engine.operations.replay_run import ReplayOutcome
from streamlake.engine.operations.task_runs import Watched, landed, planned_json, planned_run, request_of, source_of
from streamlake.engine.operations.task_types import Told, moment_of, task
from streamlake.engine.records import TopicPartition
from streamlake.engine.state import EngineState, PartitionState, Phase

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ORDERS_0, ORDERS_3 = TopicPartition("orders", 0), TopicPartition("orders", 3)
RUN = RunIdentity(
    run="again",
    pipeline="orders",
    group_id="group",
    cluster_id="cluster",
    topic_ids={"orders": "id"},
    starts={ORDERS_0: 5, ORDERS_3: 0},
    created_at="2026-01-31T12:00:00.000+00:00",
    ends={ORDERS_0: 9, ORDERS_3: 4},
    output="replays/again",
    bounds="from 5 to 9",
    reads="lake",
)


@task
def raising(error: Exception) -> Told:
    raise error


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (UsageError("no"), "refused"),
        (ConfigError("no"), "refused"),
        (LedgerDamagedError("no"), "refused"),
        (SourceError("no"), "again"),
    ],
)
def test_an_error_is_told_with_its_code_and_whether_trying_again_can_help(error: StreamLakeError, verdict: str) -> None:
    told = raising(error)
    assert (told.sentence, told.verdict) == (f"{error.code}: no", verdict)


def test_what_is_nobodys_error_is_raised() -> None:
    with pytest.raises(KeyError):
        raising(KeyError("a bug"))


def test_a_planned_run_goes_through_json() -> None:
    assert planned_run(json.loads(json.dumps(planned_json(RUN)))) == RUN


def test_some_partitions_of_a_run_are_wanted_or_all() -> None:
    assert wanted(RUN) == [ORDERS_0, ORDERS_3]
    assert wanted(RUN, [source_of("orders/3")]) == [ORDERS_3]


def test_a_form_is_a_request() -> None:
    form = {"from": "5", "to": "9", "topic": "orders", "partitions": "0,3", "name": None, "pipeline": "ignored"}
    request = request_of(form)
    assert (str(request.bounds), request.topic, request.partitions) == ("from 5 to 9", "orders", [0, 3])
    with pytest.raises(UsageError, match="say to, too"):
        request_of({"from": "5"})
    assert request_of({}, both=False).bounds is None


def test_a_moment_is_a_timestamp_or_how_long_ago() -> None:
    assert moment_of(None, "since", NOW) is None
    assert moment_of("2h", "since", NOW) == NOW - timedelta(hours=2)
    assert moment_of("2026-01-31T06:00:00Z", "since", NOW) == NOW - timedelta(hours=6)
    with pytest.raises(UsageError, match="since 2026-01-31T06:00:00: has no zone"):
        moment_of("2026-01-31T06:00:00", "since", NOW)
    with pytest.raises(UsageError, match="until noon: is neither"):
        moment_of("noon", "until", NOW)


def config() -> PipelineConfig:
    kafka = {"bootstrap_servers": "127.0.0.1:1", "group_id": "group", "topics": [{"name": "orders"}]}
    sink = {"type": "file", "root": "/lake", "format": "jsonl"}
    return PipelineConfig.model_validate(
        {"pipeline": "orders", "kafka": kafka, "validator": {"type": "none"}, "sink": sink},
        context={"base_dir": None},
    )


def outcome(accounted: int, code: Exit, *, before: bool = False) -> ReplayOutcome:
    progress = RunProgress(4, accounted, Totals(landed=accounted), closed=accounted == 4)
    return ReplayOutcome(
        RUN, RUN.output, begun_before=True, finished_before=before, progress=progress, plan=None, code=code
    )


@pytest.mark.parametrize(
    ("phase", "why", "says", "verdict"),
    [
        ("fenced", "", "another start of this run has taken the partition over", "refused"),
        ("parked", "the breaker is open", "it is parked: the breaker is open", "refused"),
        ("backing off", "the disk is full", "the disk is full", "again"),
    ],
)
def test_a_landing_that_stopped_says_why(phase: Phase, why: str, says: str, verdict: str) -> None:
    watched = Watched(lambda _: None)
    state = EngineState("orders", "again", "host", 1, "")
    state.partitions = [PartitionState(ORDERS_0, phase=phase, why=why)]
    watched.tick(state)
    told = landed(config(), outcome(3, Exit.FAILED), "orders/0", watched)
    assert told.verdict == verdict
    assert "orders/0 is not finished, 3 of 4 offsets are accounted for" in told.sentence
    assert says in told.sentence


def test_a_landing_that_a_signal_stopped_is_tried_again_though_its_engine_ended_well() -> None:
    told = landed(config(), outcome(3, Exit.DONE), "orders/0", Watched(lambda _: None))
    assert (told.verdict, "it was asked to stop" in told.sentence) == ("again", True)


def test_a_landing_says_where_its_files_are() -> None:
    told = landed(config(), outcome(4, Exit.DONE), "orders/0", Watched(lambda _: None))
    assert told.verdict == "done"
    assert told.sentence.startswith("again: orders/0 has landed: 4 landed, 0 refused")
    assert told.data["files"] == "/lake/replays/again/"
    assert told.data["ledger"] == "/lake/_ledger/again/"
    before = landed(config(), outcome(4, Exit.DONE, before=True), "orders/0", Watched(lambda _: None))
    assert "had landed before, nothing was done" in before.sentence
